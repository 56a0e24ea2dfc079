"""The base classes of bdb.Bdb and bdb.Breakpoint: trace states and instructions."""

import functools
import sys
from _ownmodules import __builtins__
from _thread import _local
from opcode import opmap


class ThreadTracing(_local):
    """What a debugger keeps for each thread that it traces."""

    # The trace state to restore, while the debugger traces.
    program_state = None
    ended = False
    at_prompt = False

    def __init__(self):
        self.program_traces = {}        # {frame: its local trace function}


class Tracing:
    """Sets the trace state for a debugger, and restores the program's.

    While the debugger traces, the trace state of the program and the local trace
    functions of its frames are saved here.
    """

    # Whether instructions are traced, in all threads.
    trace_opcodes = False

    # Subclasses of Bdb do not always call its __init__().
    _thread = functools.cached_property(lambda self: ThreadTracing())

    def _is_mine(self, tracefunc):
        return getattr(tracefunc, '__self__', None) is self

    def _is_tracing(self):
        return self._is_mine(sys.gettracestate()['tracefunc'])

    def _has_left(self):
        # A program that calls sys.settrace(self.trace_dispatch) still gets events.
        return self._thread.ended and not self._is_tracing()

    def _needs_instructions(self):
        return self.trace_opcodes and not self._thread.at_prompt

    def _set_flags(self):
        """Trace instructions in this thread if necessary, and only then."""
        state = sys.gettracestate()
        needed = self._needs_instructions()
        if (state['trace_instructions'] != needed
                and self._is_mine(state['tracefunc'])):
            sys.settracestate(state['tracefunc'], trace_instructions=needed)

    def _set_trace_opcodes(self, trace_opcodes):
        """Turn instruction events on or off.  They cost time.

        Other threads follow at their next event.
        """
        self.trace_opcodes = trace_opcodes
        self._set_flags()

    def _start_tracing(self):
        """Set the trace function.  Return the trace state to restore."""
        state = sys.gettracestate()
        other = getattr(state['tracefunc'], '__self__', None)
        if state['tracefunc'] is None:
            other = self        # This debugger may have been interrupted.
        if isinstance(other, Tracing):
            # This debugger replaces another one, or was already tracing.
            state = other._thread.program_state or {'tracefunc': None}
        self._thread.program_state = state
        self._thread.ended = False
        sys.settracestate(self.trace_dispatch,
                          trace_instructions=self._needs_instructions())
        return state

    def _stop_tracing(self, state=None):
        """Restore the trace state and the local trace functions of the program."""
        thread = self._thread
        state = state or thread.program_state
        thread.program_state = None
        if state is None:
            if self.botframe is None:
                return          # A post-mortem debugger never traced.
            state = {'tracefunc': None}
        traces, thread.program_traces = thread.program_traces, {}
        frame = sys._getframe().f_back
        while frame:
            if self._is_mine(frame.f_trace):
                frame.f_trace = traces.pop(frame, None)
            frame = frame.f_back
        # The frames left belong to suspended generators.
        for frame, local_trace in traces.items():
            if self._is_mine(frame.f_trace):
                frame.f_trace = local_trace
        thread.ended = True
        sys.settracestate(**state)

    def _trace_frame(self, frame):
        """Set the local trace function of a frame of the program."""
        local_trace = frame.f_trace
        other = getattr(local_trace, '__self__', None)
        if isinstance(other, Tracing):
            local_trace = other._thread.program_traces.get(frame)
        if local_trace is not None:
            self._thread.program_traces[frame] = local_trace
        frame.f_trace = self.trace_dispatch


