"""Records this process, and what comes of it by fork(): from the interpreter's code probes to a data file.

A recording writes a data file of its own beside the final one, named DATA_FILE.HOST.PID.RANDOM. RANDOM begins with the
number of the run, which all the processes of it share, so that the first of them can combine them in the end.
"""

import ast
import atexit
import contextlib
import functools
import gc
import json
import os
import signal
import sys
import _thread
import threading
import time
import types
import warnings

import coverage
from coverage.files import PathAliases
from coverage.misc import isolate_module

from condcov.record import recorded_file
import condcov
from condcov.config import Config
from condcov.data import Data, parts
from condcov.errors import CondcovError
from condcov.model import Seen
from condcov.record.selection import Selection

_real_os = os
os = isolate_module(os)     # a program's tests may replace functions of os while it is recorded
_monotonic = time.monotonic

INTERVAL = 2            # seconds after which new code has what was seen before written
PATIENCE = 0.05         # seconds after which a SIGTERM that has no effect comes again
LONGEST = 5             # seconds that a fork waits for a thread that is saving
ENVIRONMENT = 'CONDCOV_PROCESS'     # what other processes of the run need to know; see Recording.start()

_current = None
_busy = None            # the recording that is writing, in the thread that has its lock
_killed = False         # by a SIGTERM meanwhile
_paused = False         # whether the garbage collector is


def begin():
    """Record, if this process belongs to a run, and return the recording or None."""
    text = os.environ.get(ENVIRONMENT)
    if _current is None and text is not None:
        known = json.loads(text)
        Recording(Config.loads(known['config']), known['run'], first=known['first'] == os.getpid(),
                  parallel=known['parallel']).start()
    return _current


def current():
    """The recording that is going on in this process, or None."""
    return _current


