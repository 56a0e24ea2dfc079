"""Starting and ending a trace function of ours, in this thread and those that it starts."""

import sys
import threading


class Tracing:
    """What has a trace function.  A subclass sets

    _call       the global trace function
    _local_of   a function that returns the local one for a frame which is running already, or None
    _flags      what they are called for, as sys.settracestate() takes it
    """

    _saved = _saved_threads = _adopted = None
    _started = _over = False

    def start(self):
        """Start in this thread, from the next instruction of the caller on, and in threads that it starts."""
        self._start(sys._getframe(1))

    def stop(self):
        """End it, and restore the trace states of before.  A second time does nothing."""
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
        """Why this thread's events no longer come, though nobody stopped it; None if they do."""
        function = sys.gettracestate()['tracefunc']
        if self._over or function is self._call:
            return None
        if function is None:
            return 'its trace function was removed, by the program or by an exception, as at the recursion limit'
        return 'the program set a trace function of its own'

    def _start(self, frame=None):
        """Start, and with a frame trace the rest of its execution too."""
        if self._started:
            raise RuntimeError('this was started before; make another one')
        self._started = True
        self._saved = sys.gettracestate()
        self._saved_threads = threading.gettracestate()
        threading.settracestate(self._call, **self._flags)
        local = None if frame is None else self._local_of(frame)
        if local is not None:
            self._adopted = frame, local, frame.f_trace
            frame.f_trace = local
        sys.settracestate(self._call, **self._flags)

    def _finish(self):
        """What a subclass does at the end."""
