"""qa.compare.suite and its judge, with output and XML like those of python -m test."""

from xml.sax.saxutils import quoteattr

import pytest

from qa.compare import suite
from qa.compare.judge import SIDES, Judgement
from qa.compare.regrtest import read
from qa.process import Trouble

ERROR = 'Traceback (most recent call last):\n  File "x.py", line 1\nValueError: {}\n'


def case(name, outcome='passed', why=''):
    """A <testcase> as Lib/test/support/testresult.py makes it; None is the name of one with a subtest that failed."""
    if name is None:
        return '<testcase/>'
    inside = {'passed': '', 'skipped': f'<skipped>{why}</skipped>',
              'unexpected': '<outcome>UNEXPECTED_SUCCESS</outcome>',
              'failed': f'<system-out/><failure type="E" message={quoteattr(ERROR.format(why))}>x</failure>',
              'error': f'<system-out/><error type="E" message={quoteattr(ERROR.format(why))}>x</error>',
              'expected': '<output type="E" message="m">x</output>'}[outcome]
    return f'<testcase name="{name}" status="run" result="completed" time="0.1">{inside}</testcase>'


def log(name, says, output='', ended='Tests result: FAILURE'):
    """The output of python -m test for a file: the words after the name, and what the file itself prints."""
    return '\n'.join([
        '$ python -m test FILE, 2 at once', '== CPython 3.11.2 (fake) [GCC]', '== Linux-x86_64 little-endian',
        '0:00:00 load avg: 1.00 Run tests in parallel using 1 child processes (timeout: 10 min, worker ...)',
        f'0:00:30 load avg: 1.00 running: {name} (30 sec)', f'0:00:31 load avg: 1.00 [1/1/1] {name} {says}', output,
        '', 'Total duration: 9 sec', ended, '$ 90.0 s']) + '\n'


class Results:
    """The results of some attempts; ours are the files that the fork adds or changes."""

    def __init__(self, path):
        self.path = path
        self.ours = set()
        self.attempts = []

    def put(self, side, file, says, cases, output='', number=0):
        """The result of a file on one side in an attempt; cases are test cases of the XML, or None."""
        suites = '' if cases is None else (f'<testsuite start="2026-01-02 03:04:05" tests="{len(cases)}">'
                                           f'{"".join(cases)}</testsuite>')
        result = self.read(file, log(file, says, output), f'<testsuites>{suites}</testsuites>')
        while len(self.attempts) <= number:
            self.attempts.append({side: {} for side in SIDES})
        self.attempts[number][side][file] = result

    def read(self, file, log, xml):
        (self.path / 'log').write_text(log)
        (self.path / 'xml').write_text(xml)
        return read(file, self.path / 'log', self.path / 'xml')

    def both(self, fork, stock, file='test_a', says=('passed', 'passed'), output=('', ''), number=0):
        """A file on both sides."""
        for side, cases, end, text in zip(SIDES, (fork, stock), says, output):
            self.put(side, file, end, cases, text, number)

    def retried(self, number, fork, stock, **how):
        self.both(fork, stock, number=number, **how)

    def compare(self, status):
        judgement = Judgement(self.attempts, self.ours)
        report = suite.report(judgement, {'command': 'python -m test'})
        assert status == bool(judgement.differences())
        assert all(len(line) <= 100 for line in report.splitlines())
        return report

    def section(self, status, title):
        """The lines of one section of the report."""
        report = self.compare(status)
        lines = report.split(f'\n{title}:', 1)[1].split('\n\n', 1)[0]
        return ' '.join(lines.split())


A, B = 'test.test_a.T.test_1', 'test.test_a.T.test_2'


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path)


def test_nothing_differs(results):
    for side in 'fork', 'stock':
        results.put(side, 'test_a', 'passed', [case(A), case(B, 'skipped', 'not here'), case('test.test_a.T.test_x', 'expected')])
        results.put(side, 'test_b', 'skipped', None, "test_b skipped -- No module named 'b'")
        results.put(side, 'test_c', 'skipped (resource denied)', None)
        results.put(side, 'test_d', 'passed (2 min 3 sec)', [case('test.test_d.T.test_1')])
    report = results.compare(0)
    assert 'Result: the fork and stock CPython have the same result for every test.' in report
    assert 'Differences: none' in report and 'Flaky, but the same after retries: none' in report
    assert 'Skipped on both sides: 1 test, and 2 whole files: test_b test_c' in report
    assert 'command       python -m test\n' in report and 'retries       none\n' in report
    assert 'duration      0.0 min in all files (fork); 0.0 min in all files (stock)\n' in report
    assert [line.split()[-2:] for line in report.splitlines() if line.startswith(('test', '  resource'))] == [
        ['4', '4'], ['1', '1'], ['4', '4']]


