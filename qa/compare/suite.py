"""CPython's test suite on the fork and on stock CPython, compared test by test.

    python -m qa.compare suite run DIR --fork PYTHON --stock PYTHON [TEST...]   run and compare all or these files
    python -m qa.compare suite read DIR [--fork PYTHON --stock PYTHON]          compare the results of an earlier run

Each test file runs in separate processes.  DIR/first contains FILE.{fork,stock}.{log,xml} for each file; DIR/retry-1,
DIR/retry-2... contain them for the files that were run again.  With --fork and --stock, `read` also makes the retries
that are still missing.

The exit status is 0 if nothing differs, 1 if something does, 2 if there are no complete results of both sides.
"""

import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path

from qa import ROOT, process
from qa.compare import regrtest
from qa.compare.judge import RULE, SIDES, Differs, judged
from qa.compare.text import both, counted, fact, fill, named, section, sequence
from qa.process import Trouble, last_line

TEST_OUTCOMES = 'passed', 'failed', 'error', 'unexpected success', 'expected failure', 'skipped'


# --- Running ----------------------------------------------------------------------------

class Comparison:
    """The attempts in a folder: existing results are read, missing ones are produced."""

    def __init__(self, options, pythons, say):
        self.options, self.pythons, self.say = options, pythons, say
        self.files = {}         # {side: its test files}

    def judgement(self):
        if self.options.what == 'run':
            for old in [self.options.dir / 'first', *self.options.dir.glob('retry-*')]:
                shutil.rmtree(old, ignore_errors=True)
        return judged(self.attempt, self.options.retries, ours=our_files(self.options.overlay),
                      again=lambda item: item.differs() or any(map(item.fails, SIDES)))

    def attempt(self, number, items):
        """{side: {file: FileResult}} of all files, or of those of the items."""
        folder = self.options.dir / (f'retry-{number}' if number else 'first')
        if number == 0:
            self.files = {side: self.first_files(side, folder) for side in SIDES}
            names = list(dict.fromkeys([*self.files['fork'], *self.files['stock']]))
        else:
            names = sorted({item.file for item in items})
        results = {side: {} for side in SIDES}
        jobs = 1 if number else self.options.jobs
        pairs = process.each(lambda name: self.both_sides(name, folder, jobs), names, jobs)
        for done, (name, found) in enumerate(pairs, 1):
            for side, result in found.items():
                results[side][name] = result
            alike = len({result.outcome.word for result in found.values()}) == 1
            if any(self.pythons.values()) and found and (number or not alike or done % 20 == 0 or done == len(names)):
                self.say(f'{folder.name}: {done} of {counted(len(names), "test file")}; {name}: '
                         + ', '.join(f'{result.outcome.word} on {side}' for side, result in found.items()))
        if number == 0 and not all(results.values()):
            raise Trouble(f'{folder} has no results of both sides; run them with --fork and --stock')
        return results if any(results.values()) else None

    def first_files(self, side, folder):
        """The names of the files to run, or of those that have run."""
        if self.options.what == 'read':
            return sorted(path.name.removesuffix(f'.{side}.log') for path in folder.glob(f'*.{side}.log'))
        tests = [name for name in self.options.tests if side == 'fork' or not is_new(self.options.overlay, name)]
        if self.options.tests and not tests:
            raise Trouble(f'stock CPython has no {" ".join(self.options.tests)}; also name a file that both have')
        return tests or list_tests(self.pythons[side])

    def both_sides(self, name, folder, jobs):
        """(name, {side: FileResult}) of a file, which runs on one side after the other unless it has run already."""
        sides = [side for side in SIDES if name in self.files[side]]
        found = {}
        for side in sides:
            log, xml = folder / f'{name}.{side}.log', folder / f'{name}.{side}.xml'
            if self.pythons[side] and not log.exists():
                regrtest.run(self.pythons[side], name, log, xml, self.options.timeout, self.options.ignore, jobs)
            if log.exists():
                found[side] = regrtest.read(name, log, xml)
        if found and len(found) < len(sides):
            raise Trouble(f'{folder} has {name} of one side only; use --fork and --stock to run it on both')
        return name, found


