#!/usr/bin/env python3

"""Print each instruction of a program with the one executed before it.

    transitions.py script.py args...
    transitions.py -m module args...

A line shows function:line, the offset of the instruction executed before, and
the offset, name and argument of this one.  '=>' leads to an exception handler.
Modules that the program imports are not shown.
"""

import dis
import functools
import os
import runpy
import signal
import sys


@functools.cache
def disassemble(code):
    names, start = {}, None
    for i in dis.get_instructions(code):
        # The offset of an instruction is that of its first EXTENDED_ARG.
        start = i.offset if start is None else start
        if i.opname != 'EXTENDED_ARG':
            names[start], start = f'{i.opname:27} {i.argrepr}'.rstrip(), None
    return names


raised = set()      # the frames in which an exception was raised


def trace(frame, event, arg):
    if frame.f_globals.get('__name__') != '__main__':
        return None
    if event == 'exception':
        raised.add(frame)
    elif event == 'return':
        raised.discard(frame)
    elif event in ('call', 'instruction'):
        code, offset = frame.f_code, frame.f_lasti
        where = f'{code.co_name}:{frame.f_lineno or "-"}'
        arrow = '=>' if frame in raised else '->'
        source = '' if arg is None else arg
        print(f'{where:24} {source:>5} {arrow} {offset:<5} '
              f'{disassemble(code)[offset]}')
        raised.discard(frame)
    return trace


if __name__ == '__main__':
    module = sys.argv[1:2] == ['-m']
    del sys.argv[:1 + module]
    if not sys.argv:
        sys.exit(__doc__.strip())
    if not module and not os.path.isfile(sys.argv[0]):
        sys.exit(f'transitions.py: no such file: {sys.argv[0]}')
    if not sys.flags.safe_path:     # as with "python -m module" or "python script.py"
        sys.path[0] = os.getcwd() if module else os.path.dirname(os.path.realpath(sys.argv[0]))
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)       # for "| head"
    sys.settracestate(trace, trace_lines=False, trace_instructions=True)
    try:
        if module:
            runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)
        else:
            runpy.run_path(sys.argv[0], run_name='__main__')
    finally:
        sys.settracestate(None)
