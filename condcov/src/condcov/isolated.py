"""A copy of the module os: the tests of a program may replace functions of os while it is recorded."""

import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
else:
    import os as _os

    os = types.ModuleType('os')
    vars(os).update(vars(_os), path=types.ModuleType('os.path'))
    vars(os.path).update(vars(_os.path))

__all__ = ['os']
