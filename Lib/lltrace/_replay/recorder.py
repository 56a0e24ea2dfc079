"""The trace function of --replay.  A step is what a line of --jsonl is: an instruction, or the end of a visit."""

import dis
import os
import sys
import threading
from _thread import allocate_lock, get_ident

from _bytecodeview import cut
from _ownmodules import __builtins__
from lltrace._code import CodeInfos
from lltrace._replay import values
from lltrace._replay.codes import CO_OPTIMIZED, variables_of
from lltrace._replay.printed import Printed
from lltrace._replay.recording import RAISE, RETURN, THROW, YIELD, Recording
from lltrace._replay.state import FOR_ITER, FrameState, State, is_quiet
from lltrace._state import Restart, Tracing

_LEAVES = {'return': RETURN, 'yield': YIELD}
_STORE_NAME, _DELETE_NAME = dis.opmap['STORE_NAME'], dis.opmap['DELETE_NAME']
_context_of = BaseException.__dict__['__context__'].__get__
_cause_of = BaseException.__dict__['__cause__'].__get__


class _Thread(threading.local):
    number = None
    visits = ()                             # those in progress, the innermost last


class _Code:
    """What the events of the frames of one code object need to know."""

    __slots__ = ('number', 'info', 'opcodes', 'handlers', 'variables', '_quiet')

    def __init__(self, number, info):
        self.number = number
        self.info = info
        self.opcodes = info.opcodes
        self.handlers = info.handlers
        self.variables = len(variables_of(info.code))
        self._quiet = {}                    # offset: whether the instruction changes no object

    def quiet(self, offset):
        found = self._quiet.get(offset)
        if found is None:
            found = self._quiet[offset] = is_quiet(self.opcodes, offset)
        return found


class _Frame:
    """A frame in the recording, with all its visits."""

    __slots__ = ('number', 'code', 'state', 'offset', 'step', 'stores')

    def __init__(self, number, code, frame):
        self.number = number
        # Whether STORE_NAME stores neither in the variables of a function nor in the globals: both are compared.
        self.stores = not code.info.code.co_flags & CO_OPTIMIZED and (
            code.info.code.co_name != '<module>' or frame.f_locals is not frame.f_globals)
        self.code = code
        self.state = FrameState(number, code.variables, code.info.code.co_stacksize)
        self.offset = self.step = -1        # of the last instruction


class _Visit:
    """The execution of a frame up to its next yield or return."""

    __slots__ = ('number', 'frame', 'parent', 'thrown', 'raised', 'handled', 'left')

    def __init__(self, number, frame, parent, thrown):
        self.number = number
        self.parent = parent                # the _Visit that called, or None
        self.left = False                   # whether it is over
        self.frame = frame
        self.thrown = thrown                # whether throw() has just resumed the frame
        self.raised = None                  # the _Raised of the last instruction
        self.handled = 0                    # the number of the text of the exception that a handler was entered with


class _Raised:
    """An exception.  The object itself is not kept alive."""

    __slots__ = ('key', 'text', 'object', 'again', 'cause', 'recorded')


