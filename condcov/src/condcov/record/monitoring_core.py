"""What sys.monitoring calls, and what it has recorded: the form in Python. _monitoring_core.c is the same in C, faster.

A Core knows code objects by add(). Each of its functions branch, left, right, instruction, line and handled is the
callback of an event. It returns DISABLE when there is nothing left to learn from the event.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import CodeType
    from typing import Any

MOST_PATHS = 10_000         # recorded paths through one decision
MOST_OPEN = 1000            # unfinished evaluations of one decision

BRANCH, SINGLE, HANDLER = range(3)      # kinds of jumps; see Core.add()

_DISABLE = sys.monitoring.DISABLE       # type: ignore[attr-defined]
_getframe = sys._getframe


class _Decision:
    """What was seen of a decision.

    following   for each condition, the number of the next one if it is false and if it is true; -1 at the end
    total       the number of whole paths, or 0 if it is unknown
    learned     whether nothing more is to be recorded
    open        by the id of a frame, the unfinished evaluation there: (evaluated, true, awaited condition)
    jumps       those that test its conditions
    """

    __slots__ = ('following', 'total', 'seen', 'fresh', 'whole', 'learned', 'open', 'jumps')

    def __init__(self, successors: tuple[tuple[int, int], ...], total: int) -> None:
        self.following = [(on_false, on_true) for on_true, on_false in successors]
        self.total = total
        self.seen: set[tuple[int, int, bool]] = set()
        self.fresh: dict[tuple[int, int, bool], int] = {}
        self.whole = 0
        self.learned = False
        self.open: dict[int, tuple[int, int, int]] = {}
        self.jumps: list[_Jump] = []


class _Way:
    """One way that a jump can go.

    way         (offset of the jump, whether it jumps)
    seen        whether it went this way
    decision    that of the condition whose truth is known then, or None
    true        the bit of the condition if it is true, otherwise 0
    awaited     the number of the next condition, or -1
    begun       the evaluation that begins with this condition
    """

    __slots__ = ('record', 'way', 'seen', 'decision', 'condition', 'bit', 'true', 'awaited', 'begun')

    def __init__(self, record: _Record, way: tuple[int, bool], decision: _Decision | None, condition: int,
                 truth: bool | None) -> None:
        self.record = record
        self.way = way
        self.seen = False
        self.decision = decision if truth is not None else None
        self.condition = condition
        self.bit = self.true = 0
        self.awaited = -1
        if decision is not None and truth is not None:
            self.bit = 1 << condition
            self.true = self.bit if truth else 0
            self.awaited = decision.following[condition][truth]
        self.begun = self.bit, self.true, self.awaited


class _Jump:
    """A conditional jump, or an instruction that counts as one that goes only one way.

    table       the table of the Core that it is in
    keys        its keys there
    following   the offset of the next instruction, or -1
    both        the way on and the jump
    ways        the same; None when there is nothing left to learn from it
    enough      the number of ways that it has
    """

    __slots__ = ('table', 'keys', 'following', 'decision', 'both', 'ways', 'enough')

    def __init__(self, table: dict[int, _Jump], keys: tuple[int, ...], following: int, decision: _Decision | None,
                 both: tuple[_Way, _Way], enough: int) -> None:
        self.table = table
        self.keys = keys
        self.following = following
        self.decision = decision
        self.both = both
        self.ways: list[_Way | None] = [*both]
        self.enough = enough

    def arm(self) -> None:
        """Record everything again."""
        self.ways[:] = self.both
        for way in self.both:
            way.seen = False
        for key in self.keys:
            self.table[key] = self

    def settle(self) -> None:
        """Forget the ways from which there is nothing left to learn, because the decision needs no more events."""
        seen = 0
        for jumped, way in enumerate(self.both):
            if way.seen:
                self.ways[jumped] = None
                seen += 1
        if seen >= self.enough:
            for key in self.keys:
                if self.table.get(key) is self:
                    del self.table[key]


class _Record:
    """What was seen of a code object.

    touched     whether anything was recorded since the events were last enabled
    """

    def __init__(self, code: CodeType, decisions: list[_Decision]) -> None:
        self.code = code
        self.decisions = decisions
        self.lines: dict[int, int] = {}         # the keys of the instructions to record, and their offsets
        self.jumps: list[_Jump] = []
        self.fresh_lines: dict[int, int] = {}
        self.fresh_jumps: dict[tuple[int, bool], int] = {}
        self.touched = False


class Core:
    """Records the events of code objects.

    settled()   is called when there is nothing left to learn from the handler of an `async for`
    shared      whether another tool has the event INSTRUCTION

    The key of an instruction is the id of its code object plus its offset. The bytecode is part of the code object, so
    no other object has an id in between.
    """

    def __init__(self, counts: bool, settled: Callable[[], object]) -> None:
        self._counts = counts
        self._settled = settled
        self.shared = False
        self._records: dict[int, _Record] = {}          # by id of the code object
        # By key, what there is left to learn something from.
        self._lines: dict[int, _Record] = {}
        self._branches: dict[int, _Jump] = {}
        self._singles: dict[int, _Jump] = {}
        self._handlers: dict[int, _Jump] = {}
        self._make_callbacks()

    def __contains__(self, code: CodeType) -> bool:
        return id(code) in self._records

    def add(self, code: CodeType, lines: Iterable[int], jumps: Iterable[tuple], decisions: Iterable[tuple]) -> bool:
        """Record a code object; return whether it was not recorded before.

        lines       the offsets of instructions
        jumps       (kind, offset, places, following, decision, condition, when_jumps, when_not) of each jump. The kind
                    is BRANCH, SINGLE (an instruction that counts as one that does not jump) or HANDLER (of the
                    exception that ends an `async for`). Places are the offsets that its events have; following is the
                    offset of the next instruction or -1; see codeprobes.Recorder for the rest
        decisions   (successors, total) of each decision
        """
        if id(code) in self._records:
            return False
        record = _Record(code, [_Decision(*facts) for facts in decisions])
        base = id(code)
        record.lines = {base + offset: offset for offset in lines}
        tables = self._branches, self._singles, self._handlers
        for kind, offset, places, following, number, condition, when_jumps, when_not in jumps:
            decision = record.decisions[number] if number >= 0 else None
            ways = (_Way(record, (offset, False), decision, condition, when_not),
                    _Way(record, (offset, True), decision, condition, when_jumps))
            jump = _Jump(tables[kind], tuple(base + place for place in places), following, decision, ways,
                         2 if kind == BRANCH else 1)
            record.jumps.append(jump)
            if decision is not None:
                decision.jumps.append(jump)
        self._records[base] = record
        self._arm(record)
        return True

    def _arm(self, record: _Record) -> None:
        self._lines.update(dict.fromkeys(record.lines, record))
        for jump in record.jumps:
            jump.arm()

    def codes(self) -> list[CodeType]:
        """Return the code objects that are recorded."""
        return [record.code for record in list(self._records.values())]

    def needs_handlers(self) -> bool:
        """Return whether there is anything left to learn from the handler of an `async for`."""
        return bool(self._handlers)

    def end_evaluations(self) -> None:
        """Record unfinished evaluations as incomplete."""
        for record in list(self._records.values()):
            for decision in record.decisions:
                if not decision.learned or self._counts:
                    for evaluated, true, _ in list(decision.open.values()):
                        self._record_path(decision, (evaluated, true, False))
                decision.open.clear()

    def harvest(self) -> list[tuple[CodeType, tuple, tuple, tuple]]:
        """Return what is new, as codeprobes.Recorder.harvest() does."""
        found = []
        for record in list(self._records.values()):
            paths = tuple((number, *path, count) for number, decision in enumerate(record.decisions) if decision.fresh
                          for path, count in _taken(decision.fresh))
            if record.fresh_lines or record.fresh_jumps or paths:
                lines = tuple(offset for offset, _ in _taken(record.fresh_lines))
                jumps = tuple((*way, count) for way, count in _taken(record.fresh_jumps))
                found.append((record.code, lines, jumps, paths))
        return found

    def forget(self) -> list[CodeType]:
        """Record everything again; return the code objects whose events may have been disabled."""
        found = []
        for record in list(self._records.values()):
            if record.touched:
                record.touched = False
                for decision in record.decisions:
                    decision.seen.clear()
                    decision.whole = 0
                    decision.learned = False
                self._arm(record)
                found.append(record.code)
        return found

    def _make_callbacks(self) -> None:
        """Make the callbacks, as functions that find what they need in local variables."""
        lines, branches, singles, handlers = self._lines, self._branches, self._singles, self._handlers
        counts, went = self._counts, self._went

        def branch(code: CodeType, place: int, destination: int) -> Any:
            jump = branches.get(id(code) + place)
            if jump is None:
                return _DISABLE
            way = jump.ways[destination != jump.following]
            if way is None:
                return None
            if way.seen and not counts:
                # The usual case, without a call: nothing new, or the evaluation goes on.
                decision = way.decision
                if decision is None:
                    return None
                evaluations = decision.open
                if way.condition:
                    frame = id(_getframe(1))
                    evaluation = evaluations.get(frame)
                    if evaluation is None or evaluation[2] != way.condition:
                        return None
                    evaluated, true = evaluation[0] | way.bit, evaluation[1] | way.true
                    if way.awaited >= 0:
                        evaluations[frame] = evaluated, true, way.awaited
                        return None
                    if (evaluated, true, True) in decision.seen:
                        del evaluations[frame]
                        return None
                elif way.awaited >= 0:
                    frame = id(_getframe(1))
                    if frame not in evaluations and len(evaluations) <= MOST_OPEN:
                        evaluations[frame] = way.begun
                        return None
                elif not evaluations and (1, way.true, True) in decision.seen:
                    return None
            went(jump, way, id(_getframe(1)))
            return None if jump.ways[0] or jump.ways[1] else _DISABLE

        def side(jumped: bool) -> Callable[[CodeType, int, int], Any]:
            def callback(code: CodeType, place: int, destination: int) -> Any:
                jump = branches.get(id(code) + place)
                way = None if jump is None else jump.ways[jumped]
                if jump is None or way is None:
                    return _DISABLE
                went(jump, way, id(_getframe(1)))
                return _DISABLE if jump.ways[jumped] is None else None
            return callback

        def instruction(code: CodeType, offset: int) -> Any:
            key = id(code) + offset
            record = lines.pop(key, None)
            if record is not None:
                record.fresh_lines[offset] = 1
                record.touched = True
            jump = singles.get(key)
            if jump is None:
                return _DISABLE
            went(jump, jump.both[False], id(_getframe(1)))
            return None if key in singles else _DISABLE

        def line(code: CodeType, number: int) -> Any:
            # If all tools disable this event now, the event of the instruction that begins the line is not sent.
            offset = _getframe(1).f_lasti
            key = id(code) + offset
            record = lines.pop(key, None)
            if record is not None:
                record.fresh_lines[offset] = 1
                record.touched = True
            return None if self.shared or key in singles else _DISABLE

        def handled(code: CodeType, offset: int, exception: BaseException) -> None:
            jump = handlers.get(id(code) + offset)
            if jump is not None and isinstance(exception, StopAsyncIteration):
                went(jump, jump.both[True], id(_getframe(1)))
                if jump.keys[0] not in handlers:
                    self._settled()

        self.branch, self.left, self.right = branch, side(False), side(True)
        self.instruction, self.line, self.handled = instruction, line, handled

    def _went(self, jump: _Jump, way: _Way, frame: int) -> None:
        """A jump went this way in the frame with this id, which no other frame has while this one exists."""
        record = way.record
        if not way.seen or self._counts:
            way.seen = True
            record.touched = True
            fresh = record.fresh_jumps
            fresh[way.way] = fresh.get(way.way, 0) + 1
        decision = way.decision
        if decision is not None and (self._counts or not decision.learned):
            self._evaluate(decision, way, frame)
        if not self._counts and (jump.decision is None or jump.decision.learned):
            jump.settle()

    def _evaluate(self, decision: _Decision, way: _Way, frame: int) -> None:
        evaluations = decision.open
        if way.condition == 0:
            before = evaluations.pop(frame, None)
            if before is not None:              # an exception has ended it
                self._record_path(decision, (before[0], before[1], False))
            elif len(evaluations) > MOST_OPEN:
                evaluated, true, _ = evaluations.pop(next(iter(evaluations)))
                self._record_path(decision, (evaluated, true, False))
            evaluated = true = 0
        else:
            evaluation = evaluations.get(frame)
            if evaluation is None or evaluation[2] != way.condition:
                return      # it began before the recording, or this is a second test of the same value
            evaluated, true, _ = evaluation
        evaluated |= way.bit
        true |= way.true
        if way.awaited >= 0:
            evaluations[frame] = evaluated, true, way.awaited
        else:
            evaluations.pop(frame, None)
            self._record_path(decision, (evaluated, true, True))

    def _record_path(self, decision: _Decision, path: tuple[int, int, bool]) -> None:
        if path in decision.seen:
            if self._counts:
                decision.fresh[path] = decision.fresh.get(path, 0) + 1
            return
        if len(decision.seen) < MOST_PATHS:
            decision.seen.add(path)
            decision.fresh[path] = 1
            decision.whole += path[2]
            if not path[2] or decision.whole != decision.total:
                return
        decision.learned = True
        if not self._counts:
            for jump in decision.jumps:
                jump.settle()


def _taken(fresh: dict[Any, int]) -> Iterable[tuple[Any, int]]:
    """Take the items out of a dictionary to which other threads may add meanwhile."""
    return [(key, fresh.pop(key)) for key in list(fresh)]
