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
from dataclasses import dataclass

from qa import process
from qa.compare.judge import IDLE, SILENT, Outcome, Result
from qa.process import Trouble, last_line

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


@dataclass
class FileResult(Result):
    """The Result of a test file, and facts from its log.

    date        when it began, to the minute
    seconds     how long it took
    """

    version: str = 'unknown version (not in the log)'
    platform: str = 'not in the log'
    command: str = 'not in the log'
    date: str = ''
    seconds: float = 0


# --- Running ----------------------------------------------------------------------------

def run(python, name, log, xml, timeout, ignore=(), jobs=1):
    """Run a file.  Write its output to the log, between a line with the command and a line with the duration."""
    words = [python, '-m', 'test', '-j1', f'--timeout={timeout}', '--header', '--verbose3',
             *(f'--ignore={pattern}' for pattern in ignore), name]
    log.parent.mkdir(parents=True, exist_ok=True)
    xml.unlink(missing_ok=True)
    try:
        # The path of the folder has the same length on both sides, because the length of a socket's name is limited.
        with open(log, 'w', encoding='utf-8') as output, \
                tempfile.TemporaryDirectory(prefix='suite-', ignore_cleanup_errors=True) as folder:
            print('$', ' '.join(['python', *words[1:-1], 'FILE']) + f', {jobs} at once', file=output, flush=True)
            # A file that hangs is ended earlier by its own watchdog, which says where, or by -m test.
            ended = process.run([*words, f'--tempdir={folder}', f'--junit-xml={xml.absolute()}'], output,
                                2 * timeout + 600, env=process.environment())
            print(f'$ {ended.wall:.1f} s', file=output)
    except OSError as error:
        raise Trouble(f'cannot run {python} with its output in {log}: {error.strerror}') from None


# --- Reading ----------------------------------------------------------------------------

def read(name, log, xml):
    """The FileResult of a run."""
    try:
        lines = log.read_text('utf-8', 'replace').splitlines()
    except OSError as error:
        raise Trouble(f'cannot read {log}: {error.strerror}; it is the output of python -m test') from None
    # The test may print such lines too, but only later.
    first = next((number for number, line in enumerate(lines) if PROGRESS.match(line)), None)
    if first is not None and PROGRESS.match(lines[first])[1] != name:
        raise Trouble(f'{log} is not the log of {name}; remove it, and run again with --fork and --stock')
    results = [line for line in lines if line.startswith('Tests result: ')]
    if first is None or not results or 'INTERRUPTED' in results[-1]:
        last = last_line('\n'.join(line for line in lines if not line.startswith('$ ')))
        raise Trouble(f'the run of {name} ended early in {log}; its last line is {last[:100]!r}; run it again')
    output = [line for line in lines[first + 1:] if not RUNNING.match(line)]
    result = FileResult(outcome_of(name, PROGRESS.match(lines[first])[2], output))
    read_facts(lines[:first] + lines[-1:], result)
    tests, result.date, reported = read_xml(xml)
    if reported and result.outcome.word in SILENT:
        raise Trouble(f'{xml} has tests of {name}, which {result.outcome.word} by the log; are both from one run?')
    tests = with_names_of_the_log(tests, output)
    if reported or tests:
        result.tests = numbered(tests)
    why = result.outcome.why
    if result.outcome.word in {'failed', 'crashed'} and not why or 'multiple errors' in why:
        reasons = [outcome.why for _, outcome in tests if outcome.word in {'failed', 'error'} and outcome.why]
        result.outcome = result.outcome._replace(why=(reasons or [why])[0])
    return result


def read_facts(lines, result):
    for line in lines:
        if line.startswith('== CPython '):
            result.version = 'Python ' + line.removeprefix('== CPython ')
        elif line.startswith('== ') and '-endian' in line:
            result.platform = line.removeprefix('== ')
        elif found := re.fullmatch(r'\$ ([\d.]+) s', line):
            result.seconds = float(found[1])
        elif line.startswith('$ '):
            result.command = line.removeprefix('$ ')


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
    return Outcome(word, why_of(name, word, output))


def why_of(name, word, output):
    """The reason why a file ended as it did, on one line, if the log has it."""
    if word in IDLE:
        prefix = f'{name} skipped -- '
    elif word == 'env changed':
        prefix = 'Warning -- '
    elif word == 'failed':
        for number, line in enumerate(output):
            if found := FAIL_LINE.match(line):
                # the traceback of a single failure, or a summary of several
                text = found[1] or ''
                return exception_in('\n'.join(output[number:])) if text.startswith('Traceback') else steady(text)
        return ''
    else:
        return ''
    return next((steady(line.removeprefix(prefix)) for line in output if line.startswith(prefix)), '')


def read_xml(path):
    """The tests in the XML as [(name, Outcome)], the date of the first one, and whether there are any."""
    try:
        root = ElementTree.parse(path).getroot()
    except OSError as error:
        raise Trouble(f'cannot read {path}: {error.strerror}; '
                      'it is what --junit-xml of python -m test writes') from None
    except ElementTree.ParseError as error:
        raise Trouble(f'{path} is not XML ({error}); run the suite again') from None
    if root.tag != 'testsuites':
        raise Trouble(f'{path} is not what --junit-xml of python -m test writes: '
                      f'it has <{root.tag}> and not <testsuites>')
    date = min((suite.get('start', '')[:16] for suite in root), default='')
    return [test_of(case) for suite in root for case in suite], date, len(root) > 0


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
    headings = {}
    for number, line in enumerate(output):
        if heading := HEADING.match(line):
            method, place = heading.groups()
            name = place if place.endswith('.' + method) else f'{method} ({place})'
            word = 'failed' if line.startswith('FAIL') else 'error'
            headings.setdefault(name, Outcome(word, traceback_below(output, number)))
    new = {name: outcome for name, outcome in headings.items() if name not in known}
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
