"""Writing a file that is made at the end: all of it, or nothing."""

import os
import tempfile


def put(path, text):
    """Write a file, or leave what was there."""
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
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
