"""Records with sys.monitoring (PEP 669), where the interpreter has no code probes: CPython 3.12 and later.

The Recorder has the interface of codeprobes.Recorder, and records the same. An instruction that is to be recorded has
the event INSTRUCTION; a conditional jump, BRANCH, or BRANCH_LEFT and BRANCH_RIGHT where the interpreter has them. The
end of an `async for` has no event of its own, only that of its exception. An event is disabled when there is nothing
left to learn from it.
"""

import _thread
import opcode
import sys
from collections.abc import Callable, Iterable
from types import CodeType
from typing import Any

from condcov.code import bytecode
from condcov.errors import CondcovError

MOST_PATHS = 10_000         # recorded paths through one decision
MOST_OPEN = 1000            # unfinished evaluations of one decision

# Instructions that FOR_ITER skips when its loop ends.
UNSUPPORTED_OPCODES = frozenset(opcode.opmap[name] for name in ('CACHE', 'EXTENDED_ARG', 'RESUME', 'END_FOR'))

_monitoring = sys.monitoring        # type: ignore[attr-defined]
_EVENTS = _monitoring.events
_DISABLE = _monitoring.DISABLE
_TWO_SIDED = hasattr(_EVENTS, 'BRANCH_LEFT')
SEES_EMPTY_JUMPS = _TWO_SIDED
_BRANCHES = _EVENTS.BRANCH_LEFT | _EVENTS.BRANCH_RIGHT if _TWO_SIDED else _EVENTS.BRANCH

# Debuggers, profilers and optimizers have ids of their own. That of coverage tools is left to others if possible.
_TOOL_IDS = 3, 4, _monitoring.COVERAGE_ID
_SECOND_IDS = _monitoring.OPTIMIZER_ID, 4, 3

_getframe = sys._getframe


class _Decision:
    """What was seen of a decision.

    following   for each condition, the number of the next one if it is false and if it is true; -1 at the end
    total       the number of whole paths, or 0 if it is unknown
    open        by the id of a frame, the unfinished evaluation there: (evaluated, true, awaited condition)
    """

    __slots__ = ('following', 'total', 'seen', 'fresh', 'whole', 'learned', 'open')

    def __init__(self, successors: tuple[tuple[int, int], ...], total: int) -> None:
        self.following = [(on_false, on_true) for on_true, on_false in successors]
        self.total = total
        self.seen: set[tuple[int, int, bool]] = set()
        self.fresh: dict[tuple[int, int, bool], int] = {}
        self.whole = 0
        self.learned = False
        self.open: dict[int, tuple[int, int, int]] = {}

    def forget(self) -> None:
        """Record everything again."""
        self.seen.clear()
        self.whole = 0
        self.learned = False


class _Jump:
    """A conditional jump, or an instruction that counts as one that does not jump.

    following   the offset of the next instruction, or -1
    says        the truth of the condition if it does not jump and if it does; None if it is not known
    went        whether it was seen not to jump, and to jump
    """

    __slots__ = ('offset', 'following', 'decision', 'condition', 'says', 'went')

    def __init__(self, offset: int, following: int, decision: _Decision | None, condition: int,
                 says: tuple[bool | None, bool | None]) -> None:
        self.offset = offset
        self.following = following
        self.decision = decision
        self.condition = condition
        self.says = says
        self.went = [False, False]


class _Record:
    """What was seen of a code object, and what is to be recorded.

    lines       the offsets of instructions to record
    branches    the conditional jumps, by the offsets that their events have
    single      the instructions that count as jumps, by offset
    handlers    the ends of `async for`, by offset
    touched     whether anything was recorded since the events were last enabled
    """

    def __init__(self, code: CodeType, plan: tuple[tuple, tuple, tuple]) -> None:
        lines, jumps, decisions = plan
        self.code = code
        self.touched = False
        self.executed: set[int] = set()         # of the lines
        self.fresh_lines: dict[int, int] = {}
        self.fresh_jumps: dict[tuple[int, bool], int] = {}
        self.decisions = [_Decision(*facts) for facts in decisions]
        self.branches: dict[int, _Jump] = {}
        self.single: dict[int, _Jump] = {}
        self.handlers: dict[int, _Jump] = {}
        instructions = bytecode.read(code)
        places = {instruction.offset: index for index, instruction in enumerate(instructions)}
        self.lines = frozenset(lines)
        wrong = [offset for offset in (*lines, *(jump[0] for jump in jumps)) if offset not in places]
        if wrong:
            raise ValueError(f'{code!r} has no instruction at offset {wrong[0]}')
        for offset, decision, condition, when_jumps, when_not in jumps:
            index = places[offset]
            instruction = instructions[index]
            following = instructions[index + 1].offset if index + 1 < len(instructions) else -1
            jump = _Jump(offset, following, self.decisions[decision] if decision >= 0 else None, condition,
                         (when_not, when_jumps))
            if instruction.op in bytecode.CONDITIONAL:
                self.branches[instruction.place] = jump
                if _TWO_SIDED:
                    # The events of the two ways have the offset of the jump, or of what it goes to.
                    self.branches[instructions[index + 1].offset] = jump
                    if instruction.name == 'FOR_ITER' and instruction.target is not None:
                        self.branches[instructions[instruction.target].offset] = jump
            elif instruction.name == 'END_ASYNC_FOR':
                self.handlers[offset] = jump
            else:
                self.single[offset] = jump
        self.events = ((_EVENTS.INSTRUCTION | _EVENTS.LINE if self.lines or self.single else 0)
                       | (_BRANCHES if self.branches else 0))


