"""CPython's test suite: each test file runs in a separate process, on one side after the other."""

import datetime
import shutil
from collections import Counter

from qa import ROOT, process
from qa.compare import regrtest
from qa.compare.judge import RULE, SIDES, judged
from qa.compare.report import counted, fact, fill, judged_items, section
from qa.process import Trouble

RETRIES = 2
TEST_OUTCOMES = 'passed', 'failed', 'error', 'unexpected success', 'expected failure', 'skipped'


def compare(options, say):
    """Yield the report, and a line with the differences.

    A folder named like the report contains first/FILE.SIDE.log and .xml for each file, and in retry-1, retry-2... the
    same for the files that were run again: those that differ, or that fail on a side without having passed there.
    """
    date = datetime.datetime.now(datetime.UTC)
    logs = options.report.with_suffix('')
    shutil.rmtree(logs, ignore_errors=True)
    files = {side: files_of(side, options) for side in SIDES}

    def both_sides(name, folder):
        return name, {side: regrtest.run(options.pythons[side], name, folder / f'{name}.{side}.log',
                                         folder / f'{name}.{side}.xml', options.ignore)
                      for side in SIDES if name in files[side]}

    def attempt(number, items):
        folder = logs / (f'retry-{number}' if number else 'first')
        names = sorted({item.file for item in items}) if number else list(dict.fromkeys(files['fork'] + files['stock']))
        results = {side: {} for side in SIDES}
        pairs = process.each(lambda name: both_sides(name, folder), names, 1 if number else options.jobs)
        for done, (name, found) in enumerate(pairs, 1):
            for side, result in found.items():
                results[side][name] = result
            same = len({result.outcome.word for result in found.values()}) == 1
            if number or not same or done % 20 == 0 or done == len(names):
                say(f'{folder.name}: {done} of {counted(len(names), "test file")}; {name}: '
                    + ', '.join(f'{result.outcome.word} on {side}' for side, result in found.items()))
        return results

    judgement = judged(attempt, RETRIES, ours=our_files(),
                       again=lambda item: item.differs() or any(map(item.fails, SIDES)))
    command = 'python ' + ' '.join(regrtest.words_of(options.ignore)) + ' FILE'
    facts = options.about | {'date': f'{date:%Y-%m-%d %H:%M} UTC', 'command': f'{command}, {options.jobs} at once'}
    yield report(judgement, facts), verdict(judgement) if judgement.differences() else ''


def files_of(side, options):
    """The names of the test files to run on a side."""
    if options.names:
        names = [name for name in options.names if side == 'fork' or not is_new(name)]
        if not names:
            raise Trouble(f'stock CPython has no {" ".join(options.names)}; also name a file that both have')
        return names
    python = options.pythons[side]
    return process.ask(f'{python} does not list its tests', python, '-m', 'test', '--list-tests',
                       env=process.environment()).split()


def is_new(name):
    """Whether the fork adds this test file."""
    return any((ROOT / 'Lib/test' / place).exists() for place in (f'{name}.py', f'{name}/__init__.py'))


def our_files():
    """The test files that the fork adds or patches."""
    return {path.name.partition('.')[0] for path in (ROOT / 'Lib/test').glob('test_*')}


# --- The report -------------------------------------------------------------------------

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


def report(judgement, facts):
    """The whole report."""
    attempts = judgement.attempts
    minutes = {side: sum(result.seconds for result in results.values()) / 60 for side, results in attempts[0].items()}
    facts = facts | {'duration': '; '.join(f'{time:.1f} min in all files ({side})' for side, time in minutes.items()),
                     'retries': 'none'}
    for number, attempt in enumerate(attempts[1:], 1):
        facts.pop('retries', None)
        facts[f'retry {number}'] = counted(len({*attempt['fork'], *attempt['stock']}), 'file') + ', one at a time'
    skipped = [item for item in judgement.items if item.skipped_alike()]
    whole = [item.file for item in skipped if not item.test]
    return '\n'.join([
        "CPython's test suite on the fork and on stock CPython, compared test by test", '',
        *(fact(name, text) for name, text in facts.items()), '', *table(attempts[0]), '',
        fill(f'Result: {verdict(judgement)}.', '', '  '), '',
        *judged_items(judgement), *section('Only in the fork', list(only_fork(judgement))),
        fill(f'Skipped on both sides: {counted(len(skipped) - len(whole), "test")}, and '
             f'{counted(len(whole), "whole file")}{": " if whole else ""}{" ".join(whole)}', '', '  '), '',
        'How results are compared:', fill(' '.join(RULE.split()), '  ')]) + '\n'
