"""What the program writes to sys.stdout and sys.stderr.

The streams stay the same objects, because programs compare, inspect and replace them.  Only their write() methods are
replaced.  Text that a program writes to the underlying buffer is found there.
"""

import sys

from _ownmodules import __builtins__


class _Tap:
    """Calls prints(number, text) for what is written to a text stream or to its buffer."""

    def __init__(self, stream, number, prints):
        self._stream = stream
        self._buffer = getattr(stream, 'buffer', None)
        self._number, self._prints = number, prints
        self._pending = b''                 # what the text stream has yet to write to its buffer
        self._text_write = stream.write
        stream.write = self._write
        try:
            self._bytes_write = self._buffer.write
            self._buffer.write = self._write_bytes
        except AttributeError:              # there is none
            self._buffer = None

    def remove(self):
        for stream, ours in (self._stream, self._write), (self._buffer, self._write_bytes):
            if stream is not None and vars(stream).get('write') == ours:
                del stream.write

    def _write(self, text):
        if type(text) is str and self._buffer is not None:
            self._pending += text.encode(self._stream.encoding, 'replace')
        written = self._text_write(text)
        if type(text) is str:
            self._prints(self._number, text)
        return written

    def _write_bytes(self, data):
        written = self._bytes_write(data)
        found = bytes(data)
        if self._pending.startswith(found):
            self._pending = self._pending[len(found):]
        else:
            self._prints(self._number, found.decode('utf-8', 'replace'))
        return written


class Printed:
    """Calls prints(number, text) for what is written to standard output, number 1, and to standard error, number 2."""

    def __init__(self, prints):
        self._prints = prints
        self._taps = []

    def start(self):
        for number, stream in (1, sys.stdout), (2, sys.stderr):
            try:
                self._taps.append(_Tap(stream, number, self._prints))
            except AttributeError:          # it is closed, or not of the usual type
                pass

    def stop(self):
        while self._taps:
            self._taps.pop().remove()
