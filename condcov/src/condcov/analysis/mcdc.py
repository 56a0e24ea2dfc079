"""Masking MC/DC of a decision, exact, from the set of paths that were taken through it.

A decision is a directed acyclic graph: its conditions are the nodes, in the order of evaluation, and each has an edge
for true and one for false, to a later condition or to one of the two ends. An evaluation walks one path; short circuit
is the same as not walking by.

A condition is *unmasked* in a path if there is an assignment of truth values to all conditions, the same as the path's
for those that it evaluated, such that flipping the condition alone changes the outcome of the decision. The path is
then evidence of what the condition does. A condition is *covered* if two observed paths show that it alone decides:
they have different outcomes, the condition is true in one and false in the other, and it is unmasked in both. This is
masking MC/DC as Chilenski defines it (DOT/FAA/AR-01/18) and Hayhurst et al. explain it (NASA/TM-2001-210876, where a
condition that short circuit left out has any value); Kvalsvik (arXiv 2501.02133) derives it from the graph, as this
does.

Nothing here builds a truth table: whether a condition is unmasked is a question of which ends can be reached, and
whether two paths can show a condition is a question of two walks that never meet.
"""

import dataclasses
import heapq
import itertools
import typing

from condcov import model
from condcov.report import messages

# Decisions with more conditions are recorded condition by condition, not as paths, and so cannot be shown.
MOST_CONDITIONS = 62

# How many observed paths are compared with each other for the best pair, and are a base for the nearest missing path.
MOST_COMPARED = 64
MOST_BASES = 16

_TESTED_MARKS = {True: model.SEEN_TRUE, False: model.SEEN_FALSE}


@dataclasses.dataclass(frozen=True)
class ConditionAnalysis:
    """What was seen of one condition of a decision, and what is missing.

    outcomes    the marks that were seen: 'T', 'F', 'TF', 'e' or '' (never evaluated)
    possible    the marks that there are to see: 'TF', 'e', or '' for a constant and for what nothing leads to
    coverable   whether some pair of paths could show that it alone decides: whether MC/DC asks for it
    pair        two observed paths that show it, where it is true and where it is false; or None
    missing     paths that were not taken and would complete what is missing, the nearest to what was seen: none if
                nothing is missing, one if an observed path makes a pair with it, otherwise the two of a pair
    reason      for a condition that was never evaluated: why ('`a` was always true'), or ''
    sentence    what is missing, for people; or ''
    """

    outcomes: str
    possible: str
    coverable: bool
    pair: tuple[str, str] | None
    missing: tuple[str, ...]
    reason: str
    sentence: str

    @property
    def covered(self):
        """Whether MC/DC holds for the condition."""
        return self.pair is not None

    @property
    def evaluated(self):
        """Whether the condition was ever evaluated to its end."""
        return bool(self.outcomes)


def outcome(decision, path):
    """The outcome of the decision in the path: True, False, or None where it is not known.

    It is not known if the last operand of a value was evaluated ('e') or if an exception left the decision ('!').
    Raises ValueError if the path is none of this decision.
    """
    return _outcome(_graph(decision), path)


def unmasked(decision, path):
    """The indexes of the conditions that are unmasked in the path, as a frozenset; none if its outcome is not known."""
    return _unmasked(_graph(decision), path)


def count_paths(decision):
    """How many different whole paths lead through the decision: exact, whatever the number."""
    graph = _graph(decision)
    counts = [0] * len(graph.after)
    for index in reversed(range(len(counts))):
        ways = graph.after[index] if graph.tested[index] else (model.FALSE,)
        counts[index] = sum(1 if way < 0 else counts[way] for way in ways)
    return 1 if graph.start < 0 else counts[graph.start]


def feasible_paths(decision, limit=None):
    """The whole paths through the decision, as strings, true before false; only the first `limit` if given."""
    graph = _graph(decision)
    found = []
    stack = [(graph.start, {})]
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


def coverable(decision):
    """The indexes of the conditions that some pair of paths can show to decide alone, as a frozenset.

    The others are constants, conditions whose outcome changes nothing (`a or True`), and those in a value context where
    the outcome is known on one side only (`x = a or b`: that it is false is never tested).
    """
    graph = _graph(decision)
    return frozenset(index for index in range(len(graph.after)) if _is_coverable(graph, index))


def analyse(decision, paths):
    """A ConditionAnalysis for each condition of the decision, in a list, from the observed paths (an iterable).

    Raises ValueError if a path is none of this decision.
    """
    return _Analysis(decision, sorted(set(paths))).conditions()


class _Graph(typing.NamedTuple):
    """The edges of a decision without its constants: after[index][value] is the next index or an end."""

    start: int
    after: list[tuple[int, int]]
    tested: list[bool]
    reachable: frozenset[int]


def _graph(decision):
    conditions = decision.conditions

    def resolve(index):
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


