"""Formats counts as text: the disassembly of each function, with its source and the count of each instruction."""

import io
import sys
import tokenize
import types
import zipimport

from _bytecodeview import instructions, printable
from _ownmodules import __builtins__, load
from lltrace import runner
from lltrace._code import argument
from lltrace._files import shown

_linecache = load('linecache')
_source_in_zip = zipimport.zipimporter.get_source
_namespace_of = types.ModuleType.__dict__['__dict__'].__get__


def source_of(filename, module=None):
    """Return the lines of a file that code comes from; none if it cannot be read.

    module is the name of its module, which is needed if it was imported from an archive.
    """
    _linecache.checkcache(filename)
    lines = _linecache.getlines(filename)
    if not lines and filename == '<stdin>' and runner.StandardInput.source is not None:
        lines = _decoded(runner.StandardInput.source)
    if not lines and module is not None:
        lines = _in_archive(filename, module)
    return [line.rstrip('\r\n') for line in lines]


def _in_archive(filename, name):
    """Return the lines of a module in a zip archive."""
    module = sys.modules.get(name)
    if issubclass(type(module), types.ModuleType):
        loader = _namespace_of(module).get('__loader__')
        if type(loader) is zipimport.zipimporter and filename.startswith(loader.archive):
            try:
                return (_source_in_zip(loader, name) or '').splitlines()
            except Exception:               # the archive has changed
                pass
    return []


def _decoded(source):
    """Return the lines of the bytes of a script."""
    try:
        return io.TextIOWrapper(io.BytesIO(source), tokenize.detect_encoding(io.BytesIO(source).readline)[0],
                                errors='replace').readlines()
    except (SyntaxError, LookupError):      # of its encoding
        return source.decode('utf-8', 'replace').splitlines()


def plural(number, noun):
    return f'{number:,} {noun}{"" if number == 1 else "s"}'


def text(counts):
    parts = []
    filename = lines = None
    for found in counts.codes:
        code = found.code
        if code.co_filename != filename:
            filename, lines = code.co_filename, source_of(code.co_filename, found.module)
            parts.append(f'==== {printable(shown(filename))}\n\n')
        parts.append(_function(found, lines))
    never = counts.never_called()
    if never:
        parts.append('never called\n------------\n\n')
        parts += [printable(f'  {shown(code.co_filename)}:{code.co_firstlineno}  {code.co_qualname}') + '\n'
                  for code in sorted(never, key=lambda code: (code.co_filename, code.co_firstlineno))]
    return ''.join(parts)


def _function(found, lines):
    executed = found.instructions
    code = found.code
    title = printable(f'{code.co_qualname}, line {code.co_firstlineno}: '
                      f'{plural(sum(executed.values()), "instruction")}')
    parts = [f'{title}\n{"-" * len(title)}\n']
    last = None
    for offset, instruction in instructions(code).items():
        line = instruction.positions.lineno
        if line != last and line:
            source = lines[line - 1] if line <= len(lines) else ''
            parts.append(f'{line:>6}  {source}\n' if source else f'{line:>6}\n')
            last = line
        count = f'{executed[offset]:,}' if offset in executed else '-'
        target = '>>' if instruction.is_jump_target else '  '
        parts.append(f'{count:>16}  {target} {offset:>5} {instruction.opname:<26} {argument(instruction)}'.rstrip()
                     + '\n')
    return ''.join(parts) + '\n'
