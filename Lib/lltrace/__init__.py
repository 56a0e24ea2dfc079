"""Show what the interpreter does, instruction by instruction.

    python -m lltrace [options] script.py [argument...]
    python -m lltrace [options] -m module [argument...]

prints a line for each instruction that the program executes.  From a program:

    with lltrace.trace():
        ...

    with lltrace.count() as counts:
        ...
    counts.print()
"""

import io
import os
import sys

# With -m the program's folder is already on sys.path, and may contain a random.py.
_folder = sys.path.pop(0) if sys.argv[:1] == ['-m'] and not sys.flags.safe_path else None
try:
    from _ownmodules import __builtins__
    from lltrace import _output, _select
    from lltrace._counts import Counts
    from lltrace._lines import Json, Text
    from lltrace._select import opcodes_named
    from lltrace._trace import Trace
finally:
    if _folder is not None:
        sys.path.insert(0, _folder)

__all__ = ['trace', 'count', 'Trace', 'Counts']


def trace(file=None, *, stack=False, source=False, branches=False, opcodes=None, only=(), include=(), exclude=(),
          limit=None, color='auto', jsonl=False):
    """Return a Trace, a context manager with the methods start() and stop().  It is not started yet.

    file        where to write lines: a text stream, a path, or None for sys.stderr
    stack       whether to show the value stack
    source      whether to show each source line above its instructions
    branches    whether to show only entries into basic blocks
    opcodes     the names of the instructions to show, which may be globs; None for all
    only, include, exclude      lists of patterns that select code; see the documentation
    limit       the maximum number of lines to write, or None
    color       'auto' for color on a terminal, 'always' or 'never'
    jsonl       whether to write each line as a JSON object

    Raises TypeError or ValueError for an invalid argument, and OSError for a path that cannot be written.
    """
    if isinstance(opcodes, str):
        raise TypeError('opcodes must be a list of names, not a str')
    if color not in ('auto', 'always', 'never'):
        raise ValueError(f"color must be 'auto', 'always' or 'never', not {color!r}")
    if limit is not None:
        if not isinstance(limit, int):
            raise TypeError(f'limit must be an int, not {type(limit).__name__}')
        if limit < 1:
            raise ValueError(f'limit must be at least 1, not {limit}')
    if branches and opcodes is not None:
        raise ValueError('branches and opcodes cannot be combined')
    if source and jsonl:
        raise ValueError('source and jsonl cannot be combined')
    numbers = None if opcodes is None else opcodes_named(opcodes)
    selection = _select.Selection(only, include, exclude)
    if file is None:
        file = sys.stderr
    if isinstance(file, (str, bytes, os.PathLike)):
        sink = _output.Descriptor.of_path(file)
    elif isinstance(file, (io.RawIOBase, io.BufferedIOBase)) or not hasattr(file, 'write'):
        raise TypeError(f'file must be a text stream or a path, not {type(file).__name__}')
    else:
        sink = _output.Stream(file)
    return make_trace(sink, selection, stack=stack, source=source, branches=branches, opcodes=numbers, limit=limit,
                      color=color, jsonl=jsonl)


def make_trace(sink, selection, *, stack, source, branches, opcodes, limit, color, jsonl, at_once=False):
    """Return a Trace that writes to a sink of _output."""
    colored = color == 'always' or color == 'auto' and sink.colored()
    lines = Json() if jsonl else Text(colored, sink.width(), stack, source)
    return Trace(_output.Output(sink, limit, at_once), lines, selection, stack=stack, branches=branches,
                 opcodes=opcodes)


def count(*, only=(), include=(), exclude=()):
    """Return a Counts, a context manager with the methods start() and stop().  It is not started yet.

    It counts executed instructions and edges between basic blocks.  The patterns have the same meaning as in trace().
    """
    return Counts(_select.Selection(only, include, exclude))