def list_tests(python):
    """The names of all files of the suite."""
    done = subprocess.run([python, '-m', 'test', '--list-tests'], env=process.environment(), stdin=subprocess.DEVNULL,
                          text=True, capture_output=True)
    if done.returncode or not done.stdout:
        raise Trouble(f'{python} does not list its tests: {last_line(done.stderr + done.stdout)}')
    return done.stdout.split()


def is_new(overlay, name):
    """Whether the overlay adds this test file."""
    return any(Path(overlay, 'Lib/test', place).exists() for place in (f'{name}.py', f'{name}/__init__.py'))


def our_files(overlay):
    """The test files that the overlay in this folder adds or patches."""
    return {path.name.partition('.')[0] for path in Path(overlay, 'Lib/test').glob('test_*')}


# --- The report -------------------------------------------------------------------------

def facts(attempts):
    for side, results in attempts[0].items():
        yield fact(side, ' and '.join(sorted({result.version for result in results.values()})))
    for name, value in (
            ('system', lambda results: ' and '.join(sorted({result.platform for result in results}))),
            ('date',
             lambda results: min((f'{result.date} UTC' for result in results if result.date), default='unknown')),
            ('command', commands),
            ('duration', lambda results: f'{sum(result.seconds for result in results) / 60:.1f} min in all files')):
        values = {side: value(results.values()) for side, results in attempts[0].items()}
        yield fact(name, values['fork'] if len(set(values.values())) == 1 else
                   '; '.join(f'{text} ({side})' for side, text in values.items()))
    for number, attempt in enumerate(attempts[1:], 1):
        files = {name for results in attempt.values() for name in results}
        results = [result for found in attempt.values() for result in found.values()]
        yield fact(f'retry {number}', f'{counted(len(files), "file")}: {commands(results)}')
    if not attempts[1:]:
        yield fact('retries', 'none')


def commands(results):
    return ' and '.join(sorted({result.command for result in results}))


def table(attempt):
    """Files and tests by outcome in the first attempt."""
    yield f'{"First run":30}{"fork":>10}{"stock":>10}'
    files = [Counter(result.outcome.word for result in attempt[side].values()) for side in SIDES]
    tests = [Counter(outcome.word for result in attempt[side].values() for outcome in (result.tests or {}).values())
             for side in SIDES]
    for title, (fork, stock), words in (('test files', files, dict.fromkeys(regrtest.OUTCOMES.values())),
                                        ('tests', tests, TEST_OUTCOMES)):
        yield f'{title:30}{sum(fork.values()):>10,}{sum(stock.values()):>10,}'
        for word in words:
            if fork[word] or stock[word]:
                yield f'{"  " + word:30}{fork[word]:>10,}{stock[word]:>10,}'


def only_fork(judgement):
    """The tests that only the fork has, in files that it adds or changes."""
    for name, (file, *tests) in judgement.by_file.items():
        number = sum(item.is_extra() for item in tests)
        if number or file.is_extra():
            yield f'  {name}: {counted(number, "test")}' + ('' if file.is_extra() else ', in a file that both have')


def fails_alike(item):
    why = item.why('fork') or item.why('stock') or 'the log does not say why'
    return fill(f'{named(item)} ({sequence(item.kinds["fork"])}): {why}', '  ', '    ')


def verdict(judgement):
    """The result in a line."""
    differences = judgement.differences()
    if not differences:
        return 'the fork and stock CPython have the same result for every test'
    tests = sum(item.test is not None for item in differences)
    numbers = [counted(number, what) for number, what in ((len(differences) - tests, 'test file'), (tests, 'test'))
               if number]
    return (f'{" and ".join(numbers)} {"differs" if len(differences) == 1 else "differ"} between the fork and '
            f'stock CPython, in {" ".join(sorted({item.file for item in differences}))}')


