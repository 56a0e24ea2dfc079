"""Records the last instructions of each thread, to show them after an error.

    flightrecorder.start()
    try:
        ...
    except Exception as e:
        flightrecorder.dump(exception=e)

    python -m flightrecorder script.py [argument...]

Modules/_flightrecordermodule.c makes and reads the recordings.
"""

import sys

if __name__ == '__main__' and not sys.flags.safe_path:
    del sys.path[0]     # it is for this module; runner adds the program's folder, which must not shadow our imports

import _flightrecorder
import linecache
import opcode
import os
from _bytecodeview import Code, printable, type_name
from _ownmodules import __builtins__
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


def _source(path, line):
    try:
        linecache.checkcache(path)
        return linecache.getline(path, line).strip()
    except Exception:       # the program may have replaced builtins that linecache uses
        return ''


def _lines(entries):
    """Yield the lines of text for instructions, below their code object and source line where these change."""
    views = {}              # {id(code): Code}; code objects of different files can be equal
    named = {}              # {base name: path} of the files named so far; None for several
    last = last_line = None
    for code, offset in entries:
        if code is not last:
            path, name = code.co_filename, code.co_filename.rpartition(os.sep)[2]
            function = f'in {printable(code.co_qualname)}'
            if last is not None and path == last.co_filename:
                yield f'  {function}\n'
            elif named.get(name) == path:
                yield f'  {function} ({printable(name)})\n'
            else:
                yield f'  File "{printable(path)}", {function}\n'
                named[name] = None if name in named else path
            last, last_line = code, -1
        view = views.get(id(code))
        if view is None:
            view = views[id(code)] = Code(code)
        index = view.index(offset)
        line = view.instructions[index].positions.lineno
        if line != last_line:
            last_line = line
            source = _source(path, line) if line else ''
            yield f'    line {"?" if line is None else line}' + (f': {printable(source)}\n' if source else '\n')
        # Not in columns as in dis: the listing is narrow.
        yield f'{offset:>10} {" ".join(view.format(index).split(maxsplit=2))}\n'


def _write(file, entries, ident, exception):
    """Called by _flightrecorder.dump().  It is not recorded.  entries is None if the exception is not known."""
    if file is None:
        file = sys.stderr
        if file is None:
            return
    ident = f'0x{ident:016x}'
    before = '' if exception is None else f' before {type_name(exception)}'
    if entries:
        file.write(f'Last {len(entries)} recorded instructions of thread {ident}{before} (most recent last):\n')
        file.writelines(_lines(entries))
    elif entries is None:
        why = 'has no traceback'
        if exception.__traceback__ is not None:
            why = 'was raised while its thread was not recorded, or too long ago'
        file.write(f'No recorded instructions{before}: it {why}\n')
    else:
        file.write(f'No recorded instructions of thread {ident}{before}\n')


# --- The command line -------------------------------------------------------------

def _parse(arguments):
    import argparse
    from lltrace import runner
    parser = argparse.ArgumentParser(
        'python -m flightrecorder', allow_abbrev=False,
        usage='python -m flightrecorder [option]... (PROGRAM | -m MODULE | -) [argument]...',
        description='Run a program, and write its last instructions if an exception or a fatal signal ends it.')
    runner.add_arguments(parser)
    parser.add_argument('-n', type=int, default=32, metavar='N',
                        help='the number of instructions to write; the default is 32')
    parser.add_argument('-o', '--output', metavar='FILE', help='write to FILE instead of standard error')
    options = parser.parse_args(arguments)
    options.argv = runner.argv_of(parser, options)
    if not 1 <= options.n <= 1_048_576:
        parser.error(f'-n must be from 1 to 1048576, not {options.n}')
    if options.output is not None:
        try:
            options.file = open(options.output, 'w', encoding='utf-8', errors='backslashreplace')
        except OSError as error:
            parser.error(f'cannot write {options.output}: {error.strerror}')
    else:
        options.file = sys.stderr
    return options


def _main():
    """Run a program, and write the last instructions if it fails."""
    import threading
    options = _parse(sys.argv[1:])
    from lltrace import runner
    own = __file__, os.path.join(os.path.dirname(runner.__file__), '')
    failures = []

    def recorded(error):
        """Return the last instructions of the program before an exception, or None if they are not known."""
        try:
            entries = before(error)
        except LookupError:
            return None
        return [entry for entry in entries if not entry[0].co_filename.startswith(own)][-options.n:]

    def write(error, entries):
        # An exception of the compiler has no traceback.
        if options.file is not None and error.__traceback__ is not None:
            _write(options.file, entries, threading.get_ident(), error)
            options.file.flush()

    def failed_in_thread(args, report=threading.excepthook):
        if args.exc_value is None or args.exc_type is SystemExit:
            return report(args)
        entries = recorded(args.exc_value)      # before the report is recorded
        report(args)
        write(args.exc_value, entries)

    def begin(filename):
        threading.excepthook = failed_in_thread
        if options.file is not None:
            enable_crash_output(options.file, options.n)
        # Code that handles an exception is recorded too, until the exception leaves the program.
        start(max(options.n, 10_000))

    try:
        runner.run(options.argv, is_module=options.module is not None, start=begin,
                   failed=lambda error: failures.append((error, recorded(error))))
    finally:
        for failure in failures:
            write(*failure)


if __name__ == '__main__':
    from flightrecorder import _main            # of the module that dump() imports
    _main()
