"""What there is to cover in a line, and what was seen of it.

condcov.code.decisions finds the static half (Span, Condition, Decision) in source text; the dynamic half (Seen) is
recorded and stored. Nothing here measures or judges: see condcov.analysis.
"""

import functools
import re
from typing import NamedTuple

from condcov.seen import ASSERTS, EVALUATED, LEFT, NOT_EVALUATED, SEEN_FALSE, SEEN_TRUE, UNKNOWN, Arc, Key, Seen  # noqa: F401
from condcov.span import Span

# The levels of coverage, from the coarsest to the finest.
LEVELS = ('line', 'branch', 'condition', 'mcdc')

# Paths are recorded for decisions with at most this many conditions, as many as codeprobes allows; reports do not need
# that module. In larger decisions, each condition is recorded separately.
MOST_CONDITIONS = 64

# Where control goes after a condition, if not to the condition with this index.
TRUE = -1           # the decision is true
FALSE = -2          # the decision is false

# Named tuples, because a first run needs them: data classes take five times as long to define, and import inspect.


class Condition(NamedTuple):
    """An operand that a conditional jump tests.

    on_true, on_false   index of the condition that is evaluated next, or TRUE or FALSE, where the decision ends
    tested              false for the last operand in a value context, because nothing tests whether it is true
    constant            the truth value, if the compiler knows it, so that there is no jump and nothing to cover; or
                        None. on_true and on_false are the same then, and no other condition leads here
    """

    span: Span
    text: str
    on_true: int
    on_false: int
    tested: bool = True
    constant: bool | None = None


class _Decision(NamedTuple):
    kind: str
    span: Span
    conditions: tuple[Condition, ...]


class Decision(_Decision):
    """A whole Boolean expression, a loop, an exception match or a case of a match statement.

    kind        'if', 'while', 'assert', 'ternary', 'comprehension' (its if), 'boolean' (and/or as a value),
                'comparison' (a chain as a value), 'case', 'for', 'except'
    span        of the whole expression; of a case: pattern and guard; of a for: its header from the target to the end
                of the iterable; of an except: its type
    conditions  in the order of evaluation, starting with the one that is always evaluated first. A 'for' has one: true
                when there is an item (entered), false when there is none (exhausted). A 'case' has its pattern first,
                then those of the guard.
    key         what identifies the decision in its file: the start and end of its span, and its kind
    """

    @functools.cached_property
    def key(self) -> Key:
        return *self.span, self.kind

    @functools.cached_property
    def repeated(self) -> dict[int, int]:
        """{index: how many earlier conditions have the same text}, of the conditions whose text is not unique."""
        alike: dict[str, list[int]] = {}
        for index, condition in enumerate(self.conditions):
            alike.setdefault(' '.join(condition.text.split()), []).append(index)
        return {index: place for indexes in alike.values() if len(indexes) > 1 for place, index in enumerate(indexes)}

    @property
    def suspends(self) -> bool:
        """Whether a condition can suspend a generator or a coroutine: an unfinished path need not be an exception."""
        return any(re.search(r'\b(?:yield|await|async)\b', condition.text) for condition in self.conditions)

    def test_of(self, index: int) -> str:
        """Return what a condition does: 'loop' is entered or exhausted, 'match' matches or not, 'truth' is tested."""
        if self.kind == 'for':
            return 'loop'
        return 'match' if self.kind == 'except' or self.kind == 'case' and index == 0 else 'truth'
