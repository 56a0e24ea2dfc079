"""What a run of `python -m test -jN --junit-xml=FILE` left, its log and its XML, read as outcomes of files and tests.

The log tells how each test *file* ended, in the order in which they ended.  The XML tells how each *test* ended, but
not of which file it is: its <testsuite> elements have no name, come in the order of the log, and a file leaves one,
several (it has a test_main() that runs several suites) or none (it was skipped, its process crashed or was killed, its
tests are doctests that unittest does not see).  `assign` finds out which belong to which, by the order and by the names
of the tests.

What else the XML does not say: a test in which a subtest failed is a <testcase> without a name, and what fails in
setUpClass() or setUpModule() is not there.  With --verbose3 (-W) the log has both, as headings of the tracebacks.

Names and reasons that differ from run to run are made alike by `steady`: an address is 0x..., a folder is ..., and so
are the process numbers in the names of temporary files.
"""

import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from os.path import commonprefix
from pathlib import Path

NAMELESS = '(a test with a subtest that failed)'
GOOD = {'passed', 'expected failure'}
IDLE = {'skipped', 'resource denied', 'no tests'}

PROGRESS = re.compile(r'\d+:\d\d:\d\d (?:load avg: [\d.]+ )?\[ *(\d+)/(\d+)(?:/\d+)?\] (test[\w.]*) (.*)')
WORKERS = re.compile(r'\d+:\d\d:\d\d .*Run tests in parallel using (\d+) child processes(?: \(timeout: ([^,]+),)?')
HEADING = re.compile(r'(?:ERROR|FAIL): (\w+) \(([\w.<>]+)\)')
OUTSIDE = re.compile(r'(setUp|tearDown)(Class|Module) ')
FAIL_LINE = re.compile(r'test [\w.]+ (?:failed|crashed)(?: -- (.*))?$')
# What the log calls each outcome; the first that fits.
OUTCOMES = [('passed', 'passed'), ('skipped (resource denied)', 'resource denied'), ('skipped', 'skipped'),
            ('ran no tests', 'no tests'), ('failed (env changed)', 'env changed'), ('failed', 'failed'),
            ('crashed', 'crashed'), ('timed out', 'timed out')]
SILENT = {'crashed', 'timed out'}       # the process of such a file leaves no XML


class BadInput(Exception):
    """The files are not the whole result of a run; the message says what is wrong, and what to do."""


class FileResult:
    """How one test file ended in one run, and each of its tests."""

    def __init__(self, name, outcome, detail):
        self.name = name
        self.outcome = outcome          # of OUTCOMES
        self.why = detail               # the reason of a skip, the cause of a failure
        self.output = []                # what its process printed
        self.tests = []                 # (id, outcome, why)
        self.reported = False           # is any of its tests in the XML?


class Run:
    """One run of test files on one interpreter."""

    def __init__(self):
        self.files = {}
        self.version = self.platform = self.workers = self.timeout = self.command = self.date = self.duration = None


def steady(text):
    """The text without what differs from run to run."""
    text = re.sub(r'\b0x[0-9a-fA-F]{4,}', '0x...', text)
    text = re.sub(r'(?<![\w.:/])/(?:[^\s/\'"<>]+/)+', '.../', text)
    text = re.sub(r'(?<=test_python_)(worker_)?\d+\w*|(?<=@test_)\d+_\w+', '...', text)
    return ' '.join(text.split())


def last_line(text):
    """The last line of a traceback that says something: the exception."""
    lines = [line for line in (text or '').splitlines() if line.strip()]
    # the message of an exception can have several lines; the first of them is the one with the exception's name
    for line in reversed(lines):
        if re.match(r'[A-Za-z_][\w.]*(Error|Exception|Warning|Exit|Interrupt|Failure|Failed|Denied)\b', line):
            return steady(line)
    return steady(lines[-1]) if lines else ''


# --- The log ----------------------------------------------------------------------------

def outcome_of(text):
    """What the log says after a file's name: (outcome, detail)."""
    for words, outcome in OUTCOMES:
        if text.startswith(words):
            break
    else:
        return None
    text = re.sub(r' -- running: .*', '', text[len(words):]).strip()
    return outcome, text if outcome == 'crashed' else ''


