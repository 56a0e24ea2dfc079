"""Tests of the standard library under each combination of flags, compared with the same tests untraced.

flags_corpus.py lists the tests, and those that are known to differ; what it claims about stock CPython is checked too.
"""

import collections
import fnmatch
import itertools
import json
import os
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from qa import process
from qa.compare.flags_corpus import EXCEPTIONS, LOADS, MODULES
from qa.compare.judge import PASSED, Outcome, Result, judged
from qa.compare.report import WIDTH, both, fact, fill, section
from qa.process import Trouble, last_line

WORKER = Path(__file__).with_name('flags_worker.py')
LIMIT = 600             # seconds for one module
UNDER = ' under '       # between the module and the combination, in the name of a file


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
    events      {event: how many there were}
    replaced    the tests that ended without the tracer
    """

    output: str = ''
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
        result = Run(PASSED, seconds=ended.wall, output=output.read_text(errors='replace'),
                     events=collections.Counter(found.get('events')), replaced=found.get('replaced', []))
    if found:
        result.tests = {test: Outcome(*outcome) for test, outcome in found['outcomes'].items()}
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


def judgement_on(python, modules, wanted, path=(), jobs=1, say=lambda text: None):
    """The Judgement on the modules under the wanted combinations; each pair is a file.  What differs is tried again."""
    def run_module(item):
        module, names = item
        untraced = run(python, module, None, path)
        return module, untraced, {name: run(python, module, wanted[name], path) for name in names}

    def attempt(number, items):
        todo = {module: list(wanted) for module in modules}
        if number:
            pairs = sorted({item.file for item in items})
            todo = {module: [pair.partition(UNDER)[2] for pair in group]
                    for module, group in itertools.groupby(pairs, lambda pair: pair.partition(UNDER)[0])}
        results = {'traced': {}, 'untraced': {}}
        for done, (module, untraced, traced) in enumerate(process.each(run_module, todo.items(), jobs), 1):
            if not number and (untraced.outcome != PASSED or not untraced.tests):
                raise Trouble(f'{module} has no outcome without tracing: {last_line(untraced.output, "no tests")}')
            for name, result in traced.items():
                results['traced'][module + UNDER + name] = result
                results['untraced'][module + UNDER + name] = untraced
            seconds = sum(result.seconds for result in (untraced, *traced.values()))
            say(f'[{done}/{len(todo)}] {module}: {len(untraced.tests or ())} tests, {seconds:.1f} s'
                f'{" once more" if number else ""}')
        return results

    return judged(attempt, retries=1, again=differs)


def differs(item):
    """Whether an Item differs, or passed on both sides, but never in the same attempt."""
    return item.differs() or item.is_flaky() and not item.is_reported_as_file() and all(
        traced != untraced for traced, untraced in zip(item.kinds['traced'], item.kinds['untraced']))


# --- The report -------------------------------------------------------------------------

def test_of(item):
    module, _, _ = item.file.partition(UNDER)
    return item.test or f'{module} (process)'


def outcome(item, side):
    """The last outcome other than passed, or passed."""
    return next((kind for kind in reversed(item.kinds[side]) if kind != 'passed'), 'passed')


def under(items):
    """The combinations, as text."""
    names = dict.fromkeys(item.file.partition(UNDER)[2] for item in items)
    return 'all' if names.keys() == COMBINATIONS.keys() else ', '.join(names)


class Report:
    """The differences, by the exception that lists them; wrong has a line for each problem."""

    def __init__(self, judgement, wanted, exceptions, on_stock=None):
        self.judgement, self.wanted, self.exceptions = judgement, wanted, exceptions
        self.runs = judgement.attempts[0]
        self.modules = {pair.partition(UNDER)[0]: result for pair, result in self.runs['untraced'].items()}
        self.items = [item for item in judgement.items if differs(item)]
        self.listed = {pattern: [item for item in self.items if fnmatch.fnmatchcase(test_of(item), pattern)]
                       for pattern in exceptions}
        listed = [item for group in self.listed.values() for item in group]
        self.unlisted = collections.defaultdict(list)       # by test
        for item in sorted((item for item in self.items if item not in listed), key=test_of):
            self.unlisted[test_of(item)].append(item)
        self.wrong = [f'{test}: {", ".join(dict.fromkeys(outcome(item, "traced") for item in group))} under '
                      f'{under(group)}, {outcome(group[0], "untraced")} untraced'
                      for test, group in self.unlisted.items()]
        mine = [pattern for pattern in exceptions if self.modules_of(pattern)]
        # With fewer combinations, an exception may not be needed.
        if wanted.keys() == COMBINATIONS.keys():
            self.wrong += [f'the exception {pattern} matches no difference; take it out'
                           for pattern in mine if not self.listed[pattern]]
        if on_stock:
            self.check_stock([pattern for pattern in mine if exceptions[pattern].on_stock and self.listed[pattern]],
                             on_stock)

    def modules_of(self, pattern):
        """The modules that have the tests of a pattern."""
        return [module for module in self.modules if pattern.startswith((f'{module}.', f'{module} '))]

    def check_stock(self, patterns, on_stock):
        """Check that the tests listed as differing on stock CPython do so; on_stock(modules) is the Judgement there."""
        names = sorted({name for pattern in patterns for name in self.modules_of(pattern)})
        found = [test_of(item) for item in on_stock(names).items if differs(item)] if names else []
        self.wrong += [f'the exception {pattern} claims the same difference on stock CPython, but there is none'
                       for pattern in patterns if not fnmatch.filter(found, pattern)]

    def text(self, facts):
        flaky = [both(item) for item in self.judgement.items if item.is_flaky() and item not in self.items]
        replaced = sorted({test for run in self.all_runs() for test in run.replaced})
        reasons = {pattern: listed.reason + ('; the same on stock CPython' if listed.on_stock else '')
                   for pattern, listed in self.exceptions.items()}
        return '\n'.join([
            "The standard library's tests, traced and untraced", '',
            *(fact(name, text, 16) for name, text in (facts | self.figures()).items()), '',
            *section('Differences', ['\n'.join([f'  {test}', *outcomes_of(group), *self.detail(group[0])])
                                     for test, group in self.unlisted.items()]),
            *section('Differences that are listed', ['\n'.join(
                [f'  {pattern}', fill(reasons[pattern], '    '), *outcomes_of(group)])
                for pattern, group in self.listed.items() if group]),
            *section('Flaky, but the same after retries', flaky),
            *section('Tests that removed the tracer, which was then installed again',
                     [f'  {test}' for test in replaced]),
            *section('Wrong', [fill(line, '  ', '    ') for line in self.wrong])])

    def all_runs(self):
        return [run for attempt in self.judgement.attempts for run in attempt['traced'].values()]

    def detail(self, item):
        """The end of a test's traceback, or of the output of a process."""
        text = item.why('traced') or item.why('untraced')
        if item.test is None:
            text = next(attempt['traced'][item.file].output for attempt in reversed(self.judgement.attempts)
                        if item.file in attempt['traced'])
        return [f'    | {line}'[:WIDTH] for line in text.strip().splitlines()[-12:]]

    def figures(self):
        outcomes = [outcome.word for result in self.modules.values() for outcome in result.tests.values()]
        runs, unlisted = len(self.runs['traced']), sum(map(len, self.unlisted.values()))
        crashed = sum(item.test is None for item in self.items)
        events = sum((run.events for run in self.all_runs()), collections.Counter())
        return {
            'modules': f'{len(self.modules):,}',
            'tests': f'{len(outcomes):,} ({outcomes.count("skipped"):,} skipped)',
            'combinations': f'{len(self.wanted)}: {", ".join(self.wanted)}',
            'traced runs': f'{runs:,}, {crashed:,} of which ended another way',
            'outcomes': f'{len(outcomes) * len(self.wanted):,}, {len(self.items) - crashed:,} of which differ from the '
                        'untraced ones',
            'not listed': f'{unlisted:,}',
            'events': ', '.join(f'{number:,} {event}' for event, number in events.most_common())}


def outcomes_of(items):
    """A line for each pair of outcomes, with the combinations."""
    groups = collections.defaultdict(list)
    for item in items:
        groups[outcome(item, 'untraced'), outcome(item, 'traced')].append(item)
    for (untraced, traced), group in groups.items():
        yield fill(f'{untraced} untraced; {traced} under {under(group)}', '    ')


def compare(options, say):
    """Yield the report, and a line with the problems."""
    begun = time.monotonic()
    names = [f'test.{name}' for name in options.names or MODULES.split()]
    judgement = judgement_on(options.pythons['fork'], names, COMBINATIONS, jobs=options.jobs, say=say)
    report = Report(judgement, COMBINATIONS, EXCEPTIONS,
                    lambda names: judgement_on(options.pythons['stock'], names, ON_STOCK, jobs=options.jobs))
    text = report.text(options.about | {'seconds': f'{time.monotonic() - begun:,.0f}'})
    more = f' (and {len(report.wrong) - 1} more, in the report)' if len(report.wrong) > 1 else ''
    yield text, report.wrong[0] + more if report.wrong else ''
