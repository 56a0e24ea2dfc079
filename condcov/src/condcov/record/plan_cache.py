"""The plans of earlier runs, cached next to the bytecode of the same file in __pycache__.

As for bytecode, sys.pycache_prefix and sys.dont_write_bytecode are honoured, and write errors are ignored.
"""

import contextlib
import importlib.util
import marshal
import sys
from collections.abc import Callable
from types import CodeType

import condcov
from condcov.digests import blake2b
from condcov.isolated import os
from condcov.record.plan import Plan

_dumps, _loads, _cache_from_source = marshal.dumps, marshal.loads, importlib.util.cache_from_source

SUFFIX = '.condcov'
# How many plans a file has at most, more than it has lines: a program may compile different code under one name in each
# run.
MOST = 10_000


class Plans:
    """The plans of a source file with this number of lines, by the content of their code objects.

    new     whether some are not written yet
    """

    def __init__(self, path: str, sha256: str, lines: int) -> None:
        self._most = MOST + lines
        try:
            self._file: str | None = _file(path)
            self._head = bytes.fromhex(sha256) + _maker()
        except (NotImplementedError, OSError):      # as for bytecode; and for an archive
            self._file = None
        self._plans = self._read()
        self.new = False

    def __len__(self) -> int:
        return len(self._plans)

    def of(self, code: CodeType, make: Callable[[CodeType], Plan]) -> Plan:
        """Return the plan of a code object; if there is none, make(code) makes it, and save() will write it."""
        key = _key(code)
        if key in self._plans:
            return Plan(*self._plans[key])
        plan = make(code)
        if len(self._plans) < self._most:
            self._plans[key] = plan.facts
            self.new = True
        return plan

    def save(self) -> None:
        """Write the new plans, with those that another process has written in the meantime."""
        self.new = False
        if self._file is None or sys.dont_write_bytecode:
            return
        content = self._head + _dumps(self._read() | self._plans)
        with contextlib.suppress(OSError):
            # Python has made the folder if it imported the source; other folders should not be made.
            if sys.pycache_prefix is not None:
                os.makedirs(os.path.dirname(self._file), exist_ok=True)
            temporary = f'{self._file}.{os.getpid()}'
            try:
                descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
                try:
                    if os.write(descriptor, content) != len(content):
                        raise OSError
                finally:
                    os.close(descriptor)
                os.replace(temporary, self._file)
            except OSError:
                os.unlink(temporary)

    def _read(self) -> dict[bytes, tuple]:
        if self._file is None:
            return {}
        try:
            descriptor = os.open(self._file, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return {}
        try:
            content = os.read(descriptor, os.fstat(descriptor).st_size)
        except OSError:
            return {}
        finally:
            os.close(descriptor)
        if not content.startswith(self._head):
            return {}
        try:
            plans = _loads(memoryview(content)[len(self._head):])
        except (EOFError, ValueError, TypeError):       # it is truncated
            return {}
        return plans if isinstance(plans, dict) else {}


def _file(path: str) -> str:
    """The file of a source file's plans; like that of bytecode, its name includes Python's version and optimization."""
    return os.path.abspath(_cache_from_source(path)).removesuffix('.pyc') + SUFFIX


def _key(code: CodeType) -> bytes:
    """What a plan depends on, other than the source of the file."""
    digest = blake2b(code.co_code, digest_size=16)
    for part in code.co_linetable, code.co_exceptiontable, b'%d' % code.co_firstlineno:
        digest.update(b'%d ' % len(part) + part)
    return digest.digest()


def _maker() -> bytes:
    """A digest that changes with the version and the source of condcov, because the plans may change too."""
    global _made
    if _made is None:
        here = os.path.dirname(os.path.abspath(__file__))
        files = []
        for folder in here, os.path.dirname(here), os.path.join(os.path.dirname(here), 'code'):
            with os.scandir(folder) as entries:
                files += [(entry.name, entry.stat().st_mtime_ns, entry.stat().st_size) for entry in entries
                          if entry.name.endswith('.py')]
        files.sort()
        what = condcov.__version__, importlib.util.MAGIC_NUMBER, files
        _made = blake2b(repr(what).encode(), digest_size=16).digest()
    return _made


_made: bytes | None = None
