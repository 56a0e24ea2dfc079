"""The outcomes of the same tests on two sides, in one or more attempts, compared test by test.

In every attempt, each file runs in the same way on both sides.  A file or test has the same result on both sides if it
passed at least once on each, or if it passed on neither and both sides had at least one kind of outcome in common.  A
skip with a different reason, or a crash with a different exit status, is a different kind.  A test that did not run has
no outcome.  If the process of a file died before it reported its tests, the file is compared instead of the tests that
did not pass on the other side.  Whatever differs is run again, always on both sides; for CPython's test suite, so is
whatever failed on a side without having passed there.  A result that is the same on both sides, but not the same in all
attempts of a side, is flaky.  Tests with the same name in one file are distinguished by the order of their outcomes.  A
test that only the fork has is not a difference if it does not fail and the fork adds or changes its file.
"""

from dataclasses import dataclass
from typing import NamedTuple

SIDES = 'fork', 'stock'
RULE = __doc__.partition('\n\n')[2]
IDLE = {'skipped', 'resource denied', 'no tests'}
SILENT = {'crashed', 'timed out'}       # the process reports no tests
BAD = {'failed', 'error', 'unexpected success', 'env changed'} | SILENT
REASONED = {'skipped', 'resource denied', 'crashed'}        # the reason is part of the kind


class Outcome(NamedTuple):
    """How a test or a whole file ended."""

    word: str
    why: str = ''

    @property
    def kind(self):
        """Equal for outcomes that count as the same."""
        return f'{self.word}: {self.why}' if self.why and self.word in REASONED else self.word


PASSED = Outcome('passed')
ABSENT = Outcome('absent')          # it should have run, but did not
UNKNOWN = Outcome('no result')      # not reported


@dataclass
class Result:
    """How a test file ended in one attempt on one side.

    outcome     of the file as a whole
    tests       {name: Outcome}, or None if its process reported none
    chosen      the tests that should run; None for all
    seconds     how long it took
    """

    outcome: Outcome
    tests: dict | None = None
    chosen: frozenset | None = None
    seconds: float = 0

    def of(self, test):
        """The Outcome of a test."""
        if self.tests is None or self.chosen is not None and test not in self.chosen:
            return UNKNOWN
        return self.tests.get(test, ABSENT)


class Item:
    """A test file, or one of its tests, with its outcomes in all attempts.

    test        None for the file itself
    ours        whether the fork adds or changes the file
    outcomes    {side: [Outcome]}; the first side is under test, the second is the reference
    """

    def __init__(self, file, test, ours, outcomes):
        self.file, self.test, self.ours = file, test, ours
        self.tested, self.reference = outcomes
        self.outcomes = outcomes
        self.kinds = {side: [outcome.kind for outcome in found] for side, found in outcomes.items()}
        self.real = {side: [outcome for outcome in found if outcome not in (ABSENT, UNKNOWN)]
                     for side, found in outcomes.items()}

    def why(self, side):
        """The last reason on this side."""
        return next((outcome.why for outcome in reversed(self.outcomes[side]) if outcome.why), '')

    def passes(self, side):
        return PASSED in self.real[side]

    def fails(self, side):
        """Whether it failed on this side and never passed."""
        return not self.passes(side) and any(outcome.word in BAD for outcome in self.real[side])

    def is_extra(self):
        """Whether only the fork has it, in a file that the fork adds or changes."""
        return self.ours and not self.real[self.reference] and UNKNOWN not in self.outcomes[self.reference]

    def is_reported_as_file(self):
        """Whether a side has no outcome because the process of the file died: then the file is compared instead."""
        passed = any(map(self.passes, self.outcomes))
        return self.test is not None and any(
            all(outcome == UNKNOWN for outcome in found) or not passed and not self.real[side] and UNKNOWN in found
            for side, found in self.outcomes.items())

    def differs(self):
        if self.is_extra():
            return self.fails(self.tested)
        if self.is_reported_as_file():
            return False
        if self.passes(self.tested) or self.passes(self.reference):
            return not (self.passes(self.tested) and self.passes(self.reference))
        tested, reference = ({outcome.kind for outcome in found} for found in self.real.values())
        return not tested & reference

    def worse_side(self):
        """The side to blame for a difference."""
        def badness(side):
            return 0 if self.passes(side) else 3 if self.fails(side) else 1 if self.real[side] else 2
        return max(self.outcomes, key=badness)

    def is_flaky(self):
        return not self.differs() and any(len(set(kinds) - {UNKNOWN.word}) > 1 for kinds in self.kinds.values())

    def fails_alike(self):
        return not self.differs() and all(map(self.fails, self.outcomes))

    def skipped_alike(self):
        return not self.differs() and all(found and all(outcome.word in IDLE for outcome in found)
                                          for found in self.real.values())


def items_of(file, attempts, ours):
    """The Items of a file: the file itself and its tests.  An attempt is {side: Result or None}."""
    def item(test, outcome_in):
        return Item(file, test, ours, {side: [outcome_in(attempt[side]) for attempt in attempts]
                                       for side in attempts[0]})

    whole = item(None, lambda result: result.outcome if result else ABSENT)
    yield whole
    results = [result for attempt in attempts for result in attempt.values() if result]
    for test in sorted({test for result in results for test in result.tests or ()}):
        yield item(test, lambda result, test=test: result.of(test) if result else ABSENT)
    reported = {side: any(attempt[side] and attempt[side].tests is not None for attempt in attempts)
                for side in attempts[0]}
    if len(set(reported.values())) > 1 and not whole.differs() and not whole.is_extra():
        # The file ended in the same way on both sides, but only one side reported its tests.
        yield Item(file, '(all tests)', False, {side: [Outcome('reported' if told else 'not reported')]
                                                for side, told in reported.items()})


class Judgement:
    """All Items of all attempts; an attempt is {side: {file: Result}}."""

    def __init__(self, attempts, ours=()):
        self.attempts = attempts
        self.by_file = {}
        for name in sorted({name for attempt in attempts for results in attempt.values() for name in results}):
            of_file = [{side: results.get(name) for side, results in attempt.items()}
                       for attempt in attempts if any(name in results for results in attempt.values())]
            self.by_file[name] = list(items_of(name, of_file, name in ours))
        self.items = [item for items in self.by_file.values() for item in items]

    def differences(self):
        return [item for item in self.items if item.differs()]


def judged(attempt, retries, again=Item.differs, ours=()):
    """Make a first attempt, and retries as long as there are Items to run again, and return the Judgement.

    attempt     called with the number of the attempt, 0 for the first, and the Items to run again; returns
                {side: {file: Result}}
    again       whether to run an Item again
    """
    attempts, items = [], []
    for number in range(1 + retries):
        attempts.append(attempt(number, items))
        judgement = Judgement(attempts, ours)
        items = [item for item in judgement.items if again(item)]
        if not items:
            break
    return judgement
