"""Masking MC/DC of a decision, exact, from the set of paths that were taken through it.

A decision is a directed acyclic graph: its conditions are the nodes, in the order of evaluation, and each has an edge
for true and one for false, to a later condition or to one of the two ends. An evaluation walks one path. Conditions
that short-circuit evaluation skips are not on the path.

A condition is *unmasked* in a path if there is an assignment of truth values to all conditions, equal to that of the
path for those that it evaluated, such that flipping this condition alone changes the outcome of the decision. The path
is then evidence of the effect of the condition. A condition is *covered* if two observed paths show that it determines
the outcome independently: the outcomes differ, the condition is true in one and false in the other, and it is unmasked
in both. This is masking MC/DC as Chilenski defines it (DOT/FAA/AR-01/18) and Hayhurst et al. explain it
(NASA/TM-2001-210876, where a condition that short circuit left out has any value); Kvalsvik (arXiv 2501.02133) derives
it from the graph, as this module does.

Nothing here builds a truth table. Whether a condition is unmasked depends on which ends can be reached, and whether
two paths can show its effect depends on two walks that never meet.
"""

import dataclasses
import functools
import heapq
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from condcov import model
from condcov.model import MOST_CONDITIONS, Decision

# How many observed paths are compared with each other to find the best pair, and how many are starting points for the
# nearest missing path.
MOST_COMPARED = 64
MOST_BASES = 16

# How many analyses are kept for other decisions of the same shape with the same paths.
MOST_REMEMBERED = 10_000

_TESTED_MARKS = {True: model.SEEN_TRUE, False: model.SEEN_FALSE}


# What is missing of a condition: see ConditionAnalysis.gap.
NEVER_EVALUATED = 'never evaluated'
NEVER_SEEN = 'never seen'
NOT_INDEPENDENT = 'not independent'
NOT_RECORDED = 'not recorded'


class Limits(NamedTuple):
    """What need not be tested of a decision.

    waived      outcomes of the decision that need not be seen
    groups      conditions that no input can separate: {index: whether it has the opposite value}
    accepted    by the index of a condition that is accepted as it is: 'condition', or 'mcdc' for its MC/DC alone
    """

    waived: frozenset[bool] = frozenset()
    groups: Sequence[Mapping[int, bool]] = ()
    accepted: Mapping[int, str] = {}


NO_LIMITS = Limits()


class Cause(NamedTuple):
    """Why a condition was never evaluated.

    condition   index of the last evaluated condition that can lead to it
    value       the value that this condition always had, or None if an exception always left the decision there
    """

    condition: int
    value: bool | None


@dataclasses.dataclass(frozen=True)
class ConditionAnalysis:
    """What was seen of one condition of a decision, and what is missing.

    outcomes    the marks that were seen: 'T', 'F', 'TF', 'e' or '' (never evaluated)
    possible    the marks that can be seen: 'TF', 'e', or '' for a constant and for an unreachable condition
    asked       those of them that must be seen, given the Limits of the decision
    coverable   whether some pair of paths could show that it determines the outcome independently, so that it counts
                for MC/DC. The others are constants, conditions that never affect the outcome (`a or True`), those
                in a value context where the outcome is known on one side only (in `x = a or b`, nothing tests whether
                the value is false), and those for which the Limits of the decision rule it out
    pair        two observed paths that show it, where it is true and where it is false; or None
    missing     paths that were not taken and would complete what is missing, the nearest to what was seen: none if
                nothing is missing, one if an observed path makes a pair with it, otherwise the two of a pair
    cause       why the condition was never evaluated, or None if it was or if there is no single cause
    coupled     whether it would be asked more, or count for MC/DC, if all conditions were separate
    accepted    what the Limits accept of it, 'condition', 'mcdc' or '', and whether it is needed: something is missing
    gap         '' if nothing is missing, otherwise:
                NEVER_EVALUATED     it was never evaluated
                NEVER_SEEN          one of its outcomes was never seen
                NOT_INDEPENDENT     it had both outcomes, but no pair
                NOT_RECORDED        the same, because the decision has too many conditions to record its paths
    """

    outcomes: str
    possible: str
    asked: str
    coverable: bool
    pair: tuple[str, str] | None
    missing: tuple[str, ...]
    cause: Cause | None
    gap: str
    coupled: bool = False
    accepted: str = ''
    needed: bool = False

    @property
    def covered(self) -> bool:
        """Whether MC/DC holds for the condition."""
        return self.pair is not None

    @property
    def evaluated(self) -> bool:
        """Whether the evaluation of the condition ever completed."""
        return bool(self.outcomes)


