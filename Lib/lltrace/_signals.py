"""Signals that end the program: Ctrl-C must not end the trace, and SIGTERM must not lose it."""

import os
import signal as public        # whose functions use builtins that the program can replace
import _signal as signal

from _ownmodules import __builtins__

_HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), '')
# The callers of the program, and what it calls when it forks.
_NOT_TRACING = {os.path.join(_HERE, name)
                for name in ('__main__.py', 'runner.py', '_signals.py', os.path.join('_replay', 'printed.py'))}
_PATIENCE = 0.05                            # seconds after which a SIGTERM without effect is repeated
_REPETITIONS = 20                           # after which the process ends at once


def _event_of(frame):
    """Return the frame whose event a trace function is handling, or None if frame is not called by one."""
    found = None
    while frame is not None:
        filename = frame.f_code.co_filename
        if filename.startswith(_HERE) and filename not in _NOT_TRACING:
            found = frame.f_back
        frame = frame.f_back
    return found


def handle(tracing, finish):
    """Handle the signals that the program does not handle.

    Ctrl-C interrupts the program and not the trace function.  SIGTERM calls finish() before it ends the process.
    """
    if signal.getsignal(signal.SIGINT) is public.default_int_handler:
        _handle_interrupts(tracing)
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        _handle_termination(tracing, finish)


def _handle_interrupts(tracing):
    default = public.default_int_handler

    def default_int_handler(signum, frame):
        event_of = _event_of(frame)
        if event_of is None:
            default(signum, frame)
        else:
            tracing.interrupt(event_of, lambda: default(signum, None))

    default_int_handler.__doc__ = default.__doc__
    # Programs compare the current handler with it.
    public.default_int_handler = default_int_handler
    signal.signal(signal.SIGINT, default_int_handler)


def _handle_termination(tracing, finish):
    import _signalrepeat

    arrived, ending = 0, False

    def terminated(signum, frame):
        nonlocal arrived
        arrived += 1
        event_of = _event_of(frame)
        if ending or arrived > _REPETITIONS:    # such as when nobody reads the pipe that lines are written to
            die()
        elif event_of is None:
            end()
        else:
            tracing.interrupt(event_of, end)

    def end():
        nonlocal ending
        _signalrepeat.disarm()
        ending = True
        finish()
        die()

    def die():
        _signalrepeat.disarm()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)

    # A child writes its lines immediately, so it needs no handler.  The interpreter would drop a signal that arrives
    # before the child has removed the handler.
    blocked = []

    def before_fork():
        blocked.append(signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,)))

    def after_fork():
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked.pop())

    def after_fork_in_child():
        if signal.getsignal(signal.SIGTERM) is terminated:
            _signalrepeat.disarm()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        after_fork()

    os.register_at_fork(before=before_fork, after_in_parent=after_fork, after_in_child=after_fork_in_child)
    signal.signal(signal.SIGTERM, terminated)
    _signalrepeat.arm(signal.SIGTERM, _PATIENCE)
