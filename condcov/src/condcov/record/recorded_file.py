"""Source as it is now: read, and parsed to be recorded."""

import errno
import hashlib
import os

from coverage.misc import isolate_module
from coverage.python import get_zip_bytes

from condcov.code import parsing
from condcov.record import plan_cache, planner

os = isolate_module(os)     # a program's tests may replace functions of os while it is recorded


class File:
    """A file of source that is recorded. Raises OSError if it cannot be read, CondcovError if it is no Python."""

    def __init__(self, path):
        self.path = path
        self.stamp = stamp(path)
        self._content = read(path)
        self.sha256 = sha256(self._content)
        self.plans = plan_cache.Plans(path, self.sha256)
        self._table = None
        if not self.plans:
            self._parse()           # find out now whether it is Python

    def _parse(self):
        self._table = parsing.table(self._content, self.path)
        self._content = None

    def plan(self, code):
        """The condcov.record.plan.Plan of one of its code objects."""
        plan = self.plans.get(code)
        if plan is None:
            if self._table is None:
                self._parse()
            plan = planner.plan(code, self._table)
            self.plans.add(code, plan)
        return plan


def sha256(content):
    """The checksum by which data knows the source that it belongs to."""
    return hashlib.sha256(content).hexdigest()


def stamp(path):
    """What tells whether a file is still the same, or None if there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def reason(error, path):
    """What is the matter with a file, in one line."""
    return getattr(error, 'strerror', None) or ' '.join(str(error).removeprefix(f'{path}: ').split())


def read(path):
    """The bytes of a file of source, which may be in an archive.  Raises OSError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except NotADirectoryError:
        content = get_zip_bytes(path)
        if content is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from None
        return content
    try:
        return b''.join(iter(lambda: os.read(descriptor, 1 << 20), b''))
    finally:
        os.close(descriptor)
