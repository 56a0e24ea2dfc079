"""The names of files, as a person reads them, and writing a file completely or not at all."""

import os
import tempfile
from os import chmod, replace               # the program can replace those of the module

from _ownmodules import __builtins__

try:
    _FOLDER = os.path.join(os.getcwd(), '')
except OSError:                             # it was removed
    _FOLDER = ''


def shown(path):
    """Return the path, relative to the folder that was current at the start if the file is below it."""
    return path[len(_FOLDER):] if _FOLDER and path.startswith(_FOLDER) else path


def put(path, text):
    """Write a file.  If that fails, an existing file is unchanged."""
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, 'w', encoding='utf-8') as file:     # such as /dev/stdout
            file.write(text)
        return
    handle, temporary = tempfile.mkstemp(dir=folder, prefix='.lltrace-')
    try:
        with open(handle, 'w', encoding='utf-8') as file:
            file.write(text)
        mask = os.umask(0)
        os.umask(mask)
        chmod(temporary, 0o666 & ~mask)
        replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
