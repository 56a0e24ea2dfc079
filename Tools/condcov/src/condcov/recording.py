"""Records this process, and what comes of it by fork(): from the interpreter's code probes to a data file.

A recording writes a data file of its own beside the final one, named DATA_FILE.HOST.PID.RANDOM. RANDOM begins with the
number of the run, which all the processes of it share, so that the first of them can combine them in the end.
"""

import atexit
import functools
import hashlib
import os
import secrets
import signal
import socket
import sys
import threading
import time
import _thread

from coverage.files import PathAliases
from coverage.misc import isolate_module

from condcov import analysis
from condcov.data import Data, parts
from condcov.errors import CondcovError
from condcov.model import Seen
from condcov.selection import Selection

_real_os = os
os = isolate_module(os)     # a program's tests may replace functions of os while it is recorded
_monotonic = time.monotonic

INTERVAL = 2            # seconds after which new code has what was seen before written
ROOM = 5000             # frames beyond the program's recursion limit that an analysis may use
ENVIRONMENT = 'CONDCOV_PROCESS'     # the number of the run and the configuration, for the processes of a run

_current = None


def current():
    """The recording that is going on in this process, or None."""
    return _current


class Recording:
    """A recording of this process, and of its children.

    run         the number of the run, of a recording that a process of the run starts; None: this one is the first
    append      whether the data file of an earlier run is kept and added to
    parallel    whether the files of single processes are kept as they are, for "condcov combine"

    Raises CondcovError where this interpreter, the data file or the configuration does not permit it.
    """

    def __init__(self, config, run=None, append=False, parallel=False):
        try:
            import codeprobes
        except ImportError:
            raise CondcovError(f'{sys.executable} cannot record conditions: condcov needs the interpreter that has '
                               'code probes (the module codeprobes)') from None
        self.config = config
        self.first = run is None
        self.run = secrets.token_hex(4) if run is None else run
        self._append = append
        self._parallel = parallel
        self._context = config.context
        self._selection = Selection(config)
        self._recorder = codeprobes.Recorder(self._select, counts=config.counts)
        self._files = {}            # what is known of a file by the name in its code objects: a _File or None
        self._plans = {}            # by the number of a code object: the object, its file, its plan
        self._problems = {}         # what to say about a file that could not be recorded
        self._reset()
        if self.first:
            self._prepare()

    def _reset(self):
        """Begin with nothing, in this process."""
        name = f'{self.config.data_file}.{socket.gethostname() or "host"}.{os.getpid()}.{self.run}'
        self._data = Data(name + secrets.token_hex(4))
        self._pending = {}          # by context and path, what is not written yet
        self._told = set()          # the files that are in the data, and the problems
        self._lock = threading.RLock()
        self._busy = False          # in the thread that has the lock
        self._killed = False
        self._written = _monotonic()

    def _prepare(self):
        """See that the data can be written before the program runs."""
        folder = os.path.dirname(self.config.data_file)
        if not os.path.isdir(folder):
            raise CondcovError(f'cannot write {self.config.data_file}: there is no folder {folder}')
        if not os.access(folder, os.W_OK):
            raise CondcovError(f'cannot write {self.config.data_file}: Permission denied')
        final = Data(self.config.data_file)
        if self._append and os.path.exists(final.path):
            final.contexts()        # raises if it is no data
        elif os.path.isdir(final.path):
            raise CondcovError(f'cannot write {final.path}: it is a folder')
        elif not self._parallel:
            final.remove()

    def start(self):
        """Record from now on, until finish() or the end of the process."""
        global _current
        _current = self
        self._environment = _real_os.environ.get(ENVIRONMENT)
        _real_os.environ[ENVIRONMENT] = f'{self.run} {self.config.dumps()}'
        _install()
        self._recorder.start()

    def switch(self, context):
        """Record in the context of that name from now on."""
        with self._lock:
            self._collect(rearm=True)
            self._context = context
            self._write_if_due()

    def save(self):
        """Write what has been seen up to now."""
        if self._busy and self._lock._is_owned():
            return                  # a signal handler in the middle of it
        with self._lock:
            self._busy = True
            try:
                self._collect()
                self._write()
            finally:
                self._busy = False
        if self._killed:
            _die(signal.SIGTERM)

    def finish(self):
        """End the recording and write the rest; the first process of a run combines the files of the run.

        Raises CondcovError where data cannot be written or combined. Does nothing when it is done already.
        """
        global _current
        if _current is not self:
            return
        self._recorder.stop()
        _current = None
        if self._environment is None:
            _real_os.environ.pop(ENVIRONMENT, None)
        else:
            _real_os.environ[ENVIRONMENT] = self._environment
        self.save()
        if self.first:
            self._add_unexecuted()
            if not self._parallel:
                combine(self.config, parts(self.config.data_file, self.run))

    def problems(self):
        """Sentences about files that could not be recorded."""
        return [f'{path} was not recorded: {message}' for path, message in sorted(self._problems.items())]

    # What the recorder asks: it must never raise, since the program would see it.

    def _select(self, code):
        try:
            return self._plan(code)
        except RecursionError:
            # The program is at the limit of its recursion, and the analysis is none of its own.
            limit = sys.getrecursionlimit()
            try:
                sys.setrecursionlimit(limit + ROOM)
                try:
                    return self._plan(code)
                finally:
                    sys.setrecursionlimit(limit)
            except Exception as error:
                self._fail(code.co_filename, error)
        except Exception as error:
            self._fail(code.co_filename, error)
        except KeyboardInterrupt:
            # It is for the program, which gets it when it goes on.
            _thread.interrupt_main()
            return self._select(code)
        return None

    def _plan(self, code):
        file = self._file(code)
        if file is None:
            return None
        plan = analysis.plan(code, file.source)
        self._plans[id(code)] = code, file, plan
        if not self._busy and _monotonic() - self._written > INTERVAL and self._lock.acquire(blocking=False):
            try:
                self.save()
            finally:
                self._lock.release()
        return plan.probes

    def _file(self, code):
        """The analysed file of a code object, if it is selected."""
        name = code.co_filename
        if name in self._files:
            file = self._files[name]
            if file is None or code.co_name != '<module>' or file.stamp == _stamp(file.path):
                return file
        path = self._selection.path(name)
        file = None
        if path is not None:
            try:
                file = _File(path)
            except (CondcovError, OSError) as error:
                # Templates and the like are compiled under the name of a file that is no Python; they are left alone.
                if path.endswith(('.py', '.pyw')):
                    self._problems[path] = str(getattr(error, 'strerror', None) or error)
        self._files[name] = file
        return file

    def _fail(self, path, error):
        self._problems.setdefault(path, f'{type(error).__name__}: {" ".join(str(error).split())}')

    # From the recorder to the data file.

    def _collect(self, rearm=False):
        """Take what is new from the recorder."""
        pending = self._pending.setdefault(self._context, {})
        for code, lines, jumps, paths in self._recorder.harvest(rearm=rearm):
            _, file, plan = self._plans[id(code)]
            seen = plan.seen(lines, jumps, paths)
            before = pending.get(file.path)
            if before is None or before[0] != file.sha256:
                pending[file.path] = file.sha256, seen
            else:
                before[1].update(seen)

    def _write_if_due(self):
        if _monotonic() - self._written > INTERVAL:
            self.save()

    def _write(self):
        pending, self._pending = self._pending, {}
        for context, files in pending.items():
            if files:
                self._data.add(context, files, counts=self.config.counts)
                self._told.update(files)
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
                    missing[path] = _File(path).sha256, Seen()
                except (CondcovError, OSError) as error:
                    self._problems[path] = str(getattr(error, 'strerror', None) or error)
        if missing:
            self._data.add(self.config.context, missing, counts=self.config.counts)
        self._write()

    def forked(self):
        """In the child of a fork(): what was seen before is the parent's, which writes it."""
        self._reset()
        self.first = False
        self._recorder.harvest()


