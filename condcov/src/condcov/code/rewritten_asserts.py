"""Asserts that pytest has rewritten to statements with the same position, but with other conditions and other jumps.

Nothing is recorded of their conditions. Test files mostly consist of asserts: they are left out where that is simple.
"""

import re
from types import CodeType

_PYTEST = '@py'             # in the names that pytest adds, and in no other

# A string in which a line that starts with `assert` can contain code.
_LONG_FORMAT = re.compile('[fFtT][rR]?(?:"""|\'\'\')')

# A string in one line, and the start of one that may contain code, also with the same quotes.
_STRING = re.compile(r'''(["\'])(?:\\.|(?!\1)[^\\])*\1''')
_FORMAT = re.compile('[fFtT][rR]?["\']')

# Another statement, and a comprehension, which is not rewritten.
_OTHERS = ';', 'for'


def are_in(code: CodeType) -> bool:
    """Whether pytest has rewritten the asserts in a code object, or those of a whole module."""
    return _PYTEST in ' '.join(code.co_varnames + code.co_names)


def leave_out(text: str) -> tuple[str, frozenset[int]]:
    """Return the text with a name in place of asserts that are alone in their lines, and those lines.

    Other statements begin and end where they did. If more lines belong to one of the asserts, which strings in an
    f-string can hide, the text that is left is not valid.
    """
    lines = text.split('\n')
    found: list[int] = []
    in_format = bool(_LONG_FORMAT.search(text))
    for index, line in enumerate(lines):
        statement = line.strip()
        if not statement.startswith(('assert ', 'assert(')) or index and lines[index - 1].endswith('\\'):
            continue
        found_end = _end(lines, index, in_format)
        if found_end is not None:
            end, length = found_end
            indentation = line[:line.index('assert')]
            if end == index:
                lines[index] = indentation + '_' * (length - len(indentation))
            else:
                lines[index:end] = [f'{indentation}(_'] + [''] * (end - index - 1)
                lines[end] = ')'.rjust(length)
            found += range(index + 1, end + 2)
    return '\n'.join(lines), frozenset(found)


def _end(lines: list[str], index: int, in_format: bool) -> tuple[int, int] | None:
    """The index of the last line of an assert, and where it ends there in bytes.

    None if there may be something else in its lines: another statement, the end of a string, or code that is not
    rewritten. `in_format` tells whether the assert may be text in a string that contains code.
    """
    depth = 0
    while index < len(lines):
        line = code = lines[index]
        formats = None
        if '"' in line or "'" in line:
            if '"""' in line or "'''" in line:
                return None
            code = _STRING.sub(_blank, line)
            formats = _FORMAT.search(line)
        if formats is None:
            code = code.partition('#')[0]
        if any(other in code for other in _OTHERS) or formats and any(other in line for other in (*_OTHERS, '#', '\\')):
            return None
        if in_format and '{' in line:
            return None
        code = code.rstrip()
        depth += sum(map(code.count, '([{')) - sum(map(code.count, ')]}'))
        if depth < 0 or '"' in code or "'" in code:
            return None
        if not depth and not code.endswith('\\'):
            return (index, len(line[:len(code)].encode())) if code else None
        if formats:
            return None
        index += 1
    return None


def _blank(string: re.Match[str]) -> str:
    return '_' * len(string[0])
