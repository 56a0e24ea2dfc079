"""The plan of a code object: what to record in it, and what a record says of the source. condcov.record.planner makes it."""

from condcov.model import EVALUATED, LEFT, NOT_EVALUATED, SEEN_FALSE, SEEN_TRUE, UNTOLD, Seen


class Plan:
    """What to record in a code object, and what a record of it says.

    probes      (lines, jumps, decisions) as codeprobes.Recorder takes them
    facts       all that the plan is made of, its arguments, which marshal can write
    """

    def __init__(self, probes, lines, line_arcs, jump_arcs, outcomes, recorded, untold):
        """
        lines       {offset: line} of the instructions that say that a line is executed
        line_arcs   {offset: arcs} of those that say that arcs are taken
        jump_arcs   {(offset, jumped): arc} of the conditional jumps
        outcomes    {(offset, jumped): (key, path)} of the decisions that need no path
        recorded    of each decision whose paths are recorded, (key, first, conditions): how path() reads them
        untold      the keys of decisions of which the code does not tell
        """
        self.facts = probes, lines, line_arcs, jump_arcs, outcomes, recorded, untold
        self.probes = probes
        self._lines = lines
        self._line_arcs = line_arcs
        self._jump_arcs = jump_arcs
        self._outcomes = outcomes
        self._recorded = recorded
        self._untold = untold

    def seen(self, lines=(), jumps=(), paths=()):
        """What a harvest of this code object has seen, as a model.Seen, its lines as the code has them.

        lines, jumps, paths     as codeprobes.Recorder.harvest() gives them
        """
        seen = Seen(paths={key: {UNTOLD: 1} for key in self._untold})
        for offset in lines:
            if offset in self._lines:
                seen.lines.add(self._lines[offset])
            seen.arcs.update(self._line_arcs.get(offset, ()))
        for offset, jumped, count in jumps:
            edge = offset, bool(jumped)
            if edge in self._jump_arcs:
                seen.arcs.add(self._jump_arcs[edge])
            if edge in self._outcomes:
                _count(seen, *self._outcomes[edge], count)
        for decision, evaluated, true, ended, count in paths:
            key, first, conditions = self._recorded[decision]
            _count(seen, key, path(first, conditions, evaluated, true, ended), count)
        return seen


def path(first, conditions, evaluated, true, ended):
    """The string of a path from the bits of the recorder, which only knows the conditions that have a jump.

    first       index of the first condition that has a jump
    conditions  of each condition (number, on_true, on_false, tested); the recorder's number is -1 where it has no jump
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


def _count(seen, key, path, count):
    paths = seen.paths.setdefault(key, {})
    paths[path] = paths.get(path, 0) + count
