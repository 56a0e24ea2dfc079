"""The plan of a code object: what to record in it, and what a record says about the source. See planner.py."""

from __future__ import annotations

import marshal

from condcov.seen import EVALUATED, LEFT, NOT_EVALUATED, SEEN_FALSE, SEEN_TRUE, UNKNOWN, Arc, Key, Seen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    _Conditions = Sequence[tuple[int, int, int, bool]]
    _Meaning = tuple[Mapping[int, int], Mapping[int, tuple[Arc, ...]], Mapping[tuple[int, bool], tuple[Arc, ...]],
                     Mapping[tuple[int, bool], tuple[Key, str]], Sequence[tuple[Key, int, _Conditions]], Sequence[Key]]


_dumps, _loads = marshal.dumps, marshal.loads       # the program may replace them


class Plan:
    """What to record in a code object, and what a record of it means.

    facts   the arguments that make this plan again. A program has many plans, so each is bytes until it is needed:
            the garbage collector would have to visit its parts
    """

    def __init__(self, probes: bytes, meaning: bytes) -> None:
        """Make a plan from the results of marshal.dumps() for `probes` and `meaning`; see make()."""
        self.facts = probes, meaning
        self._meaning: _Meaning | None = None

    @classmethod
    def make(cls, probes: tuple[tuple, tuple, tuple], lines: Mapping[int, int],
             line_arcs: Mapping[int, tuple[Arc, ...]], jump_arcs: Mapping[tuple[int, bool], tuple[Arc, ...]],
             outcomes: Mapping[tuple[int, bool], tuple[Key, str]],
             recorded: Sequence[tuple[Key, int, _Conditions]], unknown: Sequence[Key]) -> Plan:
        """Make a plan.

        probes      (lines, jumps, decisions) for codeprobes.Recorder
        lines       {offset: line} of the instructions whose execution means that a line is executed
        line_arcs   {offset: arcs} of those whose execution means that arcs are taken
        jump_arcs   {(offset, jumped): arcs} of the conditional jumps
        outcomes    {(offset, jumped): (key, path)} of the decisions that need no path
        recorded    (key, first, conditions) of each decision whose paths are recorded, for path()
        unknown     the keys of decisions that the interpreter does not show, see SEES_EMPTY_JUMPS in interpreter.py;
                    and ASSERTS if pytest has rewritten them
        """
        meaning: Any = lines, line_arcs, jump_arcs, outcomes, recorded, unknown
        return cls(_dumps(probes), _dumps(meaning))

    @property
    def probes(self) -> tuple[tuple, tuple, tuple]:
        """The first argument of make()."""
        return _loads(self.facts[0])

    @property
    def meaning(self) -> _Meaning:
        """The other arguments of make()."""
        if self._meaning is None:
            self._meaning = _loads(self.facts[1])
        return self._meaning

    def seen(self, lines: Iterable[int] = (), jumps: Iterable[tuple[int, int, int]] = (),
             paths: Iterable[tuple[int, int, int, bool, int]] = ()) -> Seen:
        """Return what a harvest of this code object has seen, with line numbers as in the code.

        lines, jumps, paths     the results of codeprobes.Recorder.harvest()
        """
        line_of, line_arcs, jump_arcs, outcomes, recorded, unknown = self.meaning
        seen = Seen(paths={key: {UNKNOWN: 1} for key in unknown})
        for offset in lines:
            if offset in line_of:
                seen.lines.add(line_of[offset])
            seen.arcs.update(line_arcs.get(offset, ()))
        for offset, jumped, count in jumps:
            edge = offset, bool(jumped)
            seen.arcs.update(jump_arcs.get(edge, ()))
            if edge in outcomes:
                _count(seen, *outcomes[edge], count)
        for decision, evaluated, true, ended, count in paths:
            key, first, conditions = recorded[decision]
            _count(seen, key, path(first, conditions, evaluated, true, ended), count)
        return seen


def path(first: int, conditions: _Conditions, evaluated: int, true: int, ended: bool) -> str:
    """Return the string of a path from the bits of the recorder, which only knows the conditions that have a jump.

    first       index of the first condition that has a jump
    conditions  (number, on_true, on_false, tested) of each condition; number is the recorder's, or -1 without a jump
    """
    found = [NOT_EVALUATED] * len(conditions)
    index = first
    while index >= 0:
        number, on_true, on_false, tested = conditions[index]
        if not tested:
            found[index] = EVALUATED
        if number < 0 or not evaluated >> number & 1:
            break
        truth = true >> number & 1
        found[index] = SEEN_TRUE if truth else SEEN_FALSE
        index = on_true if truth else on_false
    return ''.join(found) + ('' if ended else LEFT)


def _count(seen: Seen, key: Key, path: str, count: int) -> None:
    paths = seen.paths.setdefault(key, {})
    paths[path] = paths.get(path, 0) + count
