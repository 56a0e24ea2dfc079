"""What the page needs to know about the code that ran: its instructions, and its source."""

import ast
import dis
import re

from _bytecodeview import cut, taken
from _ownmodules import __builtins__
from lltrace._code import argument, short_name
from lltrace._files import shown
from lltrace._report import source_of

CO_OPTIMIZED = 0x1
_GENERATORS = 0x20 | 0x80 | 0x200
_JUMPS = frozenset(dis.hasjrel + dis.hasjabs)


def variables_of(code):
    """Return the names of the variables in frame.f_localvalues."""
    names = code.co_varnames
    return names + tuple(name for name in code.co_cellvars if name not in names) + code.co_freevars


def tables(infos):
    """Return the lists of code objects and files, ready for JSON."""
    files, found = {}, []
    for info in infos:
        code = info.code
        if code.co_filename not in files:
            files[code.co_filename] = len(files), source_of(code.co_filename, info.module)
        number, lines = files[code.co_filename]
        found.append({
            'name': short_name(code), 'module': info.module, 'file': number, 'line': code.co_firstlineno,
            'variables': variables_of(code), 'cells': code.co_cellvars, 'free': code.co_freevars,
            'size': 1 + len(variables_of(code)) + code.co_stacksize, 'suspends': bool(code.co_flags & _GENERATORS),
            'kind': _kind(code), 'instructions': _instructions(info, lines)})
    return found, [{'name': shown(name), 'lines': lines, 'elses': _elses(lines)} for name, (_, lines) in files.items()]


def _elses(lines):
    """Return the first line in the else clause of each try statement."""
    try:
        tree = ast.parse('\n'.join(lines))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    first = [node.orelse[0] for node in ast.walk(tree) if isinstance(node, (ast.Try, ast.TryStar)) and node.orelse]
    return [min(one.lineno for one in [node, *getattr(node, 'decorator_list', ())]) for node in first]


def failure(error):
    """Return what the page shows of a SyntaxError, and its file.  error is its text, filename, line, and so on."""
    text, filename, line, column, end_line, end_column = error
    lines = source_of(filename)
    line = min(max(line or 1, 1), max(len(lines), 1))
    end_line = min(end_line, len(lines)) if end_line and end_line > line else line
    # The compiler counts bytes, or characters if the source names its encoding.
    in_bytes = not re.search('coding[:=]', ''.join(lines[:2]))

    def units(line, column):
        return _units(lines, line, column if in_bytes else len(lines[line - 1][:column].encode()))

    place = {'line': line, 'endLine': end_line, 'column': None}
    if lines and column and column > 0:
        ends = end_column and (end_line, end_column) > (line, column)
        place |= {'column': units(line, column - 1), 'endColumn': units(end_line, end_column - 1 if ends else column)}
    return {'text': text, 'file': 0} | place, {'name': shown(filename), 'lines': lines, 'elses': []}


def _kind(code):
    if code.co_name == '<module>':
        return 'module'
    if not code.co_flags & CO_OPTIMIZED:
        return 'class'
    return {0x20: 'generator', 0x80: 'coroutine', 0x200: 'async generator'}.get(code.co_flags & _GENERATORS, 'function')


def _instructions(info, lines):
    """Return [offset, name, argument, values taken, target of a jump, handler, line, column, end line, end column]."""
    handler_at = {}
    for entry in dis._parse_exception_table(info.code):
        for offset in range(entry.start, entry.end, 2):
            handler_at[offset] = entry.target
    found = []
    for offset, instruction in info.instructions.items():
        line, end_line, column, end_column = instruction.positions
        # PRECALL leaves the values of the CALL that follows where they are.
        takes = 0 if instruction.opname == 'PRECALL' else taken(instruction)
        text = argument(instruction)
        if instruction.opname == 'KW_NAMES':            # dis shows only the index
            text = cut(repr(info.code.co_consts[instruction.arg]), 60)
        found.append([offset, instruction.opname, text, takes,
                      instruction.argval if instruction.opcode in _JUMPS else None, handler_at.get(offset),
                      line, _units(lines, line, column), end_line, _units(lines, end_line, end_column)])
    return found


def _units(lines, line, column):
    """Convert a column in bytes of UTF-8 to one in units of UTF-16, which JavaScript counts."""
    if line is None or column is None or not 0 < line <= len(lines):
        return column
    text = lines[line - 1]
    if text.isascii():
        return column
    before = text.encode('utf-8', 'surrogatepass')[:column].decode('utf-8', 'replace')
    return len(before.encode('utf-16-le', 'surrogatepass')) // 2
