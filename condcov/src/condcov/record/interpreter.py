"""What recording needs from the interpreter: the only module that knows where the facts come from.

FACTS               their source, for "condcov debug sys"
Recorder            records code objects, with the interface of codeprobes.Recorder
UNSUPPORTED_OPCODES opcodes of the instructions that it cannot record
FORK_WARNS          whether a fork in a process with several threads makes a warning
SEES_EMPTY_JUMPS    whether it sees which way a jump goes that leads to the next instruction either way
repeat_signal(), signal_arrived()   arm() and disarm() of _signalrepeat, or of late_signals
start_thread()      call a function in a new thread, of which other tools of sys.monitoring get no events
repeat_late_signal()    to be called from time to time by a thread that gets no signals

Importing this raises CondcovError if the interpreter cannot record.
"""

from __future__ import annotations

import _thread
import importlib.util
import sys
import sysconfig

from condcov.errors import CondcovError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ['FACTS', 'FORK_WARNS', 'SEES_EMPTY_JUMPS', 'SUPPORTED', 'UNSUPPORTED_OPCODES', 'Recorder',
           'repeat_late_signal', 'repeat_signal', 'run_program', 'signal_arrived', 'start_thread']

FORK_WARNS = sys.version_info >= (3, 12)

SUPPORTED = 'CPython 3.12, 3.13 and 3.14, and the interpreter of its own repository'


def _refuse(reason: str) -> CondcovError:
    return CondcovError(f'{sys.executable} cannot record conditions: {reason}; condcov runs on {SUPPORTED}')


if importlib.util.find_spec('codeprobes'):
    try:
        from _signalrepeat import arm as repeat_signal
        from _signalrepeat import disarm as signal_arrived
        from codeprobes import UNSUPPORTED_OPCODES, Recorder
    except ImportError as error:
        raise _refuse(str(error)) from None
    FACTS = 'code probes'
    SEES_EMPTY_JUMPS = True

    def repeat_late_signal() -> None:
        """Do nothing: a timer repeats the signal."""

    def start_thread(function: Callable[[], None]) -> None:
        """Call a function in a new thread."""
        _thread.start_new_thread(function, ())
elif sys.implementation.name != 'cpython':
    raise _refuse(f'it is {sys.implementation.name}, whose bytecode is different')
elif not hasattr(sys, 'monitoring'):
    raise _refuse(f'Python {sys.version_info.major}.{sys.version_info.minor} has no sys.monitoring')
elif sys.version_info >= (3, 15):
    raise _refuse('its bytecode is newer than this version of condcov')
elif sysconfig.get_config_var('Py_GIL_DISABLED'):
    raise _refuse('it is a free-threaded build, on which threads can record at the same time')
else:
    from condcov.record.late_signals import arm as repeat_signal
    from condcov.record.late_signals import disarm as signal_arrived
    from condcov.record.late_signals import repeat as repeat_late_signal
    from condcov.record.monitoring import LANGUAGE, SEES_EMPTY_JUMPS, UNSUPPORTED_OPCODES, Recorder, start_thread
    FACTS = f'sys.monitoring, in {LANGUAGE}'


def run_program(argv: list[str], **options: Any) -> None:
    """Run a program like python; see runner.run()."""
    # Imported here, because only the first process of a run needs it.
    from condcov.record import runner
    runner.run(argv, **options)