def report(judgement):
    """The whole report."""
    items = judgement.items
    skipped = [item for item in items if item.skipped_alike()]
    skipped_files = [item.file for item in skipped if not item.test]
    lines = ["CPython's test suite on the fork and on stock CPython, compared test by test", '',
             *facts(judgement.attempts), '', *table(judgement.attempts[0]), '',
             fill(f'Result: {verdict(judgement)}.', '', '  '), '']
    for title, wanted, shown in (
            ('Differences', lambda item: item.differs(), both),
            ('Flaky, but the same after retries', lambda item: item.is_flaky(), both),
            ('Fails on both sides', lambda item: item.fails_alike(), fails_alike)):
        lines += section(title, [shown(item) for item in items if wanted(item)])
    lines += section('Only in the fork', list(only_fork(judgement)))
    lines += [fill(f'Skipped on both sides: {counted(len(skipped) - len(skipped_files), "test")}, and '
                   f'{counted(len(skipped_files), "whole file")}' + (': ' if skipped_files else '')
                   + ' '.join(skipped_files), '', '  '), '']
    lines += ['How results are compared:', fill(' '.join(RULE.split()), '  ')]
    return '\n'.join(lines) + '\n'


# --- Command line -----------------------------------------------------------------------

def add_arguments(parser):
    parser.add_argument('what', choices=['run', 'read'], help='run both sides, or read the results of an earlier run')
    parser.add_argument('dir', metavar='DIR', type=Path, help='the folder for the results')
    parser.add_argument('tests', metavar='TEST', nargs='*', help='test files to run (default: all)')
    for side in SIDES:
        parser.add_argument(f'--{side}', metavar='PYTHON', help=f"{side}'s interpreter")
    parser.add_argument('--jobs', metavar='N', type=int, default=os.cpu_count() or 1,
                        help='how many test files to run at once (%(default)s)')
    parser.add_argument('--timeout', metavar='SECONDS', type=int, default=1200,
                        help='how long a test may take (%(default)s)')
    parser.add_argument('--ignore', metavar='PATTERN', action='append', default=[],
                        help='skip these tests on both sides, such as those that hang on this machine')
    parser.add_argument('--retries', metavar='N', type=int, default=2,
                        help='how often to run again what differs or fails (%(default)s)')
    parser.add_argument('--overlay', metavar='DIR', type=Path, default=ROOT,
                        help="the fork's repository, whose Lib/test has the fork's own test files")
    parser.add_argument('--report', metavar='FILE', type=Path, help='also write the report to this file')


def check(parser, options):
    given = [side for side in SIDES if getattr(options, side)]
    if len(given) == 1 or options.what == 'run' and not given:
        parser.error('specify both interpreters, with --fork and --stock')
    if options.what == 'read' and options.tests:
        parser.error('read compares an earlier run; test files are only for run')
    if options.jobs < 1 or options.timeout < 1 or options.retries < 0:
        parser.error('--jobs and --timeout must be at least 1, --retries at least 0')


def main(options, say):
    # not resolved: the interpreter of a virtual environment is a link
    pythons = {side: getattr(options, side) and os.path.abspath(getattr(options, side)) for side in SIDES}
    for side, python in pythons.items():
        if python and not os.access(python, os.X_OK):
            raise Trouble(f'{python} is not an interpreter; build it, or specify another with --{side}')
    judgement = Comparison(options, pythons, say).judgement()
    text = report(judgement)
    if options.report:
        try:
            options.report.write_text(text, 'utf-8')
        except OSError as error:
            raise Trouble(f'cannot write {options.report}: {error.strerror}') from None
    print(text)
    if judgement.differences():
        raise Differs(verdict(judgement))