def read_log(path, run):
    """The outcomes of the files, into the run."""
    try:
        lines = Path(path).read_text('utf-8', 'replace').splitlines()
    except OSError as exc:
        raise BadInput(f'cannot read {path}: {exc.strerror}; it is the output of python -m test') from None
    total = current = None
    ended = False
    for line in lines:
        progress = PROGRESS.match(line)
        # A test of the suite's own machinery may print such lines too, but not with the number that comes next.
        if (progress and run.workers and int(progress[1]) == len(run.files) + 1 and total in (None, progress[2])
                and outcome_of(progress[4]) and progress[3] not in run.files):
            total = progress[2]
            current = run.files[progress[3]] = FileResult(progress[3], *outcome_of(progress[4]))
        elif current is None:
            read_header(line, run)
        elif line.startswith('Total duration: '):
            run.duration = line.partition(': ')[2]
        elif line.startswith('Tests result: '):
            ended = 'INTERRUPTED' not in line
        elif not re.match(r'\d+:\d\d:\d\d .*running: ', line):
            current.output.append(line)
    if not run.workers:
        raise BadInput(f'{path} is not the log of python -m test -jN; it has no line "Run tests in parallel"')
    if not ended or str(len(run.files)) != total:
        last = next((line.strip() for line in reversed(lines) if line.strip()), '')
        raise BadInput(f'the suite ended early in {path}, after {len(run.files)} of {total or "?"} test files; '
                       f'its last line is {last[:100]!r}; run it again')
    for result in run.files.values():
        # the worker's own watchdog, faulthandler's, ends it with status 1
        if result.outcome == 'crashed' and any(line.startswith('Timeout (') for line in result.output):
            frames = [steady(line) for line in result.output if line.startswith('  File ')]
            result.outcome, result.why = 'timed out', next((line for line in frames if '/test_' in line), '')
        result.why = result.why or why_of(result)


def read_header(line, run):
    """A line before the first file."""
    workers = WORKERS.match(line)
    if workers:
        run.workers, run.timeout = workers.groups()
    elif line.startswith('== CPython '):
        run.version = 'Python ' + line[len('== CPython '):]
    elif line.startswith('== Linux') or line.startswith('== ') and '-endian' in line:
        run.platform = line[3:]
    elif line.startswith('$ '):
        run.command = line[2:]


def why_of(result):
    """Why a file ended as it did, in a line, as far as the log says it."""
    if result.outcome in GOOD | {'no tests', 'timed out'}:
        return ''
    skip = f'{result.name} skipped -- '
    for number, line in enumerate(result.output):
        if result.outcome in IDLE:
            if line.startswith(skip):
                return steady(line[len(skip):])
        elif result.outcome == 'env changed':
            if line.startswith('Warning -- '):
                return steady(line[len('Warning -- '):])
        elif FAIL_LINE.match(line):
            # the traceback of a single failure, or the words on several
            text = FAIL_LINE.match(line)[1] or ''
            return last_line('\n'.join(result.output[number:])) if text.startswith('Traceback') else steady(text)
    return ''


# --- The XML ----------------------------------------------------------------------------

def test_of(case):
    """A <testcase>: (id, outcome, why)."""
    name = case.get('name')
    if name is None:
        return NAMELESS, 'failed', ''
    name = steady(name)
    for tag, outcome in ('error', 'error'), ('failure', 'failed'):
        if case.find(tag) is not None:
            return name, outcome, last_line(case.find(tag).get('message'))
    if case.find('skipped') is not None:
        return name, 'skipped', steady(case.find('skipped').text or '')
    if case.find('outcome') is not None:
        return name, 'unexpected success', ''
    return name, 'expected failure' if case.find('output') is not None else 'passed', ''


def places_of(suite):
    """The first two words of the names of the tests of a <testsuite>, such as test.test_sys."""
    return {'.'.join(case.get('name').split('.')[:2]) for case in suite if case.get('name')}


def fitness(result, places):
    """How well a <testsuite> fits a file, by where its tests are defined: nearly always in test.FILE."""
    if result.outcome in SILENT:
        return -1000
    short = result.name.rpartition('.')[2]
    if f'test.{short}' in places:
        return 10
    if any(place.startswith(short.partition('_')[2]) for place in places):      # ctypes.test, idlelib.idle_test
        return 5
    # test_datetime has the tests of datetimetester, test_xml_etree_c those of test_xml_etree
    alike = max((len(commonprefix([f'test.{short}', place])) for place in places), default=0)
    return alike / 100 - (result.outcome in IDLE)