def outcome(decision: Decision, path: str) -> bool | None:
    """Return the outcome of the decision in the path: True, False, or None if it is unknown.

    It is unknown if the last operand of a value was evaluated ('e') or if an exception left the decision ('!').
    Raises ValueError if the path is not one of this decision.
    """
    return _outcome(_graph(decision.conditions), path)


def unmasked(decision: Decision, path: str) -> frozenset[int]:
    """Return the indexes of the conditions that are unmasked in the path; none if its outcome is unknown."""
    return _unmasked(_graph(decision.conditions), path)


def count_paths(decision: Decision) -> int:
    """Return the exact number of different whole paths through the decision, however many there are."""
    graph = _graph(decision.conditions)
    counts = [0] * len(graph.after)
    for index in reversed(range(len(counts))):
        ways = graph.after[index] if graph.tested[index] else (model.FALSE,)
        counts[index] = sum(1 if way < 0 else counts[way] for way in ways)
    return 1 if graph.start < 0 else counts[graph.start]


def feasible_paths(decision: Decision, limit: int | None = None) -> list[str]:
    """Return the whole paths through the decision, true before false; only the first `limit` if given."""
    graph = _graph(decision.conditions)
    found: list[str] = []
    stack: list[tuple[int, dict[int, str]]] = [(graph.start, {})]
    while stack and (limit is None or len(found) < limit):
        index, marks = stack.pop()
        if index < 0:
            found.append(_path(graph, marks))
        elif not graph.tested[index]:
            found.append(_path(graph, {**marks, index: model.EVALUATED}))
        else:
            for value in (False, True):
                stack.append((graph.after[index][value], {**marks, index: _TESTED_MARKS[value]}))
    return found


def analyse(decision: Decision, paths: Iterable[str], limits: Limits = NO_LIMITS) -> list[ConditionAnalysis]:
    """Return a ConditionAnalysis for each condition of the decision, from the observed paths.

    Raises ValueError if a path is not one of this decision.
    """
    shape, taken = _shape(decision), tuple(sorted(set(paths)))
    if limits.groups or limits.accepted:
        return _Analysis(shape, taken, limits).conditions()
    return list(_analyse(shape, taken, limits.waived))


class _Node(NamedTuple):
    """What matters of a Condition: not its text."""

    on_true: int
    on_false: int
    tested: bool
    constant: bool | None


_Shape = tuple[_Node, ...]


def _shape(decision: Decision) -> _Shape:
    return tuple(_Node(condition.on_true, condition.on_false, condition.tested, condition.constant)
                 for condition in decision.conditions)


@functools.lru_cache(MOST_REMEMBERED)
def _analyse(shape: _Shape, paths: tuple[str, ...], waived: frozenset[bool]) -> list[ConditionAnalysis]:
    """The same for a shape: most decisions have one of few, and the paths of another decision."""
    return _Analysis(shape, paths, Limits(waived)).conditions()


class _Graph(NamedTuple):
    """The edges of a decision without its constants: after[index][value] is the next index or an end."""

    start: int
    after: list[tuple[int, int]]
    tested: list[bool]
    reachable: frozenset[int]


