"""The two forms of what sys.monitoring calls, in C and in Python, record the same."""

import collections
import sys

import pytest

if not hasattr(sys, 'monitoring'):
    pytest.skip('the fork has code probes', allow_module_level=True)

from condcov.code.parsing import Tables
from condcov.record import monitoring, monitoring_core
from condcov.record.planner import plan
from support.decision_programs import collected
from support.decision_values import Values

_monitoring_core = pytest.importorskip('condcov.record._monitoring_core', exc_type=ImportError,
                                       reason='condcov was installed without the form in C')
FORMS = {'C': _monitoring_core.Core, 'Python': monitoring_core.Core}


def harvests(core, text, numbers, counts, runs):
    """What is new after each run of a program, and the incomplete paths; the runs say whether to record it again."""
    tables = Tables(text, 'program')
    monitoring_now = monitoring.Core
    monitoring.Core = core
    try:
        recorder = monitoring.Recorder(
            lambda code: plan(code, tables).probes if code.co_filename == 'program' else None, counts=counts)
    finally:
        monitoring.Core = monitoring_now
    code = compile(text, 'program', 'exec')
    recorder.start()
    found = []
    try:
        for rearm in runs:
            namespace = Values(numbers).namespace()
            exec(code, namespace)
            namespace['main']()
            found.append(recorder.harvest(rearm=rearm))
    finally:
        recorder.stop()
    found.append(recorder.harvest())
    left = collections.Counter()
    for harvest in found:
        for code, _, _, paths in harvest:
            for number, *path, ended, count in paths:
                if not ended:
                    left[code.co_name, code.co_firstlineno, number, *path] += count
    whole = [sorted((code.co_name, code.co_firstlineno, sorted(lines), sorted(jumps),
                     sorted(path for path in paths if path[3]))
                    for code, lines, jumps, paths in harvest if any(path[3] for path in paths) or lines or jumps)
             for harvest in found]
    # When an evaluation that an exception has left is noticed depends on where the next frame is in memory. Without
    # counts, it is not recorded any more if all whole paths were seen before.
    return whole, left if counts else None


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore::SyntaxWarning')     # the programs have `2 is n()`
@pytest.mark.parametrize('counts', [False, True])
def test_both_forms_record_the_same(counts):
    compared = 0
    for text, numbers in collected(100):
        one, two = (harvests(core, text, numbers, counts, (False, True, False)) for core in FORMS.values())
        assert one == two, text
        compared += any(paths for harvest in one[0] for *_, paths in harvest)
    assert compared > 50


@pytest.mark.parametrize('form', FORMS)
def test_the_callbacks_survive_other_arguments(form):
    core = FORMS[form](False, lambda: None)
    code = compile('if a and b: pass', 'x', 'exec')
    disable = sys.monitoring.DISABLE
    assert code not in core
    assert core.branch(code, 0, 2) is core.left(code, 0, 2) is core.right(code, 0, 2) is disable
    assert core.instruction(code, 0) is core.line(code, 1) is disable
    assert core.handled(code, 0, StopAsyncIteration()) is None
    assert core.add(code, (0,), (), ()) and not core.add(code, (0,), (), ())
    assert code in core and core.codes() == [code]
    assert core.branch(code, 10_000, 2) is core.instruction(code, 10_000) is disable
    assert core.instruction(code, 0) is disable
    assert core.harvest() == [(code, (0,), (), ())]
    assert core.harvest() == []
    assert core.forget() == [code] and core.forget() == []
    core.end_evaluations()
    assert not core.needs_handlers()


def test_the_form_in_c_checks_what_it_is_given():
    core = _monitoring_core.Core(False, lambda: None)
    code = compile('if a and b: pass', 'x', 'exec')
    pair = ((1, -1), (-1, -1)), 3
    for wrong, error in [((code, (10_000,), (), ()), ValueError), ((code, (-1,), (), ()), ValueError),
                         ((code, ('a',), (), ()), TypeError), (('', (), (), ()), TypeError),
                         ((code, [], (), ()), TypeError), ((code, (), (1,), ()), TypeError),
                         ((code, (), ((3, 0, (0,), 2, -1, -1, None, None),), ()), ValueError),
                         ((code, (), ((0, 0, (0,), 2, 0, 0, None, None),), ()), ValueError),
                         ((code, (), ((0, 0, (0,), 2, 0, 2, None, None),), (pair,)), ValueError),
                         ((code, (), ((0, 0, (10_000,), 2, 0, 0, True, False),), (pair,)), ValueError),
                         ((code, (), (), (((0, -1),),)), TypeError)]:
        with pytest.raises(error):
            core.add(*wrong)
    assert core.codes() == []
    for callback in core.branch, core.left, core.right, core.instruction, core.line, core.handled:
        for arguments in (), (1, 2, 3), (code,), (1, 2):
            with pytest.raises(TypeError):
                callback(*arguments)
    core.add(code, (0,), (), ())
    with pytest.raises(TypeError):
        core.branch(code, '', 2)
