"""Imports modules that not every run needs, while the program runs: it may have modules of the same names."""

from __future__ import annotations

import _thread
import importlib
import importlib.machinery
import sys
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_path = tuple(sys.path)         # before the program changes it


def module(name: str) -> ModuleType:
    """Import a module of condcov or coverage.py, and what it imports, from where they would be without the program."""
    loaded = sys.modules.get(name)
    if loaded is not None and not (name in sys.stdlib_module_names and _is_foreign(name)):
        return loaded if not _is_unfinished(loaded) else importlib.import_module(name)
    foreign = {key for key in sys.stdlib_module_names.intersection(sys.modules) if _is_foreign(key)}
    hidden = {key: module for key, module in list(sys.modules.items()) if key.partition('.')[0] in foreign}
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    for key in hidden:
        sys.modules.pop(key, None)
    try:
        return importlib.import_module(name)
    finally:
        sys.meta_path.remove(finder)
        if foreign:
            for key in [key for key in sys.modules if key.partition('.')[0] in foreign]:
                del sys.modules[key]
        sys.modules.update(hidden)


class _Finder:
    """Finds the modules of the standard library that this thread imports."""

    def __init__(self) -> None:
        self._thread = _thread.get_ident()

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
                  ) -> importlib.machinery.ModuleSpec | None:
        if path is None and _thread.get_ident() == self._thread:
            return importlib.machinery.PathFinder.find_spec(name, _path)
        return None


def _is_unfinished(loaded: ModuleType) -> bool:
    return getattr(getattr(loaded, '__spec__', None), '_initializing', False)


def _is_foreign(name: str) -> bool:
    """Whether the module with this name is not that of the standard library."""
    module = sys.modules[name]
    file = getattr(module, '__file__', None)
    if isinstance(file, str):
        folder, _, last = file.rpartition('/')
        if (folder.rpartition('/')[0] if last == '__init__.py' else folder) in _path:
            return False
    elif isinstance(module, ModuleType):
        return False            # built in
    spec = importlib.machinery.PathFinder.find_spec(name, _path)
    return spec is not None and spec.origin != file
