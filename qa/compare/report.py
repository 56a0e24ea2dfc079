"""The report on two sides' results: plain text of at most 100 columns."""

import textwrap
from collections import Counter

from judge import RULE, SIDES
from results import OUTCOMES

WIDTH = 100
TEST_OUTCOMES = 'passed', 'failed', 'error', 'unexpected success', 'expected failure', 'skipped'


def fill(text, first='', rest=None):
    return textwrap.fill(text, WIDTH, initial_indent=first, subsequent_indent=first if rest is None else rest,
                         break_on_hyphens=False)


def counted(number, what):
    return f'{number:,} {what}' + ('' if number == 1 else 's')


def sequence(outcomes):
    """Outcomes in the order of the attempts, equal ones that follow one another in one: failed, passed x2."""
    parts = []
    for outcome in outcomes:
        if parts and parts[-1][0] == outcome:
            parts[-1][1] += 1
        else:
            parts.append([outcome, 1])
    return ', '.join(outcome + (f' x{times}' if times > 1 else '') for outcome, times in parts)


def named(item):
    return f'{item.file}: {item.test}' if item.test else item.file


def both(item):
    """An item with its outcomes on each side."""
    lines = [fill(named(item), '  ', '    ')]
    for side in SIDES:
        lines.append(fill(f'{side + ":":6} {sequence(item.outcomes[side])}', '    ', '      '))
    return '\n'.join(lines)


def section(title, lines, nothing='none'):
    if not lines:
        return [f'{title}: {nothing}', '']
    return [f'{title}:', *lines, '']


def facts(attempts):
    first = attempts[0]
    lines = []
    for side in SIDES:
        run = first[side]
        lines.append(fill(f'{side:10}{run.version or "its version is not in the log"}', '', ' ' * 10))
    for name, value in (
            ('system', lambda run: run.platform or 'not in the log'),
            ('date', lambda run: f'{run.date} UTC'),
            ('workers', lambda run: f'{run.workers}, at most {run.timeout or "any time"} a file'),
            ('command', lambda run: run.command or 'not in the log'),
            ('duration', lambda run: run.duration)):
        values = [value(first[side]) for side in SIDES]
        text = values[0] if values[0] == values[1] else f'{values[0]} (fork); {values[1]} (stock)'
        lines.append(fill(f'{name:10}{text}', '', ' ' * 10))
    for number, attempt in enumerate(attempts[1:], 1):
        files = counted(len({name for side in SIDES for name in attempt[side].files}), 'file')
        lines.append(fill(f'{f"retry {number}":10}{files}: {attempt["fork"].command}', '', ' ' * 10))
    if not attempts[1:]:
        lines.append(f'{"retries":10}none')
    return lines


def table(attempt):
    """Files and tests by outcome in the first run."""
    columns = []
    for side in SIDES:
        files = attempt[side].files.values()
        columns.append((Counter(result.outcome for result in files),
                        Counter(outcome for result in files for _, outcome, _ in result.tests)))
    lines = [f'{"First run":30}{"fork":>10}{"stock":>10}']
    for title, which, outcomes in ('test files', 0, [name for _, name in OUTCOMES]), ('tests', 1, TEST_OUTCOMES):
        fork, stock = columns[0][which], columns[1][which]
        lines.append(f'{title:30}{sum(fork.values()):>10,}{sum(stock.values()):>10,}')
        lines += [f'{"  " + outcome:30}{fork[outcome]:>10,}{stock[outcome]:>10,}'
                  for outcome in outcomes if fork[outcome] or stock[outcome]]
    return lines


def only_fork(judgement):
    """What only the fork has, as it may, by file."""
    lines = []
    for name, items in judgement.by_file.items():
        number = sum(1 for item in items if item.test and item.only_fork())
        if number or items[0].only_fork():
            lines.append(f'  {name}: {counted(number, "test")}'
                         + ('' if items[0].only_fork() else ', in a file that both have'))
    return lines


def fails_alike(item):
    why = item.why.get('fork') or item.why.get('stock') or 'the log does not say why'
    return fill(f'{named(item)} ({sequence(item.outcomes["fork"])}): {why}', '  ', '    ')


def verdict(judgement):
    """The result in a line."""
    differences = judgement.differences()
    if not differences:
        return 'the fork and stock CPython have the same result, test for test'
    names = sorted({item.file for item in differences})
    tests = sum(1 for item in differences if item.test)
    numbers = [counted(number, what) for number, what in ((len(differences) - tests, 'test file'), (tests, 'test'))
               if number]
    return (f'{" and ".join(numbers)} {"differs" if len(differences) == 1 else "differ"} between the fork and '
            f'stock CPython, in {" ".join(names)}')


def report(judgement):
    """The whole report."""
    items = judgement.items
    skipped = [item for item in items if item.skipped_alike()]
    skipped_files = [item.file for item in skipped if not item.test]
    lines = ["CPython's test suite on the fork and on stock CPython, test for test", '',
             *facts(judgement.attempts), '', *table(judgement.attempts[0]), '',
             fill('Result: ' + verdict(judgement) + '.', '', '  '), '']
    lines += section('Differences', [both(item) for item in items if item.differs()])
    lines += section('Flaky, and the same after retries', [both(item) for item in items if item.flaky()])
    lines += section('Fails on both sides alike', [fails_alike(item) for item in items if item.fails_alike()])
    lines += section('Only the fork has', only_fork(judgement))
    lines += [fill(f'Skipped on both sides alike: {counted(len(skipped) - len(skipped_files), "test")}, and '
                   f'{counted(len(skipped_files), "whole file")}' + (': ' if skipped_files else '')
                   + ' '.join(skipped_files), '', '  '), '']
    lines += ['How it is judged:', *[fill(' '.join(RULE.split()), '  ')]]
    return '\n'.join(lines) + '\n'
