"""Records with sys.monitoring (PEP 669), where the interpreter has no code probes: CPython 3.12 and later.

The Recorder has the interface of codeprobes.Recorder, and records the same. An instruction that is to be recorded has
the event INSTRUCTION; a conditional jump, BRANCH, or BRANCH_LEFT and BRANCH_RIGHT where the interpreter has them. The
end of an `async for` has no event of its own, only that of its exception. An event is disabled when there is nothing
left to learn from it.
"""

from __future__ import annotations

import _thread
import opcode
import os
import sys

from condcov import late
from condcov.errors import CondcovError
from condcov.record import monitoring_core
from condcov.record.monitoring_core import BRANCH, HANDLER, SINGLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import CodeType
    from typing import Any

# Instructions that FOR_ITER skips when its loop ends.
UNSUPPORTED_OPCODES = frozenset(opcode.opmap[name] for name in ('CACHE', 'EXTENDED_ARG', 'RESUME', 'END_FOR'))

_END_ASYNC_FOR, _FOR_ITER = opcode.opmap['END_ASYNC_FOR'], opcode.opmap['FOR_ITER']

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

CORE = 'CONDCOV_CORE'       # the environment variable that says which form of the Core to use: c or python


def _choose_core() -> tuple[str, type]:
    """Return the name of the language, and the Core."""
    wanted = os.environ.get(CORE)
    if wanted not in (None, '', 'c', 'python'):
        raise CondcovError(f'{CORE} must be c or python, not {wanted}')
    if wanted != 'python':
        try:
            from condcov.record import _monitoring_core  # type: ignore[attr-defined]
            return 'C', _monitoring_core.Core
        except ImportError as error:
            if wanted == 'c':
                raise CondcovError(f'{CORE} is c, but condcov was installed without it: {error}') from None
    return 'Python', monitoring_core.Core


LANGUAGE, Core = _choose_core()


class Recorder:
    """Records the code objects that `select` has a plan for; see codeprobes.Recorder."""

    def __init__(self, select: Callable[[CodeType], tuple | None], *, counts: bool = False) -> None:
        self._select = select
        self._tool: int | None = None
        self._second: int | None = None
        self._global = 0
        self._core: Any = Core(counts, self._watch_handlers)
        self._events: dict[int, int] = {}       # by id of the code object, those that record it

    def start(self) -> None:
        """Start recording in all threads.  Raises CondcovError if other tools use all the ids there are."""
        if self._tool is not None:
            return
        self._tool = _take_tool_id()
        for event, callback in self._callbacks().items():
            _monitoring.register_callback(self._tool, event, callback)
        for code in self._core.codes():
            _monitoring.set_local_events(self._tool, code, self._events[id(code)])
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
        for code in self._core.codes():
            _monitoring.set_local_events(tool, code, 0)
        self._core.end_evaluations()
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
        if code in self._core:
            return
        plan = self._select(code)
        if plan is None or not (plan[0] or plan[1]):
            return
        lines, jumps, decisions = plan
        jumps = _with_places(code, lines, jumps)
        if not self._core.add(code, lines, jumps, decisions):
            return              # meanwhile, select or another thread has offered it
        kinds = {jump[0] for jump in jumps}
        events = self._events[id(code)] = ((_EVENTS.INSTRUCTION | _EVENTS.LINE if lines or SINGLE in kinds else 0)
                                           | (_BRANCHES if BRANCH in kinds else 0))
        tool = self._tool
        if tool is not None:
            _monitoring.set_local_events(tool, code, events)
            self._core.shared = self._core.shared or _others_need_instructions(code, tool)
            if HANDLER in kinds:
                self._watch_handlers()

    def call_soon(self, code: CodeType, function: Callable[[], None]) -> None:
        """Call a function when the next instruction of this code object, which is being executed, begins."""
        tool = self._tool
        if tool is None:
            return

        def instruction(code: CodeType, offset: int) -> Any:
            if self._tool is not None:
                _monitoring.register_callback(self._tool, _EVENTS.INSTRUCTION, self._core.instruction)
            function()
            return self._core.instruction(code, offset)

        _monitoring.register_callback(tool, _EVENTS.INSTRUCTION, instruction)
        self._enable(code, _monitoring.get_local_events(tool, code) | _EVENTS.INSTRUCTION)

    def harvest(self, rearm: bool = False) -> list[tuple[CodeType, tuple, tuple, tuple]]:
        """Return what is new, as (code, lines, jumps, paths); with `rearm`, record everything again."""
        if not rearm:
            return self._core.harvest()
        self._core.end_evaluations()
        found = self._core.harvest()
        for code in self._core.forget():
            self._enable(code, self._events[id(code)])
        self._watch_handlers()
        return found

    def _enable(self, code: CodeType, events: int) -> None:
        """Set the events of a code object; those that were disabled are sent again."""
        if self._tool is not None:
            _monitoring.set_local_events(self._tool, code, 0)
            _monitoring.set_local_events(self._tool, code, events)

    def _watch_handlers(self) -> None:
        """Enable the event of handled exceptions while an `async for` needs it: it cannot be disabled anywhere."""
        if self._tool is None:
            return
        events = self._global | (_EVENTS.EXCEPTION_HANDLED if self._core.needs_handlers() else 0)
        if events != _monitoring.get_events(self._tool):
            _monitoring.set_events(self._tool, events)

    def _callbacks(self) -> dict[int, Callable[..., Any]]:
        """The callbacks. While one runs, no events are sent to its thread."""
        core = self._core
        branches = ({_EVENTS.BRANCH_LEFT: core.left, _EVENTS.BRANCH_RIGHT: core.right} if _TWO_SIDED
                    else {_EVENTS.BRANCH: core.branch})
        return {_EVENTS.PY_START: self._start, _EVENTS.PY_RESUME: self._start, _EVENTS.LINE: core.line,
                _EVENTS.INSTRUCTION: core.instruction, _EVENTS.EXCEPTION_HANDLED: core.handled, **branches}

    def _start(self, code: CodeType, offset: int) -> Any:
        if code not in self._core and self._tool is not None:
            self.offer(code)
        return _DISABLE


def _with_places(code: CodeType, lines: Iterable[int], jumps: Iterable[tuple]) -> tuple[tuple, ...]:
    """Return the jumps of a plan in the form that the Core expects."""
    bytecode = late.module('condcov.code.bytecode')
    raw = code.co_code
    targets: dict[int, int] = {}
    found = []
    for offset in lines:
        if bytecode.at(raw, offset) is None:
            raise ValueError(f'{code!r} has no instruction at offset {offset}')
    for offset, decision, condition, when_jumps, when_not in jumps:
        instruction = bytecode.at(raw, offset)
        if instruction is None:
            raise ValueError(f'{code!r} has no instruction at offset {offset}')
        op, place, following = instruction
        kind, places = HANDLER if op == _END_ASYNC_FOR else SINGLE, [offset]
        if op in bytecode.CONDITIONAL:
            kind, places = BRANCH, [place]
            if _TWO_SIDED:
                # The events of the two ways have the offset of the jump, or of what it goes to.
                places.append(following)
                if op == _FOR_ITER:
                    targets = targets or _targets(code)
                    places.append(targets[place])
        found.append((kind, offset, tuple(places), following, decision, condition, when_jumps, when_not))
    return tuple(found)


def _targets(code: CodeType) -> dict[int, int]:
    """By the place of each jump, the offset of the instruction that it goes to."""
    instructions = late.module('condcov.code.bytecode').Instructions(code)
    return {instructions.place(index): instructions.offset(target) for index, target in instructions.targets.items()}


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
