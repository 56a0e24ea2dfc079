"""Source text as the compiler sees it: decoded and parsed, with its decisions."""

import ast
import contextlib
import io
import sys
import warnings

from condcov.code import decisions
from condcov.errors import CondcovError


def table(text, path):
    """The decisions.Table of a file, from its str, or bytes as they are in the file.

    Raises CondcovError if the text is no Python of this version or cannot be decoded; path is for the message.
    """
    with no_warnings():
        return decisions_of(decoded(text, path), path)[1]


def decisions_of(text, path):
    """What decisions.find() finds in a text, for the optimization that this interpreter compiles with."""
    with errors(path):
        tree = ast.parse(text, path)
    return decisions.find(tree, text, sys.flags.optimize)


def decoded(text, path):
    """The text of a file, decoded as Python does, with \\n at the end of each line."""
    if isinstance(text, bytes):
        try:
            text = text.decode(_encoding(text))
        except (SyntaxError, UnicodeDecodeError, LookupError) as error:
            raise CondcovError(f'{path}: cannot be decoded: {error}; leave it out with omit') from None
    return text.removeprefix('\ufeff').replace('\r\n', '\n').replace('\r', '\n')


def _encoding(content):
    head = content.split(b'\n', 2)[:2]
    if b'coding' not in b''.join(head) and not content.startswith(b'\xef\xbb\xbf'):
        return 'utf-8'
    import tokenize     # takes a while, and hardly any file needs it
    return tokenize.detect_encoding(io.BytesIO(content).readline)[0]


@contextlib.contextmanager
def errors(path, *others):
    """Raise CondcovError for what ast and the compiler raise, or others, where a text is no Python."""
    try:
        yield
    except (SyntaxError, ValueError, RecursionError, *others) as error:
        raise CondcovError(f'{path}: not the source of Python {sys.version_info.major}.{sys.version_info.minor}: '
                           f'{error}; leave it out with omit') from None


@contextlib.contextmanager
def no_warnings():
    """Compile without the warnings that the program under test gets when it is compiled itself.

    Not warnings.catch_warnings(): it makes the program's own warnings, shown once, be shown again.
    """
    filters = warnings.filters
    warnings.filters = [('ignore', None, Warning, None, 0)]
    try:
        yield
    finally:
        warnings.filters = filters
