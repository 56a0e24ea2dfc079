"""The interpreter's code probes.  Importing this raises CondcovError if the interpreter does not have them."""

import sys

from condcov.errors import CondcovError

try:
    from codeprobes import UNSUPPORTED_OPCODES, Recorder
except ImportError as error:
    raise CondcovError(f'{sys.executable} cannot record conditions: condcov needs the interpreter from its own '
                       f'repository ({error})') from None

__all__ = ['UNSUPPORTED_OPCODES', 'Recorder']
