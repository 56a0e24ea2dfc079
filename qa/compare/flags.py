"""Tests of the standard library under each combination of flags, compared with the same tests untraced.

    python -m qa.compare flags PYTHON [--stock PYTHON] [--report FILE] [--modules NAMES] [--combinations NAMES]

PYTHON is the interpreter under test.  flags_corpus.py lists the tests, and those that are known to differ.  With
--stock, what it claims about stock CPython is checked too.
"""

import collections
import fnmatch
import functools
import itertools
import json
import os
import re
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from qa import process
from qa.compare.flags_corpus import EXCEPTIONS, LOADS, MODULES
from qa.compare.judge import PASSED, Differs, Outcome, Result, judged
from qa.compare.text import WIDTH, fact, fill
from qa.process import Trouble, last_line

WORKER = Path(__file__).with_name('flags_worker.py')
PROCESS = '(process)'   # the name of the test to report if the process itself ends in another way
LIMIT = 600             # seconds for one module


def combinations():
    """{name: what the worker is to install} of all combinations; only those with instructions can have a filter."""
    every = {'settrace': {'settrace': True}, 'settrace+opcodes': {'settrace': True, 'opcodes': True}}
    for lines, instructions, branches in itertools.product((False, True), repeat=3):
        for names in (None, LOADS) if instructions else (None,):
            parts = (['lines'] * lines + ['some instructions' if names else 'all instructions'] * instructions +
                     ['branches'] * branches)
            every['+'.join(parts) or 'calls'] = {'trace_lines': lines, 'trace_instructions': instructions,
                                                 'trace_branches': branches, 'instruction_filter': names}
    return every


COMBINATIONS = combinations()
ON_STOCK = {name: what for name, what in COMBINATIONS.items() if 'settrace' in what}


# --- Running ----------------------------------------------------------------------------

@dataclass
class Run(Result):
    """The Result of a module under one combination, or untraced.

    output      what the process printed
    details     {test: its traceback}
    events      {event: how many there were}
    replaced    the tests that ended without the tracer
    """

    output: str = ''
    details: dict = field(default_factory=dict)
    events: collections.Counter = field(default_factory=collections.Counter)
    replaced: list = field(default_factory=list)


def run(python, module, combination, path=()):
    """Run the tests of a module, in the same environment each time; None as combination means untraced."""
    environment = process.environment() | {'PYTHONHASHSEED': '0', 'PYTHONFAULTHANDLER': '1', 'LC_ALL': 'C.UTF-8'}
    if path:
        environment['PYTHONPATH'] = os.pathsep.join(map(str, path))
    with tempfile.TemporaryDirectory(prefix='flags-', ignore_cleanup_errors=True) as folder:
        work, written, output = Path(folder, 'work'), Path(folder, 'result'), Path(folder, 'output')
        work.mkdir()
        with open(output, 'wb') as file:
            ended = process.run([python, WORKER, module, json.dumps(combination), written], file, LIMIT, cwd=work,
                                env=environment | {'TMPDIR': folder})
        found = json.loads(written.read_text()) if written.exists() else {}
        result = Run(PASSED, output=output.read_text(errors='replace'), details=found.get('details', {}),
                     events=collections.Counter(found.get('events')), replaced=found.get('replaced', []))
    if 'outcomes' in found:
        result.tests = {test: Outcome(word, found['reasons'].get(test, '')) for test, word in found['outcomes'].items()}
    if ended.status != 0:
        result.outcome = Outcome('crashed', str(ended))
    elif combination is not None and (wrong := wrong_events(combination, result)):
        result.outcome = Outcome(wrong)
    return result


def announced(combination):
    """The kinds of events that the combination must cause, and those that it must not cause."""
    asked = {'line': combination.get('trace_lines', True), 'instruction': combination.get('trace_instructions', False),
             'branch': combination.get('trace_branches', False)}
    wanted = {event for event, on in asked.items() if on} | {'call', 'return'}
    return wanted | ({'opcode'} if combination.get('opcodes') else set()), asked.keys() - wanted


def wrong_events(combination, result):
    """Which kinds of events are missing or were not requested, as text."""
    wanted, unwanted = announced(combination)
    if missing := wanted - result.events.keys():
        return f'no events of {" and ".join(sorted(missing))}'
    # A test that restores the function without the flags causes events that were not requested.
    if (extra := unwanted & result.events.keys()) and not result.replaced:
        return f'events of {" and ".join(sorted(extra))}'
    return ''


@dataclass
class Difference:
    """A test, or a module's process, with its last outcome under a combination and the last one untraced."""

    test: str
    combination: str
    untraced: str
    traced: str
    detail: str


