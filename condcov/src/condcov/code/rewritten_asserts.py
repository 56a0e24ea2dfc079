"""Asserts that pytest has rewritten to statements with the same position, but with other conditions and other jumps.

Nothing is recorded of their conditions. Test files mostly consist of asserts: they are left out where that is simple.
"""

import re
from types import CodeType

_PYTEST = '@py'             # in the names that pytest adds, and in no other

# A string in which a line that starts with `assert` can contain code.
_LONG_FORMAT = re.compile('[fFtT][rR]?(?:"""|\'\'\')')

# What may be in its line besides: other statements, comments, the end of a string, and code that is not rewritten.
_OTHERS = ';', '#', '"""', "'''", 'for'


def are_in(code: CodeType) -> bool:
    """Whether pytest has rewritten the asserts in a code object, or those of a whole module."""
    return _PYTEST in ' '.join(code.co_varnames + code.co_names)


def leave_out(text: str) -> tuple[str, frozenset[int]]:
    """Return the text with a name in place of each assert that is alone in its line, and those lines.

    The name is as long, so that other statements end where they did. If one of the asserts does have more lines, the
    text that is left is not valid.
    """
    lines = text.split('\n')
    found: list[int] = []
    others = (*_OTHERS, '{') if _LONG_FORMAT.search(text) else _OTHERS
    for index, line in enumerate(lines):
        statement = line.strip()
        if (statement.startswith(('assert ', 'assert(')) and not any(other in statement for other in others)
                and all(statement.count(opening) == statement.count(closing) for opening, closing in ('()', '[]', '{}'))
                and not statement.endswith('\\') and not (index and lines[index - 1].endswith('\\'))):
            lines[index] = line[:line.index('assert')] + '_' * len(statement.encode())
            found.append(index + 1)
    return '\n'.join(lines), frozenset(found)
