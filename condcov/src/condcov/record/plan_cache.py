"""The plans that earlier runs made, kept beside the bytecode of the same file in __pycache__.

As for bytecode, sys.pycache_prefix and sys.dont_write_bytecode hold, and what cannot be written is not.
"""

import contextlib
import hashlib
import importlib.util
import marshal
import os
import sys

from coverage.misc import isolate_module

import condcov
from condcov.record.plan import Plan

os = isolate_module(os)     # a program's tests may replace functions while it is recorded
_blake2b, _dumps, _loads, _cache_from_source = (
    hashlib.blake2b, marshal.dumps, marshal.loads, importlib.util.cache_from_source)

SUFFIX = '.condcov'
MOST = 10_000               # plans of a file; a program that makes other code under its name in each run adds no more


class Plans:
    """The plans of a file of source, by the content of the code objects that they are for.

    new     whether there are some that are not kept yet
    """

    def __init__(self, path, sha256):
        try:
            self._file = _file(path)
            self._head = bytes.fromhex(sha256) + _maker()
        except (NotImplementedError, OSError):      # nothing is kept where Python keeps no bytecode, nor from an archive
            self._file = None
        self._plans = self._read()
        self.new = False

    def __len__(self):
        return len(self._plans)

    def get(self, code):
        """The Plan of a code object, or None."""
        facts = self._plans.get(_key(code))
        return None if facts is None else Plan(*facts)

    def add(self, code, plan):
        """Keep a plan, when save() is called."""
        if len(self._plans) < MOST:
            self._plans[_key(code)] = plan.facts
            self.new = True

    def save(self):
        """Write the new ones, with those that another process has written meanwhile."""
        self.new = False
        if self._file is None or sys.dont_write_bytecode:
            return
        content = self._head + _dumps(self._read() | self._plans)
        with contextlib.suppress(OSError):
            # Beside a source that was imported Python has made the folder; others may be gone, or are to be removed.
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

    def _read(self):
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
        except (EOFError, ValueError, TypeError):       # it was cut off
            return {}
        return plans if isinstance(plans, dict) else {}


def _file(path):
    """Where the plans of a file are: their name tells the Python and its level of optimization, as that of bytecode."""
    return os.path.abspath(_cache_from_source(path)).removesuffix('.pyc') + SUFFIX


def _key(code):
    """What a plan depends on, beside the source of the file."""
    digest = _blake2b(code.co_code, digest_size=16)
    for part in code.co_linetable, code.co_exceptiontable, b'%d' % code.co_firstlineno:
        digest.update(b'%d ' % len(part) + part)
    return digest.digest()


def _maker():
    """What tells this condcov, and this state of it, from another one that would make other plans."""
    global _made
    if _made is None:
        here = os.path.dirname(os.path.abspath(__file__))
        files = []
        for folder in here, os.path.join(os.path.dirname(here), 'code'):
            with os.scandir(folder) as entries:
                files += [(entry.name, entry.stat().st_mtime_ns, entry.stat().st_size) for entry in entries
                          if entry.name.endswith('.py')]
        files.sort()
        what = condcov.__version__, importlib.util.MAGIC_NUMBER, files
        _made = _blake2b(repr(what).encode(), digest_size=16).digest()
    return _made


_made = None