# A step has a cost, given the index of a condition, its mark and the way on. Steps are linked: (index, mark, earlier
# steps). A walk has a cost and its marks.
_Cost = Callable[[int, str, int], int]
_Fixed = Mapping[int, bool]         # by index, the value that a condition has in a walk
_Steps = tuple
_Walk = tuple[int, dict[int, str]]


def _graph(conditions: Sequence[model.Condition] | _Shape) -> _Graph:
    def resolve(index: int) -> int:
        while index >= 0 and conditions[index].constant is not None:
            index = conditions[index].on_true if conditions[index].constant else conditions[index].on_false
        return index

    start = resolve(0)
    tested = [condition.tested for condition in conditions]
    after = [(resolve(condition.on_false), resolve(condition.on_true)) if condition.tested
             else (model.FALSE, model.TRUE) for condition in conditions]
    reachable = {start} if start >= 0 else set()
    for index, ways in enumerate(after):
        if index in reachable:
            reachable.update(way for way in ways if way >= 0)
    return _Graph(start, after, tested, frozenset(reachable))


def _path(graph: _Graph, marks: dict[int, str]) -> str:
    return ''.join(marks.get(index, model.NOT_EVALUATED) for index in range(len(graph.after)))


def _outcome(graph: _Graph, path: str) -> bool | None:
    left = path.endswith(model.LEFT)
    marks = path.removesuffix(model.LEFT)
    if len(marks) != len(graph.after) or not set(marks) <= set('TFe-'):
        raise ValueError(f'the path {path!r} does not fit a decision of {len(graph.after)} conditions')
    if left:
        return None
    walked = 0
    index = graph.start
    known = True
    while index >= 0 and known:
        mark = marks[index]
        walked += 1
        if mark not in ('TF' if graph.tested[index] else 'e'):
            raise ValueError(f'the path {path!r} stops at condition {index}')
        if mark == model.EVALUATED:
            known = False
        else:
            index = graph.after[index][mark == model.SEEN_TRUE]
    if walked != len(marks) - marks.count(model.NOT_EVALUATED):
        raise ValueError(f'the path {path!r} is not connected')
    return index == model.TRUE if known else None


def _unmasked(graph: _Graph, path: str) -> frozenset[int]:
    result = _outcome(graph, path)
    if result is None:
        return frozenset()
    # Whether the other end can be reached from each condition if those that the path evaluated keep their values.
    other_end = model.FALSE if result else model.TRUE
    reaches = [False] * len(graph.after)

    def leads(way: int) -> bool:
        return way == other_end if way < 0 else reaches[way]

    for index in reversed(range(len(graph.after))):
        ways = graph.after[index]
        mark = path[index]
        if mark == model.NOT_EVALUATED:
            reaches[index] = leads(ways[False]) or leads(ways[True])
        else:
            reaches[index] = leads(ways[mark == model.SEEN_TRUE])
    return frozenset(index for index, mark in enumerate(path)
                     if mark in 'TF' and leads(graph.after[index][mark == model.SEEN_FALSE]))


def _cheapest_walk(graph: _Graph, start: int, goal: int, cost: _Cost | None, fixed: _Fixed) -> _Walk | None:
    """The cheapest walk from start to goal (a condition or an end) through tested conditions.

    cost(index, mark, way) is the cost of the step from a condition to the next one, an int >= 0; without it, any walk
    will do. Returns (cost, {index: mark}), or None if there is no walk.
    """
    return _cheapest_disjoint_walk(graph, start, goal, None, None, cost, fixed)