class Recorder(Tracing):
    """Records what the selected code does, in all threads."""

    def __init__(self, selection, limit):
        self.recording = Recording()
        self.limit = limit
        self.limited = False                # whether the limit on the number of steps was reached
        self._infos = CodeInfos(selection)
        self._codes = {}                    # id() of a CodeInfo: _Code
        self._state = State(self.recording)
        self._thread = _Thread()
        self._suspended = {}                # id() of a suspended frame: _Frame
        self._raises = {}                   # id() of an exception: (number of its last raise, number of its text)
        self._last = None                   # the _Visit of the last step
        self._lock = allocate_lock()
        self._interrupt = None
        self._flags = {'trace_lines': False, 'trace_instructions': True, 'trace_branches': False,
                       'instruction_filter': None}
        self._call = self._trace_call       # one object, which _state compares
        self._printed = Printed(self._prints)
        os.register_at_fork(after_in_child=self._in_child)

    def _start(self, frame=None):
        self._printed.start()
        super()._start(frame)

    def _finish(self):
        self._printed.stop()
        with self._lock:
            self.ended = True               # other threads may go on

    def lost(self):
        return None if self.ended else super().lost()

    def interrupt(self, frame, function):
        self._interrupt = function          # for the end of this event, or the next one

    def _prints(self, stream, text):
        if not self.ended:
            self.recording.prints(stream, text)

    def _in_child(self):
        """Stop recording in a forked child: there is one page, and it is the parent's."""
        self.ended = True
        self._printed.stop()
        if sys.gettracestate()['tracefunc'] is self._call:
            sys.settracestate(None)

    # Events

    def _trace_call(self, frame, event, arg):
        """The global trace function."""
        info = self._infos.known.get(id(frame.f_code)) or self._infos.add(frame)
        if not info.shown or self.ended:
            self._after(frame)
            return None
        offset = frame.f_lasti
        resumes = not info.suspends or offset in info.resumes
        local = self._enter(frame, info, thrown=not resumes)
        if resumes:
            frame.f_trace = local
            local(frame, 'instruction', info.resumes[offset])
        return local

    def _enter(self, frame, info, thrown=False):
        """Return a local trace function for a frame, up to its next yield or return."""
        thread, recording = self._thread, self.recording
        with self._lock:
            if thread.number is None:
                self._introduce()
            found = self._suspended.pop(id(frame), None)
            if found is None or found.code.info is not info or info.resumes.get(frame.f_lasti, 0) is None:
                found = _Frame(len(recording.frame_code), self._code_of(info), frame)
                recording.frame_code.append(found.code.number)
            parent = thread.visits[-1] if thread.visits else None
            visit = _Visit(len(recording.visit_frame), found, parent, thrown)
            recording.visit_frame.append(found.number)
            recording.visit_parent.append(-1 if parent is None else parent.number)
            recording.visit_thread.append(thread.number)
            thread.visits.append(visit)
        return self._local(visit)

    def _introduce(self):
        thread = self._thread
        thread.visits = []
        thread.number = len(self.recording.threads)
        found = threading._active.get(get_ident())
        name = '' if found is None else vars(found).get('_name')    # not the property, which a subclass can replace
        self.recording.threads.append(cut(name, 60) if type(name) is str else '')

    def _code_of(self, info):
        found = self._codes.get(id(info))
        if found is None:
            found = self._codes[id(info)] = _Code(len(self.recording.infos), info)
            self.recording.infos.append(info)
        return found

    def _local(self, visit):
        step, leave, suspends = self._step, self._leave, visit.frame.code.info.suspends

        def local(frame, event, arg):
            if event == 'instruction':
                step(visit, frame, arg, frame.f_lasti)
            elif event == 'exception':
                self._exception(visit, frame, arg[1], arg[2])
            elif event == 'return':
                leave(visit, frame, arg)
                if suspends:
                    return self._trace_again
            if self._interrupt is not None or self.ended:
                self._after(frame)
            return frame.f_trace

        return local

    def _after(self, frame):
        """At the end of an event: stop at the limit, and raise a deferred interrupt."""
        if self.ended and sys.gettracestate()['tracefunc'] is self._call:
            sys.settracestate(None)
        if self._interrupt is not None and get_ident() == threading.main_thread().ident:
            interrupt, self._interrupt = self._interrupt, None
            if not self.ended:
                frame.f_trace = Restart(self, frame)
            interrupt()

    # Steps

    def _step(self, visit, frame, source, offset):
        record = visit.frame
        code = record.code
        with self._lock:
            if self.ended:
                return
            entered = offset in code.handlers
            if entered or visit.raised is not None:
                self._handle(visit, frame, entered)
            last = self._last
            if last is visit:
                if not code.quiet(record.offset):
                    self._state.epoch += 1
            # A function that the last instruction called has changed nothing yet.
            elif record.step >= 0 or last is None or visit.parent is not last or last.left:
                self._state.epoch += 1
            iterated = last is visit and code.opcodes[record.offset] == FOR_ITER
            depth = self._state.update(record.state, code.info, frame, iterated, entered)
            if record.stores and code.opcodes[offset] in (_STORE_NAME, _DELETE_NAME):
                self._state.stores(record.state, code.info.instructions[offset].argval,
                                   depth if code.opcodes[offset] == _STORE_NAME else None)
            if source != record.offset and source is not None:
                self.recording.sources.append((len(self.recording.at), source))
            record.offset = offset
            record.step = len(self.recording.at)
            self._add(visit, offset << 2, depth)

    def _add(self, visit, at, depth):
        recording = self.recording
        recording.visit.append(visit.number)
        recording.depth.append(depth)
        recording.end.append(len(recording.places))
        recording.at.append(at)
        self._last = visit
        if len(recording.at) == self.limit:
            self.ended = self.limited = True

    def _leave(self, visit, frame, value):
        record, state = visit.frame, self._state
        with self._lock:
            visits = self._thread.visits
            if visit in visits:
                del visits[visits.index(visit):]
            visit.left, visit.parent = True, None
            if self.ended:
                return
            offset = frame.f_lasti
            how = record.code.info.leaves(offset)
            if visit.raised is not None or how is None:
                how = RAISE
                reference = visit.handled if visit.raised is None else -visit.raised.object
                self._record_raise(visit, record.step)
            else:
                how = _LEAVES[how]
                reference = state.reference(value)
            # The stack no longer matters, but the variables do, until the caller continues.
            state.leave(record.state, reference, how != YIELD)
            self._add(visit, offset << 2 | how, len(record.state.stack_ids))
            self._forget_raised(visit)
            if how == YIELD:
                self._suspended[id(frame)] = record

    # Exceptions

    def _exception(self, visit, frame, error, traceback):
        """The last instruction has raised an exception, which may be one that it handles itself, as FOR_ITER does."""
        with self._lock:
            if self.ended:
                return
            self._forget_raised(visit)
            visit.raised = raised = _Raised()
            raised.key = id(error)
            raised.text = self.recording.text(values.exception(error))
            raised.object = self._state.hold(error)
            known = self._raises.get(id(error))
            raised.again = known[0] if known is not None and known[1] == raised.text and traceback.tb_next else None
            raised.cause = self._cause_of(error)
            raised.recorded = False
            if visit.thrown:
                visit.thrown = False
                record = visit.frame
                self._record_raise(visit, len(self.recording.at))
                self._state.put_reference(record.state, 0, -raised.object)
                self._add(visit, frame.f_lasti << 2 | THROW, len(record.state.stack_ids))

    def _cause_of(self, error):
        """Return the number of the raise of the exception that was handled when this one was raised, or -1."""
        cause = _cause_of(error) or _context_of(error)
        known = self._raises.get(id(cause))
        if cause is None or known is None or known[1] != self.recording.text(values.exception(cause)):
            return -1
        return known[0]

    def _handle(self, visit, frame, entered):
        """The next instruction follows an exception."""
        if entered:
            try:
                error = frame.f_valuestack[-1]
            except IndexError:
                error = None
            if issubclass(type(error), BaseException):
                visit.handled = self.recording.text(values.exception(error))
            self._record_raise(visit, visit.frame.step)
        self._forget_raised(visit)

    def _record_raise(self, visit, step):
        raised, recording = visit.raised, self.recording
        if raised is None or raised.recorded:
            return
        raised.recorded = True
        number = len(recording.raise_step)
        recording.raise_step.append(step)
        recording.raise_text.append(raised.text)
        recording.raise_object.append(raised.object)
        recording.raise_origin.append(number if raised.again is None else recording.raise_origin[raised.again])
        recording.raise_cause.append(raised.cause)
        self._raises[raised.key] = number, raised.text

    def _forget_raised(self, visit):
        if visit.raised is not None:
            self._state.release(visit.raised.object)
            visit.raised = None
