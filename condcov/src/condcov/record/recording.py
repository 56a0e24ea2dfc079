"""Records this process and its forks: from the facts of the interpreter to a data file.

A recording writes its own data file next to the final one, named DATA_FILE.HOST.PID.RANDOM. RANDOM begins with the
number of the run, which all its processes share, so that the first of them can combine the files at the end.
"""

from __future__ import annotations

import _thread
import atexit
import contextlib
import functools
import gc
import os as _real_os
import signal
import sys
import threading
import time
import types
from types import CodeType

import coverage

import condcov
from condcov.code import source_text
from condcov.config import Config, as_text, from_text
from condcov.data import Data, parts
from condcov.errors import CondcovError
from condcov.isolated import os
from condcov.record import interpreter
from condcov.record.recorded_file import RecordedFile, import_planner, reason, stamp
from condcov.record.selection import Selection
from condcov.seen import Seen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType
    from typing import Any

    from condcov.record.plan import Plan

_monotonic, _sleep = time.monotonic, time.sleep

INTERVAL = 2            # seconds; what is older than this is written, so that a process that is killed leaves it
PATIENCE = 0.05         # seconds after which a SIGTERM without effect is repeated
LONGEST = 5             # seconds that a fork waits for a thread that saves
ENVIRONMENT = 'CONDCOV_PROCESS'     # tells other processes about the run; see Recording.start()

_current: Recording | None = None
_busy: Recording | None = None        # the one that writes, in the thread that has its lock
_killed = False         # by a SIGTERM in the meantime
_paused = False         # the garbage collector


def begin() -> Recording | None:
    """Start recording if this process belongs to a run; return the recording or None."""
    text = os.environ.get(ENVIRONMENT)
    if _current is None and text is not None:
        known = from_text(text)
        recording = Recording(Config.loads(known['config']), known['run'], first=known['first'] == os.getpid(),
                              parallel=known['parallel'])
        try:
            recording.start()
        except CondcovError as error:
            recording.report(f'a process ({" ".join(sys.orig_argv)})', str(error))
            raise
    return _current


def current() -> Recording | None:
    """Return the active recording of this process, or None."""
    return _current


