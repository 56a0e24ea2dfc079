"""Selects the files to record by the rules of coverage.py, and with its code where they are not simple."""

from __future__ import annotations

import sys
import sysconfig
import types

import coverage

import condcov
from condcov import late
from condcov.errors import CondcovError
from condcov.isolated import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from condcov.config import Config

_LIBRARY = os.path.dirname(os.__file__)
_ODD = frozenset('!#$%&()*+,.=@^~')      # no module that a program imports has one of these in its name


class Selection:
    """The files that a Config selects.  Raises CondcovError for an invalid source or pattern."""

    def __init__(self, config: Config) -> None:
        self._config = config
        everything = not (config.source or config.source_pkgs or config.source_dirs or config.include)
        # An interpreter in its build folder has its library elsewhere than sysconfig says, and its installed packages
        # in the build folder.
        ours = [os.path.dirname(os.path.abspath(condcov.__file__))]
        if not config.cover_pylib:
            ours.append(_LIBRARY)
        if sysconfig.is_python_build():
            ours.append(sysconfig.get_config_var('projectbase'))
        self._ours = _prefixes(map(os.path.realpath, ours)) if everything else ()
        # A quick check by name: the library has many modules, and this decides most of them.
        self._never = ('<', *_prefixes(ours)) if everything else ('<',)
        self._rules_of_coverage: Any = None
        self._simple = _Simple.of(config)
        if self._simple is None:
            self._rules()

    @property
    def has_library(self) -> bool:
        """Whether files of the standard library may be selected."""
        return self._simple is None

    def _rules(self) -> Any:
        """The InOrOut of coverage.py."""
        if self._rules_of_coverage is None:
            theirs = late.module('coverage.config').CoverageConfig()
            config = self._config
            theirs.from_args(
                source=None if config.source is None else list(config.source), source_pkgs=list(config.source_pkgs),
                source_dirs=list(config.source_dirs), run_include=list(config.include), run_omit=list(config.omit),
                cover_pylib=config.cover_pylib)
            try:
                rules = late.module('coverage.inorout').InOrOut(
                    theirs, warn=lambda *message, **_: None, debug=None, include_namespace_packages=config.namespaces)
            except late.module('coverage.exceptions').ConfigError as error:
                raise CondcovError(str(error)) from error
            rules.plugins = types.SimpleNamespace(file_tracers=())
            self._rules_of_coverage = rules
        return self._rules_of_coverage

    def path(self, filename: str) -> str | None:
        """Return the absolute path of a code object's file if it is selected, or None."""
        if filename.startswith(self._never):
            return None
        if self._simple is not None:
            path, selected = self._simple.path(filename)
            if selected is not None:
                return path if selected and not _within(path, self._ours) else None
        rules = self._rules()
        names: Iterable[str | None] = self._modules(filename) if rules.source_pkgs else (None,)
        for name in names:
            disposition = rules.should_trace(filename, types.SimpleNamespace(f_globals={'__name__': name}))
            path = disposition.source_filename
            if disposition.trace and path is not None:
                return None if _within(path, self._ours) else path
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
        if self._simple is not None:
            return sorted(set(self._simple.unexecuted()))
        return sorted({path for path, _ in self._rules().find_possibly_unexecuted_files()})


