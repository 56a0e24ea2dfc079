"""Parses a source file and finds its decisions."""

import ast
import bisect
import contextlib
import sys
import warnings
from collections.abc import Iterator
from types import CodeType

from condcov.code import bytecode, decisions, jumps, source_text
from condcov.errors import NotPythonError
from condcov.model import Decision

LARGE = 200_000         # bytes; of a larger file, only the parts are parsed whose decisions are needed


class Tables:
    """The tables of a file's decisions. It is parsed when one is needed.

    Raises CondcovError if the text cannot be decoded; `path` is for the message. of_code() may raise it if the text is
    not valid in this version of Python.
    """

    def __init__(self, text: str | bytes, path: str) -> None:
        self._text = source_text.decoded(text, path)
        self._path = path
        self._is_large = len(text) > LARGE
        self._whole: decisions.Table | None = None
        self._parts: _Parts | None = None

    def of_file(self) -> decisions.Table:
        """Return the table of the whole file."""
        if self._whole is None:
            with no_warnings():
                self._whole = decisions_of(self._text, self._path)[1]
            self._text = ''
            self._parts = None
        return self._whole

    def of_code(self, code: CodeType, instructions: bytecode.Instructions) -> tuple[decisions.Table, list[jumps.Jump]]:
        """Return a table with the decisions that a code object tests, and its jumps, matched to them."""
        tests = instructions.find(jumps.TESTS)
        if not tests:
            return decisions.Table(), []
        if self._whole is None and self._is_large:
            self._parts = self._parts or _Parts(self._text)
            table = self._parts.table({instructions.lines[index] for index in tests})
            if table is not None:
                found = jumps.jumps_of(code, table, instructions)
                if all(jump.operand or jump.reason for jump in found):
                    return table, found
        table = self.of_file()
        return table, jumps.jumps_of(code, table, instructions)


class _Parts:
    """The parts of a text between the functions and classes at the top level."""

    def __init__(self, text: str) -> None:
        self._lines = text.split('\n')
        # The lines, from 0, in which functions and classes begin, after their decorators.
        self._heads = [0, *(number for number, line in enumerate(self._lines)
                            if line.startswith(('def ', 'class ', 'async def ')))]
        self._tables: dict[int, decisions.Table] = {}       # by number of a part

    def _start(self, part: int) -> int:
        """The first line of a part, with the decorators of its function."""
        if part in (0, len(self._heads)):
            return len(self._lines) if part else 0
        start = number = self._heads[part]
        first = self._heads[part - 1] + (part > 1)
        while number > first and self._lines[number - 1].strip():
            number -= 1
            if self._lines[number].startswith('@'):
                start = number
        return start

    def _part_of(self, line: int) -> int:
        """The number of the part with a line, from 0."""
        part = bisect.bisect_right(self._heads, line) - 1
        return part + 1 if part + 1 < len(self._heads) and line >= self._start(part + 1) else part

    def table(self, lines: set[int | None]) -> decisions.Table | None:
        """Return a table of the parts with these lines; None if one is not valid by itself.

        It may be valid although it is wrong: it may begin in a string. But then its table has no decision at the place
        of a jump, because what is code in the file is a string in the part.
        """
        if None in lines:
            return None
        numbers = {self._part_of(line - 1) for line in lines if line is not None}
        found = decisions.Table()
        for number in numbers:
            if number not in self._tables:
                start = self._start(number)
                text = '\n'.join(self._lines[start:self._start(number + 1)]) + '\n'
                try:
                    with no_warnings():
                        tree = ast.increment_lineno(ast.parse(text), start)
                except (SyntaxError, ValueError, RecursionError):
                    return None
                self._tables[number] = decisions.find(tree, text, sys.flags.optimize, start)[1]
            if len(numbers) == 1:
                return self._tables[number]
            found.update(self._tables[number])
        return found


def decisions_of(text: str, path: str, tree: ast.AST | None = None) -> tuple[list[Decision], decisions.Table]:
    """Return what decisions.find() finds in a text, for the optimization level of this interpreter.

    tree    what ast.parse() makes of the text, if something has parsed it already
    """
    if not isinstance(tree, ast.Module):
        with errors(path):
            tree = ast.parse(text, path)
    return decisions.find(tree, text, sys.flags.optimize)


@contextlib.contextmanager
def errors(path: str, others: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Raise NotPythonError for the exceptions of ast and the compiler, and `others`, about invalid source."""
    expected: tuple[type[Exception], ...] = (SyntaxError, ValueError, RecursionError, *others)
    try:
        yield
    except expected as error:
        version = f'{sys.version_info.major}.{sys.version_info.minor}'
        raise NotPythonError(f'cannot parse {path} as Python {version}: {error}; exclude it with omit') from None


@contextlib.contextmanager
def no_warnings() -> Iterator[None]:
    """Compile without warnings: the program under test gets them when it is compiled itself.

    Not warnings.catch_warnings(): after it, the program's warnings that are shown once would be shown again.
    """
    filters = warnings.filters
    warnings.filters = [('ignore', None, Warning, None, 0)]
    try:
        yield
    finally:
        warnings.filters = filters