class Module:
    """A module untraced and under the combinations.

    differences     the Differences that remain after a retry
    again           the combinations with a difference that a retry did not confirm
    replaced        the tests that ended without the tracer
    """

    def __init__(self, python, name, wanted, path=()):
        self.name = name
        self.differences, self.again = [], []
        self.events = collections.Counter()
        self.replaced = set()
        begin = time.monotonic()
        self.untraced = run(python, name, None, path)
        if self.untraced.outcome != PASSED or not self.untraced.tests:
            raise Trouble(f'{name} has no outcome without tracing: '
                          f'{last_line(self.untraced.output, "it has no tests")}')
        for combination, what in wanted.items():
            self.try_under(combination, functools.partial(run, python, name, path=path), what)
        self.seconds = time.monotonic() - begin

    def try_under(self, combination, start, what):
        runs = []       # one for each attempt

        def attempt(number, items):
            runs.append({'traced': start(what), 'untraced': start(None) if number else self.untraced})
            return {side: {self.name: result} for side, result in runs[-1].items()}

        judgement = judged(attempt, retries=1)
        traced, untraced = runs[-1]['traced'], runs[-1]['untraced']
        self.events += traced.events
        self.replaced.update(traced.replaced)
        differences = judgement.differences()
        if len(runs) > 1 and not differences:
            self.again.append(combination)
        for item in differences:
            kinds = {side: last_kind(found) for side, found in item.outcomes.items()}
            details = untraced.details | traced.details
            detail = details.get(item.test, '') if item.test else traced.output
            self.differences.append(Difference(item.test or f'{self.name} {PROCESS}', combination, kinds['untraced'],
                                               kinds['traced'], detail))


def last_kind(outcomes):
    """The last outcome other than passed, or passed."""
    return next((outcome.kind for outcome in reversed(outcomes) if outcome != PASSED), 'passed')


def run_modules(python, names, wanted, path=(), jobs=None, say=lambda text: None):
    """Run the modules, as many at once as there are processors, and return them in the order of the names."""
    jobs = jobs or len(os.sched_getaffinity(0))
    modules = {}
    for module in process.each(lambda name: Module(python, name, wanted, path), names, jobs):
        modules[module.name] = module
        say(f'[{len(modules)}/{len(names)}] {module.name}: {len(module.untraced.tests)} tests, '
            f'{len({difference.test for difference in module.differences})} differ, {module.seconds:.1f} s')
    return [modules[name] for name in names]


# --- The report -------------------------------------------------------------------------

