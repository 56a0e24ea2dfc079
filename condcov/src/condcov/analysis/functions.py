"""The coverage of each function of a file."""

import ast
import collections
from typing import NamedTuple, cast

from condcov.analysis.results import FileResult, Level
from condcov.model import LEVELS


class FunctionResult(NamedTuple):
    """What was covered of a function, without the functions inside it, or of the rest of the file, whose name is ''."""

    name: str
    line: int
    levels: dict[str, Level]
    gaps: int


def functions(file: FileResult) -> list[FunctionResult]:
    """Return the FunctionResult of each function with something to cover, in order of their lines."""
    owner = [0] * (file.source.text.count('\n') + 3)        # by line, the index of its function
    found = [('', 1)]
    todo = collections.deque([(cast(ast.AST, ast.parse(file.source.text)), '')])
    while todo:
        node, prefix = todo.popleft()       # outer functions before those inside them
        for inner in ast.iter_child_nodes(node):
            name = prefix
            if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                name = f'{prefix}.{inner.name}' if prefix else inner.name
                if not isinstance(inner, ast.ClassDef):
                    # The line of the def belongs to the code around it, which executes it.
                    body = range(inner.body[0].lineno, (inner.body[-1].end_lineno or 0) + 1)
                    owner[body.start:body.stop] = [len(found)] * len(body)
                    found.append((name, inner.lineno))
            todo.append((inner, name))
    counts = [{level: [0, 0] for level in LEVELS} for _ in found]
    gaps = [0] * len(found)

    def add(line: int, level: str, covered: int, total: int) -> None:
        count = counts[owner[line]][level]
        count[0] += covered
        count[1] += total

    missing_lines, missing_arcs = set(file.missing_lines), set(file.missing_arcs)
    for line in file.source.lines:
        add(line, 'line', line not in missing_lines, 1)
    for arc in file.source.arcs:
        add(arc[0], 'branch', arc not in missing_arcs, 1)
    for decision, analyses in zip(file.source.decisions, file.analyses):
        for analysis in analyses:
            seen = sum(mark in analysis.outcomes for mark in analysis.asked)
            add(decision.span.line, 'condition', seen, len(analysis.asked))
            add(decision.span.line, 'mcdc', analysis.covered and analysis.coverable, analysis.coverable)
    for gap in file.gaps:
        gaps[owner[gap.line]] += 1
    results = [FunctionResult(name, line, {level: Level(*count[level]) for level in LEVELS}, number)
               for (name, line), count, number in zip(found, counts, gaps)]
    return sorted((one for one in results if any(level.total for level in one.levels.values())),
                  key=lambda one: one.line)