class Recording:
    """A recording of this process, and of its children.

    run         the number of the run, if an earlier process began it; None: this is the first
    first       whether this process combines the data files of the run in the end
    append      whether the data file of an earlier run is kept and added to
    parallel    whether the files of single processes are kept as they are, for "condcov combine"

    Raises CondcovError where this interpreter, the data file or the configuration does not permit it.
    """

    def __init__(self, config, run=None, *, first=True, append=False, parallel=False):
        try:
            import codeprobes
        except ImportError:
            raise CondcovError(f'{sys.executable} cannot record conditions: condcov needs the interpreter that has '
                               'code probes (the module codeprobes)') from None
        self.config = config
        self.first = first
        self.run = os.urandom(4).hex() if run is None else run
        self._append = append
        self._parallel = parallel
        self._context = config.context
        self._selection = Selection(config)
        self._recorder = codeprobes.Recorder(self._select, counts=config.counts)
        self._files = {}            # what is known of a file by the name in its code objects: a recorded_file.File or None
        self._plans = {}            # by the number of a code object: the object, its file, its plan
        self._answers = {}          # what the recorder is told if it asks for the code object of that number once more
        self._problems = {}         # what to say about a file that could not be recorded
        self._nothing = False       # was recorded in the whole run
        self._failed = {}           # by the number of a code object: the object, and why it has no plan
        self._reset()
        if run is None:
            self._prepare()

    def _reset(self):
        """Begin with nothing, in this process."""
        name = f'{self.config.data_file}.{os.uname().nodename}.{os.getpid()}.{self.run}'
        self._data = Data(name + os.urandom(4).hex())
        self._pending = {}          # by context and path, what is not written yet
        self._told = set()          # the problems that are written
        self._lock = threading.RLock()
        self._written = _monotonic()

    def _prepare(self):
        """See that the data can be written before the program runs."""
        folder = os.path.dirname(self.config.data_file)
        if not os.path.isdir(folder):
            raise CondcovError(f'cannot write {self.config.data_file}: there is no folder {folder}')
        if not os.access(folder, os.W_OK):
            raise CondcovError(f'cannot write {self.config.data_file}: Permission denied')
        final = Data(self.config.data_file)
        if os.path.exists(final.path) and self._append:
            final.contexts()        # raises if it cannot be added to
        elif not self._parallel:
            final.remove()

    def start(self):
        """Record from now on, until finish() or the end of the process, in place of a recording that is going on."""
        global _current
        if _current is not None:
            _current.finish()
        _current = self
        self._environment = _real_os.environ.get(ENVIRONMENT)
        # The first process is known by its number, which it keeps if it becomes another program.
        _real_os.environ[ENVIRONMENT] = json.dumps(
            {'run': self.run, 'first': os.getpid() if self.first else None, 'parallel': self._parallel,
             'config': self.config.dumps()})
        _install()
        self._recorder.start()
        self._offer_existing()

    def switch(self, context):
        """Record in the context of that name from now on."""
        with self._uninterrupted() as free:
            if free:
                self._collect(rearm=True)
            self._context = context
        self._save_if_due()

    def save(self):
        """Write what has been seen up to now."""
        with self._uninterrupted() as free:
            if free:
                self._collect()
                self._write()

    def finish(self):
        """End the recording and write the rest; the first process of a run combines the files of the run.

        Raises CondcovError where data cannot be written or combined. Does nothing when it is done already.
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
            if self._environment is None:
                _real_os.environ.pop(ENVIRONMENT, None)
            else:
                _real_os.environ[ENVIRONMENT] = self._environment
            self._collect()
            self._write()
            if self.first:
                self._add_unexecuted()
                files = parts(self.config.data_file, self.run)
                self._nothing = not files
                if not self._parallel:
                    combine(self.config, files)
                    if files and not self._append:
                        self._problems.update(Data(self.config.data_file).problems())       # of other processes, too
            with contextlib.suppress(Exception):        # they only save time
                for file in list(self._files.values()):
                    if file is not None and file.plans.new:
                        file.plans.save()

    @contextlib.contextmanager
    def _uninterrupted(self):
        """No other thread and no SIGTERM in between; tells whether this is not within another one, in a handler."""
        global _busy
        if _busy is self and self._lock._is_owned():
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
            if _killed:
                _end()
                _die(signal.SIGTERM)

    def problems(self):
        """Sentences about what could not be recorded, when the recording is finished."""
        found = [f'{path} was not recorded: {message}' for path, message in sorted(self._problems.items())]
        if self._nothing and not found:
            names = [*(self.config.source or ()), *self.config.source_dirs, *self.config.source_pkgs]
            found.append(f'nothing was recorded: no code of {", ".join(names) or "the selected files"} was executed')
        return found

    # What the recorder asks for each code object before it is first executed. What is wrong with it must not be the
    # program's. But what a signal handler raises meanwhile is the program's: it goes on, and the recorder asks again.

    def _select(self, code):
        if id(code) in self._answers:
            return self._answers.pop(id(code))
        if self._files.get(code.co_filename, self) is None:
            return None             # which is so for most
        try:
            return self._plan(code)
        except RecursionError:
            # The program is at the limit of its recursion; another thread has a stack of its own.
            plans, done = [], _thread.allocate_lock()
            done.acquire()
            _thread.start_new_thread(lambda: (plans.append(self._plan_or_fail(code)), done.release()), ())
            done.acquire()
            return plans[0]
        except Exception as error:
            plan = self._plan_or_fail(code)
            if id(code) not in self._failed and _from_outside(error):
                raise
            return plan

    def _plan_or_fail(self, code):
        try:
            return self._plan(code)
        except Exception as error:
            self._failed[id(code)] = code, f'{type(error).__name__}: {" ".join(str(error).split())}'
            return None

    def _offer_existing(self):
        """Have the functions recorded, too, that were there before the start and may have been executed."""
        offered = set()
        codes = [function.__code__ for function in gc.get_objects() if type(function) is types.FunctionType]
        while codes:
            code = codes.pop()
            if id(code) not in offered and self._file(code) is not None:
                offered.add(id(code))
                self._recorder.offer(code)
                codes += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]

    def _offer_again(self):
        """Try once more what failed, since the program may have replaced a function for some time."""
        for number, (code, _) in list(self._failed.items()):
            del self._failed[number]
            self._recorder.offer(code)

    def _plan(self, code):
        with _no_collection():
            file = self._file(code)
            if file is None:
                return None
            plan = file.plan(code)
        self._plans[id(code)] = code, file, plan
        # Offered here, what the recorder does not accept is told here and not to the program.
        self._answers[id(code)] = plan.probes
        try:
            self._recorder.offer(code)
        finally:
            self._answers.pop(id(code), None)
        self._save_if_due()
        return None

    def _file(self, code):
        """The analysed file of a code object, if it is selected."""
        name = code.co_filename
        if name in self._files:
            file = self._files[name]
            if file is None or code.co_name != '<module>' or file.stamp == recorded_file.stamp(file.path):
                return file
        path = self._selection.path(name)
        file = None
        if path is not None:
            try:
                file = recorded_file.File(path)
            except (CondcovError, OSError) as error:
                # Templates and the like are compiled under the name of a file that is no Python; they are left alone.
                if path.endswith(('.py', '.pyw')):
                    self._problems[path] = recorded_file.reason(error, path)
        self._files[name] = file
        return file

    # From the recorder to the data file.

    def _collect(self, rearm=False):
        """Take what is new from the recorder."""
        if self._failed and _current is self:
            self._offer_again()
        pending = self._pending.setdefault(self._context, {})
        for code, lines, jumps, paths in self._recorder.harvest(rearm=rearm):
            _, file, plan = self._plans[id(code)]
            seen = plan.seen(lines, jumps, paths)
            before = pending.get(file.path)
            if before is None or before[0] != file.sha256:
                pending[file.path] = file.sha256, seen
            else:
                before[1].update(seen)

    def _save_if_due(self):
        """Save now and then; if that cannot be done, the next time or the end may tell why."""
        now = _monotonic()
        if _busy is not self and now - self._written > INTERVAL and self._lock.acquire(blocking=False):
            try:
                self._written = now
                self.save()
            except (CondcovError, OSError):
                pass
            finally:
                self._lock.release()

    def _write(self):
        for context, files in list(self._pending.items()):
            if files:
                self._data.add(context, files, counts=self.config.counts)
            del self._pending[context]
        new = {problem for problem in self._problems.items() if problem not in self._told}
        if new:
            self._data.add_problems(sorted(new))
            self._told |= new
        self._written = _monotonic()

    def _add_unexecuted(self):
        """Have the data name the files of source that nothing executed."""
        known = {file.path for file in self._files.values() if file is not None}
        missing = {}
        for path in self._selection.unexecuted():
            if path not in known:
                try:
                    content = recorded_file.read(path)
                    with warnings.catch_warnings(action='ignore'):
                        ast.parse(content, path)
                    missing[path] = recorded_file.sha256(content), Seen()
                except (OSError, SyntaxError, ValueError, RecursionError) as error:
                    self._problems[path] = recorded_file.reason(error, path)
        if missing:
            self._data.add(self.config.context, missing, counts=self.config.counts)
        self._write()

    def forked(self):
        """In the child of a fork(): what was seen before is the parent's, which writes it."""
        if _paused:             # by another thread, which is not in the child
            _collect_again()
        self._reset()
        self.first = False
        self._recorder.harvest()
        for file in list(self._files.values()):
            if file is not None:
                file.plans.new = False      # the parent keeps these


