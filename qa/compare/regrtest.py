"""Runs one file of CPython's test suite with `python -m test -j1 --verbose3 --junit-xml=XML`, and reads the results.

The log shows how the file ended, and the XML how each of its tests ended.  There is no XML for a file that was skipped
or whose process was killed, or for doctests that unittest does not see.  The XML does not name a test in which a
subtest failed, and does not include failures of setUpClass() or setUpModule(): both are taken from the headings of the
tracebacks in the log.

steady() removes parts of names and reasons that differ from run to run: addresses, folders, and process numbers in the
names of temporary files.
"""

import re
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import Counter

from qa import process
from qa.compare.judge import IDLE, Outcome, Result
from qa.process import Trouble, last_line

TIMEOUT = 1200          # seconds that a test may take
NAMELESS = '(a test with a subtest that failed)'
PROGRESS = re.compile(r'\d+:\d\d:\d\d (?:load avg: [\d.]+ )?\[ *\d+/\d+(?:/\d+)?\] (test[\w.]*) (.*)')
RUNNING = re.compile(r'\d+:\d\d:\d\d .*running: ')
HEADING = re.compile(r'(?:ERROR|FAIL): (\w+) \(([\w.<>]+)\)')
OUTSIDE = re.compile(r'(setUp|tearDown)(Class|Module) ')
FAIL_LINE = re.compile(r'test [\w.]+ (?:failed|crashed)(?: -- (.*))?$')
EXCEPTION = re.compile(r'[A-Za-z_][\w.]*(Error|Exception|Warning|Exit|Interrupt|Failure|Failed|Denied)\b')
# How the log describes each outcome; the first match counts.
OUTCOMES = {'passed': 'passed', 'skipped (resource denied)': 'resource denied', 'skipped': 'skipped',
            'ran no tests': 'no tests', 'failed (env changed)': 'env changed', 'failed': 'failed',
            'crashed': 'crashed', 'timed out': 'timed out'}


def words_of(ignore):
    """The arguments of the interpreter, all but the file."""
    return ['-m', 'test', '-j1', f'--timeout={TIMEOUT}', '--header', '--verbose3',
            *([f'--ignore={ignore}'] if ignore else [])]


def run(python, name, log, xml, ignore=None):
    """Run a file with its output in the log; return its Result."""
    log.parent.mkdir(parents=True, exist_ok=True)
    # The path of the folder has the same length on both sides, because the length of a socket's name is limited.
    with open(log, 'w', encoding='utf-8') as output, \
            tempfile.TemporaryDirectory(prefix='suite-', ignore_cleanup_errors=True) as folder:
        # A file that hangs is ended earlier by its own watchdog, which says where, or by -m test.
        ended = process.run([python, *words_of(ignore), name, f'--tempdir={folder}', f'--junit-xml={xml.absolute()}'],
                            output, 2 * TIMEOUT + 600, env=process.environment())
    result = read(name, log, xml)
    result.seconds = ended.wall
    return result


def read(name, log, xml):
    """The Result of a run."""
    lines = log.read_text('utf-8', 'replace').splitlines()
    # The test may print such lines too, but only later.
    first = next((number for number, line in enumerate(lines) if PROGRESS.match(line)), None)
    results = [line for line in lines if line.startswith('Tests result: ')]
    if first is None or not results or 'INTERRUPTED' in results[-1]:
        last = last_line('\n'.join(lines))[:100]
        raise Trouble(f'the run of {name} ended early in {log}; its last line is {last!r}; run it again')
    output = [line for line in lines[first + 1:] if not RUNNING.match(line)]
    outcome = outcome_of(name, PROGRESS.match(lines[first])[2], output)
    tests, reported = read_xml(xml)
    tests = with_names_of_the_log(tests, output)
    if outcome.word in {'failed', 'crashed'} and not outcome.why or 'multiple errors' in outcome.why:
        reasons = [found.why for _, found in tests if found.word in {'failed', 'error'} and found.why]
        outcome = outcome._replace(why=(reasons or [outcome.why])[0])
    return Result(outcome, numbered(tests) if reported or tests else None)


