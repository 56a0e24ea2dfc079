"""Finds what there is to cover in a source file: lines and branches as coverage.py counts them, and decisions.

This is for reports; recording only needs the decisions, which condcov.code.parsing finds.
"""

import collections
import contextlib
import dataclasses
import sys
from collections.abc import Iterator, Sequence
from types import CodeType

import coverage.config
import coverage.exceptions
import coverage.parser

from condcov import model
from condcov.analysis import accepting
from condcov.analysis.source_file import Accepted, SourceFile
from condcov.code import bytecode, jumps, parsing, source_text
from condcov.code.decisions import Table

EXCLUDE = '|'.join(f'(?:{pattern})' for pattern in coverage.config.DEFAULT_EXCLUDE)
NO_BRANCH = '|'.join(f'(?:{pattern})' for pattern in (
    *coverage.config.DEFAULT_PARTIAL, *coverage.config.DEFAULT_PARTIAL_ALWAYS))

RECURSION = 20_000      # the recursion limit while coverage.py's parser works; it uses five calls for each elif


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class AnalysedFile(SourceFile):
    """A SourceFile that can interpret a record of its code.

    parser      coverage.py's parser, which knows the statements
    asserts     the keys of the decisions in assert statements
    """

    parser: coverage.parser.PythonParser
    asserts: frozenset[model.Key]

    def counted(self, seen: model.Seen) -> tuple[SourceFile, model.Seen]:
        """Return the SourceFile and the Seen to report, from a recorded Seen.

        The Seen contains the first lines of statements and only the branches that count. The SourceFile does not
        contain the decisions for which it is unknown which conditions were evaluated.
        """
        paths = {key: {path: count for path, count in found.items() if path != model.UNKNOWN}
                 for key, found in seen.paths.items()}
        rewritten = self.asserts if model.ASSERTS in paths else frozenset()
        unknown = {key for key in paths.keys() | rewritten if not paths.get(key)}
        source = self
        if unknown:
            source = dataclasses.replace(self, decisions=tuple(
                decision for decision in self.decisions if decision.key not in unknown))
        # Twice, as coverage.py does: only the arcs between first lines show the end of a `with` whose last statement
        # has several lines.
        arcs = self.parser.translate_arcs(self.parser.translate_arcs(seen.arcs))
        return source, model.Seen(
            self.parser.translate_lines(seen.lines), arcs & self.arcs,
            {key: found for key, found in paths.items() if found})


def analyse(text: str | bytes, path: str, exclude: str = EXCLUDE, no_branch: str = NO_BRANCH,
            accept: Sequence[Accepted] = ()) -> AnalysedFile:
    """Find what there is to cover in a file.

    path        for messages and for SourceFile.path
    exclude     regular expression of the lines to exclude, '' for none: the patterns of coverage.py's `exclude_lines`
                and `exclude_also` joined with `|`. The default is that of coverage.py (`# pragma: no cover` and others)
    no_branch   likewise for `partial_branches`, the lines whose branches count as taken and whose decisions are ignored
    accept      what the configuration accepts in this file, without `conditions`

    Raises CondcovError if the text is not valid in this version of Python or cannot be decoded.
    """
    text = source_text.decoded(text, path)
    with parsing.no_warnings():
        with parsing.errors(path, (coverage.exceptions.NotPython,)):
            code = compile(text, path, 'exec', dont_inherit=True, optimize=sys.flags.optimize)
            parser = coverage.parser.PythonParser(text=text or '\n', filename=path, exclude=exclude)
            with _deep_recursion():
                parser.parse_source()
                # What it has parsed; a later version may give it another name.
                found, table = parsing.decisions_of(text, path, getattr(parser, '_ast_root', None))
                exits = parser.exit_counts()
    excluded = parser.excluded
    arcs = frozenset(arc for arc in parser.arcs() if exits.get(arc[0], 0) > 1 and not excluded.intersection(arc))
    assumed = parser.lines_matching(no_branch) if no_branch else frozenset()
    alive = jumps.tested_decisions(code_objects(code), table)
    ignored = excluded | assumed
    decisions = tuple(decision for decision in found
                      if decision.key in alive and parser.first_line(decision.span.line) not in ignored)
    return AnalysedFile(
        path, text, frozenset(parser.statements), frozenset(excluded), arcs, decisions,
        frozenset(arc for arc in arcs if arc[0] in assumed), _waived(decisions, table, parser),
        accepting.find(text, decisions, accept, parser.first_line, excluded), parser=parser,
        asserts=frozenset(table.in_asserts()))


@contextlib.contextmanager
def _deep_recursion() -> Iterator[None]:
    """Let coverage.py's parser, which is recursive, read a long chain of elif."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, RECURSION))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def _waived(decisions: Sequence[model.Decision], table: Table,
            parser: coverage.parser.PythonParser) -> dict[model.Key, frozenset[bool]]:
    """{key: outcomes}: those that need not be seen, because coverage.py does not ask for them either.

    Only excluded lines can follow them, or an exception that the last except clause does not match leaves the try.
    """
    found = {decision.key: frozenset((False,)) for decision in decisions if decision.key in table.last_handlers}
    if not parser.excluded:
        return found
    targets = collections.defaultdict(set)
    for start, end in parser.arcs():
        targets[start].add(end)
    for decision in decisions:
        if decision.key in table.suites:
            first, last = table.suites[decision.key]
            ways: dict[bool, set[int]] = {True: set(), False: set()}
            for target in targets[parser.first_line(decision.span.line)]:
                ways[first <= target <= last].add(target)
            waived = frozenset(value for value, lines in ways.items() if lines and lines <= parser.excluded)
            if waived:
                found[decision.key] = found.get(decision.key, frozenset()) | waived
    return found


def code_objects(code: CodeType) -> Iterator[CodeType]:
    """Yield a code object and all those inside it, except annotations that are evaluated later."""
    todo = [code]
    while todo:
        code = todo.pop()
        yield code
        todo += [constant for constant in code.co_consts
                 if isinstance(constant, CodeType) and constant.co_name != bytecode.ANNOTATIONS]