# An analysis makes many objects and no garbage in cycles, for which the collector would visit all of the program's
# objects again and again.

@contextlib.contextmanager
def _no_collection():
    global _paused
    if gc.isenabled():
        _paused = True
        gc.disable()
        try:
            yield
        finally:
            _collect_again()
    else:
        yield


def _collect_again():
    global _paused
    _paused = False
    gc.enable()


# Where the code is that is at work while a code object is analysed.
_OURS = tuple(os.path.join(os.path.dirname(os.path.abspath(module)), '')
              for module in (condcov.__file__, coverage.__file__))
_LIBRARY = os.path.join(os.path.dirname(ast.__file__), '')
_INSTALLED = os.path.join(_LIBRARY, 'site-packages', '')


def _from_outside(error):
    """Whether code that is not at work for us raised the exception: a signal handler."""
    traceback = error.__traceback__
    while traceback is not None:
        filename = traceback.tb_frame.f_code.co_filename
        library = filename.startswith((_LIBRARY, '<frozen ')) and not filename.startswith(_INSTALLED)
        if not library and not filename.startswith(_OURS):
            return True
        traceback = traceback.tb_next
    return False


def combine(config, files, **options):
    """Add data files to the final one, with the options of Data.combine().

    The paths of the configuration tell which folders hold the same source.
    """
    aliases = PathAliases()
    for folders in config.paths.values():
        for folder in folders[1:]:
            aliases.add(folder, folders[0])
    Data(config.data_file).combine(files, aliases.map if config.paths else lambda path: path, **options)


