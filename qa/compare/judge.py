"""Two sides' results of the same test files, in one attempt or several, judged test for test.

Every attempt runs a file on both sides in the same way.  A file or test is the same on both sides if it passed on
each in at least one attempt, or if it passed on neither and both sides have one kind of outcome in common.  A skip
for another reason, or a crash with another exit status, is another kind; a test that did not run is no outcome, and
where a file's process died before it reported its tests, the file stands for those that did not pass elsewhere.  What
differs, and what failed on a side without having passed there, is tried again, by whole files and always on both
sides.  What is the same, but not in all attempts of a side, is flaky.  Tests of one name in one file are told apart
by the order of their outcomes.  Tests that only the fork has are no difference if their file is one that the fork
adds or changes, and they do not fail.
"""

from collections import Counter, defaultdict
from pathlib import Path

from results import IDLE, NAMELESS, OUTSIDE, SILENT

SIDES = 'fork', 'stock'
RULE = __doc__.partition('\n\n')[2]
ABSENT = 'absent'           # the file's process reported its tests, and this was not among them
UNKNOWN = 'no result'       # it reported none
BAD = {'failed', 'error', 'unexpected success', 'env changed'} | SILENT


def kind(outcome, why):
    """What must be equal for two outcomes to be the same."""
    return f'{outcome}: {why}' if why and outcome in {'skipped', 'resource denied', 'crashed'} else outcome


def is_a(outcomes, kinds):
    """Are there outcomes, and all of these kinds?"""
    real = [outcome.partition(': ')[0] for outcome in outcomes if outcome not in (ABSENT, UNKNOWN)]
    return bool(real) and all(outcome in kinds for outcome in real)


class Item:
    """A test file, or a test of it, with its outcomes on each side in the order of the attempts."""

    def __init__(self, file, test, ours):
        self.file = file
        self.test = test            # None: the file itself
        self.ours = ours            # does the fork add or change the file?
        self.outcomes = {side: [] for side in SIDES}
        self.why = {}

    def real(self, side):
        return {outcome for outcome in self.outcomes[side] if outcome not in (ABSENT, UNKNOWN)}

    def only_fork(self):
        """Does stock lack it, as it may?"""
        return self.ours and not self.real('stock') and UNKNOWN not in self.outcomes['stock']

    def fails(self, side):
        """Did it fail there, and never pass?"""
        return 'passed' not in self.real(side) and any(outcome.partition(': ')[0] in BAD for outcome in self.real(side))

    def differs(self):
        fork, stock = self.real('fork'), self.real('stock')
        if self.only_fork():
            return self.fails('fork')
        if self.test and any(is_unknown(self.outcomes[side]) for side in SIDES):
            return False            # its file tells
        if self.test and 'passed' not in fork | stock:
            # the process of a side may have died of it
            if any(not self.real(side) and UNKNOWN in self.outcomes[side] for side in SIDES):
                return False
        if 'passed' in fork or 'passed' in stock:
            return not ('passed' in fork and 'passed' in stock)
        return not fork & stock

    def flaky(self):
        return not self.differs() and any(len(set(self.outcomes[side]) - {UNKNOWN}) > 1 for side in SIDES)

    def fails_alike(self):
        return not self.differs() and all(self.fails(side) for side in SIDES)

    def skipped_alike(self):
        return not self.differs() and all(is_a(self.outcomes[side], IDLE) for side in SIDES)


def is_unknown(outcomes):
    return set(outcomes) <= {UNKNOWN}


def is_new(overlay, name):
    """Is this test file one that the overlay adds?"""
    return any(Path(overlay, 'Lib/test', place).exists() for place in (f'{name}.py', f'{name}/__init__.py'))


def our_files(overlay):
    """The test files that the overlay in this folder adds or patches: test_NAME.py or a folder test_NAME."""
    return {path.name.partition('.')[0] for path in Path(overlay, 'Lib/test').glob('test_*')}


def tests_in(attempts, known):
    """For each attempt of one side the outcomes of a file's tests, by (id, number), or None if it reported none.

    A test without a name is one that is known from another attempt, if all such can be told by their absence.
    """
    for result in attempts:
        if result is None or not (result.reported or result.tests):
            yield None
            continue
        tests = [test for test in result.tests if test[0] != NAMELESS]
        nameless = [test for test in result.tests if test[0] == NAMELESS]
        missing = sorted(known - {name for name, _, _ in tests})
        if len(missing) == len(nameless):
            nameless = [(name, outcome, why) for name, (_, outcome, why) in zip(missing, nameless)]
        numbers = Counter()
        outcomes = {}
        for name, outcome, why in sorted(tests + nameless):
            numbers[name] += 1
            outcomes[name, numbers[name]] = outcome, why
        yield outcomes


def items_of(name, attempts, ours):
    """The file and its tests, judged over all attempts; each attempt is {side: FileResult or None}."""
    whole = Item(name, None, ours)
    for side in SIDES:
        for attempt in attempts:
            result = attempt[side]
            whole.outcomes[side].append(kind(result.outcome, result.why) if result else ABSENT)
            if result and result.why and result.outcome != 'passed':
                whole.why[side] = result.why
    yield whole
    known = {test[0] for attempt in attempts for result in attempt.values() if result for test in result.tests}
    known = {name for name in known if name != NAMELESS and not OUTSIDE.match(name)}
    tests = defaultdict(lambda: Item(name, '', ours))
    by_side = {side: list(tests_in([attempt[side] for attempt in attempts], known)) for side in SIDES}
    keys = sorted({key for outcomes in by_side.values() for found in outcomes for key in found or ()})
    for key in keys:
        item = tests[key]
        item.test = key[0] if key[1] == 1 else f'{key[0]} [{key[1]}]'
        for side in SIDES:
            for number, found in enumerate(by_side[side]):
                if found is not None:
                    outcome, why = found.get(key, (ABSENT, ''))
                    item.outcomes[side].append(kind(outcome, why))
                    if why:
                        item.why[side] = why
                else:
                    item.outcomes[side].append(UNKNOWN if attempts[number][side] else ABSENT)
    yield from tests.values()
    reported = [any(found is not None for found in by_side[side]) for side in SIDES]
    if reported[0] != reported[1] and not whole.differs() and not whole.only_fork():
        # files that end alike, of which one told nothing of its tests
        item = Item(name, '(all tests)', ours=False)
        for side, told in zip(SIDES, reported):
            item.outcomes[side].append('reported' if told else 'not reported')
        yield item


class Judgement:
    """All files and tests of all attempts, each of which is {side: Run}."""

    def __init__(self, attempts, ours):
        self.attempts = attempts
        names = {name for attempt in attempts for run in attempt.values() for name in run.files}
        self.by_file = {}
        for name in sorted(names):
            of_file = [{side: attempt[side].files.get(name) for side in SIDES}
                       for attempt in attempts if any(name in run.files for run in attempt.values())]
            self.by_file[name] = list(items_of(name, of_file, name in ours))
        self.items = [item for items in self.by_file.values() for item in items]

    def differences(self):
        return [item for item in self.items if item.differs()]

    def to_retry(self):
        """The files in which something differs or failed without having passed."""
        return [name for name, items in self.by_file.items()
                if any(item.differs() or any(item.fails(side) for side in SIDES) for item in items)]

    def sides_of(self, name):
        """The sides that have this file."""
        return [side for side in SIDES if any(name in attempt[side].files for attempt in self.attempts)]
