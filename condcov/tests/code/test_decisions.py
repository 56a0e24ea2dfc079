"""Decisions, conditions and their jumps: against the syntax tree, by running programs, and in the standard library."""

import ast
import collections
import glob
import os
import random
import sys
import textwrap
import warnings

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, given

from condcov.analysis.coverable import analyse, code_objects
from condcov.code import bytecode, decisions
from condcov.code.jumps import jumps_of
from condcov.code.source_text import decoded
from condcov.errors import CondcovError
from condcov.record.interpreter import SEES_EMPTY_JUMPS, Recorder
from support.decision_programs import NUMBERS, programs
from support.decision_values import Values
from support.interpretation import paths_of
from support.planned import Planned
from support.slow_recorder import SlowRecorder

KINDS = {'if', 'while', 'assert', 'ternary', 'comprehension', 'boolean', 'comparison', 'case', 'for', 'except'}
VERSION = '{}.{}'.format(*sys.version_info)
PROGRAMS = os.environ.get('ORACLE_PROGRAMS')

settings = hypothesis.settings(
    max_examples=int(PROGRAMS or 300), derandomize=PROGRAMS is None, deadline=None, database=None, print_blob=False,
    phases=(Phase.generate, Phase.shrink), suppress_health_check=list(HealthCheck))


traces = pytest.mark.skipif(not hasattr(sys, 'settracestate'), reason='only the fork traces instructions')


def exact(select):
    """The recorder of the interpreter, with counts."""
    return Recorder(select, counts=True)


def record(text, namespace, run, recorder):
    """Run a program; return (Source, Seen, the keys of the decisions that the plans call unknown, recorder)."""
    planned = Planned(text)
    recorder = recorder(planned)
    recorder.start()
    try:
        exec(compile(text, 'program', 'exec'), namespace)
        run()
    finally:
        recorder.stop()
    assert not (planned.unknown and SEES_EMPTY_JUMPS)
    return *planned.seen(recorder), planned.unknown, recorder


