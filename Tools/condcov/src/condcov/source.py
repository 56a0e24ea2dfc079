"""Reads source as it is now."""

import errno
import os

from coverage.misc import isolate_module
from coverage.python import get_zip_bytes

os = isolate_module(os)     # a program's tests may replace functions of os while it is recorded


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
