"""Puts a recording and the files of the page into one HTML file, which needs no network."""

import base64
import hashlib
import os
import re
from html import escape

from _ownmodules import __builtins__
from lltrace._files import put
from lltrace._replay.codes import failure, tables

try:
    import zlib
except ImportError:                         # then the recording is not compressed
    zlib = None

_FOLDER = os.path.join(os.path.dirname(__file__), 'page')
# main.js imports all other modules.  Each comes after those that it imports.
MODULES = ('recording', 'words', 'values', 'source', 'bytecode', 'stack', 'variables', 'calls', 'printed', 'flame',
           'moves', 'main')


def _read(name):
    with open(os.path.join(_FOLDER, name), encoding='utf-8') as file:
        return file.read()


def script():
    """Return the modules of the page as one: names are exported from each to all."""
    parts = []
    for name in MODULES:
        text = re.sub(r'^import [^;]*;\n', '', _read(f'{name}.js'), flags=re.M)
        parts.append(re.sub(r'^export ', '', text, flags=re.M))
    return '\n'.join(parts)


def _hash(text):
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def page(recorder, title, lost=None, error=None):
    """Return the page.

    lost    why the recording ended before the program, or None
    error   text, filename, line, column, end line and end column of the SyntaxError of the program, or None
    """
    codes, files = tables(recorder.recording.infos)
    failed = None
    if error is not None and not codes:
        failed, file = failure(error)
        files = [file]
    stored = recorder.recording.stored({
        'title': title, 'lost': lost, 'failed': failed,
        'limit': recorder.limit if recorder.limited else None, 'codes': codes, 'files': files})
    packed = 'deflate' if zlib is not None else 'none'
    if zlib is not None:
        stored = zlib.compress(stored, 6)
    code, style = f'\n{script()}', f'\n{_read("style.css")}'
    return _read('page.html').format(
        title=escape(title.encode('utf-8', 'backslashreplace').decode()), style=style, script=code,
        policy=f"default-src 'none'; script-src {_hash(code)}; style-src {_hash(style)}; base-uri 'none'; "
               "form-action 'none'",
        packed=packed, recording=base64.b64encode(stored).decode())


def write(recorder, title, lost, error, path):
    """Write the page.  Raises OSError."""
    put(path, page(recorder, title, lost, error))
