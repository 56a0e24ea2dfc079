"""Starts and stops a trace function, in this thread and in threads that it starts."""

import sys
import threading

from _ownmodules import __builtins__


class Restart:
    """Takes the place of the local trace function of a frame while that raises an exception for the program.

    An exception in a trace function removes it.  The interpreter then drops the local one, which is this object.
    """

    def __init__(self, tracing, frame):
        self._all = tracing, frame, frame.f_trace

    def __del__(self):
        tracing, frame, local = self._all
        frame.f_trace = local
        if not tracing._over:
            sys.settracestate(tracing._call, **tracing._flags)


class Tracing:
    """Base class of objects that trace.  A subclass defines

    _call       the global trace function
    _enter      a function that returns the local trace function for a frame of selected code, whose CodeInfo it gets
    _infos      the CodeInfos
    _flags      the keyword arguments for sys.settracestate()
    """

    _saved = _saved_threads = _adopted = None
    _started = _over = ended = False

    def start(self):
        """Start with the next instruction of the caller, in this thread and in threads that it starts."""
        self._start(sys._getframe(1))

    def stop(self):
        """Stop, and restore the previous trace states.  A second call does nothing."""
        if not self._started or self._over:
            return
        if sys.gettracestate()['tracefunc'] is self._call:
            sys.settracestate(**self._saved)
        self._over = True
        if threading.gettracestate()['tracefunc'] is self._call:
            threading.settracestate(**self._saved_threads)
        if self._adopted is not None:
            frame, local, before = self._adopted
            self._adopted = None
            if frame.f_trace is local:
                frame.f_trace = before
        self._finish()

    def __enter__(self):
        self._start(sys._getframe(1))
        return self

    def __exit__(self, *exception):
        self.stop()

    def lost(self):
        """Return why this thread is no longer traced although stop() was not called, or None."""
        function = sys.gettracestate()['tracefunc']
        if self._over or function is self._call:
            return None
        if function is None:
            return ('its trace function was removed, by the program or by an exception '
                    '(for example, at the recursion limit)')
        return 'the program set a trace function of its own'

    def interrupt(self, frame, function):
        """Call a function for a signal that arrived in the trace function, at an event of frame.  It may raise."""
        frame.f_trace = Restart(self, frame)
        function()

    def _start(self, frame=None):
        """Start.  With a frame, also trace the rest of its execution."""
        if self._started:
            raise RuntimeError('this object can be started only once; create another one')
        self._started = True
        self._saved = sys.gettracestate()
        self._saved_threads = threading.gettracestate()
        threading.settracestate(self._call, **self._flags)
        local = None
        if frame is not None and (info := self._infos.add(frame)).shown:
            local = self._enter(frame, info)
        if local is not None:
            self._adopted = frame, local, frame.f_trace
            frame.f_trace = local
        sys.settracestate(self._call, **self._flags)

    def _trace_again(self, frame, event, arg):
        """The local trace function of a suspended generator.

        A generator continues without a 'call' event if throw() has ended the iterator that it was waiting for.
        """
        if self.ended:
            return None
        frame.f_trace = local = self._enter(frame, self._infos.add(frame))
        return local(frame, event, arg)

    def _finish(self):
        """Called at the end, for subclasses."""