class Recording:
    """A recording of this process and its children.

    run         the number of the run, if an earlier process began it; None for the first process
    first       whether this process combines the data files of the run at the end
    append      whether to add to the data file of an earlier run
    parallel    whether to leave the files of single processes for "condcov combine"

    Raises CondcovError if the data file or the configuration does not permit it.
    """

    def __init__(self, config: Config, run: str | None = None, *, first: bool = True, append: bool = False,
                 parallel: bool = False) -> None:
        self.config = config
        self.first = first
        self.run = os.urandom(4).hex() if run is None else run
        self._append = append
        self._parallel = parallel
        self._context = config.context
        self._selection = Selection(config)
        if self._selection.has_library:
            import_planner()
        self._recorder = interpreter.Recorder(self._select, counts=config.counts)
        self._files: dict[str, RecordedFile | None] = {}    # by co_filename; None if it is not selected
        self._plans: dict[int, tuple[CodeType, RecordedFile, Plan]] = {}    # by id of the code object
        self._answers: dict[int, tuple] = {}            # probes for when the recorder asks for this code object again
        self._problems: dict[str, str] = {}             # by path, why a file could not be recorded
        self._nothing = False                           # whether the whole run recorded nothing
        self._saving = False        # whether a thread saves from time to time
        self._saver: int | None = None      # its id in the system, when it has begun
        self._failed: dict[int, tuple[CodeType, str]] = {}  # by id of the code object: why it has no plan
        self._reset()
        if run is None:
            self._prepare()

    def _reset(self) -> None:
        """Start with no data, in this process."""
        name = f'{self.config.data_file}.{os.uname().nodename}.{os.getpid()}.{self.run}'
        self._data = Data(name + os.urandom(4).hex())
        # By context and path, the checksum and what is not written yet.
        self._pending: dict[str, dict[str, tuple[str, Seen]]] = {}
        self._written_problems: set[tuple[str, str]] = set()
        self._lock = threading.RLock()
        self._written = _monotonic()

    def _prepare(self) -> None:
        """Check, before the program runs, that the data can be written."""
        folder = os.path.dirname(self.config.data_file)
        if not os.path.isdir(folder):
            raise CondcovError(f'cannot write {self.config.data_file}: {folder} does not exist')
        if not os.access(folder, os.W_OK):
            raise CondcovError(f'cannot write {self.config.data_file}: Permission denied')
        final = Data(self.config.data_file)
        if os.path.exists(final.path) and self._append:
            final.contexts()        # raises if it is not a data file
        elif not self._parallel:
            final.check()

    def start(self) -> None:
        """Record from now on, until finish() or the end of the process; finish any active recording first.

        Raises CondcovError if other tools keep condcov from recording.
        """
        global _current
        if _current is not None:
            _current.finish()
        _current = self
        self._environment = _real_os.environ.get(ENVIRONMENT)
        # The process id identifies the first process, even after exec.
        _real_os.environ[ENVIRONMENT] = as_text(
            {'run': self.run, 'first': os.getpid() if self.first else None, 'parallel': self._parallel,
             'config': self.config.dumps()})
        _install()
        try:
            self._recorder.start()
        except CondcovError:
            _current = None
            self._restore_environment()
            raise
        self._start_saving()
        self._offer_existing()

    def _start_saving(self) -> None:
        """Save from time to time in a thread of its own, because a process that is killed cannot."""
        # The thread gets no signals: the program may block some, or wait for them.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        self._saving = False
        self._saver = None
        self._stopped = _thread.allocate_lock()
        self._stopped.acquire()
        try:
            interpreter.start_thread(functools.partial(self._keep_saving, os.getpid(), self._stopped))
            self._saving = True
        except RuntimeError:        # there are too many threads
            pass
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def _keep_saving(self, process: int, stopped: _thread.LockType) -> None:
        self._saver = _thread.get_native_id()
        while not stopped.acquire(timeout=INTERVAL / 2) and _current is self and process == os.getpid():
            with contextlib.suppress(CondcovError, OSError):    # the end may report why
                self.save()
            interpreter.repeat_late_signal()

    def stop_saving(self) -> None:
        """Wait until the thread that saves from time to time is gone; resume_saving() starts another."""
        deadline = _monotonic() + LONGEST
        if self._saving:
            self._saving = False
            self._stopped.release()
            while ((self._saver is None or os.path.exists(f'/proc/self/task/{self._saver}'))
                   and _monotonic() < deadline):
                _sleep(0.0001)

    def resume_saving(self, code: CodeType) -> None:
        """Undo stop_saving(), when the fork in this code has counted the threads."""
        if not self._saving:
            self._recorder.call_soon(code, self._resume_saving)

    def _resume_saving(self) -> None:
        if _current is self and not self._saving:
            self._start_saving()

    def switch(self, context: str) -> None:
        """Record in the context with this name from now on."""
        with self._uninterrupted() as free:
            if free:
                self._collect(rearm=True)
            self._context = context
        self._save_if_due()

    def save(self) -> None:
        """Write what has been seen so far."""
        with self._uninterrupted() as free:
            if free:
                self._collect()
                self._write()

    def finish(self) -> None:
        """Stop recording and write the rest; the first process of a run combines the files of the run.

        Raises CondcovError if data cannot be written or combined. Does nothing if it has finished already.
        """
        global _current
        with self._uninterrupted() as free:
            if not free or _current is not self:
                return
            if self._failed:
                self._offer_again()
            for code, message in self._failed.values():
                self._problems.setdefault(code.co_filename, message)
            self._recorder.stop()
            _current = None
            self._restore_environment()
            with _no_collection():
                self._collect(last=True)
            self._write()
            if self.first:
                self._add_unexecuted()
                files = parts(self.config.data_file, self.run)
                self._nothing = not files
                if not self._parallel:
                    final = Data(self.config.data_file)
                    final.combine(files, self.config.paths, append=self._append or not files)
                    if files and not self._append:
                        self._problems.update(final.problems())         # of other processes, too
            with contextlib.suppress(Exception):        # the cache only saves time
                for file in list(self._files.values()):
                    if file is not None and file.plans.new:
                        file.plans.save()

    def _restore_environment(self) -> None:
        if self._environment is None:
            _real_os.environ.pop(ENVIRONMENT, None)
        else:
            _real_os.environ[ENVIRONMENT] = self._environment

    @contextlib.contextmanager
    def _uninterrupted(self) -> Iterator[bool]:
        """Exclude other threads and SIGTERM; yield False if this is nested in another call, by a signal handler."""
        global _busy
        if _busy is self and self._owns_lock():
            yield False
            return
        try:
            with self._lock:
                _busy = self
                try:
                    yield True
                finally:
                    _busy = None
        finally:
            if _killed and _thread.get_ident() == threading.main_thread().ident:
                _end()
                _die(signal.SIGTERM)

    def _owns_lock(self) -> bool:
        return self._lock._is_owned()       # type: ignore[attr-defined]  # as in threading.Condition

    def report(self, what: str, message: str) -> None:
        """Write, for the first process of the run, why something could not be recorded."""
        self._problems[what] = message
        self._write()

    def problems(self) -> list[str]:
        """Return sentences about what could not be recorded, when the recording has finished."""
        found = [f'{path} was not recorded: {message}' for path, message in sorted(self._problems.items())]
        if self._nothing and not found:
            names = [*(self.config.source or ()), *self.config.source_dirs, *self.config.source_pkgs]
            kept = '; the data of an earlier run is unchanged' if os.path.exists(self.config.data_file) else ''
            found.append(f'no data was collected: no code of {", ".join(names) or "the selected files"} '
                         f'was executed{kept}')
        return found

    # The recorder calls _select() for each code object before it is first executed. An error in it must not reach the
    # program. But an exception that a signal handler raises meanwhile must: the recorder will ask again.

    def _select(self, code: CodeType) -> tuple | None:
        if id(code) in self._answers:
            return self._answers.pop(id(code))
        if self._files.get(code.co_filename, self) is None:
            return None             # the usual case
        try:
            return self._plan(code)
        except RecursionError:
            # The program is at the limit of its recursion; another thread has a stack of its own.
            plans: list[tuple | None] = []
            done = _thread.allocate_lock()
            done.acquire()

            def work() -> None:
                plans.append(self._plan_or_fail(code))
                done.release()

            interpreter.start_thread(work)
            done.acquire()
            return plans[0]
        except Exception as error:
            plan = self._plan_or_fail(code)
            if id(code) not in self._failed and _from_outside(error):
                raise
            return plan

    def _plan_or_fail(self, code: CodeType) -> tuple | None:
        try:
            return self._plan(code)
        except Exception as error:
            self._failed[id(code)] = code, f'{type(error).__name__}: {" ".join(str(error).split())}'
            return None

    def _offer_existing(self) -> None:
        """Also record functions that existed before the start and may have been executed."""
        offered = set()
        codes = [function.__code__ for function in gc.get_objects() if type(function) is types.FunctionType]
        one = {code.co_filename: code for code in codes}        # there are thousands of codes in a hundred files
        selected = {name for name, code in one.items() if self._file(code) is not None}
        codes = [code for code in codes if code.co_filename in selected]
        while codes:
            code = codes.pop()
            if id(code) not in offered:
                offered.add(id(code))
                self._recorder.offer(code)
                codes += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]

    def _offer_again(self) -> None:
        """Retry what failed, because the program may have replaced a function temporarily."""
        for number, (code, _) in list(self._failed.items()):
            del self._failed[number]
            self._recorder.offer(code)

    def _plan(self, code: CodeType) -> tuple | None:
        with _no_collection():
            file = self._file(code)
            if file is None:
                return None
            try:
                plan = file.plan(code)
            except CondcovError as error:
                self._files[code.co_filename] = None
                self._problems[file.path] = reason(error, file.path)
                return None
            probes = plan.probes
        self._plans[id(code)] = code, file, plan
        # If it is offered here, the recorder raises errors here and not in the program.
        self._answers[id(code)] = probes
        try:
            self._recorder.offer(code)
        finally:
            self._answers.pop(id(code), None)
        self._save_if_due()
        return None

    def _file(self, code: CodeType) -> RecordedFile | None:
        """The file of a code object, if it is selected."""
        name = code.co_filename
        if name in self._files:
            file = self._files[name]
            if file is None or code.co_name != '<module>' or file.stamp == stamp(file.path):
                return file
        path = self._selection.path(name)
        file = None
        if path is not None:
            try:
                file = RecordedFile(path, name)
            except (CondcovError, OSError) as error:
                # Templates and the like are compiled under the name of a file that is not Python; ignore them.
                if path.endswith(('.py', '.pyw')):
                    self._problems[path] = reason(error, path)
        self._files[name] = file
        return file

    # From the recorder to the data file.

    def _collect(self, rearm: bool = False, last: bool = False) -> None:
        """Take new results from the recorder; forget the plans if these are the last."""
        if self._failed and _current is self:
            self._offer_again()
        pending = self._pending.setdefault(self._context, {})
        plan_of = self._plans.pop if last else self._plans.__getitem__
        for code, lines, jumps, paths in self._recorder.harvest(rearm=rearm):
            _, file, plan = plan_of(id(code))
            seen = plan.seen(lines, jumps, paths)
            before = pending.get(file.path)
            if before is None or before[0] != file.sha256:
                pending[file.path] = file.sha256, seen
            else:
                before[1].update(seen)

    def _save_if_due(self) -> None:
        """Save from time to time; if that fails, the next time or the end may report why."""
        now = _monotonic()
        if _busy is not self and now - self._written > INTERVAL and self._lock.acquire(blocking=False):
            try:
                self._written = now
                self.save()
            except (CondcovError, OSError):
                pass
            finally:
                self._lock.release()

    def _write(self) -> None:
        for context, files in list(self._pending.items()):
            if files:
                self._data.add(context, files, counts=self.config.counts)
            del self._pending[context]
        new = {problem for problem in list(self._problems.items()) if problem not in self._written_problems}
        if new:
            self._data.add_problems(sorted(new))
            self._written_problems |= new
        self._written = _monotonic()

    def _add_unexecuted(self) -> None:
        """Add the source files that nothing executed to the data; reports find out whether they are valid."""
        known = {file.path for file in self._files.values() if file is not None}
        missing = {}
        for path in self._selection.unexecuted():
            if path not in known:
                try:
                    missing[path] = source_text.sha256(source_text.read(path)), Seen()
                except OSError as error:
                    self._problems[path] = reason(error, path)
        if missing:
            self._data.add(self.config.context, missing, counts=self.config.counts)
        self._write()

    def forked(self) -> None:
        """In the child of a fork(), forget what was seen before: the parent writes it."""
        if _paused:             # by another thread, which is not in the child
            _collect_again()
        self._reset()
        self.first = False
        self._recorder.harvest()
        for file in list(self._files.values()):
            if file is not None:
                file.plans.new = False      # the parent keeps these
        self._start_saving()


