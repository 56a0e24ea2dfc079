"""Run a program in this process as python does: with its __main__, sys.argv, sys.path, errors and exit status."""

import importlib.machinery
import importlib.util
import io
import marshal
import os
import sys
import types

try:
    from _ownmodules import __builtins__
except ImportError:     # condcov also runs programs on stock CPython
    pass

__all__ = ['run']

_FOLDER = os.path.dirname(os.path.abspath(__file__))
# The files of this package, and those beside it that its trace functions call.
_OURS = os.path.join(_FOLDER, ''), *(os.path.join(os.path.dirname(_FOLDER), name)
                                     for name in ('_bytecodeview.py', '_ownmodules.py'))

# The modules that the interpreter starts with, and this one.
_KEPT = frozenset(('_collections_abc', '_sitebuiltins', 'abc', 'codecs', 'encodings', 'genericpath', 'io', 'lltrace',
                   'ntpath', 'os', 'posixpath', 'site', 'stat'))


_NAME_CHARACTERS = b'-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz'     # of an encoding


def _main_module():
    """Return a new __main__ module like the one that python creates."""
    main = types.ModuleType('__main__')
    main.__loader__ = importlib.machinery.BuiltinImporter
    if sys.version_info < (3, 14):      # later versions make it on demand
        main.__annotations__ = {}
    main.__builtins__ = sys.modules['builtins']
    return main


def _current_folder():
    """Return the current folder, or '' if it no longer exists, as python does."""
    try:
        return os.getcwd()
    except OSError:
        return ''


def _set_path(first):
    if not sys.flags.safe_path:
        sys.path.insert(0, first)
        _forget_shadowed(first)


def _forget_shadowed(folder):
    """Forget standard modules that we imported if the program has modules of the same names."""
    for name in sys.stdlib_module_names.intersection(sys.modules).difference(sys.builtin_module_names, _KEPT):
        own = importlib.machinery.PathFinder.find_spec(name, [folder])
        if own is not None and own.loader is not None:
            for loaded in [key for key in sys.modules if key == name or key.startswith(f'{name}.')]:
                del sys.modules[loaded]


def _is_utf8(source):
    try:
        source.decode()
    except UnicodeDecodeError:
        return False
    return True


def _encoding(line):
    """Return the encoding that a line declares, as PEP 263 describes it, or None."""
    comment = line.lstrip(b' \t\f')
    if not comment.startswith(b'#'):
        return None
    for start in range(len(comment)):
        if comment.startswith((b'coding:', b'coding='), start):
            rest = comment[start + 7:].lstrip(b' \t')
            name = rest[:len(rest) - len(rest.lstrip(_NAME_CHARACTERS))]
            if name:
                return name
    return None


