"""Lets the interpreter of a builddir find condcov; condcov.sh copies it there, next to the extension modules."""

import os
import sys

# In a virtual environment, pip would take these packages for installed.
if sys.prefix == sys.base_prefix:
    sys.path.append(os.path.normpath(f'{__file__}/../../../condcov/site'))
    # Do what a1_condcov.pth does, which only an installed interpreter reads.
    if 'CONDCOV_PROCESS' in os.environ:
        try:
            from condcov.record import subprocess_hook
        except ImportError:
            pass
        else:
            subprocess_hook.begin()

# This module hides a sitecustomize of the user or of a virtual environment: import that one too.
def _hidden():
    from _frozen_importlib import module_from_spec
    from _frozen_importlib_external import PathFinder
    here = os.path.dirname(__file__)
    spec = PathFinder.find_spec('sitecustomize', [folder for folder in sys.path if folder != here])
    if spec is not None and spec.loader is not None:
        module = sys.modules['sitecustomize'] = module_from_spec(spec)
        spec.loader.exec_module(module)


_hidden()
