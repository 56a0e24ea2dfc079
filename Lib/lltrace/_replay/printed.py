"""What the program writes to sys.stdout and sys.stderr.

The streams stay the same objects, because programs compare, inspect and replace them.  Only their write() and flush()
methods are replaced, and write() of the underlying buffer, for what the program itself writes there.
"""

import sys
from _thread import get_ident

from _ownmodules import __builtins__


class _Tap:
    """Calls prints(number, text) for what is written to a text stream or to its buffer."""

    def __init__(self, stream, number, prints):
        self._number, self._prints = number, prints
        self._inside = set()                # the threads in a method of the text stream, which writes to its buffer
        self._replaced = []
        self._write, self._flush = stream.write, stream.flush
        self._replace(stream, 'write', self._write_text)
        self._replace(stream, 'flush', self._flush_text)
        try:
            self._buffer_write = stream.buffer.write
            self._replace(stream.buffer, 'write', self._write_bytes)
        except AttributeError:              # there is none
            pass

    def _replace(self, stream, name, method):
        setattr(stream, name, method)
        self._replaced.append((stream, name, method))

    def remove(self):
        for stream, name, method in self._replaced:
            if vars(stream).get(name) is method:
                delattr(stream, name)

    def _write_text(self, text):
        written = self._run(self._write, text)
        if type(text) is str:
            self._prints(self._number, text)
        return written

    def _flush_text(self):
        return self._run(self._flush)

    def _run(self, method, *args):
        thread = get_ident()
        if thread in self._inside:          # such as a signal handler
            return method(*args)
        self._inside.add(thread)
        try:
            return method(*args)
        finally:
            self._inside.discard(thread)

    def _write_bytes(self, data):
        written = self._buffer_write(data)
        if get_ident() not in self._inside:
            self._prints(self._number, bytes(data).decode('utf-8', 'replace'))
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
