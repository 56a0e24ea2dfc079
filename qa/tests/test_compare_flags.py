"""The outcomes of the standard library's tests do not depend on tracing; python -m qa.compare flags would notice."""

import subprocess
import sys

import pytest

from qa import ROOT
from qa.compare import flags
from qa.compare.flags import COMBINATIONS, Report
from qa.compare.flags_corpus import EXCEPTIONS, MODULES, Listed
from qa.compare.judge import Item, Outcome
from qa.process import Trouble

QUICK = ['test.test_generators', 'test.test_with', 'test.test_named_expressions']
FULL = 'lines+all instructions+branches'
FEW = {name: COMBINATIONS[name] for name in ('calls', FULL, 'some instructions')}


@pytest.fixture
def compare(python, tmp_path):
    """The report on a module with this text, or on modules of the standard library."""
    def compare(text=None, exceptions=EXCEPTIONS, names=('fake_tests',), wanted=FEW, stock=None):
        if text is not None:
            tmp_path.joinpath('fake_tests.py').write_text(f'import sys, unittest\n{text}')
        judgement = flags.judgement_on(python, names, wanted, [tmp_path], jobs=2)
        return Report(judgement, wanted, exceptions, stock and (
            lambda names: flags.judgement_on(stock, names, flags.ON_STOCK, [tmp_path])))
    return compare


def case(body):
    return f'class Case(unittest.TestCase):\n    def test_it(self):\n        {body}\n'


@pytest.mark.slow
def test_quick_modules_have_the_same_outcome(compare):
    report = compare(names=QUICK, exceptions=EXCEPTIONS)
    assert not report.wrong, report.text({})
    assert all(len(result.tests) > 10 for result in report.modules.values())
    assert all(run.events['call'] > 1000 for run in report.all_runs())


def test_every_combination_that_differs_in_meaning():
    installed = [combination for combination in COMBINATIONS.values() if 'settrace' not in combination]
    assert len(installed) == len({str(combination) for combination in installed}) == 12
    assert {'calls', 'lines', 'lines+some instructions+branches', 'settrace+opcodes'} < COMBINATIONS.keys()


def test_corpus():
    names = MODULES.split()
    assert len(names) == len(set(names)) >= 100
    for pattern, listed in EXCEPTIONS.items():
        assert pattern.split('.')[1].split(' ')[0] in names and listed.reason


LINES = case('self.assertFalse(sys.gettracestate()["tracefunc"] and sys.gettracestate()["trace_lines"])')


def test_outcome_that_depends_on_tracing(compare):
    report = compare(LINES)
    assert report.wrong == [f'fake_tests.Case.test_it: failed under {FULL}, passed untraced']
    assert 'outcomes        3, 1 of which differ from the untraced ones\nnot listed      1\n' in report.text({})
    assert '    | AssertionError: True is not false\n' in report.text({})


def test_outcome_that_is_listed(compare):
    report = compare(LINES, {'fake_tests.Case.*': Listed('it looks')})
    assert not report.wrong
    assert 'outcomes        3, 1 of which differ from the untraced ones\nnot listed      0\n' in report.text({})
    assert f'  fake_tests.Case.*\n    it looks\n    passed untraced; failed under {FULL}\n' in report.text({})


def test_exception_that_matches_nothing(compare, monkeypatch):
    monkeypatch.setattr(flags, 'COMBINATIONS', FEW)
    stale = {'fake_tests.Case.test_it': Listed('it looked'), 'other_tests.Case.test_it': Listed('not run')}
    assert compare(case('pass'), stale).wrong == [
        'the exception fake_tests.Case.test_it matches no difference; take it out']
    # with fewer combinations, an exception may not be needed
    assert not compare(case('pass'), stale, wanted={'calls': FEW['calls']}).wrong


def test_what_is_said_of_stock(compare, stock_python):
    asks = case('self.assertIsNone(sys.gettrace())')
    forked = case('self.assertIsNone(getattr(sys, "gettracestate", lambda: {"tracefunc": None})()["tracefunc"])')
    exceptions = {'fake_tests.Case.test_it': Listed('it asks', on_stock=True)}
    assert not compare(asks, exceptions, stock=stock_python).wrong
    assert compare(forked, exceptions, stock=stock_python).wrong == [
        'the exception fake_tests.Case.test_it claims the same difference on stock CPython, but there is none']


