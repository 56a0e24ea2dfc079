"""Writes reports so that a reader finds the old one or the new one, and never a half of one."""

import contextlib
import os
import pathlib
import shutil
import tempfile

from condcov.errors import CondcovError

# The file that says that a folder is a report of ours, which may be replaced; it keeps the report out of git as well.
MARK = '.gitignore'
MARK_TEXT = '# A report of condcov, which replaces this folder each time.\n*\n'


@contextlib.contextmanager
def new_file(path):
    """A text stream whose content becomes the file when the block ends without an error.

    It is UTF-8, in which bytes of file names that are none survive. Raises CondcovError where the file cannot be
    written.
    """
    path = pathlib.Path(path)
    real = pathlib.Path(os.path.realpath(path))        # a symbolic link goes on pointing at the report
    temporary = None
    try:
        if real.exists() and not real.is_file():       # a pipe or a terminal, such as /dev/stdout, is not replaced
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
    except OSError as error:
        raise CondcovError(f'cannot write {path}: {error.strerror or error}') from error
    finally:
        if temporary is not None:
            os.unlink(temporary)


@contextlib.contextmanager
def new_folder(path):
    """The path of an empty folder, which takes the place of the named one when the block ends without an error.

    What is there is replaced only if it is a report of ours or empty. Raises CondcovError if it is not, and where the
    folder cannot be written.
    """
    path = pathlib.Path(path)
    real = pathlib.Path(os.path.realpath(path))
    temporary = None
    try:
        if real.exists() and not _ours(real):
            raise CondcovError(f'cannot write {path}: it is no report of condcov; remove it, or name another folder')
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


def _make_parent(path):
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(None, f'{error.filename} is not a folder') from error


def _ours(folder):
    """Whether a folder may be replaced by a report."""
    if not folder.is_dir():
        return False
    names = os.listdir(folder)
    return not names or (MARK in names and (folder / MARK).read_text(encoding='utf-8', errors='replace') == MARK_TEXT)


def _mode(mode):
    """A permission as open() and mkdir() would give it, which tempfile does not."""
    mask = os.umask(0)
    os.umask(mask)
    return mode & ~mask
