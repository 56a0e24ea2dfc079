"""Parses a source file and finds its decisions."""

import ast
import contextlib
import sys
import warnings
from collections.abc import Iterator

from condcov.code import decisions, source_text
from condcov.errors import NotPythonError
from condcov.model import Decision


def table(text: str | bytes, path: str) -> decisions.Table:
    """Return the table of a file's decisions.

    Raises CondcovError if the text is not valid in this version of Python or cannot be decoded; `path` is for the
    message.
    """
    with no_warnings():
        return decisions_of(source_text.decoded(text, path), path)[1]


def decisions_of(text: str, path: str) -> tuple[list[Decision], decisions.Table]:
    """Return what decisions.find() finds in a text, for the optimization level of this interpreter."""
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
