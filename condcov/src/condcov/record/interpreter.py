"""What recording needs from the interpreter: the only module that knows where the facts come from.

FACTS               their source, for "condcov debug sys"
Recorder            records code objects, with the interface of codeprobes.Recorder
UNSUPPORTED_OPCODES opcodes of the instructions that it cannot record
repeat_signal(), signal_arrived()   arm() and disarm() of _signalrepeat

Importing this raises CondcovError if the interpreter cannot record.
"""

import sys
from typing import Any

from condcov.errors import CondcovError

try:
    from _signalrepeat import arm as repeat_signal
    from _signalrepeat import disarm as signal_arrived
    from codeprobes import UNSUPPORTED_OPCODES, Recorder
except ImportError as error:
    raise CondcovError(f'{sys.executable} cannot record conditions: condcov needs the interpreter from its own '
                       f'repository ({error})') from None

FACTS = 'code probes'

__all__ = ['FACTS', 'UNSUPPORTED_OPCODES', 'Recorder', 'repeat_signal', 'run_program', 'signal_arrived']


def run_program(argv: list[str], **options: Any) -> None:
    """Run a program like python; see lltrace.runner.run()."""
    from lltrace import runner      # here, because only the first process of a run needs it
    runner.run(argv, **options)
