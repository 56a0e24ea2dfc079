"""Only the parts of a file are parsed whose decisions are needed, with the same result."""

import gc
import inspect
import pathlib

import pytest

from condcov.analysis.coverable import code_objects
from condcov.code import bytecode, jumps, parsing
from condcov.record import planner

LIBRARY = pathlib.Path(inspect.__file__).parent


def plans(text, tables):
    code = compile(text, 'example.py', 'exec', dont_inherit=True)
    made = [planner.plan(each, tables) for each in code_objects(code)]
    return [(plan.probes, *plan.meaning) for plan in made]


def parts(text):
    return parsing.Tables(text.encode(), 'example.py')


def whole(text):
    tables = parts(text)
    tables.of_file()
    return tables


@pytest.mark.parametrize('name', ['argparse', 'ast', 'inspect', 'typing', 'test/test_patma', 'test/test_coroutines'])
def test_parts_of_the_library_have_the_same_plans(name):
    file = LIBRARY / f'{name}.py'
    if not file.exists():
        pytest.skip('this interpreter has no tests')
    text = file.read_text('utf-8')
    assert plans(text, parts(text)) == plans(text, whole(text))


PROGRAM = '''\
def f(a, b):
    return a and b

def g(
        a, b):
    if a: return b

@f(f, lambda a: a or None)
@f(f,
   lambda a: not a and f)
def h(x):
    return [y for y in x if y or f]

class C:
    async def i(self, x):
        async for y in x:
            if y is None:
                break
if f and g:
    str()
'''


def test_a_jump_goes_from_part_to_part():
    text = 'while str:\n    try:\n        if int: break\n    finally:\n        bool\n\n@str\ndef f():\n    pass\n'
    assert (3, 7) in {arc for facts in plans(text, parts(text)) for arcs in facts[2].values() for arc in arcs}
    assert plans(text, parts(text)) == plans(text, whole(text))


def test_parts():
    tables = parts(PROGRAM)
    assert plans(PROGRAM, tables) == plans(PROGRAM, whole(PROGRAM)) and tables._whole._table is None


def test_the_jumps_of_a_code_object_are_matched_once(monkeypatch):
    matched = []
    real = jumps.jumps_of
    monkeypatch.setattr(jumps, 'jumps_of', lambda code, *rest: matched.append(code) or real(code, *rest))
    plans(PROGRAM, parts(PROGRAM))
    assert matched and len({*matched}) == len(matched)


def test_the_tables_of_few_parts_are_kept(monkeypatch):
    monkeypatch.setattr(parsing, 'MOST_PARTS', 5)
    text = ''.join(f'def f{number}(a):\n    return a or {number}\n' for number in range(200))
    tables = parts(text)
    before = len(gc.get_objects())
    plans(text, tables)
    assert len(gc.get_objects()) < before + 200
    assert plans(text, tables) == plans(text, whole(text))


def test_code_without_tests_needs_no_parsing(monkeypatch):
    monkeypatch.setattr(parsing.ast, 'parse', None)
    text = 'def f():\n    str()\n\nf()\n'
    assert [{*facts[1].values()} for facts in plans(text, parts(text))] == [{1, 4}, {2}]


@pytest.mark.parametrize('text', [
    # What looks like a function is in a string.
    'x = """\ndef f(a):\n    if a: pass\n""" if str else """\ndef g():\n    pass\n"""\n',
    'def f(a):\n    b = """\ndef g(a):\n"""\n    if a or b:\n        return 1\n',
    'x = f"""{int and\nstr}"""\ny = """\ndef f(a): return a and b\n"""\nz = int and x\n',
    'x = (str\n@int and\nint) if 0 else 1\n@str\ndef f(a=int and str): pass\n',
    # It would be valid by itself, and the same tests would be code in it, but not in the same loop.
    """i = 0\nwhile True:\n    y = '''\ndef g(a):\n    "''' #"\n    if i: break\n    i += 1\nw = 1\n""",
    """while str:\n    y = '''\ndef g(a):\n    "''' #"\n    for i in y:\n        if i: break\nw = 1\n""",
    """# '''\nwhile str:\n    y = "'" + '''\ndef g(a):\n    "''' #"\n    if int: continue\n    int()\nw = 1\n""",
    """y = "\\"'''"\nwhile str:\n    y = r'''\\'''\ndef g(a):\n    "''' #"\n    if int: break\n    int()\nw = 1\n""",
])
def test_parts_that_are_not_valid_by_themselves(text):
    assert plans(text, parts(text)) == plans(text, whole(text))


def test_a_test_is_in_the_part_of_its_line():
    tables = parts(PROGRAM)
    code = compile(PROGRAM, 'example.py', 'exec', dont_inherit=True).co_consts[0]
    table, _ = tables.of_code(bytecode.Instructions(code))
    assert {span.line for span in table.values} == {2}
