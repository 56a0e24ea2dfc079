"""Which files are recorded: the rules of coverage.py, by its own code."""

import os
import sys
import sysconfig
import types

from coverage.config import CoverageConfig
from coverage.exceptions import ConfigError
from coverage.files import GlobMatcher, TreeMatcher
from coverage.inorout import InOrOut
from coverage.misc import isolate_module

import condcov
from condcov.errors import CondcovError

os = isolate_module(os)     # a program's tests may replace functions of os while it is recorded

_HERE = os.path.dirname(os.path.abspath(condcov.__file__))


class Selection:
    """The files that a Config selects.  Raises CondcovError for a source or a pattern that cannot be."""

    def __init__(self, config):
        theirs = CoverageConfig()
        theirs.from_args(
            source=None if config.source is None else list(config.source), source_pkgs=list(config.source_pkgs),
            source_dirs=list(config.source_dirs), run_include=list(config.include), run_omit=list(config.omit),
            cover_pylib=config.cover_pylib)
        try:
            self._rules = InOrOut(theirs, warn=lambda *message, **_: None, debug=None,
                                  include_namespace_packages=False)
        except ConfigError as error:
            raise CondcovError(str(error)) from error
        self._rules.plugins = types.SimpleNamespace(file_tracers=())
        self._named = bool(self._rules.source_pkgs)
        # An interpreter that was not installed has its library elsewhere than sysconfig tells, and what is installed
        # for it in the folder where it is built.
        ours = [_HERE] if config.cover_pylib else [_HERE, os.path.dirname(os.__file__)]
        if sysconfig.is_python_build():
            ours.append(sysconfig.get_config_var('projectbase'))
        everything = not (theirs.source or theirs.source_pkgs or theirs.source_dirs or theirs.run_include)
        self._ours = TreeMatcher(ours) if everything else None
        # The same by name, which is quick: there are many modules in the library, and this decides most of them.
        self._never = ('<', *(os.path.join(folder, '') for folder in ours)) if everything else '<'

    def path(self, filename):
        """The absolute path of a code object's file if it is selected, or None."""
        if filename.startswith(self._never):
            return None
        for name in self._modules(filename) if self._named else (None,):
            frame = types.SimpleNamespace(f_globals={'__name__': name})
            disposition = self._rules.should_trace(filename, frame)
            if disposition.trace:
                path = disposition.source_filename
                return None if self._ours is not None and self._ours.match(path) else path
        return None

    @staticmethod
    def _modules(filename):
        """The names that a module of that file may have, by the packages above it and by sys.path."""
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

    def unexecuted(self):
        """The paths of all the files of source, executed or not."""
        return sorted({path for path, _ in self._rules.find_possibly_unexecuted_files()})


def reported(config):
    """A function that tells of a path whether reports have it."""
    include = GlobMatcher(config.report_include) if config.report_include else None
    omit = GlobMatcher(config.report_omit) if config.report_omit else None
    return lambda path: (include is None or include.match(path)) and (omit is None or not omit.match(path))
