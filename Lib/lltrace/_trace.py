"""The trace functions that make a line of each event."""

import itertools
import sys
import threading
from _thread import get_ident

from lltrace import _values
from lltrace._code import RESUME, CodeInfos
from lltrace._state import Tracing


class _Thread(threading.local):
    """What a thread is in the trace: its number, and how many of its frames are shown."""

    def __init__(self, numbers):
        self.number = next(numbers)
        self.depth = 0
        self.known = False


class _Restart:
    """Stands for the local trace function while that raises an exception for the program.

    An exception in a trace function removes it, and the interpreter then lets go of the local one, which is this.
    """

    def __init__(self, tracing, frame, local):
        self._all = tracing, frame, local

    def __del__(self):
        tracing, frame, local = self._all
        frame.f_trace = local
        sys.settracestate(tracing._call, **tracing._flags)


class Trace(Tracing):
    """A line for each instruction, or for each basic block that is entered.

    It is made by lltrace.trace().  As a context manager it traces the body of the with statement; start() traces
    from the next instruction of the function that calls it.  Traced are this thread and the threads that it starts
    through the threading module.
    """

    def __init__(self, output, lines, selection, *, stack=False, branches=False, opcodes=None):
        self._output = output
        self._infos = CodeInfos(selection)
        self._flags = {'trace_lines': False, 'trace_instructions': not branches, 'trace_branches': branches,
                       'instruction_filter': opcodes}
        self._call, self._local_of = self._make(lines, stack, branches, opcodes)

    @property
    def error(self):
        """Why lines could not be written, or None."""
        return self._output.error

    def defer(self, interrupt):
        """Call a function that raises, for the program, at the next event instead of now."""
        self._output.interrupt = interrupt
        self._output.threshold = 0

    def lost(self):
        return None if self._output.closed else super().lost()

    def _finish(self):
        self._output.close()

    def _make(self, lines, with_stack, branches, opcodes):
        """The global trace function, and the maker of a local one for a frame that is running.

        They are closures, since a trace function of three arguments is what the interpreter calls fastest.
        """
        tracing = self
        output, buffer = self._output, self._output.buffer
        append = buffer.append
        infos, known = self._infos, self._infos.known
        prefix, level = lines.prefix, lines.level
        thread = _Thread(itertools.count(1))
        filtered = opcodes is not None
        step = 'branch' if branches else 'instruction'
        calls = not branches and (not filtered or RESUME in opcodes)

        def full(frame):
            """What is to be done when the buffer has as many lines as the threshold says."""
            if not output.flush() and sys.gettracestate()['tracefunc'] is call:
                sys.settracestate(None)
            if output.interrupt is not None and get_ident() == threading.main_thread().ident:
                interrupt, output.interrupt = output.interrupt, None
                if not output.closed:
                    frame.f_trace = _Restart(tracing, frame, frame.f_trace)
                interrupt()

        def emit(frame, text):
            append(text)
            if len(buffer) >= output.threshold:
                full(frame)

        def introduce(frame):
            """Tell which thread a number is; the first is the one that started the trace."""
            thread.known = True
            found = threading._active.get(get_ident())
            if thread.number > 1 and found is not None:
                emit(frame, prefix(output.process, thread.number, 0) + lines.started(_values.cut(found.name, 60)))

        def values_of(frame):
            """The value stack as a list of texts; None if it is not known."""
            try:
                stack = frame.f_valuestack
            except RuntimeError:
                return None
            return list(map(_values.value, stack))

        def reraised(frame):
            """The text of the exception that a handler is entered with, which is at the top of the stack.

            A RERAISE, and a 'raise' without operand, raise without an 'exception' event.
            """
            try:
                return _values.exception(frame.f_valuestack[-1])
            except (RuntimeError, IndexError):
                return None

        def entering(frame, info, thrown=False):
            """The local trace function of a frame for its execution up to the next yield or return."""
            if not thread.known:
                introduce(frame)
            depth = thread.depth
            thread.depth = depth + 1
            start = prefix(output.process, thread.number, depth)
            indentation = level(depth)
            kept = info.texts.setdefault(indentation, {})
            texts = {} if with_stack else kept          # of which whole lines are made without more ado
            raised = None                   # the text of the exception that the instruction before has raised
            handled = None                  # the text of the one that a handler was last entered with

            def write(frame, source, offset):
                """A line that cannot be taken from the texts, or is not there yet."""
                nonlocal handled
                text = kept.get((source, offset))
                if text is None:
                    caught = offset in info.handlers
                    if caught:
                        handled = raised or reraised(frame)
                    text = lines.instruction(info, indentation, frame.f_lineno, source, offset,
                                             handled if caught else None, with_stack)
                    if not caught:
                        kept[source, offset] = text
                if with_stack:
                    text = lines.with_stack(text, values_of(frame))
                emit(frame, start + text)

            def leave(frame, event, value):
                emit(frame, start + lines.leaving(info, indentation, frame.f_lineno, frame.f_lasti, event, value))

            def local(frame, event, arg):
                nonlocal raised, thrown
                if event == step:
                    source, offset = arg if branches else (arg, frame.f_lasti)
                    # without an exception, which would become the context of one that full() raises
                    text = texts.get((source, offset))
                    if text is None:
                        write(frame, source, offset)
                    else:
                        append(start + text)
                        if len(buffer) >= output.threshold:
                            full(frame)
                    raised = None
                elif event == 'exception':
                    raised = _values.exception(arg[1])
                    if thrown and not filtered:
                        thrown = False
                        leave(frame, 'throw', raised)
                elif event == 'return':
                    if thread.depth:
                        thread.depth -= 1
                    if not filtered:
                        how = info.leaves(frame.f_lasti)
                        if raised is not None or how is None:
                            leave(frame, 'raise', raised or handled)
                        else:
                            leave(frame, how, _values.value(arg))
                    if info.suspends:
                        return again
                return frame.f_trace

            return local

        def again(frame, event, arg):
            """The local trace function of a suspended generator.

            Where throw() has ended what a 'yield from' or 'await' waited for, it goes on without a 'call' event.
            """
            if output.closed:
                return None
            frame.f_trace = local = entering(frame, infos.add(frame))
            return local(frame, event, arg)

        def call(frame, event, arg):
            info = known.get(id(frame.f_code)) or infos.add(frame)
            if not info.shown:
                if output.interrupt is not None:
                    full(frame)
                return None
            offset = frame.f_lasti
            resumes = not info.suspends or offset in info.resumes
            local = entering(frame, info, not resumes)
            if resumes and calls:
                frame.f_trace = local
                local(frame, step, info.resumes[offset])
            return local

        def adopt(frame):
            info = infos.add(frame)
            return entering(frame, info) if info.shown else None

        def renew():
            """In a forked child, have the lines of the frames that are running tell its number."""
            frames, frame = [], sys._getframe(1)
            while frame is not None:
                if getattr(frame.f_trace, '__module__', None) == __name__:
                    frames.append(frame)
                frame = frame.f_back
            thread.depth = 0
            for frame in reversed(frames):
                frame.f_trace = entering(frame, infos.add(frame))

        output.in_child = renew
        return call, adopt