# Plans, and what is read from them at the end, are many objects but no cyclic garbage; the collector would visit all
# objects of the program repeatedly. The thread that saves must not disable it, because the program may do so meanwhile.

@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    global _paused
    if gc.isenabled():
        try:
            _paused = True
            gc.disable()
            yield
        finally:
            _collect_again()
    else:
        yield


def _collect_again() -> None:
    global _paused
    _paused = False
    gc.enable()


# The locations of the code that runs while a code object is planned.
_OURS = tuple(os.path.join(os.path.dirname(os.path.abspath(module)), '')
              for module in (condcov.__file__, coverage.__file__))
_LIBRARY = os.path.join(os.path.dirname(os.__file__), '')
_INSTALLED = os.path.join(_LIBRARY, 'site-packages', '')


def _from_outside(error: Exception) -> bool:
    """Whether code that does not work for us, a signal handler, raised the exception."""
    traceback = error.__traceback__
    while traceback is not None:
        filename = traceback.tb_frame.f_code.co_filename
        library = filename.startswith((_LIBRARY, '<frozen ')) and not filename.startswith(_INSTALLED)
        if not library and not filename.startswith(_OURS):
            return True
        traceback = traceback.tb_next
    return False


# What ends a process, or replaces its program, without calling the functions of atexit.