class Report:
    """The differences of the modules, by the exception that lists them; wrong has a line for each problem."""

    def __init__(self, python, modules, wanted, exceptions, stock=None, path=()):
        self.python, self.modules, self.wanted, self.exceptions = python, modules, wanted, exceptions
        self.differences = [difference for module in modules for difference in module.differences]
        self.listed = {pattern: [difference for difference in self.differences
                                 if fnmatch.fnmatchcase(difference.test, pattern)] for pattern in exceptions}
        listed = [difference for group in self.listed.values() for difference in group]
        self.unlisted = [difference for difference in self.differences if difference not in listed]
        self.wrong = [f'{test}: {", ".join(dict.fromkeys(difference.traced for difference in group))} under '
                      f'{under(group)}, {group[0].untraced} untraced' for test, group in by_test(self.unlisted)]
        mine = [pattern for pattern in exceptions if any(belongs(pattern, module.name) for module in modules)]
        # With fewer combinations, an exception may not be needed.
        if wanted.keys() == COMBINATIONS.keys():
            self.wrong += [f'the exception {pattern} matches no difference; take it out'
                           for pattern in mine if not self.listed[pattern]]
        if stock:
            claimed = [pattern for pattern in mine if exceptions[pattern].on_stock and self.listed[pattern]]
            self.check_stock(stock, claimed, path)

    def check_stock(self, stock, patterns, path):
        """Check that the tests listed as differing on stock CPython do so."""
        names = [module.name for module in self.modules if any(belongs(pattern, module.name) for pattern in patterns)]
        found = [difference.test for module in run_modules(stock, names, ON_STOCK, path)
                 for difference in module.differences]
        self.wrong += [f'the exception {pattern} claims the same difference on stock CPython, but there is none'
                       for pattern in patterns if not fnmatch.filter(found, pattern)]

    def text(self, seconds):
        lines = [*self.figures(seconds), '']
        if self.unlisted:
            lines += ['Differences', '']
            for test, group in by_test(self.unlisted):
                lines += [test, *outcomes_of(group)]
                lines += [f'    | {line}'[:WIDTH] for line in group[0].detail.strip().splitlines()[-12:]] + ['']
        if any(self.listed.values()):
            lines += ['Differences that are listed', '']
        for pattern, group in self.listed.items():
            if group:
                exception = self.exceptions[pattern]
                on_stock = '; the same on stock CPython' if exception.on_stock else ''
                lines += [pattern, fill(exception.reason + on_stock, '    '), *outcomes_of(group), '']
        if again := [f'{module.name}: {combination}' for module in self.modules for combination in module.again]:
            lines += ['Differed only in the first attempt', '', *again, '']
        if replaced := sorted(set().union(*(module.replaced for module in self.modules))):
            lines += ['Tests that removed the tracer, which was then installed again', '', *replaced, '']
        if self.wrong:
            lines += ['Wrong', '', *(fill(line, '', '    ') for line in self.wrong), '']
        return '\n'.join(lines)

    def figures(self, seconds):
        version = subprocess.run([self.python, '-VV'], capture_output=True, text=True, check=True).stdout.strip()
        outcomes = [outcome.word for module in self.modules for outcome in module.untraced.tests.values()]
        differing, unlisted = ({(difference.test, difference.combination) for difference in differences}
                               for differences in (self.differences, self.unlisted))
        crashed = sum(test.endswith(PROCESS) for test, _ in differing)
        events = sum((module.events for module in self.modules), collections.Counter())
        yield fill(version, '', '    ')
        yield ''
        for name, text in (
                ('modules', f'{len(self.modules):,}'),
                ('tests', f'{len(outcomes):,} ({outcomes.count("skipped"):,} skipped)'),
                ('combinations', f'{len(self.wanted)}: {", ".join(self.wanted)}'),
                ('traced runs', f'{len(self.modules) * len(self.wanted):,}, {crashed:,} of which ended another way'),
                ('outcomes', f'{len(outcomes) * len(self.wanted):,}, {len(differing) - crashed:,} of which differ from '
                             'the untraced ones'),
                ('not listed', f'{len(unlisted):,}'),
                ('events', ', '.join(f'{number:,} {event}' for event, number in events.most_common())),
                ('seconds', f'{seconds:,.0f}')):
            yield fact(name, text, 16)


def belongs(pattern, module):
    """Whether the pattern is for tests of the module."""
    return re.match(rf'{re.escape(module)}[. ]', pattern)


def by_test(differences):
    """(test, its differences) in the order of tests."""
    groups = collections.defaultdict(list)
    for difference in differences:
        groups[difference.test].append(difference)
    return sorted(groups.items())


def outcomes_of(differences):
    """A line for each pair of outcomes, with the combinations."""
    groups = collections.defaultdict(list)
    for difference in differences:
        groups[difference.untraced, difference.traced].append(difference)
    for (untraced, traced), group in groups.items():
        yield fill(f'{untraced} untraced; {traced} under {under(group)}', '    ')


def under(differences):
    """The combinations, as text."""
    names = dict.fromkeys(difference.combination for difference in differences)
    return 'all' if names.keys() == COMBINATIONS.keys() else ', '.join(names)


# --- Command line -----------------------------------------------------------------------

def add_arguments(parser):
    parser.add_argument('python', help='the interpreter under test')
    parser.add_argument('--stock', help='the interpreter of stock CPython')
    parser.add_argument('--report', type=Path, help='also write the report to this file')
    parser.add_argument('--modules', default=MODULES, help='names of tests in Lib/test (default: all that are listed)')
    parser.add_argument('--combinations', help='combinations, separated by semicolons (default: all)')
    parser.add_argument('--jobs', type=int, help='how many modules to run at once (default: one per processor)')


def check(parser, options):
    names = [name.strip() for name in options.combinations.split(';')] if options.combinations else COMBINATIONS
    if unknown := [name for name in names if name not in COMBINATIONS]:
        parser.error(f'there is no combination {unknown[0]!r}; there are {", ".join(COMBINATIONS)}')
    options.wanted = {name: COMBINATIONS[name] for name in names}


def main(options, say):
    python, stock = os.path.abspath(options.python), options.stock and os.path.abspath(options.stock)
    names = [f'test.{name}' for name in options.modules.split()]
    begin = time.monotonic()
    modules = run_modules(python, names, options.wanted, jobs=options.jobs, say=say)
    report = Report(python, modules, options.wanted, EXCEPTIONS, stock)
    text = report.text(time.monotonic() - begin)
    if options.report:
        options.report.write_text(text)
    print(f'\n{text}', end='')
    if report.wrong:
        more = f' (and {len(report.wrong) - 1} more, above)' if len(report.wrong) > 1 else ''
        raise Differs(report.wrong[0] + more)