def outcome_of(name, said, output):
    """The Outcome of a file, from the log line with its name and from its output."""
    words = next((words for words in OUTCOMES if said.startswith(words)), None)
    if words is None:
        raise Trouble(f'unknown outcome of {name}: {said!r}')
    word = OUTCOMES[words]
    if word == 'crashed' and any(line.startswith('Timeout (') for line in output):
        # The process's own watchdog, from faulthandler, ended it with status 1.
        frames = [steady(line) for line in output if line.startswith('  File ')]
        return Outcome('timed out', next((line for line in frames if '/test_' in line), ''))
    if word == 'crashed':
        return Outcome(word, said.removeprefix(words).strip())
    if word == 'failed':
        return Outcome(word, why_failed(output))
    prefix = f'{name} skipped -- ' if word in IDLE else 'Warning -- ' if word == 'env changed' else None
    why = next((line.removeprefix(prefix) for line in output if prefix and line.startswith(prefix)), '')
    return Outcome(word, steady(why))


def why_failed(output):
    """Why a file failed: the traceback of a single failure, or a summary of several."""
    for number, line in enumerate(output):
        if found := FAIL_LINE.match(line):
            text = found[1] or ''
            return exception_in('\n'.join(output[number:])) if text.startswith('Traceback') else steady(text)
    return ''


def read_xml(path):
    """The tests in the XML as [(name, Outcome)], and whether there are any."""
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise Trouble(f'cannot read {path}, which python -m test writes: {error}') from None
    return [test_of(case) for suite in root for case in suite], len(root) > 0


def test_of(case):
    """The (name, Outcome) of a <testcase>."""
    name = case.get('name')
    if name is None:
        return NAMELESS, Outcome('failed')
    name = steady(name)
    for tag, word in ('error', 'error'), ('failure', 'failed'):
        if case.find(tag) is not None:
            return name, Outcome(word, exception_in(case.find(tag).get('message')))
    if case.find('skipped') is not None:
        return name, Outcome('skipped', steady(case.find('skipped').text or ''))
    if case.find('outcome') is not None:
        return name, Outcome('unexpected success')
    return name, Outcome('expected failure' if case.find('output') is not None else 'passed')


def with_names_of_the_log(tests, output):
    """The tests, with the names that the XML lacks, and with failures outside of tests."""
    known = {name for name, _ in tests}
    new = {}
    for number, line in enumerate(output):
        if heading := HEADING.match(line):
            method, place = heading.groups()
            name = place if place.endswith('.' + method) else f'{method} ({place})'
            word = 'failed' if line.startswith('FAIL') else 'error'
            if name not in known:
                new.setdefault(name, Outcome(word, traceback_below(output, number)))
    inside = [test for test in new.items() if not OUTSIDE.match(test[0])]
    outside = [test for test in new.items() if OUTSIDE.match(test[0])]
    named = [test for test in tests if test[0] != NAMELESS]
    return (named + inside if len(tests) - len(named) == len(inside) else tests) + outside


def numbered(tests):
    """{name: Outcome}; tests with the same name become NAME, NAME [2]..., in the order of their outcomes."""
    counts = Counter()
    found = {}
    for name, outcome in sorted(tests):
        counts[name] += 1
        found[name if counts[name] == 1 else f'{name} [{counts[name]}]'] = outcome
    return found


def traceback_below(lines, number):
    """The exception of the traceback whose heading is in this line."""
    end = number + 2
    while end < len(lines) and not lines[end].startswith(('=====', 'Ran ', '0:')):
        end += 1
    return exception_in('\n'.join(lines[number + 1:end]).replace('-' * 70, ''))


def exception_in(text):
    """The line of a traceback that names the exception; its message may continue on more lines."""
    lines = [line for line in (text or '').splitlines() if line.strip()]
    return steady(next(filter(EXCEPTION.match, reversed(lines)), lines[-1] if lines else ''))


def steady(text):
    """The text without the parts that differ from run to run."""
    text = re.sub(r'\b0x[0-9a-fA-F]{4,}', '0x...', text)
    text = re.sub(r'(?<![\w.:/])/(?:[^\s/\'"<>]+/)+', '.../', text)
    text = re.sub(r'(?<=test_python_)(worker_)?\d+\w*|(?<=@test_)\d+_\w+', '...', text)
    return ' '.join(text.split())
