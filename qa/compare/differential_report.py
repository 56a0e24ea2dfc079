"""The report of differential.py: what differs and is listed, what differs and is not, and where the list is wrong."""

import collections
import fnmatch
import itertools
import re
import subprocess
import textwrap

import differential_runs
from differential_runs import PROCESS

ON_STOCK = {name: what for name, what in differential_runs.COMBINATIONS.items() if 'settrace' in what}


class Report:
    """The differences of the modules, by the exception that lists them; wrong has a line for each thing that is."""

    def __init__(self, python, modules, wanted, exceptions, stock=None, path=()):
        self.python, self.modules, self.wanted, self.exceptions = python, modules, wanted, exceptions
        self.listed = {pattern: [] for pattern in exceptions}
        self.unlisted = []
        for difference in itertools.chain.from_iterable(module.differences for module in modules):
            patterns = [pattern for pattern in exceptions if fnmatch.fnmatchcase(difference.test, pattern)]
            for pattern in patterns:
                self.listed[pattern].append(difference)
            if not patterns:
                self.unlisted.append(difference)
        self.wrong = [f'{test} {", ".join(dict.fromkeys(difference.traced for difference in group))} under '
                      f'{under(group)} and {group[0].untraced} untraced' for test, group in grouped(self.unlisted)]
        mine = [pattern for pattern in exceptions if any(belongs(pattern, module.name) for module in modules)]
        # Some of the combinations may do without what the others need.
        if wanted.keys() == differential_runs.COMBINATIONS.keys():
            self.wrong += [f'the exception {pattern} matches no difference; take it out'
                           for pattern in mine if not self.listed[pattern]]
        if stock:
            claimed = [pattern for pattern in mine if exceptions[pattern].on_stock and self.listed[pattern]]
            self.check_stock(stock, claimed, path)

    def check_stock(self, stock, patterns, path):
        """What is said to differ on stock CPython must do so."""
        names = [module.name for module in self.modules if any(belongs(pattern, module.name) for pattern in patterns)]
        found = [difference.test for module in differential_runs.run(stock, names, ON_STOCK, path)
                 for difference in module.differences]
        self.wrong += [f'the exception {pattern} is said to be as on stock CPython, where it does not differ'
                       for pattern in patterns if not fnmatch.filter(found, pattern)]

    def text(self, seconds):
        """All of it, in lines of up to 100 columns."""
        lines = [*self.figures(seconds), '']
        if self.unlisted:
            lines += ['Differences', '']
            for test, group in grouped(self.unlisted):
                lines += [test, *combined(group)]
                lines += [f'    | {line}' for line in group[0].detail.strip().splitlines()[-12:]] + ['']
        if any(self.listed.values()):
            lines += ['Differences that are listed', '']
        for pattern, group in self.listed.items():
            if group:
                exception = self.exceptions[pattern]
                lines += [pattern, f'    {exception.reason}' + ('; as on stock CPython' if exception.on_stock else ''),
                          *combined(group), '']
        if again := [f'{module.name}: {combination}' for module in self.modules for combination in module.again]:
            lines += ['Another outcome the first time, and the same the second', '', *again, '']
        if replaced := sorted(set().union(*(module.replaced for module in self.modules))):
            lines += ['Tests that ended without the tracer, which was installed again', '', *replaced, '']
        if self.wrong:
            lines += ['Wrong', '', *self.wrong, '']
        return ''.join(f'{line}\n' for line in itertools.chain.from_iterable(map(wrapped, lines[:-1])))

    def figures(self, seconds):
        version = subprocess.run([self.python, '-VV'], capture_output=True, text=True, check=True).stdout.strip()
        outcomes = [outcome for module in self.modules for outcome in module.untraced.outcomes.values()]
        tests = len(outcomes) - len(self.modules)
        differing = {(difference.test, difference.combination) for module in self.modules
                     for difference in module.differences if not difference.test.endswith(PROCESS)}
        unlisted = {(difference.test, difference.combination) for difference in self.unlisted}
        crashed = sum(difference.test.endswith(PROCESS) for module in self.modules for difference in module.differences)
        events = sum((module.events for module in self.modules), collections.Counter())
        return [
            version, '',
            f'modules         {len(self.modules):,}',
            f'tests           {tests:,} ({outcomes.count("is skipped"):,} skipped)',
            f'combinations    {len(self.wanted)}: {", ".join(self.wanted)}',
            f'traced runs     {len(self.modules) * len(self.wanted):,}, of which {crashed:,} ended another way',
            f'outcomes        {tests * len(self.wanted):,}, of which {len(differing):,} are others than untraced',
            f'not listed      {len(unlisted):,}',
            'events          ' + ', '.join(f'{number:,} {event}' for event, number in events.most_common()),
            f'seconds         {seconds:,.0f}']


def belongs(pattern, module):
    """Whether the pattern is one of tests of the module."""
    return re.match(rf'{re.escape(module)}[. ]', pattern)


def grouped(differences):
    """(test, its differences) in the order of tests."""
    groups = collections.defaultdict(list)
    for difference in differences:
        groups[difference.test].append(difference)
    return sorted(groups.items())


def combined(differences):
    """Lines that say under which combinations the outcome is another."""
    groups = collections.defaultdict(list)
    for difference in differences:
        groups[difference.untraced, difference.traced].append(difference)
    return [f'    {untraced} untraced; {traced} under {under(group)}' for (untraced, traced), group in groups.items()]


def under(differences):
    """The combinations, as text."""
    names = dict.fromkeys(difference.combination for difference in differences)
    return 'all' if names.keys() == differential_runs.COMBINATIONS.keys() else ', '.join(names)


def wrapped(line):
    """The line in lines of up to 100 columns; what is after | is not ours to wrap."""
    if line.startswith('    | '):
        return [line[:100]]
    indent = '    ' if line.startswith(' ') else ' ' * 16
    return textwrap.wrap(line, 100, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False) or ['']
