"""Selects the files to record by the rules, and with the code, of coverage.py."""

import os
import sys
import sysconfig
import types
from collections.abc import Iterable
from typing import Any

from coverage.config import CoverageConfig
from coverage.exceptions import ConfigError
from coverage.files import TreeMatcher
from coverage.inorout import InOrOut
from coverage.misc import isolate_module

import condcov
from condcov.config import Config
from condcov.errors import CondcovError

os = isolate_module(os)     # a program's tests may replace functions of os while it is recorded

_HERE = os.path.dirname(os.path.abspath(condcov.__file__))


class Selection:
    """The files that a Config selects.  Raises CondcovError for an invalid source or pattern."""

    def __init__(self, config: Config) -> None:
        theirs = CoverageConfig()
        theirs.from_args(
            source=None if config.source is None else list(config.source), source_pkgs=list(config.source_pkgs),
            source_dirs=list(config.source_dirs), run_include=list(config.include), run_omit=list(config.omit),
            cover_pylib=config.cover_pylib)
        try:
            self._rules = InOrOut(theirs, warn=lambda *message, **_: None, debug=None,
                                  include_namespace_packages=config.namespaces)
        except ConfigError as error:
            raise CondcovError(str(error)) from error
        no_plugins: Any = types.SimpleNamespace(file_tracers=())
        self._rules.plugins = no_plugins
        self._named = bool(self._rules.source_pkgs)
        # An interpreter in its build folder has its library elsewhere than sysconfig says, and its installed packages
        # in the build folder.
        ours = [_HERE] if config.cover_pylib else [_HERE, os.path.dirname(os.__file__)]
        if sysconfig.is_python_build():
            ours.append(sysconfig.get_config_var('projectbase'))
        everything = not (theirs.source or theirs.source_pkgs or theirs.source_dirs or theirs.run_include)
        self._ours = TreeMatcher(ours) if everything else None
        # A quick check by name: the library has many modules, and this decides most of them.
        self._never = ('<', *(os.path.join(folder, '') for folder in ours)) if everything else ('<',)

    def path(self, filename: str) -> str | None:
        """Return the absolute path of a code object's file if it is selected, or None."""
        if filename.startswith(self._never):
            return None
        names: Iterable[str | None] = self._modules(filename) if self._named else (None,)
        for name in names:
            frame: Any = types.SimpleNamespace(f_globals={'__name__': name})
            disposition = self._rules.should_trace(filename, frame)
            path = disposition.source_filename
            if disposition.trace and path is not None:
                return None if self._ours is not None and self._ours.match(path) else path
        return None

    @staticmethod
    def _modules(filename: str) -> list[str]:
        """The names that a module in this file may have, from the packages above it and from sys.path."""
        filename = os.path.abspath(filename)
        folder, name = os.path.split(filename)
        parts = [] if name == '__init__.py' else [name.removesuffix('.py')]
        stem = os.path.join(folder, *parts)
        while os.path.exists(os.path.join(folder, '__init__.py')):
            folder, name = os.path.split(folder)
            parts.insert(0, name)
        names = {'.'.join(parts)}
        for entry in sys.path:
            if isinstance(entry, str):
                entry = os.path.join(os.path.abspath(entry), '')
                if stem.startswith(entry):
                    names.add(stem[len(entry):].replace(os.sep, '.'))
        return sorted(names)

    def unexecuted(self) -> list[str]:
        """Return the paths of all source files, executed or not."""
        return sorted({path for path, _ in self._rules.find_possibly_unexecuted_files()})
