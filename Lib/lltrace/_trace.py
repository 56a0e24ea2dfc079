"""The trace functions that make a line of each event."""

import itertools
import sys
import threading
from _thread import get_ident

from _ownmodules import __builtins__
from lltrace import _values
from lltrace._code import RESUME, CodeInfos
from lltrace._state import Restart, Tracing


class _Thread(threading.local):
    """A thread in the trace: its number, how many of its frames are shown, and what its last lines were about."""

    def __init__(self, numbers):
        self.number = next(numbers)
        self.depth = 0
        self.known = False
        self.current = [None, None]         # the place of the last line, and the visit and number of the source line


def _values_of(frame):
    """Return the value stack as a list of texts, or None if it is not known."""
    try:
        stack = frame.f_valuestack
    except RuntimeError:
        return None
    return list(map(_values.value, stack))


def _reraised(frame):
    """Return the text of the exception at the top of the stack, where a handler finds it.

    RERAISE, and a 'raise' without operand, cause no 'exception' event.
    """
    try:
        return _values.exception(frame.f_valuestack[-1])
    except (RuntimeError, IndexError):
        return None


class _Visit:
    """The execution of a frame up to its next yield or return."""

    __slots__ = ('trace', 'info', 'start', 'level', 'texts', 'raised', 'current', 'place', '_handled', '_thrown')

    def __init__(self, trace, info, start, level, current, thrown):
        self.trace = trace
        self.current = current              # of the thread
        self.place = info.place if trace.lines.shows_modules else None
        self.info = info
        self.start = start                  # what all its lines start with
        self.level = level
        self.texts = info.texts.setdefault(level, {})
        self.raised = None                  # the text of the exception that the last instruction raised
        self._handled = None                # the text of the exception that a handler was last entered with
        self._thrown = thrown               # whether throw() has just resumed the frame

    def write(self, frame, source, offset):
        """Write the line of an instruction, and keep its text unless it depends on an exception."""
        trace, info = self.trace, self.info
        text = self.texts.get((source, offset))
        if text is None:
            caught = offset in info.handlers
            if caught:
                self._handled = self.raised or _reraised(frame)
            text = trace.lines.instruction(info, self.level, frame.f_lineno, source, offset,
                                           self._handled if caught else None)
            if not caught:
                self.texts[source, offset] = text
        if trace.with_stack:
            text = trace.lines.with_stack(text, _values_of(frame))
        self._emit(frame, text)

    def _emit(self, frame, text):
        text = self.start + text
        if self.current[0] is not self.place or self.trace.lines.shows_source:
            text = self._heading(frame) + text
        self.trace.emit(frame, text)

    def _heading(self, frame):
        """Return lines with the module and the source line, if they are not those of the thread's last line."""
        current, lines, text = self.current, self.trace.lines, ''
        if current[0] is not self.place:
            current[0] = self.place
            text = self.start + lines.module(self.info)
        if lines.shows_source and (line := frame.f_lineno) is not None and current[1] != (self, line):
            current[1] = self, line
            source = lines.source(self.info, self.level, line, frame.f_globals)
            if source is not None:
                text += self.start + source
        return text

    def exception(self, frame, error):
        self.raised = _values.exception(error)
        if self._thrown and not self.trace.filtered:
            self._thrown = False
            self._leave(frame, 'throw', self.raised)

    def returns(self, frame, value):
        if self.trace.filtered:
            return
        how = self.info.leaves(frame.f_lasti)
        if self.raised is not None or how is None:
            self._leave(frame, 'raise', self.raised or self._handled)
        else:
            self._leave(frame, how, _values.value(value))

    def _leave(self, frame, event, value):
        line = self.trace.lines.leaving(self.info, self.level, frame.f_lineno, frame.f_lasti, event, value)
        self._emit(frame, line)