def assign(results, suites):
    """For each <testsuite>, given as its places, the number of the file that left it.

    It is the best assignment that keeps the order.  A file that ran and is left without one costs a little, and so does
    one with a second: so suites whose names tell nothing go to the files that would have none.
    """
    # best[s]: the best score of the first s suites on the files up to here; steps[f][s]: how many of them file f took
    best = [0] + [-10 ** 6] * len(suites)
    steps = []
    for result in results:
        silent = result.outcome in SILENT | IDLE
        scores = [fitness(result, places) for places in suites]
        fresh = [value - (0 if silent else 1) for value in best]
        took = [0] * len(best)
        open_score, open_took = -10 ** 9, 0      # of assignments in which this file has the suite just seen
        for number, score in enumerate(scores, 1):
            if open_score - 0.5 >= best[number - 1]:
                open_score, open_took = open_score - 0.5 + score, open_took + 1
            else:
                open_score, open_took = best[number - 1] + score, 1
            if open_score > fresh[number]:
                fresh[number], took[number] = open_score, open_took
        best = fresh
        steps.append(took)
    owners = []
    left = len(suites)
    for number in range(len(results) - 1, -1, -1):
        owners[:0] = [number] * steps[number][left]
        left -= steps[number][left]
    if left or best[-1] < -500:
        raise BadInput('has results of more files than the log')
    return owners


def read_xml(path, run):
    """The outcomes of the tests, into the run."""
    try:
        root = ElementTree.parse(path).getroot()
    except OSError as exc:
        raise BadInput(f'cannot read {path}: {exc.strerror}; it is what --junit-xml of python -m test writes') from None
    except ElementTree.ParseError as exc:
        raise BadInput(f'{path} is not XML ({exc}); run the suite again') from None
    if root.tag != 'testsuites':
        raise BadInput(f'{path} is not what --junit-xml of python -m test writes: '
                       f'it has <{root.tag}> and not <testsuites>')
    suites = list(root)
    run.date = min((suite.get('start', '')[:16] for suite in suites), default='')
    results = list(run.files.values())
    try:
        owners = assign(results, [places_of(suite) for suite in suites])
    except BadInput as exc:
        raise BadInput(f'{path} {exc}; are they of one run?') from None
    for owner, suite in zip(owners, suites):
        results[owner].reported = True
        results[owner].tests += [test_of(case) for case in suite]


def name_the_nameless(result):
    """Take the tests that the XML does not name, and what failed outside of tests, from the headings in the log."""
    headings = {}
    for number, line in enumerate(result.output):
        heading = HEADING.match(line)
        if heading:
            method, place = heading.groups()
            name = place if place.endswith('.' + method) else f'{method} ({place})'
            headings.setdefault(name, (line.startswith('FAIL'), traceback_below(result.output, number)))
    known = Counter(name for name, _, _ in result.tests)
    outside = [name for name in headings if name not in known and OUTSIDE.match(name)]
    inside = [name for name in headings if name not in known and name not in outside]
    if known[NAMELESS] == len(inside):
        result.tests = [test for test in result.tests if test[0] != NAMELESS]
    else:
        inside = []
    for name in inside + outside:
        failed, why = headings[name]
        result.tests.append((name, 'failed' if failed else 'error', why))


def traceback_below(lines, number):
    """The exception of the traceback that has its heading in this line."""
    end = number + 2
    while end < len(lines) and not lines[end].startswith(('=====', 'Ran ', '0:')):
        end += 1
    return last_line('\n'.join(lines[number + 1:end]).replace('-' * 70, ''))


def read(log, xml):
    """The Run that left these two files."""
    run = Run()
    read_log(log, run)
    read_xml(xml, run)
    for result in run.files.values():
        name_the_nameless(result)
        if result.outcome in {'failed', 'crashed'} and not result.why or 'multiple errors' in result.why:
            reasons = [why for _, outcome, why in result.tests if outcome in {'failed', 'error'} and why]
            result.why = (reasons or [result.why])[0]
    return run
