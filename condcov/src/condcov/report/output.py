"""Writes a report completely or not at all: readers see the old one or the new one."""

import contextlib
import os
import pathlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from typing import TextIO

from condcov.errors import CondcovError

# The file that marks a folder as a report of condcov, which may be replaced; it also makes git ignore the report.
MARK = '.gitignore'
MARK_TEXT = '# A report of condcov, which replaces this folder each time.\n*\n'


@contextlib.contextmanager
def new_file(path: str | os.PathLike[str]) -> Iterator[TextIO]:
    """Yield a text stream whose content becomes the file when the block ends without an error.

    "-" is standard output. What is not a regular file, such as a pipe, or is already open, such as /dev/stdout, is
    written to and not replaced. The encoding is UTF-8; undecodable bytes in file names are preserved. Raises
    CondcovError if the file cannot be written.
    """
    real = pathlib.Path(os.path.realpath(path))        # a symbolic link keeps pointing at the report
    temporary: str | None = None
    try:
        number = descriptor(os.fspath(path))
        if number is not None:          # what it leads to, even a file, may have content of other programs
            with open(os.dup(number), 'w', encoding='utf-8', errors='surrogateescape', newline='') as stream:
                yield stream
            return
        if real.exists() and not real.is_file():       # a named pipe or a terminal is not replaced
            if real.is_dir():
                raise IsADirectoryError(None, 'it is a folder')
            with open(real, 'w', encoding='utf-8', errors='surrogateescape', newline='') as stream:
                yield stream
            return
        _make_parent(real)
        handle, temporary = tempfile.mkstemp(prefix=f'.{real.name}.', dir=real.parent)
        with open(handle, 'w', encoding='utf-8', errors='surrogateescape', newline='') as stream:
            yield stream
        os.chmod(temporary, _mode(0o666))
        os.replace(temporary, real)
        temporary = None
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CondcovError(f'cannot write {path}: {error.strerror or error}') from error
    finally:
        if temporary is not None:
            os.unlink(temporary)


@contextlib.contextmanager
def new_folder(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
    """Yield the path of an empty folder, which replaces the named one when the block ends without an error.

    The old folder is replaced only if it is a condcov report or empty. Raises CondcovError if it is neither, or if the
    folder cannot be written.
    """
    real = pathlib.Path(os.path.realpath(path))
    temporary: pathlib.Path | None = None
    try:
        if real.exists() and not _ours(real):
            raise CondcovError(f'cannot write {path}: it is not a condcov report; remove it, or choose another folder')
        _make_parent(real)
        temporary = pathlib.Path(tempfile.mkdtemp(prefix=f'.{real.name}.', dir=real.parent))
        new, old = temporary / 'new', temporary / 'old'
        new.mkdir(mode=_mode(0o777))
        (new / MARK).write_text(MARK_TEXT, encoding='utf-8')
        yield new
        if real.exists():
            real.rename(old)
        try:
            new.rename(real)
        except OSError:
            if old.exists():
                old.rename(real)
            raise
    except OSError as error:
        raise CondcovError(f'cannot write {path}: {error.strerror or error}') from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def descriptor(path: str) -> int | None:
    """Return the file descriptor that a name stands for: '-', '/dev/stdout', '/dev/fd/3' and the like; or None."""
    known = {'-': 1, '/dev/stdout': 1, '/dev/stderr': 2}
    match = re.fullmatch(r'/(?:dev|proc/self)/fd/(\d+)', path)
    return int(match[1]) if match else known.get(path)


def _make_parent(path: pathlib.Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(None, f'{error.filename} is not a folder') from error


def _ours(folder: pathlib.Path) -> bool:
    """Whether a report may replace a folder."""
    if not folder.is_dir():
        return False
    names = os.listdir(folder)
    return not names or (MARK in names and (folder / MARK).read_text(encoding='utf-8', errors='replace') == MARK_TEXT)


def _mode(mode: int) -> int:
    """The permissions that open() and mkdir() would set; tempfile does not."""
    mask = os.umask(0)
    os.umask(mask)
    return mode & ~mask