class _File:
    """A file of source as it is now. Raises OSError or CondcovError if it cannot be read or is no Python."""

    def __init__(self, path):
        self.path = path
        self.stamp = _stamp(path)
        content = _read(path)
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.source = analysis.analyze(content, path)


def _read(path):
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return b''.join(iter(lambda: os.read(descriptor, 1 << 20), b''))
    finally:
        os.close(descriptor)


def _stamp(path):
    """What tells whether a file is still the same."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


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
    if _installed:
        return
    _installed = True
    atexit.register(_at_exit)
    _real_os.register_at_fork(after_in_child=_forked)
    for name in '_exit', 'execv', 'execve', 'abort':
        _wrap(name)


def _wrap(name):
    function = getattr(_real_os, name)

    @functools.wraps(function)
    def saving(*arguments, **keywords):
        _save_quietly()
        return function(*arguments, **keywords)

    setattr(_real_os, name, saving)


def _save_quietly():
    """Save; a failure must not be the program's."""
    if _current is not None:
        try:
            _current.save()
        except Exception as error:
            _current._fail(_current.config.data_file, error)


def _terminated(signum, frame):
    if _current is not None and _current._busy:
        _current._killed = True
        return
    _save_quietly()
    _die(signum)


def _die(signum):
    signal.signal(signum, signal.SIG_DFL)
    os.kill(os.getpid(), signum)


def _forked():
    if _current is not None:
        _current.forked()


def _at_exit():
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
    print(f'condcov: {message}', file=sys.__stderr__, flush=True)