def _compile(source, filename):
    """Compile the bytes of a script, and report encoding errors as the tokenizer does for a file."""
    lines = source.splitlines()
    cookie = next(filter(None, map(_encoding, lines[:2])), None)
    if not source.startswith(b'\xef\xbb\xbf') and cookie is None and not _is_utf8(source):
        for number, line in enumerate(lines, 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                raise SyntaxError(f"Non-UTF-8 code starting with '\\x{line[error.start]:02x}' in file {filename} on "
                                  f'line {number}, but no encoding declared; see https://peps.python.org/pep-0263/ '
                                  'for details') from None
    try:
        return compile(source, filename, 'exec', dont_inherit=True)
    except SyntaxError as error:
        if error.msg.startswith(('unknown encoding: ', 'encoding problem: ')):
            raise SyntaxError(error.msg.replace('unknown encoding', 'encoding problem')) from None
        if error.lineno == 0 and cookie is not None:
            raise SyntaxError(f'encoding problem: {cookie.decode()}') from None
        raise


class Program:
    """A program to run.  filename is the file of its __main__, or None if it is not yet known."""

    filename = None

    def compile(self, main):
        """Return the code to run, and set the attributes of main, the module to run it in."""

    def run(self, code, main):
        exec(code, main.__dict__)


class Script(Program):
    """A file of source or bytecode."""

    def __init__(self, path):
        self.filename = os.path.join(_current_folder(), path)
        try:
            with io.open_code(self.filename) as file:
                if os.path.isdir(self.filename):
                    raise IsADirectoryError
                self._content = file.read()
        except OSError as error:
            print(f"{sys.orig_argv[0]}: can't open file {self.filename!r}: [Errno {error.errno}] {error.strerror}",
                  file=sys.stderr)
            sys.exit(2)
        _set_path(os.path.dirname(os.path.realpath(path)))

    def compile(self, main):
        main.__file__ = self.filename
        main.__cached__ = None
        if self._content.startswith(importlib.util.MAGIC_NUMBER[:2]) or self.filename.endswith('.pyc'):
            main.__loader__ = importlib.machinery.SourcelessFileLoader('__main__', self.filename)
            if not self._content.startswith(importlib.util.MAGIC_NUMBER):
                raise RuntimeError('Bad magic number in .pyc file')
            return marshal.loads(self._content[16:])
        main.__loader__ = importlib.machinery.SourceFileLoader('__main__', self.filename)
        return _compile(self._content, self.filename)


class StandardInput(Program):
    """Source on standard input, all of it."""

    def __init__(self):
        _set_path('')

    source = None                           # bytes, for those who show it

    def compile(self, main):
        main.__file__ = '<stdin>'
        main.__cached__ = None
        StandardInput.source = sys.stdin.buffer.read()
        return _compile(self.source, '<stdin>')


class Module(Program):
    """A module found on sys.path, or the __main__ of a folder or archive."""

    def __init__(self, name, container=None):
        self._name = name
        self._container = container
        if container is not None:
            sys.path.insert(0, container)
            _forget_shadowed(container)
        else:
            _set_path(_current_folder())

    def run(self, code, main):
        import runpy
        runpy._run_module_as_main(self._name, self._container is None)


def _has_importer(path):
    """Return whether modules can be imported from a path, as pkgutil.get_importer() does, which is slow to import."""
    for hook in sys.path_hooks:
        try:
            hook(path)
        except ImportError:
            continue
        return True
    return False


def _program(name, is_module):
    """Return the program that python would run for this argument."""
    if is_module:
        return Module(name)
    if name == '-':
        return StandardInput()
    if _has_importer(name):
        return Module('__main__', os.path.join(_current_folder(), name))
    return Script(name)


def without_our_frames(traceback):
    """Return the traceback without the frames of this package."""
    kept = []
    while traceback is not None:
        if not traceback.tb_frame.f_code.co_filename.startswith(_OURS):
            kept.append(traceback)
        elif len(kept) > 1 and kept[-1].tb_frame is kept[-2].tb_frame:
            del kept[-1]                    # a second entry for the frame, from its trace function
        traceback = traceback.tb_next
    for outer, inner in zip(kept, [*kept[1:], None]):
        outer.tb_next = inner
    return kept[0] if kept else None


def without_our_context(error):
    """Remove, in place, the exceptions that a trace function raised and caught while this one was raised."""
    while error.__context__ is not None:
        context = error.__context__
        traceback = context.__traceback__
        if traceback is None or not traceback.tb_frame.f_code.co_filename.startswith(_OURS):
            break
        error.__context__ = context.__context__


def add_arguments(parser):
    """Add the arguments that name the program to an argparse parser."""
    import argparse  # here, because a tool that only runs a program need not import it
    parser.add_argument('-m', dest='module', nargs=argparse.REMAINDER, metavar='MODULE',
                        help='run a module, with all the arguments after its name')
    parser.add_argument('program', nargs=argparse.REMAINDER, help=argparse.SUPPRESS)


def argv_of(parser, options):
    """Return the argv for run().  If the options name no program, end with an error message."""
    if options.module is not None:
        if not options.module:
            parser.error('-m needs the name of a module')
        return options.module
    argv = options.program[1:] if options.program[:1] == ['--'] else options.program
    if not argv:
        parser.error('a program is needed: a file, -m MODULE, or - for standard input')
    return argv


def run(argv, *, is_module=False, start=None, failed=None):
    """Run a program; argv is a list of what would follow `python` on the command line, or `python -m` with is_module.

    start is called just before the program runs, with the file of its __main__, or None if that is not yet known.
    failed is called with an uncaught exception other than SystemExit, before it is reported.

    The program's folder is inserted at the start of sys.path.  The caller must have removed an entry for itself.
    Raises SystemExit if the exit status is not 0; returns if the interpreter will end by SIGINT.
    """
    program = _program(argv[0], is_module)
    main = _main_module()
    code = not_compiled = None
    try:
        code = program.compile(main)
    except BaseException as error:
        not_compiled = error
    if start is not None:
        start(program.filename)
    sys.argv[:] = ['-m', *argv[1:]] if is_module else argv
    sys.modules['__main__'] = main
    try:
        if not_compiled is not None:
            raise not_compiled
        program.run(code, main)
    except SystemExit:
        raise
    except BaseException as error:
        if failed is not None:
            failed(error)
        error.__traceback__ = without_our_frames(error.__traceback__)
        without_our_context(error)
        report(error)
        if isinstance(error, KeyboardInterrupt):
            end_with_sigint()
        else:
            sys.exit(1)


def report(error):
    """Report an uncaught exception, as the interpreter does."""
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, error.__traceback__
    try:
        hook = sys.excepthook
    except AttributeError:
        print('sys.excepthook is missing', file=sys.stderr)
        hook = sys.__excepthook__
    try:
        hook(type(error), error, error.__traceback__)
    except SystemExit:
        raise
    except BaseException as another:
        another.__traceback__ = without_our_frames(another.__traceback__)
        another.__context__ = None
        print('Error in sys.excepthook:', file=sys.stderr)
        sys.__excepthook__(type(another), another, another.__traceback__)
        print('\nOriginal exception was:', file=sys.stderr)
        sys.__excepthook__(type(error), error, error.__traceback__)


def end_with_sigint():
    """Make the interpreter end this process by SIGINT after its cleanup.

    It does so if code compiled from a string and run at the top level ended with KeyboardInterrupt. CPython 3.14 does
    not, so there the exit status is the one that a shell shows for SIGINT.
    """
    if sys.version_info >= (3, 14):
        sys.exit(130)
    try:
        exec('raise KeyboardInterrupt')
    except KeyboardInterrupt:
        pass
