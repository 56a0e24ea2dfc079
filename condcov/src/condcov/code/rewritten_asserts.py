"""Asserts that pytest has rewritten to statements with the same position, but with other conditions and other jumps.

Nothing is recorded of their conditions. Test files mostly consist of asserts: they are left out where that is simple.
"""

import re
from types import CodeType

_PYTEST = '@py'             # in the names that pytest adds, and in no other

# A string in which a line that starts with `assert` can contain code.
_LONG_FORMAT = re.compile('[fFtT][rR]?(?:"""|\'\'\')')

# A string, and the start of one that may contain strings with the same quotes.
_STRING = re.compile(r'''(["\'])(?:\\.|(?!\1)[^\\])*\1''')
_FORMAT = re.compile('[fFtT][rR]?["\']')

# What may be in its lines besides: other statements, comments, the end of a string, and code that is not rewritten.
_OTHERS = ';', '#', '"""', "'''", 'for'


def are_in(code: CodeType) -> bool:
    """Whether pytest has rewritten the asserts in a code object, or those of a whole module."""
    return _PYTEST in ' '.join(code.co_varnames + code.co_names)


def leave_out(text: str) -> tuple[str, frozenset[int]]:
    """Return the text with a name in place of each assert that is alone in its lines, and those lines.

    Other statements begin and end where they did. If more lines belong to one of the asserts, which a bracket in a
    string can hide, the text that is left is not valid.
    """
    lines = text.split('\n')
    found: list[int] = []
    others = (*_OTHERS, '{') if _LONG_FORMAT.search(text) else _OTHERS
    for index, line in enumerate(lines):
        statement = line.strip()
        if not statement.startswith(('assert ', 'assert(')) or index and lines[index - 1].endswith('\\'):
            continue
        end = _end(lines, index, others)
        if end is not None:
            indentation = line[:line.index('assert')]
            if end == index:
                lines[index] = indentation + '_' * len(statement.encode())
            else:
                lines[index:end] = [f'{indentation}(_'] + [''] * (end - index - 1)
                lines[end] = ')'.rjust(len(lines[end].rstrip().encode()))
            found += range(index + 1, end + 2)
    return '\n'.join(lines), frozenset(found)


def _end(lines: list[str], index: int, others: tuple[str, ...]) -> int | None:
    """The index of the last line of an assert, or None if there may be something else in its lines."""
    depth = 0
    while index < len(lines):
        line = lines[index]
        if line.endswith('\\') or any(other in line for other in others):
            return None
        if '"' in line or "'" in line:
            line = _STRING.sub('', line)
        depth += sum(map(line.count, '([{')) - sum(map(line.count, ')]}'))
        if depth <= 0:
            return index if depth == 0 else None
        if '"' in line or "'" in line or _FORMAT.search(lines[index]):
            return None
        index += 1
    return None
