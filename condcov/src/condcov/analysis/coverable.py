"""What of a source file can be covered: its lines and branches as coverage.py counts them, and its decisions.

This is for reports; a recording only needs the decisions, which condcov.code.parsing finds.
"""

import dataclasses
import sys
import types

import coverage.config
import coverage.exceptions
import coverage.parser

from condcov import model
from condcov.code import decisions, parsing
from condcov.record.planner import jumps_of

EXCLUDE = '|'.join(f'(?:{pattern})' for pattern in coverage.config.DEFAULT_EXCLUDE)
NO_BRANCH = '|'.join(f'(?:{pattern})' for pattern in (
    *coverage.config.DEFAULT_PARTIAL, *coverage.config.DEFAULT_PARTIAL_ALWAYS))


@dataclasses.dataclass(frozen=True, eq=False)
class Source(model.SourceFile):
    """A SourceFile that can tell what a record of its code means.

    table   where the jumps of the decisions are
    parser  coverage.py's parser, which knows the statements
    """

    table: decisions.Table = None
    parser: coverage.parser.PythonParser = None

    def counted(self, seen):
        """What is to be reported of what a recording has seen: (Source, model.Seen).

        The Seen has the statements' lines and the branches as they are counted. The Source is without the decisions of
        which nobody knows what was seen.
        """
        paths = {key: {path: count for path, count in found.items() if path != model.UNTOLD}
                 for key, found in seen.paths.items()}
        untold = {key for key, found in paths.items() if not found}
        source = self
        if untold:
            source = dataclasses.replace(self, decisions=tuple(
                decision for decision in self.decisions if decision.key not in untold))
        return source, model.Seen(
            self.parser.translate_lines(seen.lines), self.parser.translate_arcs(seen.arcs) & self.arcs,
            {key: found for key, found in paths.items() if found})


def analyse(text, path, exclude=EXCLUDE, no_branch=NO_BRANCH):
    """Find what of a file can be covered.

    text        str, or bytes as they are in the file, decoded as Python does
    path        str, for messages and for SourceFile.path
    exclude     regular expression of the lines to leave out, '' for none: the patterns of coverage.py's `exclude_lines`
                and `exclude_also` joined with `|`. Without it: coverage.py's defaults (`# pragma: no cover` and others)
    no_branch   likewise for `partial_branches`, the lines whose branches are taken as seen
    Returns a Source. Raises CondcovError if the text is no Python of this version or cannot be decoded.
    """
    text = parsing.decoded(text, path)
    with parsing.no_warnings():
        found, table = parsing.decisions_of(text, path)
        with parsing.errors(path, coverage.exceptions.NotPython):
            code = compile(text, path, 'exec', dont_inherit=True, optimize=sys.flags.optimize)
            parser = coverage.parser.PythonParser(text=text or '\n', filename=path, exclude=exclude)
            parser.parse_source()
    exits = parser.exit_counts()
    excluded = parser.excluded
    arcs = frozenset(arc for arc in parser.arcs() if exits.get(arc[0], 0) > 1 and not excluded.intersection(arc))
    assumed = parser.lines_matching(no_branch) if no_branch else frozenset()
    alive = {jump.operand.decision.key for each in code_objects(code) for jump in jumps_of(each, table) if jump.operand}
    return Source(
        path, text, frozenset(parser.statements), frozenset(excluded), arcs,
        tuple(decision for decision in found
              if decision.key in alive and parser.first_line(decision.span.line) not in excluded),
        frozenset(arc for arc in arcs if arc[0] in assumed), table, parser)


def code_objects(code):
    """A code object and all those inside it."""
    todo = [code]
    while todo:
        code = todo.pop()
        yield code
        todo += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