class Trace(Tracing):
    """A line for each instruction, or for each entry into a basic block.

    lltrace.trace() makes it.  As a context manager it traces the body of the with statement; start() traces from the
    next instruction of the function that calls it.  It traces this thread and the threads that this one starts through
    the threading module.
    """

    def __init__(self, output, lines, selection, *, stack=False, branches=False, opcodes=None):
        self.lines = lines
        self.with_stack = stack
        self.filtered = opcodes is not None
        self._output = output
        self._infos = CodeInfos(selection)
        self._thread = _Thread(itertools.count(1))
        self._flags = {'trace_lines': False, 'trace_instructions': not branches, 'trace_branches': branches,
                       'instruction_filter': opcodes}
        self._step = 'branch' if branches else 'instruction'
        self._shows_resume = not branches and (opcodes is None or RESUME in opcodes)
        self._new_local = self._local_maker()
        self._call = self._trace_call       # one object, which _state compares
        output.in_child = self._renew

    @property
    def error(self):
        """Why lines could not be written, or None."""
        return self._output.error

    @property
    def limited(self):
        """Whether the limit on the number of lines was reached."""
        return self._output.left == 0

    def interrupt(self, frame, function):
        self._output.interrupt = function
        self._output.threshold = 0          # so that _full() is called at the end of this event, or at the next one

    @property
    def ended(self):
        """Whether no more lines are wanted."""
        return self._output.closed

    def lost(self):
        return None if self.ended else super().lost()

    def _finish(self):
        self._output.close()

    def emit(self, frame, text):
        self._output.buffer.append(text)
        if len(self._output.buffer) >= self._output.threshold:
            self._full(frame)

    def _full(self, frame):
        """Flush the buffer, which has reached its threshold, and raise a deferred interrupt."""
        output = self._output
        if not output.flush() and sys.gettracestate()['tracefunc'] is self._call:
            sys.settracestate(None)
        if output.interrupt is not None and get_ident() == threading.main_thread().ident:
            interrupt, output.interrupt = output.interrupt, None
            if not output.closed:
                frame.f_trace = Restart(self, frame)
            interrupt()

    def _trace_call(self, frame, event, arg):
        """The global trace function."""
        info = self._infos.known.get(id(frame.f_code)) or self._infos.add(frame)
        if not info.shown:
            if self._output.interrupt is not None:
                self._full(frame)
            return None
        offset = frame.f_lasti
        resumes = not info.suspends or offset in info.resumes
        local = self._enter(frame, info, thrown=not resumes)
        if resumes and self._shows_resume:
            frame.f_trace = local
            local(frame, self._step, info.resumes[offset])
        return local

    def _renew(self):
        """In a forked child, replace the local trace functions, since their lines start with the parent's number."""
        frames, frame = [], sys._getframe(1)
        while frame is not None:
            if getattr(frame.f_trace, '__module__', None) == __name__:
                frames.append(frame)
            frame = frame.f_back
        self._thread.depth = 0
        self._thread.current[:] = None, None
        for frame in reversed(frames):
            frame.f_trace = self._enter(frame, self._infos.add(frame))

    def _introduce(self, frame):
        """Write which thread a number stands for, except for the thread that started the trace."""
        thread = self._thread
        thread.known = True
        found = threading._active.get(get_ident())
        if thread.number > 1 and found is not None:
            prefix = self.lines.prefix(self._output.process, thread.number, 0)
            self.emit(frame, prefix + self.lines.started(_values.cut(found.name, 60)))

    def _enter(self, frame, info, thrown=False):
        """Return a local trace function for a frame, up to its next yield or return."""
        thread = self._thread
        if not thread.known:
            self._introduce(frame)
        depth = thread.depth
        thread.depth = depth + 1
        start = self.lines.prefix(self._output.process, thread.number, depth)
        return self._new_local(_Visit(self, info, start, self.lines.level(depth), thread.current, thrown))

    def _local_maker(self):
        """Return the function that makes the local trace function of a visit.

        A local trace function is a closure because the interpreter calls a function of three arguments fastest.
        """
        output, buffer, append = self._output, self._output.buffer, self._output.buffer.append
        step, branches = self._step, self._flags['trace_branches']
        cached = not (self.with_stack or self.lines.shows_source)
        thread, again, full = self._thread, self._trace_again, self._full

        def new_local(visit):
            start, write = visit.start, visit.write
            current, place = visit.current, visit.place
            texts = visit.texts if cached else {}           # of lines that need no further work

            def local(frame, event, arg):
                if event == step:
                    source, offset = arg if branches else (arg, frame.f_lasti)
                    # get(), since a KeyError would become the context of an exception that full() raises
                    text = texts.get((source, offset))
                    if text is None or current[0] is not place:
                        write(frame, source, offset)
                    else:
                        append(start + text)
                        if len(buffer) >= output.threshold:
                            full(frame)
                    visit.raised = None
                elif event == 'exception':
                    visit.exception(frame, arg[1])
                elif event == 'return':
                    if thread.depth:
                        thread.depth -= 1
                    visit.returns(frame, arg)
                    if visit.info.suspends:
                        return again
                return frame.f_trace

            return local

        return new_local
