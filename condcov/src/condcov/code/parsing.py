"""Parses a source file and finds its decisions."""

import ast
import bisect
import contextlib
import re
import sys
import warnings
from collections.abc import Iterator

from condcov.code import bytecode, decisions, jumps, rewritten_asserts, source_text
from condcov.errors import NotPythonError
from condcov.model import Decision

# Comments and strings: what looks like a function there is none.
_NO_CODE = re.compile(r'''#[^\n]*|"""[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*"""|"(?:\\.|[^"\\\n])*"'''
                      r"""|'''[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*'''|'(?:\\.|[^'\\\n])*'""", re.DOTALL)

MOST_PARTS = 1000       # whose tables are kept: the garbage collector has to visit them


class Tables:
    """The tables of a file's decisions. It is parsed when one is needed.

    Raises CondcovError if the text cannot be decoded; `path` is for the message. of_code() may raise it if the text is
    not valid in this version of Python.
    """

    def __init__(self, text: str | bytes, path: str) -> None:
        self._text = source_text.decoded(text, path)
        self._path = path
        self._whole = _Text(self._text, path)
        self._rest: _Text | None = None         # without the asserts in these lines, which pytest has rewritten
        self._asserts: frozenset[int] = frozenset()

    def of_file(self) -> decisions.Table:
        """Return the table of the whole file."""
        return self._whole.table()

    def asserts(self) -> frozenset[int]:
        """Return lines of asserts, with nothing else in them. If pytest rewrites the file, it rewrites these."""
        if self._rest is None:
            rest, self._asserts = rewritten_asserts.leave_out(self._text)
            self._rest = _Text(rest, self._path)
        return self._asserts

    def of_code(self, instructions: bytecode.Instructions, asserts: frozenset[int] | None = None
                ) -> tuple[decisions.Table, list[jumps.Jump]]:
        """Return a table with the decisions that a code object tests, and its jumps, matched to them.

        asserts     asserts() if pytest has rewritten those in it
        """
        lines = {instructions.lines[index] for index in instructions.find(jumps.TESTS)} - (asserts or set())
        if self._rest is not None and lines.isdisjoint(self._asserts):
            try:
                return self._rest.jumps_of(instructions, lines, asserts)
            except NotPythonError:
                self._rest = self._whole
        return self._whole.jumps_of(instructions, lines, asserts)


class _Text:
    """A text that is parsed as far as its decisions are needed."""

    def __init__(self, text: str, path: str) -> None:
        self._text = text
        self._path = path
        self._parts: _Parts | None = None
        self._table: decisions.Table | None = None

    def table(self) -> decisions.Table:
        """Return the table of the whole text."""
        if self._table is None:
            with no_warnings():
                self._table = decisions_of(self._text, self._path)[1]
            self._parts = None
        return self._table

    def jumps_of(self, instructions: bytecode.Instructions, lines: set[int | None], asserts: frozenset[int] | None
                 ) -> tuple[decisions.Table, list[jumps.Jump]]:
        """Return a table with the decisions in these lines, and the jumps of a code object, matched to them.

        asserts     as for jumps.jumps_of()
        """
        if lines and self._table is None:
            self._parts = self._parts or _Parts(self._text)
            part = self._parts.table(lines)
            if part is not None:
                found = jumps.jumps_of(instructions, part, asserts)
                if all(jump.operand or jump.reason for jump in found):
                    return part, found
        table = self.table() if lines else decisions.Table()
        return table, jumps.jumps_of(instructions, table, asserts)


class _Parts:
    """The parts of a text, each with a function or a class at the top level: most runs execute only some of them."""

    def __init__(self, text: str) -> None:
        self._lines = text.split('\n')
        code = _NO_CODE.sub(lambda found: '\n' * found[0].count('\n'), text).split('\n')
        # The lines, from 0, in which functions and classes begin, after their decorators.
        self._heads = [0, *(number for number, line in enumerate(code)
                            if line.startswith(('def ', 'class ', 'async def ')))]
        self._decorators = {number for number, line in enumerate(code) if line.startswith('@')}
        self._tables: dict[int, decisions.Table] = {}       # by number of a part

    def _start(self, part: int) -> int:
        """The first line of a part, with the decorators of its function."""
        if part in (0, len(self._heads)):
            return len(self._lines) if part else 0
        start = number = self._heads[part]
        first = self._heads[part - 1] + (part > 1)
        while number > first and self._lines[number - 1].strip():
            number -= 1
            if number in self._decorators:
                start = number
        return start

    def _part_of(self, line: int) -> int:
        """The number of the part with a line, from 0."""
        part = bisect.bisect_right(self._heads, line) - 1
        return part + 1 if part + 1 < len(self._heads) and line >= self._start(part + 1) else part

    def table(self, lines: set[int | None]) -> decisions.Table | None:
        """Return a table of the parts with these lines; None if one is not valid by itself."""
        if None in lines:
            return None
        numbers = {self._part_of(line - 1) for line in lines if line is not None}
        found = decisions.Table()
        for number in numbers:
            if number not in self._tables:
                start, end = self._start(number), self._start(number + 1)
                text = '\n'.join(self._lines[start:end]) + '\n'
                try:
                    with no_warnings():
                        tree = ast.parse(text)
                except (SyntaxError, ValueError, RecursionError):
                    return None
                if len(self._tables) == MOST_PARTS:
                    self._tables.clear()
                self._tables[number] = decisions.find(
                    tree, text, sys.flags.optimize, start, end - start + 1 if end < len(self._lines) else None)[1]
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
