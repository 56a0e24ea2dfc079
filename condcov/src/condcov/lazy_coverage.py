"""Imports modules of coverage.py without the package itself, which imports all its reports and tracers.

That took a third of the start-up time of a recording.

An empty module takes the place of the package and executes it when a program needs more than its modules. A LazyLoader
of importlib.util cannot do this: it executes the package at the first import of one of its modules, which looks up
__path__. Nor is it enough to remove the empty module after our imports: modules of the package would exist twice.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _Package(types.ModuleType):
    """A package that is executed at the first look-up of an attribute that is not one of its modules."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__') and name not in ('__all__', '__version__'):    # looked up in every module
            raise AttributeError(f'module {self.__name__!r} has no attribute {name!r}')
        if importlib.util.find_spec(f'{self.__name__}.{name}'):
            return importlib.import_module(f'{self.__name__}.{name}')
        self.__class__ = types.ModuleType       # type: ignore[assignment]  # from now on an ordinary module
        assert self.__spec__ is not None and self.__spec__.loader is not None
        self.__spec__.loader.exec_module(self)
        return getattr(self, name)


def prepare(name: str = 'coverage') -> None:
    """Let modules of this package be imported without the package, unless it is imported already."""
    if name not in sys.modules:
        spec = importlib.util.find_spec(name)
        if spec is not None:
            package = importlib.util.module_from_spec(spec)
            package.__class__ = _Package
            sys.modules[name] = package