def _cheapest_disjoint_walk(graph: _Graph, start: int, goal: int, rival_start: int | None, rival_goal: int | None,
                            cost: _Cost | None, fixed: _Fixed) -> _Walk | None:
    """The cheapest walk of those for which a rival walk, from rival_start to rival_goal, shares no condition with it.

    Conditions in `fixed` have that value in the walk; the rival may give them any.

    Walks that share a condition give it the same value and are one walk from there on. The rival may pass an untested
    condition. rival_start is None if there is no rival.

    This is Dijkstra's algorithm over pairs of positions. The walk that is behind moves, because conditions are numbered
    in the order of evaluation: so neither can pass a condition that the other one reaches later.
    """
    queue: list[tuple[int, int, int, int | None, _Steps]] = [(0, 0, start, rival_start, ())]
    number = itertools.count(1)         # what orders walks of equal cost: the older first
    done = set()
    while queue:
        spent, _, place, rival, steps = heapq.heappop(queue)
        if (place, rival) in done:
            continue
        done.add((place, rival))
        if place == goal and rival == rival_goal:
            return spent, _marks(steps)
        if rival is not None and rival >= 0 and (place < 0 or rival < place):
            for way in graph.after[rival]:
                if way >= 0 or way == rival_goal:
                    heapq.heappush(queue, (spent, next(number), place, way, steps))
        elif place >= 0 and place != rival and graph.tested[place]:
            for way, mark in zip(graph.after[place], (model.SEEN_FALSE, model.SEEN_TRUE)):
                if place in fixed and mark != _TESTED_MARKS[fixed[place]]:
                    continue
                if way == goal or way >= 0 and not way > goal >= 0:
                    more = spent + cost(place, mark, way) if cost else 0
                    heapq.heappush(queue, (more, next(number), way, rival, (place, mark, steps)))
    return None


def _marks(steps: _Steps) -> dict[int, str]:
    """The marks of linked steps: (index, mark, earlier steps)."""
    marks = {}
    while steps:
        index, mark, steps = steps
        marks[index] = mark
    return marks


def _walk_on(graph: _Graph, index: int, value: bool, result: bool, cost: _Cost | None, fixed: _Fixed) -> _Walk | None:
    """The cheapest walk on from the condition with this value to this result that leaves it unmasked; or None."""
    ways = graph.after[index]
    ends = (model.FALSE, model.TRUE)
    return _cheapest_disjoint_walk(graph, ways[value], ends[result], ways[not value], ends[not result], cost, fixed)