_installed = False


def _install() -> None:
    """Make sure that whatever ends this process saves first."""
    global _installed
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminated)
        _insist()
    if _installed:
        return
    _installed = True
    atexit.register(_end)
    _real_os.register_at_fork(before=_hold_back, after_in_parent=_forked_another, after_in_child=_forked)
    for name, save in ('_exit', _end), ('abort', _end), ('execv', _save), ('execve', _save):
        _wrap(name, save)


def _wrap(name: str, save: Callable[[], None]) -> None:
    function = getattr(_real_os, name)

    @functools.wraps(function)
    def saving(*arguments: Any, **keywords: Any) -> Any:
        save()
        return function(*arguments, **keywords)

    setattr(_real_os, name, saving)


def _save() -> None:
    """Save; errors must not reach the program."""
    with contextlib.suppress(CondcovError):
        if _current is not None:
            _current.save()


def _insist() -> None:
    """Repeat a SIGTERM if a system call that was about to block keeps the handler from being called."""
    interpreter.repeat_signal(signal.SIGTERM, PATIENCE)


def _terminated(signum: int, frame: FrameType | None) -> None:
    global _killed
    interpreter.signal_arrived()
    if _busy is not None and _busy._owns_lock():
        _killed = True
        return
    _end()
    _die(signum)


