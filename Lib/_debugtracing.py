"""How a debugger comes to trace a program, and gives the program back."""

import sys


class Tracing:
    """What bdb.Bdb has to do with the trace state: a part of that class.

    The trace state that the program has set, and the local trace functions of
    its frames, are set aside while the debugger traces.
    """

    # Whether instructions are traced.
    trace_opcodes = False
    # The trace state to go back to, while the debugger traces.
    _program_state = None
    _tracing_ended = False

    def __init__(self):
        self._program_traces = {}       # of the frames that had one

    def _is_mine(self, tracefunc):
        return getattr(tracefunc, '__self__', None) is self

    def _is_tracing(self):
        return self._is_mine(sys.gettracestate()['tracefunc'])

    def _has_left(self):
        # Who calls sys.settrace() on their own go on being served.
        return self._tracing_ended and not self._is_tracing()

    def _trace(self):
        sys.settracestate(self.trace_dispatch, trace_instructions=self.trace_opcodes)

    def _set_trace_opcodes(self, trace_opcodes):
        """Have the instruction events, or not: they cost time."""
        if trace_opcodes != self.trace_opcodes:
            self.trace_opcodes = trace_opcodes
            if self._is_tracing():
                self._trace()

    def _start_tracing(self):
        """Set the trace function.  Return the trace state to go back to."""
        state = sys.gettracestate()
        other = getattr(state['tracefunc'], '__self__', None)
        if state['tracefunc'] is None:
            other = self        # It may have been interrupted.
        if isinstance(other, Tracing):
            # Else one debugger takes the place of another.
            state = other._program_state or {'tracefunc': None}
        self._program_state = state
        self._tracing_ended = False
        self._trace()
        return state

    def _stop_tracing(self, state=None):
        """Go back to the trace state and the local trace functions of the program."""
        state = state or self._program_state
        self._program_state = None
        if state is None:
            if self.botframe is None:
                return          # A post-mortem debugger never traced.
            state = {'tracefunc': None}
        traces, self._program_traces = self._program_traces, {}
        frame = sys._getframe().f_back
        while frame:
            if self._is_mine(frame.f_trace):
                frame.f_trace = traces.pop(frame, None)
            frame = frame.f_back
        # Those of other threads and of suspended generators.
        for frame, local_trace in traces.items():
            if self._is_mine(frame.f_trace):
                frame.f_trace = local_trace
        self._tracing_ended = True
        sys.settracestate(**state)

    def _trace_frame(self, frame):
        """Set the local trace function of a frame of the program."""
        local_trace = frame.f_trace
        other = getattr(local_trace, '__self__', None)
        if isinstance(other, Tracing):
            local_trace = other._program_traces.get(frame)
        if local_trace is not None:
            self._program_traces[frame] = local_trace
        frame.f_trace = self.trace_dispatch