class Recorder:
    """Records the code objects that `select` has a plan for; see codeprobes.Recorder."""

    def __init__(self, select: Callable[[CodeType], tuple | None], *, counts: bool = False) -> None:
        self._select = select
        self._counts = counts
        self._tool: int | None = None
        self._second: int | None = None
        self._global = 0
        self._records: dict[int, _Record] = {}          # by id of the code object
        self._soon: Callable[[], None] | None = None
        self._shared = False            # whether another tool has the event INSTRUCTION

    def start(self) -> None:
        """Start recording in all threads.  Raises CondcovError if other tools use all the ids there are."""
        if self._tool is not None:
            return
        self._tool = _take_tool_id()
        for event, callback in self._callbacks().items():
            _monitoring.register_callback(self._tool, event, callback)
        for record in self._records.values():
            _monitoring.set_local_events(self._tool, record.code, record.events)
        self._global = _EVENTS.PY_START | _EVENTS.PY_RESUME
        _monitoring.set_events(self._tool, self._global)
        # When a code object gets its second tool, CPython forgets which tool has the event INSTRUCTION. So each code
        # object gets two at once.
        self._second = _take_one_of(_SECOND_IDS)
        if self._second is not None:
            _monitoring.register_callback(self._second, _EVENTS.PY_START, _second_tool_starts)
            _monitoring.set_events(self._second, _EVENTS.PY_START)
        self._watch_handlers()
        _monitoring.restart_events()        # what the last user of the id has disabled

    def stop(self) -> None:
        """Stop recording.  Unfinished evaluations are recorded as incomplete."""
        tool = self._tool
        if tool is None:
            return
        self._tool = None
        _monitoring.set_events(tool, 0)
        for event in self._callbacks():
            _monitoring.register_callback(tool, event, None)
        for record in list(self._records.values()):
            _monitoring.set_local_events(tool, record.code, 0)
            self._end_evaluations(record)
        _monitoring.free_tool_id(tool)
        if self._second is not None:
            _monitoring.set_events(self._second, 0)
            _monitoring.register_callback(self._second, _EVENTS.PY_START, None)
            _monitoring.free_tool_id(self._second)
            self._second = None

    def offer(self, code: CodeType) -> None:
        """Record a code object, if it is selected."""
        if self._tool is None:
            raise RuntimeError('the recorder is not running')
        if id(code) in self._records:
            return
        plan = self._select(code)
        if plan is None or not (plan[0] or plan[1]):
            return
        record = _Record(code, plan)
        if self._records.setdefault(id(code), record) is not record:
            return              # meanwhile, select or another thread has offered it
        tool = self._tool
        if tool is not None:
            _monitoring.set_local_events(tool, code, record.events)
            self._shared = self._shared or _others_need_instructions(code, tool)
            if record.handlers:
                self._watch_handlers()

    def call_soon(self, code: CodeType, function: Callable[[], None]) -> None:
        """Call a function when the next instruction of this code object, which is being executed, begins."""
        if self._tool is not None:
            self._soon = function
            self._enable(code, _monitoring.get_local_events(self._tool, code) | _EVENTS.INSTRUCTION)

    def harvest(self, rearm: bool = False) -> list[tuple[CodeType, tuple, tuple, tuple]]:
        """Return what is new, as (code, lines, jumps, paths); with `rearm`, record everything again."""
        found = []
        for record in list(self._records.values()):
            if rearm:
                self._end_evaluations(record)
            paths = [(number, *path, count) for number, decision in enumerate(record.decisions) if decision.fresh
                     for path, count in _taken(decision.fresh)]
            if record.fresh_lines or record.fresh_jumps or paths:
                lines = tuple(offset for offset, _ in _taken(record.fresh_lines))
                jumps = tuple((*way, count) for way, count in _taken(record.fresh_jumps))
                found.append((record.code, lines, jumps, tuple(paths)))
            if rearm and record.touched:
                self._forget(record)
        if rearm:
            self._watch_handlers()
        return found

    def _forget(self, record: _Record) -> None:
        record.touched = False
        record.executed.clear()
        for jump in (*record.branches.values(), *record.single.values(), *record.handlers.values()):
            jump.went = [False, False]
        for decision in record.decisions:
            decision.forget()
        self._enable(record.code, record.events)

    def _enable(self, code: CodeType, events: int) -> None:
        """Set the events of a code object; those that were disabled are sent again."""
        if self._tool is not None:
            _monitoring.set_local_events(self._tool, code, 0)
            _monitoring.set_local_events(self._tool, code, events)

    def _end_evaluations(self, record: _Record) -> None:
        for decision in record.decisions:
            if not decision.learned or self._counts:
                for evaluated, true, _ in list(decision.open.values()):
                    self._record_path(decision, (evaluated, true, False))
            decision.open.clear()

    def _watch_handlers(self) -> None:
        """Enable the event of handled exceptions while an `async for` needs it: it cannot be disabled anywhere."""
        if self._tool is None:
            return
        needed = any(self._is_needed(jump) for record in list(self._records.values())
                     for jump in record.handlers.values())
        events = self._global | (_EVENTS.EXCEPTION_HANDLED if needed else 0)
        if events != _monitoring.get_events(self._tool):
            _monitoring.set_events(self._tool, events)

    # The callbacks. No events are sent to this thread meanwhile.

    def _callbacks(self) -> dict[int, Callable[..., Any]]:
        branches = ({_EVENTS.BRANCH_LEFT: self._left, _EVENTS.BRANCH_RIGHT: self._right} if _TWO_SIDED
                    else {_EVENTS.BRANCH: self._branch})
        return {_EVENTS.PY_START: self._start, _EVENTS.PY_RESUME: self._start, _EVENTS.LINE: self._line,
                _EVENTS.INSTRUCTION: self._instruction, _EVENTS.EXCEPTION_HANDLED: self._handled, **branches}

    def _start(self, code: CodeType, offset: int) -> Any:
        if id(code) not in self._records and self._tool is not None:
            self.offer(code)
        return _DISABLE

    def _instruction(self, code: CodeType, offset: int) -> Any:
        record = self._records.get(id(code))
        if self._soon is not None:
            function, self._soon = self._soon, None
            function()
        if record is None:
            return _DISABLE
        if offset in record.lines and offset not in record.executed:
            record.executed.add(offset)
            record.fresh_lines[offset] = 1
            record.touched = True
        jump = record.single.get(offset)
        if jump is None:
            return _DISABLE
        self._went(record, jump, False, _getframe(1))
        return None if self._counts or self._is_needed(jump) else _DISABLE

    def _line(self, code: CodeType, line: int) -> Any:
        # If all tools disable this event now, the event of the instruction that begins the line is not sent.
        record = self._records.get(id(code))
        if record is None:
            return _DISABLE
        offset = _getframe(1).f_lasti
        if offset in record.lines and offset not in record.executed:
            record.executed.add(offset)
            record.fresh_lines[offset] = 1
            record.touched = True
        return None if self._shared or offset in record.single else _DISABLE

    def _branch(self, code: CodeType, place: int, destination: int) -> Any:
        record = self._records.get(id(code))
        jump = None if record is None else record.branches.get(place)
        if record is None or jump is None:
            return _DISABLE
        decision = jump.decision
        jumped = destination != jump.following
        went = jump.went
        if not went[jumped] or self._counts:
            self._count(record, jump, jumped)
        if (decision is None or decision.learned) and not self._counts:
            return _DISABLE if went[0] and went[1] else None
        truth = jump.says[jumped]
        if decision is not None and truth is not None:
            self._evaluate(decision, jump.condition, truth, id(_getframe(1)))
        return None

    def _left(self, code: CodeType, place: int, destination: int) -> Any:
        return self._side(code, place, False, _getframe(1))

    def _right(self, code: CodeType, place: int, destination: int) -> Any:
        return self._side(code, place, True, _getframe(1))

    def _side(self, code: CodeType, place: int, jumped: bool, frame: Any) -> Any:
        record = self._records.get(id(code))
        jump = None if record is None else record.branches.get(place)
        if record is None or jump is None:
            return _DISABLE
        self._went(record, jump, jumped, frame)
        decision = jump.decision
        return None if self._counts or decision is not None and not decision.learned else _DISABLE

    def _handled(self, code: CodeType, offset: int, exception: BaseException) -> None:
        record = self._records.get(id(code))
        jump = None if record is None else record.handlers.get(offset)
        if record is not None and jump is not None and isinstance(exception, StopAsyncIteration):
            self._went(record, jump, True, _getframe(1))
            if not self._is_needed(jump):
                self._watch_handlers()

    def _is_needed(self, jump: _Jump) -> bool:
        """Whether there is anything left to learn from what is not a conditional jump: it goes only one way."""
        return (self._counts or not any(jump.went) or jump.decision is not None and not jump.decision.learned)

    def _went(self, record: _Record, jump: _Jump, jumped: bool, frame: Any) -> None:
        if not jump.went[jumped] or self._counts:
            self._count(record, jump, jumped)
        decision, truth = jump.decision, jump.says[jumped]
        if decision is not None and truth is not None and not (decision.learned and not self._counts):
            self._evaluate(decision, jump.condition, truth, id(frame))

    def _count(self, record: _Record, jump: _Jump, jumped: bool) -> None:
        jump.went[jumped] = True
        record.touched = True
        fresh = record.fresh_jumps
        way = jump.offset, jumped
        fresh.setdefault(way, 0)
        fresh[way] += 1

    def _evaluate(self, decision: _Decision, condition: int, truth: bool, frame: int) -> None:
        """A condition was tested in the frame with this id, which no other frame has while this one exists."""
        evaluations = decision.open
        if condition == 0:
            before = evaluations.pop(frame, None)
            if before is not None:              # an exception has ended it
                self._record_path(decision, (before[0], before[1], False))
            elif len(evaluations) > MOST_OPEN:
                evaluated, true, _ = evaluations.pop(next(iter(evaluations)))
                self._record_path(decision, (evaluated, true, False))
            evaluated = true = 0
        else:
            evaluation = evaluations.get(frame)
            if evaluation is None or evaluation[2] != condition:
                return      # it began before the recording, or this is a second test of the same value
            evaluated, true, _ = evaluation
        bit = 1 << condition
        evaluated |= bit
        if truth:
            true |= bit
        awaited = decision.following[condition][truth]
        if awaited >= 0:
            evaluations[frame] = evaluated, true, awaited
        else:
            evaluations.pop(frame, None)
            self._record_path(decision, (evaluated, true, True))

    def _record_path(self, decision: _Decision, path: tuple[int, int, bool]) -> None:
        if path in decision.seen:
            if self._counts:
                decision.fresh.setdefault(path, 0)
                decision.fresh[path] += 1
        elif len(decision.seen) == MOST_PATHS:
            decision.learned = True
        else:
            decision.seen.add(path)
            decision.fresh[path] = 1
            if path[2]:
                decision.whole += 1
                if decision.whole == decision.total:
                    decision.learned = True