@pytest.mark.parametrize('body, outcome', [
    ('1 / (sys.gettracestate()["tracefunc"] is None)', 'error'),
    ('sys.gettracestate()["tracefunc"] and self.skipTest("traced")', 'skipped: traced'),
])
def test_other_outcomes(compare, body, outcome):
    (items,) = compare(case(body)).unlisted.values()
    assert {(flags.outcome(item, 'traced'), flags.outcome(item, 'untraced')) for item in items} == {(outcome, 'passed')}


def test_subtest(compare):
    report = compare(case('''
        for kind in 'lines', 'branches':
            with self.subTest(kind):
                self.assertFalse(sys.gettracestate()[f'trace_{kind}'] and kind == 'branches')'''))
    assert list(report.unlisted) == ['fake_tests.Case.test_it', 'fake_tests.Case.test_it [branches]']


@pytest.mark.parametrize('body, outcome', [
    ('import os; sys.gettracestate()["trace_branches"] and os.abort()', 'killed by SIGABRT'),
    ('import os; sys.gettracestate()["trace_branches"] and os._exit(3)', 'exit status 3'),
    ('import time; time.sleep(60 * sys.gettracestate()["trace_branches"])', 'stopped after 2 s'),
])
def test_process_that_does_not_come_to_its_end(compare, monkeypatch, body, outcome):
    monkeypatch.setattr(flags, 'LIMIT', 2)
    report = compare(case(body))
    assert report.wrong == [f'fake_tests (process): crashed: {outcome} under {FULL}, passed untraced']
    assert 'traced runs     3, 1 of which ended another way\n' in report.text({})


def test_tracer_that_is_replaced_is_installed_again(compare):
    report = compare(case('sys.settrace(None)') + """
    def test_next(self):
        self.assertFalse(sys.gettracestate()['tracefunc'])
""")
    assert 'was then installed again:\n  fake_tests.Case.test_it\n\n' in report.text({})
    assert list(report.unlisted) == ['fake_tests.Case.test_next']


@pytest.mark.parametrize('kinds, outcome', [
    (({'call', 'line', 'opcode'}, set()), 'no events of line and opcode'),
    (({'call'}, {'branch', 'return'}), 'events of return'),
])
def test_events_that_were_not_asked_for(compare, monkeypatch, kinds, outcome):
    """As if the combination 'calls' were another one."""
    monkeypatch.setattr(flags, 'announced', lambda combination: kinds)
    report = compare(case('pass'), wanted={'calls': FEW['calls']})
    assert report.wrong == [f'fake_tests (process): {outcome} under calls, passed untraced']


def test_difference_that_does_not_come_again(compare, tmp_path):
    report = compare(case(f'''
        import pathlib
        once = pathlib.Path({str(tmp_path)!r}, 'once')
        if sys.gettracestate()['trace_branches'] and not once.exists():
            once.touch()
            self.fail()'''))
    assert not report.wrong and not report.unlisted
    assert f'fake_tests under {FULL}: fake_tests.Case.test_it\n    traced:   failed, passed\n' in report.text({})


def test_sides_that_pass_in_turns_differ():
    kinds = {'traced': ['failed', 'passed'], 'untraced': ['passed', 'failed']}
    in_turns, once = (Item('fake_tests under calls', 'Case.test_it', False,
                           {side: [Outcome(kind) for kind in found] for side, found in kinds.items()})
                      for kinds in (kinds, kinds | {'untraced': ['passed', 'passed']}))
    assert flags.differs(in_turns) and not in_turns.differs()
    assert not flags.differs(once) and once.is_flaky()


@pytest.mark.parametrize('body', ['import nothing_of_this_name', 'x = 1'])
def test_module_without_an_outcome(compare, body):
    with pytest.raises(Trouble, match='fake_tests has no outcome without tracing: '):
        compare(body)


def test_command(python, stock_python, tmp_path):
    path = tmp_path / 'report.txt'
    done = subprocess.run([sys.executable, '-m', 'qa.compare', 'flags', '--fork', python, '--stock', stock_python,
                           '--report', path, 'test_with'], cwd=ROOT, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert path.read_text() in done.stdout and '\ntraced runs     14, 0 of which' in path.read_text()