def _path(graph, marks):
    return ''.join(marks.get(index, model.NOT_EVALUATED) for index in range(len(graph.after)))


def _outcome(graph, path):
    left = path.endswith(model.LEFT)
    marks = path.removesuffix(model.LEFT)
    if len(marks) != len(graph.after) or not set(marks) <= set('TFe-'):
        raise ValueError(f'the path {path!r} does not fit a decision of {len(graph.after)} conditions')
    if left:
        return None
    walked = 0
    index = graph.start
    while index >= 0:
        mark = marks[index]
        walked += 1
        if mark not in ('TF' if graph.tested[index] else 'e'):
            raise ValueError(f'the path {path!r} stops at condition {index}')
        index = None if mark == model.EVALUATED else graph.after[index][mark == model.SEEN_TRUE]
        if index is None:
            break
    if walked != len(marks) - marks.count(model.NOT_EVALUATED):
        raise ValueError(f'the path {path!r} is not connected')
    return None if index is None else index == model.TRUE


def _unmasked(graph, path):
    result = _outcome(graph, path)
    if result is None:
        return frozenset()
    # What of the two ends can be reached from each condition if those that the path evaluated keep their values.
    other_end = model.FALSE if result else model.TRUE
    reaches = [False] * len(graph.after)

    def leads(way):
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


def _walk(graph, start, goal, cost=None):
    """The cheapest walk from start to goal (a condition or an end) through tested conditions.

    cost(index, mark, way) is that of a step from a condition to what follows, an int >= 0; without it, any walk will
    do. Returns (cost, {index: mark}), or None if there is no walk.
    """
    return _walk_beside(graph, start, goal, None, None, cost)


def _walk_beside(graph, start, goal, rival, rival_goal, cost=None):
    """The cheapest walk, as _walk(), of those that leave the rival a walk to its goal without a condition in common.

    Two walks that have a condition in common give it the same value, and from there on they are one. The one that is
    behind goes first, so that none can pass a condition where the other still comes to. The rival may pass an untested
    condition.
    """
    queue = [(0, 0, start, rival, ())]
    pushed = 0
    done = set()
    while queue:
        spent, _, one, two, steps = heapq.heappop(queue)
        if (one, two) in done:
            continue
        done.add((one, two))
        if one == goal and two == rival_goal:
            return spent, _marks(steps)
        if two is not None and two >= 0 and (one < 0 or two < one):
            following = [(spent, one, way, steps) for way in graph.after[two] if way >= 0 or way == rival_goal]
        elif one != two and one >= 0 and graph.tested[one]:
            following = []
            for way, mark in zip(graph.after[one], (model.SEEN_FALSE, model.SEEN_TRUE)):
                if way >= 0 or way == goal:
                    following.append((spent + cost(one, mark, way) if cost else 0, way, two, (one, mark, steps)))
        else:
            continue
        for more, one, two, steps in following:
            if goal >= 0 and one > goal:
                continue
            pushed += 1
            heapq.heappush(queue, (more, pushed, one, two, steps))
    return None


def _marks(steps):
    marks = {}
    while steps:
        index, mark, steps = steps
        marks[index] = mark
    return marks


def _sides(graph, index, value, result, cost=None):
    """The cheapest walk on from the condition with this value to this result, for which it is unmasked; or None."""
    ways = graph.after[index]
    ends = (model.FALSE, model.TRUE)
    return _walk_beside(graph, ways[value], ends[result], ways[not value], ends[not result], cost)


def _is_coverable(graph, index):
    if index not in graph.reachable or not graph.tested[index]:
        return False
    return any(_sides(graph, index, True, result) and _sides(graph, index, False, not result)
               for result in (True, False))


