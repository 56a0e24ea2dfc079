"""Imports modules of coverage.py without the rest of it: the package itself imports all its reports and tracers.

That took a third of the time in which a recording starts.
"""

import importlib.util
import sys
import types


class _Package(types.ModuleType):
    """A package that is executed when somebody looks for something in it that is no module of it."""

    def __getattr__(self, name):
        if name.startswith('__') and name not in ('__all__', '__version__'):    # looked for in any module
            raise AttributeError(f'module {self.__name__!r} has no attribute {name!r}')
        if importlib.util.find_spec(f'{self.__name__}.{name}'):
            return importlib.import_module(f'{self.__name__}.{name}')
        self.__class__ = types.ModuleType
        self.__spec__.loader.exec_module(self)
        return getattr(self, name)


def prepare(name='coverage'):
    """Have modules of that package imported without the package, unless it is there already."""
    if name not in sys.modules:
        spec = importlib.util.find_spec(name)
        if spec is not None:
            package = importlib.util.module_from_spec(spec)
            package.__class__ = _Package
            sys.modules[name] = package
