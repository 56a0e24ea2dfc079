"""What there is to cover in a source file, and what was seen of it.

condcov.analysis.coverable makes the static half (Span, Condition, Decision, SourceFile) from source text and compiled
code; the dynamic half (Seen) is recorded and stored. Nothing here measures or judges: see condcov.analysis.
"""

import bisect
import dataclasses
import functools
import re
from collections.abc import Mapping
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

_SUSPENDS = re.compile(r'\b(?:yield|await|async)\b')


@dataclasses.dataclass(frozen=True)
class Condition:
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


@dataclasses.dataclass(frozen=True)
class Decision:
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

    kind: str
    span: Span
    conditions: tuple[Condition, ...]
    key: Key = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, 'key', (*self.span, self.kind))

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
        return any(_SUSPENDS.search(condition.text) for condition in self.conditions)

    def test_of(self, index: int) -> str:
        """Return what a condition does: 'loop' is entered or exhausted, 'match' matches or not, 'truth' is tested."""
        if self.kind == 'for':
            return 'loop'
        return 'match' if self.kind == 'except' or self.kind == 'case' and index == 0 else 'truth'


class Accepted(NamedTuple):
    """What a pragma or the configuration says about conditions that cannot be tested.

    level       'condition': nothing needs to be seen of them; 'mcdc': only their MC/DC need not be shown
    text        the source of the condition, or '' for all conditions in the line
    reason      why they cannot be tested; '' if nobody has said so
    line        the line of the pragma, or 0 for the configuration
    conditions  the conditions that are meant, each the key of a decision and an index
    """

    level: str
    text: str
    reason: str
    line: int
    conditions: tuple[tuple[Key, int], ...]


@dataclasses.dataclass(frozen=True)
class SourceFile:
    """What there is to cover in a source file.

    lines       line numbers of the executable statements, without excluded ones
    excluded    line numbers that a pragma or a pattern of the configuration excludes
    arcs        (line, line) pairs between which control can go where a line has several ways out; negative as in
                coverage.py: -N is the exit of the code object that starts at line N
    decisions   those that are not in an excluded line or one with `# pragma: no branch`, in order of their span
    assumed     arcs out of lines with `# pragma: no branch`, which count as taken
    waived      for the key of a decision, its outcomes that need not be seen: those that lead to excluded lines, and a
                mismatch of the last except clause of a try
    accepted    what need not be seen of single conditions
    """

    path: str
    text: str
    lines: frozenset[int]
    excluded: frozenset[int]
    arcs: frozenset[Arc]
    decisions: tuple[Decision, ...]
    assumed: frozenset[Arc] = frozenset()
    waived: Mapping[Key, frozenset[bool]] = dataclasses.field(default_factory=dict)
    accepted: tuple[Accepted, ...] = ()

    @functools.cached_property
    def lines_in_order(self) -> list[int]:
        return sorted(self.lines)

    def statement(self, line: int) -> int:
        """Return the first line of the statement in `line`, the only one of its lines that counts as executed."""
        place = bisect.bisect_right(self.lines_in_order, line)
        return self.lines_in_order[place - 1] if place else line