def _taken(fresh: dict[Any, int]) -> Iterable[tuple[Any, int]]:
    """Take the items out of a dictionary to which other threads may add meanwhile."""
    return [(key, fresh.pop(key)) for key in list(fresh)]


def _others_need_instructions(code: CodeType, ours: int) -> bool:
    """Whether another tool has the event INSTRUCTION of a code object."""
    return any((_monitoring.get_events(tool) | _monitoring.get_local_events(tool, code)) & _EVENTS.INSTRUCTION
               for tool in range(6) if tool != ours and _monitoring.get_tool(tool) is not None)


def start_thread(function: Callable[[], None]) -> None:
    """Call a function in a new thread.  Other tools, such as profilers, get no events of it.

    While a callback runs, its thread has no events. So the callback of the second tool calls the function.
    """
    _thread.start_new_thread(_run, (function, []))


def _run(function: Callable[[], None], called: list[bool]) -> None:
    if not called:          # there is no second tool
        function()


def _second_tool_starts(code: CodeType, offset: int) -> Any:
    if code is not _run.__code__:
        return _DISABLE
    arguments = _getframe(1).f_locals
    arguments['called'].append(True)
    arguments['function']()
    return None


def _take_one_of(tools: Iterable[int]) -> int | None:
    for tool in tools:
        try:
            _monitoring.use_tool_id(tool, 'condcov')
        except ValueError:
            continue
        return tool
    return None


def _take_tool_id() -> int:
    tool = _take_one_of(_TOOL_IDS)
    if tool is not None:
        return tool
    others = ', '.join(_monitoring.get_tool(tool) or 'another tool' for tool in _TOOL_IDS)
    raise CondcovError(f'cannot record: {others} use all ids of sys.monitoring that condcov can use; run without one '
                       'of them')
