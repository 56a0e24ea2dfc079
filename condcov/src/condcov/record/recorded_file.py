"""A source file that is recorded, and the plans of its code objects."""

from __future__ import annotations

import sys
from types import CodeType, ModuleType

from condcov import late
from condcov.code import source_text
from condcov.isolated import os
from condcov.record import plan_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from condcov.code import parsing
    from condcov.record.plan import Plan


class RecordedFile:
    """A source file. Raises OSError if it cannot be read, CondcovError if it is found not to be valid Python."""

    def __init__(self, path: str, name: str) -> None:
        """Read the file with this path; `name` is the filename of its code objects."""
        self.path = path
        self.stamp = stamp(path)
        self._content = source_text.read(path)
        self.sha256 = source_text.sha256(self._content)
        self.plans = plan_cache.Plans(path, self.sha256, self._content.count(b'\n'))
        self._tables: parsing.Tables | None = None
        if not self.plans and not _is_imported(name):
            self._parse().of_file()         # it may not be Python, but a template from which the code was made

    def _parse(self) -> parsing.Tables:
        if self._tables is None:
            self._tables = late.module('condcov.code.parsing').Tables(self._content, self.path)
            self._content = b''
        return self._tables

    def plan(self, code: CodeType) -> Plan:
        """Return the plan of one of the file's code objects."""
        return self.plans.of(code, lambda code: late.module('condcov.record.planner').plan(code, self._parse()))


def _is_imported(name: str) -> bool:
    """Whether there is a module with this file. Usually, its import has just begun."""
    # Without asking objects for attributes: a lazy module would import itself.
    return any(issubclass(type(module), ModuleType) and _attributes(module, '__dict__').get('__file__') == name
               for module in reversed(list(sys.modules.values())))


_attributes = object.__getattribute__


def import_planner() -> None:
    """Import now what makes plans: while the program imports a module of the library, it could not be imported."""
    late.module('condcov.code.parsing')
    late.module('condcov.record.planner')


def stamp(path: str) -> tuple[int, int, int] | None:
    """Return what changes when the file changes, or None if it does not exist."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def reason(error: Exception, path: str) -> str:
    """Return what is wrong with a file, on one line."""
    return getattr(error, 'strerror', None) or ' '.join(str(error).replace(f' {path}', '', 1).split())