def _die(signum: int) -> None:
    signal.signal(signum, signal.SIG_DFL)
    os.kill(os.getpid(), signum)


# The interpreter drops a signal that a child receives at its very start, although without our handler the signal would
# end the child. So SIGTERM is blocked during a fork. The fork also waits for a thread that saves, because in the child
# SQLite's locks would stay locked for ever; but not indefinitely, because that thread may run a finalizer that waits
# for this one. By thread, for each fork in progress (a signal handler may fork too): the signals that were blocked
# before, and the lock that is held.
_held_back: dict[int, list[tuple[set, threading.RLock | None]]] = {}


def _hold_back() -> None:
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))
    forks = _held_back.setdefault(_thread.get_ident(), [])
    forks.append((blocked, None))
    recording = _current
    if recording is not None and interpreter.FORK_WARNS:
        recording.stop_saving()
    if recording is not None and recording._lock.acquire(timeout=LONGEST):
        forks[-1] = blocked, recording._lock


def _let_through() -> None:
    begun = _held_back.get(_thread.get_ident())
    if begun:
        blocked, lock = begun.pop()
        if not begun:
            del _held_back[_thread.get_ident()]
        if lock is not None:
            lock.release()
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _forked_another() -> None:
    """Go on in the parent."""
    _let_through()
    if _current is not None and interpreter.FORK_WARNS:
        _current.resume_saving(sys._getframe(1).f_code)


def _forked() -> None:
    global _busy
    _busy = None
    try:
        if signal.getsignal(signal.SIGTERM) is _terminated:
            _insist()
        if _current is not None:
            _current.forked()
    finally:
        _let_through()


def _end() -> None:
    """Finish, and report problems."""
    recording = _current
    if recording is None:
        return
    messages = []
    try:
        recording.finish()
    except CondcovError as error:
        messages.append(str(error))
    if recording.first:
        for message in recording.problems() + messages:
            say(message)


def say(message: str) -> None:
    """Print one line for the user who runs the program."""
    with contextlib.suppress(OSError, ValueError):      # the stream may be closed
        if sys.__stderr__ is not None:
            sys.__stderr__.flush()
            # Not through the buffer: unwritten data would stay there and change the exit status at the end.
            line = f'condcov: {message}\n'.encode(sys.__stderr__.encoding, 'backslashreplace')
            os.write(sys.__stderr__.fileno(), line)
