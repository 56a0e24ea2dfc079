"""Writes lines to a file: in batches, in order, never part of a line, and up to a limit."""

import errno
import os
import threading

from _ownmodules import __builtins__


class Descriptor:
    """A file descriptor, which this object owns and closes."""

    def __init__(self, fd, encoding='utf-8'):
        self._fd = fd
        self._encoding = encoding
        self._file = self._identity()
        self.interactive = os.isatty(fd)

    @classmethod
    def of_stream(cls, stream):
        """Duplicate the file of a standard stream, because the program may close or replace the stream."""
        return cls(os.dup(stream.fileno()), stream.encoding)

    @classmethod
    def of_path(cls, path):
        return cls(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o666))

    def _identity(self):
        status = os.fstat(self._fd)
        return status.st_dev, status.st_ino

    def width(self):
        """Return the width of the terminal, or None if this is not one or its width is not known."""
        try:
            return os.get_terminal_size(self._fd).columns or None
        except OSError:
            return None

    def colored(self):
        """Return whether 'auto' means color, by the convention of https://no-color.org."""
        return self.interactive and 'NO_COLOR' not in os.environ and os.environ.get('TERM') != 'dumb'

    def write(self, text):
        data = text.encode(self._encoding, 'backslashreplace')
        # A program may close all files and open others, as daemons do.  We must not write to those.
        if self._identity() != self._file:
            raise OSError(errno.EBADF, 'the program closed its file')
        while data:
            data = data[os.write(self._fd, data):]

    def close(self):
        try:
            if self._identity() == self._file:
                os.close(self._fd)
        except OSError:
            pass


class Stream:
    """A text stream of the caller, which is not closed."""

    def __init__(self, stream):
        self._stream = stream
        try:
            self.interactive = stream.isatty()
        except (AttributeError, ValueError):
            self.interactive = False

    colored = Descriptor.colored

    def width(self):
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or None
        except (AttributeError, OSError, ValueError):
            return None

    def write(self, text):
        self._stream.write(text)
        self._stream.flush()

    def close(self):
        pass


def _of_a_handler(error):
    """Return whether a signal handler raised the error while we were writing."""
    traceback = error.__traceback__
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback.tb_frame.f_globals is not globals()


class Output:
    """Buffers lines and writes them to a sink.

    The hot path of a tracer appends to `buffer` and calls flush() when it has `threshold` lines.  A chunk is small, to
    lose little if the process is killed, and is written by one write() call, to keep the lines of a forked child and
    its parent apart.
    """

    CHUNK = 64

    def __init__(self, sink, limit=None, at_once=False):
        self.buffer = []
        self.at_once = at_once or sink.interactive
        self.left = limit                   # how many lines may still be written, or None
        self.closed = False
        self.process = None                 # the process ID, in a forked child
        self.interrupt = None               # a function for the trace function to call after flush()
        self.in_child = None                # a function to call in a forked child
        self.error = None                   # why writing ended before the program did
        self._sink = sink
        # A signal handler of the program may fork, or stop the trace, in the middle of flush().
        self._lock = threading.RLock()
        self._set_threshold()
        _outputs.add(self)

    def _set_threshold(self):
        self.threshold = 1 if self.at_once else self.CHUNK
        if self.left is not None:
            self.threshold = min(self.threshold, max(self.left, 1))

    def flush(self):
        """Write the buffered lines.  Return False when no more lines are wanted."""
        with self._lock:
            buffer = self.buffer
            lines = buffer[:self.left]
            # Other threads may append in the meantime.
            del buffer[:len(lines)]
            if self.closed:
                buffer.clear()
                return False
            if self.left is not None:
                self.left -= len(lines)
            if lines:
                self._write(lines)
            if self.left == 0:
                self._end()
            self._set_threshold()
            return not self.closed

    def _write(self, lines):
        try:
            self._sink.write(''.join(lines))
        except Exception as error:
            if isinstance(self._sink, Descriptor) and _of_a_handler(error):
                raise                       # the program may expect it
            # The reader of the trace, such as head, may have stopped reading.  That is not an error.
            if not isinstance(error, BrokenPipeError):
                self.error = f'cannot write the trace: {getattr(error, "strerror", None) or error}'
            self._end()

    def _end(self):
        if not self.closed:
            self.closed = True
            self.buffer.clear()
            self._sink.close()
            _outputs.discard(self)

    def close(self):
        with self._lock:
            self.flush()
            self._end()

    def before_fork(self):
        self._lock.acquire()
        self.flush()

    def after_fork(self, in_child):
        if in_child:                        # children of multiprocessing end with os._exit(), without a last flush
            self.process = os.getpid()
            self.at_once = True
            self._set_threshold()
        self._lock.release()
        if in_child and self.in_child is not None:
            self.in_child()


_outputs = set()
_forking = []


def _before_fork():
    for output in list(_outputs):
        output.before_fork()
        _forking.append(output)


def _after_fork(in_child):
    while _forking:
        _forking.pop().after_fork(in_child)


os.register_at_fork(before=_before_fork, after_in_parent=lambda: _after_fork(False),
                    after_in_child=lambda: _after_fork(True))
