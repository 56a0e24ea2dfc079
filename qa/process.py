"""Runs other programs: with a time limit, without the user's settings, and without leaving processes behind."""

import concurrent.futures
import contextlib
import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass

_groups = set()         # the process groups that are running


class Trouble(Exception):
    """A run is impossible; the message, one line, says what to do."""


@dataclass(frozen=True)
class Ended:
    """How a program ended.

    status      its exit status; the negative number of the signal that killed it; None if it reached the limit
    cpu, wall   seconds; cpu includes its children
    limit       seconds that it was given
    """

    status: int | None
    cpu: float
    wall: float
    limit: float

    def __str__(self):
        if self.status is None:
            return f'stopped after {self.limit} s'
        return f'exit status {self.status}' if self.status >= 0 else f'killed by {signal.Signals(-self.status).name}'


def environment(*prefixes):
    """The environment without PYTHON*, which is for another interpreter, and without names with these prefixes."""
    return {name: value for name, value in os.environ.items() if not name.startswith(('PYTHON', *prefixes))}


def run(command, output, limit, errors=None, **how):
    """Run a command for at most `limit` seconds with its output in a file object, and return how it Ended."""
    late = threading.Event()
    begun = time.perf_counter()
    process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=output,
                               stderr=errors or output, start_new_session=True, **how)

    def stop():
        late.set()
        kill(process.pid)

    _groups.add(process.pid)
    timer = threading.Timer(limit, stop)
    timer.start()
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        kill(process.pid)
        process.wait()
        raise
    finally:
        timer.cancel()
        _groups.discard(process.pid)
    process.returncode = os.waitstatus_to_exitcode(status)
    kill(process.pid)       # the processes that it started and left running
    return Ended(None if late.is_set() else process.returncode, usage.ru_utime + usage.ru_stime,
                 time.perf_counter() - begun, limit)


def ask(trouble, *command, **how):
    """The output of a short command; Trouble with the last line of its errors if it cannot be run or fails."""
    try:
        done = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, capture_output=True, text=True, **how)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Trouble(f'{trouble}: {getattr(error, "strerror", "it does not answer")}') from None
    if done.returncode:
        raise Trouble(f'{trouble}: {last_line(done.stderr or done.stdout, "it gave no reason")}')
    return done.stdout


def kill(group):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def each(function, arguments, jobs):
    """Call the function with each argument in one of `jobs` threads, and yield the results as they arrive.

    An exception, including Control-C, kills the running programs and cancels the rest.
    """
    executor = concurrent.futures.ThreadPoolExecutor(jobs)
    try:
        futures = [executor.submit(function, argument) for argument in arguments]
        for future in concurrent.futures.as_completed(futures):
            yield future.result()
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        for group in list(_groups):
            kill(group)
        raise
    finally:
        executor.shutdown()


def last_line(text, nothing=''):
    """The last line that is not blank, which usually has the reason of a failure."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), nothing)
