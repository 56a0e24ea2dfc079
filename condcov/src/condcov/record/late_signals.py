"""Repeats a signal whose handler in Python a blocking system call delays; the fork has _signalrepeat for it.

When a signal arrives, the interpreter only makes a note, and calls the handler before the next instruction. A signal
that arrives just before a system call that blocks does not interrupt the call, so the handler may never be called.
faulthandler, in contrast, writes to a file at once. The file is a pipe, which the thread that saves looks at. The
descriptor of signal.set_wakeup_fd() would serve too, but there is only one, which asyncio and others use.
"""

import contextlib
import faulthandler
import fcntl
import signal
import threading
import time

from condcov.isolated import os

_sleep = time.sleep

_HIGH = 400             # descriptors from here on, so that those of the program have their usual numbers

_process = 0            # that has the pipe
_ends: list[tuple[int, tuple[int, int]]] = []       # descriptor and identity of the pipe's ends, to read and to write
_armed = 0              # the signal
_seconds = 0.0


def arm(signum: int, seconds: float) -> None:
    """Prepare for repeat(), in this process, which waits this long for the handler to be called."""
    global _armed, _process, _seconds
    if not hasattr(faulthandler, 'register'):       # as in WebAssembly
        return
    with contextlib.suppress(OSError):              # too many open files
        if _process != os.getpid():
            disarm()                                # in case there is no new pipe
            _close()                                # the parent's
            for descriptor in os.pipe():
                _ends.append(_moved(descriptor))
            _process = os.getpid()
        faulthandler.register(signum, _ends[1][0], all_threads=False, chain=True)
        _armed, _seconds = signum, seconds


def disarm() -> None:
    """The handler was called."""
    global _armed
    _armed = 0


def repeat() -> None:
    """Send the signal to the main thread again if it has arrived and the handler was not called."""
    if _armed and _arrived():
        _sleep(_seconds)
        main = threading.main_thread().ident
        if _armed and main is not None:
            signal.pthread_kill(main, _armed)


def _arrived() -> bool:
    descriptor, identity = _ends[0]
    try:
        return _identity(descriptor) == identity and bool(os.read(descriptor, 1 << 16))
    except OSError:
        return False


def _moved(descriptor: int) -> tuple[int, tuple[int, int]]:
    """Give a descriptor a high number if the limits allow that; return it, not blocking, and its identity."""
    with contextlib.suppress(OSError):
        high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _HIGH)
        os.close(descriptor)
        descriptor = high
    os.set_blocking(descriptor, False)
    return descriptor, _identity(descriptor)


def _identity(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def _close() -> None:
    while _ends:
        descriptor, identity = _ends.pop()
        with contextlib.suppress(OSError):
            if _identity(descriptor) == identity:       # the program may have closed it
                os.close(descriptor)