class _Analysis:
    """The analysis of one decision: its graph and what was observed, sorted out once for all conditions."""

    def __init__(self, shape: _Shape, paths: Sequence[str], limits: Limits) -> None:
        self.shape = shape
        self.limits = limits
        # The values that groups of conditions can have; the last is that of separate conditions.
        self.assignments: list[_Fixed] = [
            {index: value != negated for group, value in zip(limits.groups, values) for index, negated in group.items()}
            for values in itertools.product((False, True), repeat=len(limits.groups))]
        self.graph = _graph(shape)
        self.paths = paths
        self.whole = len(shape) <= MOST_CONDITIONS
        self.outcomes: list[set[str]] = [set() for _ in shape]
        self.walks: dict[tuple[int, int, int], bool] = {}       # the answers of _exist()
        self.nearest = None if self.whole else self._shortest_walks()
        # For a condition, its value, and the outcome of the decision: the paths in which it is unmasked.
        self.evidence: dict[tuple[int, bool, bool], list[str]] = {}
        for path in paths:
            result = _outcome(self.graph, path)
            for index, mark in enumerate(path.removesuffix(model.LEFT)):
                if mark != model.NOT_EVALUATED:
                    self.outcomes[index].add(mark)
            if result is not None and self.whole:
                for index in _unmasked(self.graph, path):
                    key = index, path[index] == model.SEEN_TRUE, result
                    self.evidence.setdefault(key, []).append(path)

    def conditions(self) -> list[ConditionAnalysis]:
        return [self._condition(index) for index in range(len(self.shape))]

    def _condition(self, index: int) -> ConditionAnalysis:
        graph, accepted = self.graph, self.limits.accepted.get(index, '')
        possible = '' if index not in graph.reachable else 'TF' if graph.tested[index] else 'e'
        outcomes = ''.join(mark for mark in possible if mark in self.outcomes[index])
        asked, wanted = possible, self._is_coverable(index, [{}])
        coupled = False
        if self.limits.groups:
            asked = ''.join(mark for mark in possible if self._can_have(index, mark))
            wanted = wanted and self._is_coverable(index, self.assignments)
            coupled = asked != possible or wanted != self._is_coverable(index, [{}])
        if self.limits.waived:
            asked = ''.join(mark for mark in asked if self._can_have(index, mark, self.limits.waived))
            wanted = False
        pair = self._best_pair(index)
        needed = wanted and not pair or accepted == 'condition' and any(mark not in outcomes for mark in asked)
        if accepted:
            wanted = False
        if accepted == 'condition':
            asked = ''
        unseen = ''.join(mark for mark in asked if mark not in outcomes)
        missing: tuple[str, ...] = ()
        if unseen or wanted and not pair and self.whole:
            missing = self._nearest(index, unseen, wanted)
        cause = None
        if asked and not outcomes:
            gap = NEVER_EVALUATED
            cause = self._cause(index)
        elif unseen:
            gap = NEVER_SEEN
        elif missing:
            gap = NOT_INDEPENDENT
        else:
            gap = NOT_RECORDED if wanted and not pair else ''
        return ConditionAnalysis(outcomes, possible, asked, wanted, pair, missing, cause, gap, coupled, accepted,
                                 bool(accepted) and needed)

    def _allows(self, fixed: _Fixed, index: int, value: bool) -> bool:
        return fixed.get(index, value) == value

    def _reaching(self, fixed: _Fixed, waived: frozenset[bool]) -> set[int]:
        """The conditions from which an outcome that is not waived can be reached, and the ends that are."""
        found = {end for end, value in ((model.TRUE, True), (model.FALSE, False)) if value not in waived}
        for index in reversed(range(len(self.graph.after))):
            if not self.graph.tested[index] or any(self.graph.after[index][value] in found for value in (False, True)
                                                   if self._allows(fixed, index, value)):
                found.add(index)
        return found

    def _can_have(self, index: int, mark: str, waived: frozenset[bool] = frozenset()) -> bool:
        """Whether an input can give the condition this mark, in an evaluation with an outcome that is not waived."""
        for fixed in self.assignments:
            if mark == model.EVALUATED or self._allows(fixed, index, mark == model.SEEN_TRUE):
                way = model.TRUE if mark == model.EVALUATED else self.graph.after[index][mark == model.SEEN_TRUE]
                if ((mark == model.EVALUATED or way in self._reaching(fixed, waived))
                        and _cheapest_walk(self.graph, self.graph.start, index, None, fixed) is not None):
                    return True
        return False

    def _exist(self, place: int, rival: int, goal: int) -> bool:
        """Whether two walks from these conditions lead to the goal and to the other end, and never meet.

        As in _cheapest_disjoint_walk(), the walk that is behind moves. The answers serve all conditions.
        """
        other = model.FALSE if goal == model.TRUE else model.TRUE
        todo = [(place, rival)]
        while todo:
            place, rival = todo[-1]
            if (place, rival, goal) in self.walks:
                todo.pop()
                continue
            if place < 0 and rival < 0:
                following, answer = [], place == goal and rival == other
            elif rival >= 0 and (place < 0 or rival < place):
                following, answer = [(place, way) for way in self.graph.after[rival] if way >= 0 or way == other], False
            elif place == rival or not self.graph.tested[place]:
                following, answer = [], False
            else:
                following, answer = [(way, rival) for way in self.graph.after[place] if way >= 0 or way == goal], False
            unknown = [pair for pair in following if (*pair, goal) not in self.walks]
            if unknown:
                todo += unknown
            else:
                self.walks[place, rival, goal] = answer or any(self.walks[*pair, goal] for pair in following)
        return self.walks[place, rival, goal]

    def _is_coverable(self, index: int, assignments: list[_Fixed]) -> bool:
        if index not in self.graph.reachable or not self.graph.tested[index]:
            return False
        ways = self.graph.after[index]

        def can_show(value: bool, result: bool) -> bool:
            if assignments == [{}]:
                return self._exist(ways[value], ways[not value], model.TRUE if result else model.FALSE)
            return any(self._allows(fixed, index, value)
                       and _walk_on(self.graph, index, value, result, None, fixed) is not None
                       and (not fixed or _cheapest_walk(self.graph, self.graph.start, index, None, fixed) is not None)
                       for fixed in assignments)

        return any(can_show(True, result) and can_show(False, not result) for result in (True, False))

    def _best_pair(self, index: int) -> tuple[str, str] | None:
        best = None
        for result in (True, False):
            for true in self.evidence.get((index, True, result), ())[:MOST_COMPARED]:
                for false in self.evidence.get((index, False, not result), ())[:MOST_COMPARED]:
                    candidate = self._distance(true, false), true, false
                    if best is None or candidate < best:
                        best = candidate
        return best and best[1:]

    def _distance(self, one: str, other: str) -> int:
        return sum(self._step_cost(mark, seen) for mark, seen in zip(one, other))

    def _step_cost(self, mark: str, seen: str) -> int:
        """The distance of a mark from the one seen: another value is worse than any number of unevaluated ones."""
        if mark == seen:
            return 0
        return 1 if model.NOT_EVALUATED in (mark, seen) else len(self.shape)

    def _nearest(self, index: int, unseen: str, wanted: bool) -> tuple[str, ...]:
        """The paths that would complete what is missing of the condition, starting with one with an unseen outcome."""
        if self.nearest is not None and not self.limits.groups and not self.limits.waived:
            return (self._shortest_with(index, unseen[0]),)
        if not wanted or not self.whole:
            return (min(self._first_with(index, unseen[0], base) for base in self._bases())[1],)
        single = self._cheapest(
            self._complete(index, value, result, base)
            for value, result in itertools.product((True, False), repeat=2)
            for base in self.evidence.get((index, not value, not result), ())[:MOST_BASES])
        if single:
            return single[1:]
        pairs = []
        for result, base in itertools.product((True, False), self._bases()):
            one = self._complete(index, True, result, base)
            other = one and self._complete(index, False, not result, one[1])
            if one and other:
                pairs.append((one[0] + other[0], one[1], other[1]))
        return tuple(sorted(min(pairs)[1:], key=lambda path: path[index] not in unseen))

    def _shortest_walks(self) -> dict[int, tuple[int, str]]:
        """For each reachable condition, the condition and the value before it in a walk with the fewest conditions."""
        before: dict[int, tuple[int, str]] = {}
        length = {self.graph.start: 0}
        for index, ways in enumerate(self.graph.after):
            if index in length and self.graph.tested[index]:
                for way, mark in zip(ways, (model.SEEN_FALSE, model.SEEN_TRUE)):
                    if way >= 0 and length[index] + 1 < length.get(way, len(ways) + len(self.graph.after)):
                        length[way] = length[index] + 1
                        before[way] = index, mark
        return before

    def _shortest_with(self, index: int, mark: str) -> str:
        """The path with a shortest walk to the condition, which has the mark; later conditions are true."""
        assert self.nearest is not None
        marks, before = {index: mark}, index
        while before in self.nearest:
            before, value = self.nearest[before]
            marks[before] = value
        while mark != model.EVALUATED:
            index = self.graph.after[index][mark == model.SEEN_TRUE]
            if index < 0:
                break
            marks[index] = mark = model.SEEN_TRUE if self.graph.tested[index] else model.EVALUATED
        return _path(self.graph, marks)

    def _bases(self) -> Sequence[str]:
        """The observed paths to be near to; if there are none, an empty one that is equally near to everything."""
        return self.paths[:MOST_BASES] or [model.NOT_EVALUATED * len(self.shape)]

    @staticmethod
    def _cheapest(candidates: Iterable[tuple[int, str] | None]) -> tuple[int, str] | None:
        return min(filter(None, candidates), default=None)

    def _cost(self, base: str) -> _Cost:
        """The cost of a step, such that the costs of a whole path add up to its distance from base."""
        evaluated = list(itertools.accumulate((mark in 'TFe' for mark in base), initial=0))
        size = len(self.shape)

        def cost(index: int, mark: str, way: int) -> int:
            skipped = evaluated[way if way >= 0 else size] - evaluated[index + 1]
            return self._step_cost(mark, base[index]) + skipped

        return cost

    def _complete(self, index: int, value: bool, result: bool, base: str) -> tuple[int, str] | None:
        """(cost, path): the path nearest to base where the condition has this value, unmasked, and this result."""
        cost = self._cost(base)
        found = []
        for fixed in self.assignments:
            if self._allows(fixed, index, value):
                after = _walk_on(self.graph, index, value, result, cost, fixed)
                before = after and _cheapest_walk(self.graph, self.graph.start, index, cost, fixed)
                if after and before:
                    mark = _TESTED_MARKS[value]
                    spent = before[0] + cost(index, mark, self.graph.after[index][value]) + after[0]
                    found.append((spent, _path(self.graph, before[1] | {index: mark} | after[1])))
        return min(found, default=None)

    def _first_with(self, index: int, mark: str, base: str) -> tuple[int, str]:
        """(cost, path): the path nearest to base up to the condition, which gets the mark; then on like base."""
        return min(filter(None, (self._first_if(index, mark, base, fixed) for fixed in self.assignments)))

    def _first_if(self, index: int, mark: str, base: str, fixed: _Fixed) -> tuple[int, str] | None:
        """The same with fixed values, if there is such a path."""
        goals = self._reaching(fixed, self.limits.waived)

        def allows(index: int, mark: str) -> bool:
            value = mark == model.SEEN_TRUE
            return self._allows(fixed, index, value) and self.graph.after[index][value] in goals

        walk = _cheapest_walk(self.graph, self.graph.start, index, self._cost(base), fixed)
        if walk is None or mark != model.EVALUATED and not allows(index, mark):
            return None
        cost, marks = walk
        while True:
            marks[index] = mark
            if mark == model.EVALUATED:
                break
            index = self.graph.after[index][mark == model.SEEN_TRUE]
            if index < 0:
                break
            likely = base[index] if base[index] in 'TF' else model.SEEN_TRUE
            mark = (model.EVALUATED if not self.graph.tested[index] else likely if allows(index, likely)
                    else model.SEEN_FALSE if likely == model.SEEN_TRUE else model.SEEN_TRUE)
        return cost, _path(self.graph, marks)

    def _cause(self, index: int) -> Cause | None:
        """Why the condition was never evaluated, or None if there is no single cause.

        Of the conditions from which it can be reached, the last that was evaluated at all always had the other value:
        with this one, a later condition would have been evaluated, unless an exception left the decision.
        """
        if not self.whole:
            return None
        leads = {index}
        for before in reversed(range(index)):
            if self.graph.tested[before] and not leads.isdisjoint(self.graph.after[before]):
                leads.add(before)
        last = max((before for before in leads if self.outcomes[before]), default=None)
        if last is None:
            return None
        ways = self.graph.after[last]
        away = [mark for mark in 'FT' if mark in self.outcomes[last] and ways[mark == model.SEEN_TRUE] not in leads]
        if len(self.outcomes[last]) != len(away) or not away:
            return Cause(last, None)
        return Cause(last, away[0] == model.SEEN_TRUE) if len(away) == 1 else None