class _Analysis:
    """The analysis of one decision: its graph and what was observed, sorted out once for all conditions."""

    def __init__(self, decision, paths):
        self.decision = decision
        self.graph = _graph(decision)
        self.paths = paths
        self.whole = len(decision.conditions) <= MOST_CONDITIONS
        self.outcomes = [set() for _ in decision.conditions]
        # For a condition, its value, and the outcome of the decision: the paths in which it is unmasked.
        self.evidence = {}
        for path in paths:
            result = _outcome(self.graph, path)
            for index, mark in enumerate(path.removesuffix(model.LEFT)):
                if mark != model.NOT_EVALUATED:
                    self.outcomes[index].add(mark)
            for index in _unmasked(self.graph, path) if self.whole else ():
                key = index, path[index] == model.SEEN_TRUE, result
                self.evidence.setdefault(key, []).append(path)

    def conditions(self):
        return [self._condition(index) for index in range(len(self.decision.conditions))]

    def _condition(self, index):
        graph = self.graph
        possible = '' if index not in graph.reachable else 'TF' if graph.tested[index] else 'e'
        outcomes = ''.join(mark for mark in possible if mark in self.outcomes[index])
        unseen = ''.join(mark for mark in possible if mark not in outcomes)
        asked = _is_coverable(graph, index)
        pair = self._best_pair(index)
        missing, reason, sentence = (), '', ''
        if unseen or asked and not pair and self.whole:
            missing = self._nearest(index, unseen, asked)
        if possible and not outcomes:
            reason = self._why_never(index)
            sentence = messages.never_evaluated(self.decision, [index], reason)
        elif unseen:
            sentence = messages.never_while(self.decision, index, missing[0], asked and self.whole)
        elif missing:
            sentence = messages.never_alone(self.decision, index, missing)
        elif asked and not pair:
            reason = (f'the decision has {len(graph.after)} conditions, '
                      f'and paths are recorded for up to {MOST_CONDITIONS}')
            sentence = messages.not_shown(self.decision, [index], reason)
        return ConditionAnalysis(outcomes, possible, asked, pair, missing, reason, sentence)

    def _best_pair(self, index):
        best = None
        for result in (True, False):
            for true in self.evidence.get((index, True, result), ())[:MOST_COMPARED]:
                for false in self.evidence.get((index, False, not result), ())[:MOST_COMPARED]:
                    candidate = self._distance(true, false), true, false
                    if best is None or candidate < best:
                        best = candidate
        return best and best[1:]

    def _distance(self, one, other):
        return sum(self._step_cost(mark, seen) for mark, seen in zip(one, other))

    def _step_cost(self, mark, seen):
        """How far a mark is from the one seen: another value is worse than any number that were not evaluated."""
        if mark == seen:
            return 0
        return 1 if model.NOT_EVALUATED in (mark, seen) else len(self.decision.conditions)

    def _nearest(self, index, unseen, asked):
        """The paths that would complete what is missing of the condition, first one with an outcome not seen."""
        if not asked or not self.whole:
            return (self._cheapest(self._first_with(index, unseen[0], base) for base in self._bases())[1],)
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
            if other:
                pairs.append((one[0] + other[0], one[1], other[1]))
        return tuple(sorted(min(pairs)[1:], key=lambda path: path[index] not in unseen))

    def _bases(self):
        """The observed paths to be near to; an empty one, to which everything is equally near, if there is none."""
        return self.paths[:MOST_BASES] or [model.NOT_EVALUATED * len(self.decision.conditions)]

    @staticmethod
    def _cheapest(candidates):
        return min(filter(None, candidates), default=None)

    def _cost(self, base):
        """What a step costs, so that the costs of a whole path add up to its distance from base."""
        evaluated = list(itertools.accumulate((mark in 'TFe' for mark in base), initial=0))
        size = len(self.decision.conditions)

        def cost(index, mark, way):
            skipped = evaluated[way if way >= 0 else size] - evaluated[index + 1]
            return self._step_cost(mark, base[index]) + skipped

        return cost

    def _complete(self, index, value, result, base):
        """(cost, path): the path next to base with the condition of this value, unmasked, and this result; or None."""
        cost = self._cost(base)
        after = _sides(self.graph, index, value, result, cost)
        if after is None:
            return None
        before = _walk(self.graph, self.graph.start, index, cost)
        mark = _TESTED_MARKS[value]
        spent = before[0] + cost(index, mark, self.graph.after[index][value]) + after[0]
        return spent, _path(self.graph, before[1] | {index: mark} | after[1])

    def _first_with(self, index, mark, base):
        """(cost, path): the path next to base up to the condition, which gets the mark; then on as base does."""
        cost, marks = _walk(self.graph, self.graph.start, index, self._cost(base))
        while True:
            marks[index] = mark
            if mark == model.EVALUATED:
                break
            index = self.graph.after[index][mark == model.SEEN_TRUE]
            if index < 0:
                break
            mark = (model.EVALUATED if not self.graph.tested[index]
                    else base[index] if base[index] in 'TF' else model.SEEN_TRUE)
        return cost, _path(self.graph, marks)

    def _why_never(self, index):
        """Why the condition was never evaluated, or '': no way led there from the last condition on the way to it.

        Of the conditions from which it can be reached, the last that was evaluated at all always had the other value:
        with this one, a later condition would have been evaluated, unless an exception left the decision.
        """
        leads = {index}
        for before in reversed(range(index)):
            if self.graph.tested[before] and not leads.isdisjoint(self.graph.after[before]):
                leads.add(before)
        last = max((before for before in leads if self.outcomes[before]), default=None)
        if last is None or not self.whole:
            return ''
        ways = self.graph.after[last]
        away = [mark for mark in 'FT' if mark in self.outcomes[last] and ways[mark == model.SEEN_TRUE] not in leads]
        if len(self.outcomes[last]) != len(away) or not away:
            return 'an exception always left the decision before'
        return messages.always(self.decision, last, away[0] == model.SEEN_TRUE) if len(away) == 1 else ''
