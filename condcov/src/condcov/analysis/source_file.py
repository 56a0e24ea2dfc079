"""What there is to cover in a source file. condcov.analysis.coverable finds it."""

import bisect
import dataclasses
import functools
from collections.abc import Mapping
from typing import NamedTuple

from condcov.model import Arc, Decision, Key


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