@pytest.mark.parametrize('fork, stock', [
    (case(A), case(A, 'failed')), (case(A, 'failed'), case(A)), (case(A, 'failed'), case(A, 'error')),
    (case(A), case(A, 'skipped', 'why')), (case(A, 'skipped', 'one reason'), case(A, 'skipped', 'another')),
    (case(A), case(A, 'expected')), (case(A, 'unexpected'), case(A, 'expected')), (case(A), ''), ('', case(A)),
    (case(A) + case(A), case(A)), (case(A) + case(A, 'failed'), case(A) + case(A))])
def test_tests_that_differ(results, fork, stock):
    results.both([case(B), fork], [case(B), stock])
    shown = results.section(1, 'Differences')
    assert 'test_a: ' in shown and B not in shown
    assert 'Result: 1 test differs between the fork and stock CPython, in test_a.' in results.compare(1)


def test_test_that_only_the_xml_of_one_side_names(results):
    results.both([case(B), case(A)], [case(B), case(None)], says=('passed', 'failed'))
    shown = results.section(1, 'Differences')
    assert f'{A} fork: passed stock: absent' in shown and '(a test with a subtest that failed) fork: absent stock: failed' in shown


@pytest.mark.parametrize('fork, stock', [
    ('failed', 'passed'), ('passed', 'failed (2 errors)'), ('failed (env changed)', 'passed'), ('skipped', 'passed'),
    ('skipped', 'skipped (resource denied)'), ('ran no tests', 'passed'), ('crashed (Exit code -11)', 'passed'),
    ('crashed (Exit code -11)', 'crashed (Exit code 1)'), ('timed out (10 min)', 'failed'),
    ('failed (uncaught exception)', 'passed')])
def test_files_that_differ(results, fork, stock):
    tests = [None if says.startswith(('crashed', 'timed', 'skipped')) else [case(A)] for says in (fork, stock)]
    results.both(*tests, says=(fork, stock))
    shown = results.section(1, 'Differences')
    assert shown.startswith('test_a fork: ') and 'test_1' not in shown
    assert 'Result: 1 test file differs between' in results.compare(1)


def test_files_skipped_for_other_reasons(results):
    results.both(None, None, says=('skipped', 'skipped'), output=('test_a skipped -- this', 'test_a skipped -- that'))
    assert results.section(1, 'Differences') == 'test_a fork: skipped: this stock: skipped: that'


def test_results_of_one_side_only(results):
    results.both([case(A)], None)
    assert results.section(1, 'Differences') == 'test_a: (all tests) fork: reported stock: not reported'


def test_what_differs_from_run_to_run_is_no_difference(results):
    results.both([case(f'{A} (f=&lt;f at 0x7f0012345678&gt;)', 'skipped', 'no /home/me/build/fork/python')],
                 [case(f'{A} (f=&lt;f at 0x7f00abcdef00&gt;)', 'skipped', 'no /usr/src/stock/python')])
    results.compare(0)


def test_duplicates_in_another_order_are_no_difference(results):
    results.both([case(A), case(A, 'failed', 'x')], [case(A, 'failed', 'x'), case(A)], says=('failed', 'failed'))
    assert f'test_a: {A} (failed): ValueError: x' in results.section(0, 'Fails on both sides')


def test_a_difference_that_is_gone_in_a_retry_is_flaky(results):
    results.both([case(A, 'failed', 'x')], [case(A)], says=('failed (1 failure)', 'passed'))
    results.retried(1, [case(A)], [case(A)])
    assert results.section(0, 'Flaky, but the same after retries') == (
        f'test_a fork: failed, passed ValueError: x stock: passed x2 '
        f'test_a: {A} fork: failed, passed ValueError: x stock: passed x2')
    assert 'retry 1       1 file, one at a time\n' in results.compare(0)


def test_never_passed_on_one_side_is_a_difference(results):
    results.both([case(A, 'failed')], [case(A, 'failed')], says=('failed', 'failed'))
    results.retried(1, [case(A, 'failed')], [case(A)], says=('failed', 'passed'))
    results.retried(2, [case(A, 'failed', 'x')], [case(A, 'failed')], says=('failed', 'failed'))
    assert f'{A} fork: failed x3 ValueError: x stock: failed, passed, failed ValueError:' in results.section(1, 'Differences')
    assert 'retry 2       1 file, one at a time\n' in results.compare(1)


def test_two_kinds_of_failure_with_one_in_common(results):
    results.both([case(A, 'failed')], [case(A, 'error')], says=('failed', 'failed'))
    results.retried(1, [case(A, 'error', 'why')], [case(A, 'error', 'why')], says=('failed', 'failed'))
    results.compare(0)
    assert f'{A} fork: failed, error' in results.section(0, 'Flaky, but the same after retries')
    assert 'ValueError: why' in results.section(0, 'Fails on both sides')


def test_a_crash_that_comes_once_is_flaky_and_its_tests_are_not(results):
    results.both(None, [case(A), case(B)], says=('crashed (Exit code -11)', 'passed'))
    results.retried(1, [case(A), case(B)], [case(A), case(B)])
    assert results.section(0, 'Flaky, but the same after retries') == (
        'test_a fork: crashed: (Exit code -11), passed stock: passed x2')