class _Simple:
    """The rules of coverage.py for folders of source that are not near the interpreter's, without patterns.

    Importing coverage.py's rules takes longer than starting the interpreter. These leave open what is not simple.
    """

    def __init__(self, config: Config, folders: list[str], near: list[str]) -> None:
        self._folders = folders
        self._inside = _prefixes(folders)
        self._near = _prefixes(near)            # folders in which packages may be installed
        self._namespaces = config.namespaces
        kinds = 'purelib', 'platlib', 'scripts', *(() if folders else ('stdlib', 'platstdlib'))
        self._installed = _prefixes(os.path.realpath(sysconfig.get_path(kind)) for kind in kinds)
        self._coverage = _prefixes([os.path.realpath(os.path.dirname(coverage.__file__))])
        self._real: set[str] = set()            # folders in whose path there is no link
        self._sys_path: list[str] | None = None
        self._in_environments: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: Config) -> _Simple | None:
        """Return the rules, or None if they are not simple."""
        if config.include or config.omit or config.source_pkgs or config.cover_pylib:
            return None
        given = [*config.source_dirs, *(config.source or ())]
        folders = [os.path.realpath(folder) for folder in given]
        near = [os.path.realpath(folder) for folder in
                {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix, _LIBRARY,
                 sysconfig.get_config_var('userbase') or sys.prefix}]
        if sysconfig.is_python_build():
            near.append(os.path.realpath(sysconfig.get_config_var('projectbase')))
        if not all(map(os.path.isdir, given)) or any(
                os.path.dirname(folder) == folder or _within(folder, _prefixes(near))
                or any(_within(other, _prefixes([folder]))
                for other in (os.path.realpath(_LIBRARY), os.path.realpath(os.path.dirname(coverage.__file__))))
                for folder in folders):
            return None
        return cls(config, folders, near)

    def path(self, filename: str) -> tuple[str, bool | None]:
        """Return the absolute path of a file, and whether it is selected, or None if that is not simple."""
        if not filename.startswith('/'):
            return filename, None
        # A program imports many modules of others. realpath() asks the system about each folder above each of them.
        if (self._folders and not _within(filename, self._inside) and not os.path.islink(filename)
                and self._is_real(os.path.dirname(filename))):
            return filename, False
        path = os.path.realpath(filename)
        if self._folders and not _within(path, self._inside):
            return path, False
        if _within(path, self._installed):
            return path, False
        environments = self._environments()
        if _within(path, environments):
            return path, None if any(_within(folder, environments) for folder in self._folders) else False
        if _within(path, self._near) or _within(path, self._coverage):
            return path, None
        try:
            path.encode()
        except UnicodeEncodeError:
            return path, False
        return path, True

    def _is_real(self, folder: str) -> bool:
        """Whether the absolute path of a folder is that of os.path.realpath(). It may be remembered."""
        if folder not in self._real and folder != os.sep:
            above, name = os.path.split(folder)
            if name in ('', '.', '..') or os.path.islink(folder) or not self._is_real(above):
                return False
            self._real.add(folder)
        return True

    def _environments(self) -> tuple[str, ...]:
        """The folders of sys.path that are in virtual environments."""
        if sys.path != self._sys_path:
            self._sys_path = list(sys.path)
            self._in_environments = _prefixes(
                os.path.realpath(folder) for folder in self._sys_path
                if isinstance(folder, str) and os.path.exists(folder)
                and any(os.path.exists(os.path.join(parent, 'pyvenv.cfg')) for parent in _parents(folder)))
        return self._in_environments

    def unexecuted(self) -> Iterator[str]:
        """Yield the paths of the files that a program can import."""
        for folder in self._folders:
            for place, inside, names in os.walk(folder):
                if place != folder and not self._namespaces and '__init__.py' not in names:
                    inside.clear()
                    continue
                for name in names:
                    stem, _, suffix = name.rpartition('.')
                    if suffix in ('py', 'pyw') and stem and _ODD.isdisjoint(stem):
                        yield os.path.realpath(os.path.join(place, name))


def _prefixes(folders: Iterable[str]) -> tuple[str, ...]:
    """The folders as _within() expects them."""
    return tuple(os.path.join(folder, '') for folder in folders)


def _within(path: str, prefixes: tuple[str, ...]) -> bool:
    """Whether a path is one of the folders with these prefixes, or inside one."""
    return (path + os.sep).startswith(prefixes)


def _parents(path: str) -> Iterator[str]:
    """Yield the folders that a path is in, without the root."""
    path = os.path.dirname(path)
    while path != os.path.dirname(path):
        yield path
        path = os.path.dirname(path)
