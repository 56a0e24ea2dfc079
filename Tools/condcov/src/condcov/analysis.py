"""What of a source file can be covered: its lines and branches as coverage.py counts them, and its decisions.

And the plan of each of its code objects: see condcov.plan.
"""

import ast
import contextlib
import dataclasses
import functools
import io
import sys
import tokenize
import types
import warnings

import coverage.config
import coverage.exceptions
import coverage.parser

from condcov import decisions, model
from condcov.errors import CondcovError
from condcov.plan import Plan, jumps_of, plan

__all__ = ['Plan', 'Source', 'analyze', 'plan']

EXCLUDE = '|'.join(f'(?:{pattern})' for pattern in coverage.config.DEFAULT_EXCLUDE)
NO_BRANCH = '|'.join(f'(?:{pattern})' for pattern in (
    *coverage.config.DEFAULT_PARTIAL, *coverage.config.DEFAULT_PARTIAL_ALWAYS))


@dataclasses.dataclass(frozen=True, eq=False)
class Source(model.SourceFile):
    """A SourceFile with what a plan needs beside: not for the reports.

    table   where the jumps of the decisions are
    parser  coverage.py's parser, which knows the statements
    """

    table: decisions.Table = None
    parser: coverage.parser.PythonParser = None

    # Each code object's plan needs them.

    @functools.cached_property
    def branches(self):
        """The lines that have several ways out."""
        return frozenset(arc[0] for arc in self.arcs)

    @functools.cached_property
    def keys(self):
        """What identifies the decisions."""
        return frozenset(decision.key for decision in self.decisions)


def analyze(text, path, exclude=EXCLUDE, no_branch=NO_BRANCH, *, to_plan=False):
    """Find what of a file can be covered.

    text        str, or bytes as they are in the file, decoded as Python does
    path        str, for messages and for SourceFile.path
    exclude     regular expression of the lines to leave out, '' for none: the patterns of coverage.py's `exclude_lines`
                and `exclude_also` joined with `|`. Without it: coverage.py's defaults (`# pragma: no cover` and others)
    no_branch   likewise for `partial_branches`, the lines whose branches are taken as seen
    to_plan     only plans are made of it, so that decisions of which the compiler leaves no jump may be among the others
    Returns a Source. Raises CondcovError if the text is no Python of this version or cannot be decoded.
    """
    text = decoded(text, path)
    optimize = sys.flags.optimize
    with _no_warnings():
        try:
            tree = ast.parse(text, path)
            code = None if to_plan else compile(text, path, 'exec', dont_inherit=True, optimize=optimize)
            parser = coverage.parser.PythonParser(text=text or '\n', filename=path, exclude=exclude)
            parser.parse_source()
        except (SyntaxError, ValueError, RecursionError, coverage.exceptions.NotPython) as error:
            raise CondcovError(f'{path}: not the source of Python {sys.version_info.major}.{sys.version_info.minor}: '
                               f'{error}; leave it out with omit') from None
        found, table = decisions.find(tree, text, optimize)
    exits = parser.exit_counts()
    excluded = parser.excluded
    arcs = frozenset(arc for arc in parser.arcs() if exits.get(arc[0], 0) > 1 and not excluded.intersection(arc))
    assumed = parser.lines_matching(no_branch) if no_branch else frozenset()
    if not to_plan:
        alive = {jump.operand.decision.key
                 for each in code_objects(code) for jump in jumps_of(each, table) if jump.operand}
        found = [decision for decision in found if decision.key in alive]
    return Source(
        path, text, frozenset(parser.statements), frozenset(excluded), arcs,
        tuple(decision for decision in found if parser.first_line(decision.span.line) not in excluded),
        frozenset(arc for arc in arcs if arc[0] in assumed), table, parser)


def code_objects(code):
    """A code object and all those inside it."""
    todo = [code]
    while todo:
        code = todo.pop()
        yield code
        todo += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]


def decoded(text, path):
    if isinstance(text, bytes):
        try:
            encoding, _ = tokenize.detect_encoding(io.BytesIO(text).readline)
            text = text.decode(encoding)
        except (SyntaxError, UnicodeDecodeError, LookupError) as error:
            raise CondcovError(f'{path}: cannot be decoded: {error}; leave it out with omit') from None
    return text.removeprefix('\ufeff').replace('\r\n', '\n').replace('\r', '\n')


@contextlib.contextmanager
def _no_warnings():
    """Compile without the warnings that the program under test gets when it is compiled itself.

    Not warnings.catch_warnings(): it makes the program's own warnings, shown once, be shown again.
    """
    filters = warnings.filters
    warnings.filters = [('ignore', None, Warning, None, 0)]
    try:
        yield
    finally:
        warnings.filters = filters
