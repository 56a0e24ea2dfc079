"""Records the last instructions of each thread, to show them after an error.

    flightrecorder.start()
    try:
        ...
    except Exception as e:
        flightrecorder.dump(exception=e)

Modules/_flightrecordermodule.c makes and reads the recordings.
"""

import _bytecodeview
import _flightrecorder
import opcode
import sys
from _flightrecorder import before, disable_crash_output, dump, is_running, last, start, stop, threads

__all__ = ['before', 'disable_crash_output', 'dump', 'enable_crash_output', 'is_running', 'last', 'start',
           'stop', 'threads']


def enable_crash_output(file=None, n=32):
    """If a thread crashes, write its last n instructions to file.

    file is an open file, a file descriptor, or None for sys.stderr.
    """
    if file is None:
        file = sys.stderr
        if file is None:
            raise RuntimeError('sys.stderr is None')
    fd = file
    if not isinstance(file, int):
        file.flush()
        fd = file.fileno()
    if fd < 0:
        raise ValueError(f'{fd} is not a file descriptor')
    kinds = bytes(ord('n' if op in opcode.hasname else 'l' if op in opcode.haslocal + opcode.hasfree else ' ')
                  for op in range(256))
    _flightrecorder.enable_crash_output(file, fd, n, tuple(opcode.opname), kinds)


def _lines(entries):
    views = {}              # {id(code): Code}; code objects of different files can be equal
    for code, offset in entries:
        view = views.get(id(code))
        if view is None:
            view = views[id(code)] = _bytecodeview.Code(code)
        index = view.index(offset)
        instruction = view.instructions[index]
        line = instruction.positions.lineno
        # Not in columns as in dis: each line may come from another code object.
        text = ' '.join(view.format(index).split(maxsplit=2))
        yield (f'  File "{code.co_filename}", line {"?" if line is None else line}, '
               f'in {code.co_qualname}: {offset} {text}\n')


def _write(file, entries, ident, exception):
    """Called by _flightrecorder.dump().  It is not recorded."""
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
