"""Lets the interpreter of a builddir find condcov; condcov.sh copies it there, beside the extension modules."""

import os
import sys

# In a virtual environment pip would take for installed what is here.
if sys.prefix == sys.base_prefix:
    sys.path.append(os.path.normpath(f'{__file__}/../../../condcov/site'))
    if 'CONDCOV_PROCESS' in os.environ:     # as a1_condcov.pth does, which takes effect in an installed interpreter only
        try:
            from condcov import startup
        except ImportError:
            pass
        else:
            startup.begin()