def test_a_test_that_is_not_there_every_time(results):
    results.both([case(B)], [case(A), case(B)])
    results.retried(1, [case(B)], [case(A), case(B)])
    assert results.section(1, 'Differences') == f'test_a: {A} fork: absent x2 stock: passed x2'


def test_a_file_that_hangs_in_one_test(results):
    hangs = """Timeout (0:20:00)!
  File "/usr/lib/socket.py", line 7 in accept
  File "/usr/test/test_a.py", line 9 in setUp
"""
    results.both([case(A, 'error'), case(B)], None, says=('failed', 'crashed (Exit code 1)'), output=('', hangs))
    assert 'test_a fork: failed ValueError: stock: timed out File ".../test_a.py", line 9' in results.section(1, 'Differences')
    results.retried(1, None, None, says=('crashed (Exit code 1)',) * 2, output=(hangs, hangs))
    # both hang, but nothing is known of the other test
    assert results.section(1, 'Differences') == 'test_a: (all tests) fork: reported stock: not reported'
    assert '.../test_a.py", line 9 in setUp' in results.section(1, 'Fails on both sides')
    # without the one that hangs
    results.retried(2, [case(B)], [case(B)])
    assert 'timed out x2, passed' in results.section(0, 'Flaky, but the same after retries')


HEADINGS = '''test test_a failed
======================================================================
FAIL: test_1 (test.test_a.T.test_1) (n=1)
With a docstring
----------------------------------------------------------------------
Traceback (most recent call last):
AssertionError: 1 != 2

======================================================================
ERROR: setUpClass (test.test_a.Other)
----------------------------------------------------------------------
Traceback (most recent call last):
OSError: no port

----------------------------------------------------------------------
Ran 2 tests in 0.001s
'''


def test_failed_subtests_are_named_by_the_log(results):
    says = 'failed (1 error, 1 failure)'
    results.both([case(None), case(B)], [case(None), case(B)], says=(says, says), output=(HEADINGS, HEADINGS))
    results.retried(1, [case(None), case(B)], [case(None), case(B)], says=(says, says), output=(HEADINGS, HEADINGS))
    shown = results.section(0, 'Fails on both sides')
    assert f'test_a: {A} (failed x2): AssertionError: 1 != 2' in shown
    assert 'test_a: setUpClass (test.test_a.Other) (error x2): OSError: no port' in shown
    assert 'subtest' not in shown and B not in shown


def test_only_the_fork_has(results):
    results.ours = {'test_ours', 'test_a'}
    ours = case('test.test_ours.T.test_1')
    results.both([case(A), case(B)], [case(A)])
    results.put('fork', 'test_ours', 'passed', [ours])
    assert results.section(0, 'Only in the fork') == 'test_a: 1 test, in a file that both have test_ours: 1 test'
    # what fails there is not stock's fault
    results.put('fork', 'test_ours', 'failed', [case('test.test_ours.T.test_1', 'failed')])
    assert 'test_ours fork: failed ValueError: stock: absent' in results.section(1, 'Differences')
    # and the fork must not lack a test of stock's
    results.put('fork', 'test_a', 'passed', [case(B)])
    results.put('fork', 'test_ours', 'passed', [ours])
    assert f'test_a: {A} fork: absent stock: passed' in results.section(1, 'Differences')


def test_file_that_one_side_has(results):
    results.both([case(A)], [case(A)])
    results.put('fork', 'test_b', 'passed', [case('test.test_b.T.test')])
    assert 'test_b fork: passed stock: absent' in results.section(1, 'Differences')
    del results.attempts[0]['fork']['test_b']
    results.put('stock', 'test_b', 'ran no tests', None)
    assert results.section(1, 'Differences') == 'test_b fork: absent stock: no tests'


def test_lines_of_other_runs_inside_the_output(results):
    inner = log('test_inner', 'failed')
    results.both([case(A)], [case(A)], output=(inner, inner))
    results.compare(0)


@pytest.mark.parametrize('log, xml, says', [
    ('Segmentation fault\n', '', "ended early in .*log; its last line is 'Segmentation fault'"),
    (log('test_a', 'passed', ended=''), '', 'the run of test_a ended early'),
    (log('test_a', 'passed', ended='Tests result: FAILURE, INTERRUPTED'), '', 'ended early'),
    (log('test_a', 'vanished'), '', "unknown outcome of test_a: 'vanished'"),
    (log('test_a', 'passed'), '<testsuites><testsuite>', 'cannot read .*xml, which python -m test writes')])
def test_bad_input(results, log, xml, says):
    with pytest.raises(Trouble, match=says):
        results.read('test_a', log, xml)


def test_ours():
    assert {'test_tracestate', 'test_sys_settrace'} <= suite.our_files() and suite.is_new('test_tracestate')
    assert not suite.is_new('test_sys_settrace')