class Debugger(Tracing):
    """Stops and breakpoints at instructions: a base class of bdb.Bdb."""

    # Whether to stop at instructions.
    stopinstr = False
    # The offset to stop at in the stop frame, or beyond it.  None: look at lines.
    stopoffset = None
    # The target of a jump command: a frame and an offset.
    jumped_to = None

    def dispatch_instruction(self, frame, arg):
        """Invoke user function and return trace function for instruction event.

        If the debugger stops at the current instruction, invoke
        self.user_instruction(). Raise BdbQuit if self.quitting is set.
        Return self.trace_dispatch to continue tracing in this scope.
        """
        if not self.trace_opcodes:
            self._set_flags()   # Another thread needs no instructions any more.
            return self.trace_dispatch
        jumped_to, self.jumped_to = self.jumped_to, None
        if jumped_to == (frame, frame.f_lasti):
            # The debugger stopped here when it made the jump.
            return self.trace_dispatch
        if (self.stopinstr and self.stop_here(frame)
                or self.break_at_instruction(frame)):
            return self._stop_at_instruction(frame)
        return self.trace_dispatch

    def _stop_at_instruction(self, frame):
        self.user_instruction(frame)
        if self.quitting:
            raise bdb.BdbQuit
        return None if self._has_left() else self.trace_dispatch

    def _breaks_at_resume(self, frame):
        # The RESUME that starts or resumes a frame has no instruction event.
        return (is_resumed(frame) and not self.stop_here(frame)
                and self.break_at_instruction(frame))

    def break_at_instruction(self, frame):
        """Return True if there is an effective breakpoint for this instruction.

        Delete temporary breakpoints if effective() says to.
        """
        for bp in bdb.Breakpoint.bpbynumber:
            if bp and bp.is_at_instruction(frame):
                return self._break_effective(
                    bdb.effective(bp.file, bp.line, frame, instruction=True))
        return False

    def _has_line_break(self, filename, lineno):
        for bp in bdb.Breakpoint.bplist.get((filename, lineno), ()):
            if bp.offset is None:
                return True
        return False

    def user_instruction(self, frame):
        """Called when we stop or break at an instruction.

        user_line() is called instead for an instruction that starts a line, and
        user_call() for one that starts or resumes a frame, unless there is a
        breakpoint at it.
        """

    def _reaches_stop(self, frame):
        if self.stopoffset is not None:
            return frame.f_lasti >= self.stopoffset
        # An instruction may have no line.
        return (frame.f_lineno or 0) >= self.stoplineno

    def _set_stopinstr(self, stopinstr):
        self.stopinstr = stopinstr
        self.stopoffset = None
        self._set_trace_opcodes(stopinstr or any(
            bp and bp.offset is not None for bp in bdb.Breakpoint.bpbynumber))

    def set_stepinstr(self):
        """Stop before the next instruction."""
        bdb.Bdb.set_step(self)
        self._set_stopinfo(None, None, opcode=True)

    def set_nextinstr(self, frame):
        """Stop before the next instruction in or below the given frame."""
        if frame is self.frame_returning:
            self.set_stepinstr()
        else:
            self._set_stopinfo(frame, None, opcode=True)

    def set_untilinstr(self, frame, offset):
        """Stop before an instruction of the given frame with this offset, in bytes,
        or a greater one, or when the frame returns."""
        self._set_stopinfo(frame, frame, opcode=True)
        self.stopoffset = offset

    def set_instruction_break(self, code, offset, temporary=False, cond=None):
        """Set a new breakpoint for the instruction at offset, in bytes, of code.

        If no instruction is traced there, return an error message.
        """
        from _bytecodeview import Code, line_of # Import as late as possible
        near = Code(code).traced_near(offset)
        if offset not in near:
            return ('No instruction of %s is traced at offset %s; the nearest %s at %s' %
                    (code.co_name, offset, 'is' if len(near) == 1 else 'are',
                     ' and '.join(map(str, near))))
        filename = self.canonic(code.co_filename)
        lineno = line_of(code, offset)
        self._add_to_breaks(filename, lineno)
        bdb.Breakpoint(filename, lineno, temporary, cond, code=code, offset=offset)
        self._set_trace_opcodes(True)
        return None

    def get_instruction_breaks(self, code, offset):
        """Return all breakpoints for the instruction at offset of code, a list."""
        return [bp for bp in bdb.Breakpoint.bpbynumber
                if bp and bp.offset == offset and bp.is_in_code(code)]

    def clear_instruction_break(self, code, offset):
        """Delete all breakpoints for the instruction at offset of code.

        If there are none, return an error message.
        """
        found = self.get_instruction_breaks(code, offset)
        if not found:
            return 'There is no breakpoint at offset %s of %s' % (offset, code.co_name)
        for bp in found:
            self.clear_bpbynumber(bp.number)
        return None

    def get_lineno(self, frame):
        """Return frame.f_lineno, or a nearby line if the instruction has none."""
        if frame.f_lineno is not None:
            return frame.f_lineno
        from _bytecodeview import line_of # Import as late as possible
        return line_of(frame.f_code, frame.f_lasti)


class InstructionBreakpoint:
    """Breakpoints at instructions: the base class of bdb.Breakpoint."""

    # Of a breakpoint at an instruction: its code object and offset in bytes.
    code = None
    offset = None

    def is_in_code(self, code):
        """Return True if this is for an instruction of the code object."""
        # The program may have been compiled again.
        return self.code is code or (
            self.code == code and self.code.co_filename == code.co_filename)

    def is_at_instruction(self, frame):
        """Return True if this is for the instruction that the frame is at."""
        return self.offset == frame.f_lasti and self.is_in_code(frame.f_code)

    def _instruction(self):
        if self.offset is None:
            return ''
        return ', *%d of %s' % (self.offset, self.code.co_name)


def is_resumed(frame):
    """Tell whether a 'call' event is for a RESUME, not for generator.throw()."""
    return frame.f_code.co_code[frame.f_lasti] == opmap['RESUME']


import bdb      # noqa: E402 (last, because bdb imports the classes above)
