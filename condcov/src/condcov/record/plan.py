"""The plan of a code object: what to record in it, and what a record says about the source. See planner.py."""

from __future__ import annotations

from condcov.seen import EVALUATED, LEFT, NOT_EVALUATED, SEEN_FALSE, SEEN_TRUE, UNKNOWN, Arc, Key, Seen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    _Conditions = Sequence[tuple[int, int, int, bool]]


class Plan:
    """What to record in a code object, and what a record of it means.

    probes      (lines, jumps, decisions) for codeprobes.Recorder
    facts       the arguments that make this plan, for marshal
    """

    def __init__(self, probes: tuple[tuple, tuple, tuple], lines: Mapping[int, int],
                 line_arcs: Mapping[int, tuple[Arc, ...]], jump_arcs: Mapping[tuple[int, bool], tuple[Arc, ...]],
                 outcomes: Mapping[tuple[int, bool], tuple[Key, str]],
                 recorded: Sequence[tuple[Key, int, _Conditions]], unknown: Sequence[Key]) -> None:
        """Make a plan.

        lines       {offset: line} of the instructions whose execution means that a line is executed
        line_arcs   {offset: arcs} of those whose execution means that arcs are taken
        jump_arcs   {(offset, jumped): arcs} of the conditional jumps
        outcomes    {(offset, jumped): (key, path)} of the decisions that need no path
        recorded    (key, first, conditions) of each decision whose paths are recorded, for path()
        unknown     the keys of decisions that the code does not show, because pytest has rewritten the assert, or that
                    the interpreter does not show; see SEES_EMPTY_JUMPS in interpreter.py
        """
        self.facts = probes, lines, line_arcs, jump_arcs, outcomes, recorded, unknown
        self.probes = probes
        self._lines = lines
        self._line_arcs = line_arcs
        self._jump_arcs = jump_arcs
        self._outcomes = outcomes
        self._recorded = recorded
        self._unknown = unknown

    def seen(self, lines: Iterable[int] = (), jumps: Iterable[tuple[int, int, int]] = (),
             paths: Iterable[tuple[int, int, int, bool, int]] = ()) -> Seen:
        """Return what a harvest of this code object has seen, with line numbers as in the code.

        lines, jumps, paths     the results of codeprobes.Recorder.harvest()
        """
        seen = Seen(paths={key: {UNKNOWN: 1} for key in self._unknown})
        for offset in lines:
            if offset in self._lines:
                seen.lines.add(self._lines[offset])
            seen.arcs.update(self._line_arcs.get(offset, ()))
        for offset, jumped, count in jumps:
            edge = offset, bool(jumped)
            seen.arcs.update(self._jump_arcs.get(edge, ()))
            if edge in self._outcomes:
                _count(seen, *self._outcomes[edge], count)
        for decision, evaluated, true, ended, count in paths:
            key, first, conditions = self._recorded[decision]
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