# What ends a process, or makes another one of it, without the functions of atexit.

_installed = False


def _install():
    """Have whatever ends this process save first."""
    global _installed
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminated)
        _insist()
    if _installed:
        return
    _installed = True
    atexit.register(_end)
    _real_os.register_at_fork(before=_hold_back, after_in_parent=_let_through, after_in_child=_forked)
    for name, save in ('_exit', _end), ('abort', _end), ('execv', _save), ('execve', _save):
        _wrap(name, save)


def _wrap(name, save):
    function = getattr(_real_os, name)

    @functools.wraps(function)
    def saving(*arguments, **keywords):
        save()
        return function(*arguments, **keywords)

    setattr(_real_os, name, saving)


def _save():
    """Save; what is wrong must not be the program's."""
    with contextlib.suppress(CondcovError):
        if _current is not None:
            _current.save()


def _insist():
    """Have a SIGTERM come again if a system call, which was about to block, keeps the handler from being called."""
    import _signalrepeat
    _signalrepeat.arm(signal.SIGTERM, PATIENCE)


def _terminated(signum, frame):
    global _killed
    import _signalrepeat
    _signalrepeat.disarm()
    if _busy is not None and _busy._lock._is_owned():
        _killed = True
        return
    _end()
    _die(signum)


def _die(signum):
    signal.signal(signum, signal.SIG_DFL)
    os.kill(os.getpid(), signum)


# The interpreter forgets a signal that a child gets before it has begun, and without our handler that would have ended
# the child: so SIGTERM waits. And a thread that is saving is waited for, since the child would find SQLite's own locks
# taken for ever; not without end, as it may run a finalizer that waits for what this thread has. By thread, for each
# fork that has begun (a signal handler may fork, too): the signals that it had blocked before, and the lock that it has.
_held_back = {}


def _hold_back():
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))
    held = [blocked, None]
    _held_back.setdefault(_thread.get_ident(), []).append(held)
    recording = _current
    if recording is not None and recording._lock.acquire(timeout=LONGEST):
        held[1] = recording._lock


def _let_through():
    begun = _held_back.get(_thread.get_ident())
    if begun:
        blocked, lock = begun.pop()
        if not begun:
            del _held_back[_thread.get_ident()]
        if lock is not None:
            lock.release()
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _forked():
    global _busy
    _busy = None
    try:
        if signal.getsignal(signal.SIGTERM) is _terminated:
            _insist()
        if _current is not None:
            _current.forked()
    finally:
        _let_through()


def _end():
    """Finish, and tell what is wrong."""
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


def say(message):
    """Tell the person who runs the program something, in one line."""
    with contextlib.suppress(OSError, ValueError):      # it may be closed
        if sys.__stderr__ is not None:
            sys.__stderr__.flush()
            # Past the buffer: what it could not write would stay there, and change the exit status at the end.
            line = f'condcov: {message}\n'.encode(sys.__stderr__.encoding, 'backslashreplace')
            os.write(sys.__stderr__.fileno(), line)
