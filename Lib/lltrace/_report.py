"""Formats counts as text: the disassembly of each function, with its source and the count of each instruction."""

import linecache

from _bytecodeview import instructions, printable
from _ownmodules import __builtins__
from lltrace._code import argument
from lltrace._files import shown


def source_of(code):
    """Return the lines of the file that a code object comes from; none if it cannot be read."""
    linecache.checkcache(code.co_filename)
    return [line.rstrip('\n') for line in linecache.getlines(code.co_filename)]


def plural(number, noun):
    return f'{number:,} {noun}{"" if number == 1 else "s"}'


def text(counts):
    parts = []
    filename = lines = None
    for found in counts.codes:
        code = found.code
        if code.co_filename != filename:
            filename, lines = code.co_filename, source_of(code)
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