def difference(text, numbers, recorder):
    """The differences between record and interpretation, {key: (interpreted, recorded)}; and the record."""
    values = Values(numbers)
    namespace = values.namespace()
    interpreted = paths_of(text, namespace, lambda: namespace['main']())
    again = Values(numbers)
    namespace = again.namespace()
    source, seen, unknown, recorder = record(text, namespace, lambda: namespace['main'](), recorder)
    assert values.taken == again.taken
    if getattr(recorder, 'ambiguous', None):
        return {}, {}
    assert seen.paths.keys() <= {decision.key for decision in source.decisions}
    return {key: (interpreted.get(key), seen.paths.get(key))
            for key in (interpreted.keys() | seen.paths.keys()) - unknown if interpreted.get(key) != seen.paths.get(key)}, seen.paths


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore::SyntaxWarning')     # the programs have `2 is n()`
@pytest.mark.parametrize('recorder, share', [(exact, 1), pytest.param(SlowRecorder, 30, marks=traces)])
def test_paths_are_those_of_the_interpretation(recorder, share):
    compared, kinds, marks = 0, collections.Counter(), set()

    @hypothesis.settings(settings, max_examples=settings.max_examples // share)
    @given(programs(), NUMBERS)
    def check(text, numbers):
        nonlocal compared
        found, paths = difference(text, numbers, recorder)
        assert not found, f'{found}, in this program:\n{text}'
        compared += 1
        for key in paths:
            kinds[key[-1]] += 1
            marks.update(*paths[key])

    check()
    assert compared >= settings.max_examples // share
    assert share > 1 or kinds.keys() == KINDS and marks == set('TF-e!')
    print(f'{compared} programs, {sum(kinds.values())} decisions')


@pytest.mark.parametrize('before', ['', 'case 7: return', 'case 1: pass', 'case 1 if c(): continue', 'case 1:\n if c(): f()',
                                    'case 1:\n  try: return c()\n  finally:\n   if c(): f()'])
@pytest.mark.parametrize('pattern', ['1', 'None', 'None|1', '[1]', '[a, None]', 'str(a)', '1 as x', '1 if c()', '(1|None) if c()'])
def test_the_last_case_of_a_loop(before, pattern):
    """A jump back is inverted from 3.12 on. The jump of `case None` tests no value computed just before it."""
    text = ('def main():\n for _ in range(6):\n  try: loop()\n  except Boom: f()\n'
            'def loop():\n for _ in range(3):\n  match n():\n'
            f'{textwrap.indent(before, "   ")}\n   case {pattern}: f()\n')
    for number in range(4):
        assert difference(text, [number, 0, 3, 5, 1], exact)[0] == {}


@pytest.mark.parametrize('statement', [
    'return (c() and [q async for q in items()]) and c()', 'if (c() and c() and [q async for q in items() if q]) is None: f()',
    'if c() and [q async for q in items() if q or n()]: f()', 'return [q async for q in items()] is not None and c()'])
def test_the_end_of_an_asynchronous_comprehension(statement):
    """From 3.12 on, it is in a handler at the end of the function, far from the jump that tests the value."""
    text = (f'async def one():\n {statement}\n'
            'def main():\n for _ in range(6):\n  try: one().send(None)\n  except (Boom, StopIteration): f()\n')
    for number in range(4):
        assert difference(text, [number, 0, 3, 1, 0], exact)[0] == {}


@traces
def test_a_wrong_path_is_found():
    """The comparison can fail: inverting any jump changes a path."""
    text = 'def main():\n    for i in (0, 1):\n        x = 1 if i and c() else 2\n'

    class Turned(SlowRecorder):
        def __init__(self, select):
            def turned(code):
                probes = select(code)
                if probes is None or not probes[2]:
                    return probes
                lines, jumps, decisions = probes
                return lines, tuple((*jump[:3], jump[4], jump[3]) for jump in jumps), decisions
            super().__init__(turned)

    assert difference(text, [0, 3], SlowRecorder)[0] == {}
    found, _ = difference(text, [0, 3], Turned)
    assert list(found) == [(3, 17, 3, 26, 'ternary')]


@pytest.fixture(scope='module')
def library():
    """Source files of the standard library: a sample, or all with ORACLE_PROGRAMS."""
    root = os.path.dirname(os.__file__)
    files = sorted(glob.glob(f'{root}/**/*.py', recursive=True))
    files = [file for file in files if 'site-packages' not in file and 'lib2to3/tests/data' not in file
             and '/bad' not in file]
    assert len(files) > 100
    chosen = files if PROGRAMS else random.Random(6).sample(files, 40)
    always = ('textwrap.py', 'asyncio/base_events.py', 'test/test_patma.py', 'test/test_except_star.py',
              'test/test_with.py')
    return sorted({*chosen, *(f'{root}/{name}' for name in always if os.path.exists(f'{root}/{name}'))})


@pytest.mark.slow
def test_every_conditional_jump_of_the_library_is_known(library):
    unknown, without, kinds = [], [], collections.Counter()
    for file in library:
        with open(file, 'rb') as source:
            text = decoded(source.read(), file)
        found, table = decisions.find(ast.parse(text), text)
        tested = collections.defaultdict(set)
        for code in code_objects(compile(text, file, 'exec', dont_inherit=True)):
            for jump in jumps_of(bytecode.Instructions(code), table):
                kinds[jump.operand.decision.kind if jump.operand else jump.reason] += 1
                if jump.operand:
                    tested[jump.operand.decision.key].add(jump.operand.condition)
                elif not jump.reason:
                    unknown.append((file, code.co_name, jump.index))
        for decision in found:
            if decision.key in tested:      # otherwise it is in dead code
                without += [(file, condition) for index, condition in enumerate(decision.conditions) if condition.tested
                            and condition.constant is None and index not in tested[decision.key]]
    assert not unknown
    assert not without
    assert kinds['the exit of a with'] and kinds['if'] > 500
    print(kinds)


def test_one_instruction_is_read_as_all_are():
    long = compile('for x in y:\n' + '    if x and y: f(x)\n' * 100, 'long', 'exec')
    with open(ast.__file__, encoding='utf-8') as file:
        library = compile(file.read(), 'ast', 'exec')
    extended = 0
    for code in [long, *code_objects(library)]:
        instructions, raw = bytecode.Instructions(code), code.co_code
        offsets = [instructions.offset(index) for index in range(len(instructions))]
        for index, (offset, following) in enumerate(zip(offsets, [*offsets[1:], -1], strict=True)):
            assert bytecode.at(raw, offset) == (instructions.ops[index], instructions.place(index), following)
            extended += instructions.place(index) > offset
    assert extended
    for wrong in -2, 1, len(raw):
        assert bytecode.at(raw, wrong) is None


def test_dead_code_has_no_decision():
    source = analyse('if 0 and x:\n    y = a and b\nwhile True:\n    if x or y: break\ny = a or True or b\n', 'x')
    texts = [(decision.kind, [condition.text for condition in decision.conditions]) for decision in source.decisions]
    assert texts == [('if', ['x', 'y']), ('boolean', ['a', 'True'])]
    source = analyse('def f():\n    return 1\n    if a: b\n', 'x')
    assert not source.decisions


@pytest.mark.parametrize('expression, texts, ways', [
    ('a and b or c', ['a', 'b', 'c'], [(1, 2), (-1, 2), (-1, -2)]),
    ('not (a and b)', ['a', 'b'], [(1, -1), (-2, -1)]),
    ('a < (b) < f(c)', ['a < (b)', '(b) < f(c)'], [(1, -2), (-1, -2)]),
    ('(a if b else c) and d', ['b', 'a', 'c', 'd'], [(1, 2), (3, -2), (3, -2), (-1, -2)]),
    ('a and True', ['a', 'True'], [(-1, -2), (-1, -1)]),
    ('a and False', ['a', 'False'], [(-2, -2), (-2, -2)]),
    ('True and a', ['True', 'a'], [(1, 1), (-1, -2)]),
    ('a or True or b', ['a', 'True'], [(-1, -1), (-1, -1)]),
    ('"é" + a and b', ['"é" + a', 'b'], [(1, -2), (-1, -2)]),
])
def test_conditions_and_where_control_goes_after_them(expression, texts, ways):
    decision, = analyse(f'if {expression}:\n    x\n', 'x').decisions
    assert [condition.text for condition in decision.conditions] == texts
    assert [(condition.on_true, condition.on_false) for condition in decision.conditions] == ways
    assert decision.span == (1, 3, 1, 3 + len(expression.encode()))
    assert all(condition.tested for condition in decision.conditions)


def test_last_operand_of_a_value_is_not_tested():
    decision, = analyse('x = (a and b) or c', 'x').decisions
    assert [condition.tested for condition in decision.conditions] == [True, True, False]
    outer, inner = analyse('x = a < b < c or d', 'x').decisions
    assert (inner.kind, [condition.tested for condition in inner.conditions]) == ('boolean', [True, False])
    assert (outer.kind, [condition.tested for condition in outer.conditions]) == ('comparison', [True, False])


def test_what_coverage_leaves_out_is_left_out():
    text = 'if a:  # pragma: no cover\n    b and c\nif d:  # pragma: no branch\n    e\nif f: # skip it\n    g\n'
    source = analyse(text, 'x')
    assert [decision.span.line for decision in source.decisions] == [5]
    assert (source.lines, source.excluded) == ({3, 4, 5, 6}, {1, 2})
    assert source.assumed == {arc for arc in source.arcs if arc[0] == 3} and len(source.assumed) == 2
    assert [decision.span.line for decision in analyse(text, 'x', exclude='skip it').decisions] == [1, 2]


@pytest.mark.parametrize('text, message', [
    ('x = = 1\n', f'cannot parse x.py as Python {VERSION}: '),
    ('x = 1\0\n', f'cannot parse x.py as Python {VERSION}: '),
    (b'# coding: nonsense\n', 'cannot decode x.py: '),
    (b'x = "\xff"\n', 'cannot decode x.py: '),
])
def test_a_file_that_is_no_source_is_named_in_one_line(text, message):
    with pytest.raises(CondcovError) as raised:
        analyse(text, 'x.py')
    assert str(raised.value).startswith(message) and '\n' not in str(raised.value)


def test_source_is_decoded_as_python_does():
    source = analyse(b'# coding: latin-1\r\nif "\xe9" < a and b:\r\n    x\r\n', 'x')
    decision, = source.decisions
    assert [(condition.text, condition.span) for condition in decision.conditions] == [
        ('"é" < a', (2, 3, 2, 11)), ('b', (2, 16, 2, 17))]
    assert analyse('', 'empty').lines == frozenset()


def test_program_is_not_warned_a_second_time():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        analyse('assert (x, "message")\nx is 1\n"\\d"\n', 'x')
    assert not caught


def test_many_conditions_are_seen_one_by_one():
    text = 'def main():\n    x = 1 if ' + ' and '.join(['o'] * 70) + ' else 2\n'
    _, seen, _, _ = record(text, namespace := Values([0]).namespace(), lambda: namespace['main'](), exact)
    (paths,) = [paths for key, paths in seen.paths.items() if key[-1] == 'ternary']
    assert set(paths) == {'-' * index + 'T' + '-' * (69 - index) + '!' for index in range(70)}


if __name__ == '__main__':
    pytest.main([__file__])
