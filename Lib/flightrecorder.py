"""The last instructions of each thread, for when something has gone wrong.

    flightrecorder.start()
    try:
        ...
    except Exception as e:
        flightrecorder.dump(exception=e)

The recording itself, and what reads it, is in Modules/_flightrecordermodule.c.
"""

import _bytecodeview
import _flightrecorder
import opcode
import sys
from _flightrecorder import before, disable_crash_output, dump, is_running, last, start, stop, threads

__all__ = ['before', 'disable_crash_output', 'dump', 'enable_crash_output', 'is_running', 'last', 'start',
           'stop', 'threads']


def enable_crash_output(file=None, n=32):
    """Write the last n instructions of a thread that crashes to file, sys.stderr if None.

    file is an open file or a file descriptor.
    """
    if file is None:
        file = sys.stderr
        if file is None:
            raise RuntimeError('sys.stderr is None')
    fd = file
    if not isinstance(file, int):
        file.flush()
        fd = file.fileno()
    kinds = bytes(ord('n' if op in opcode.hasname else 'l' if op in opcode.haslocal + opcode.hasfree else ' ')
                  for op in range(256))
    _flightrecorder.enable_crash_output(file, fd, n, tuple(opcode.opname), kinds)


def _lines(entries):
    views = {}              # by id(): code objects of different files can be equal
    for code, offset in entries:
        view = views.get(id(code))
        if view is None:
            view = views[id(code)] = _bytecodeview.Code(code)
        index = view.index(offset)
        instruction = view.instructions[index]
        line = instruction.positions.lineno
        # Without the columns of dis: each line may be of another code object.
        text = ' '.join(view.format(index).split(maxsplit=2))
        yield (f'  File "{code.co_filename}", line {"?" if line is None else line}, '
               f'in {code.co_qualname}: {offset} {text}\n')


def _write(file, entries, ident, exception):
    """Called by dump() of _flightrecorder, and not recorded."""
    if file is None:
        file = sys.stderr
        if file is None:
            return
    ident = f'0x{ident:016x}'
    if not entries:
        file.write(f'No recorded instructions of thread {ident}\n')
        return
    what = '' if exception is None else f' before {type(exception).__name__}'
    file.write(f'Last {len(entries)} recorded instructions of thread {ident}{what} (most recent last):\n')
    file.writelines(_lines(entries))
