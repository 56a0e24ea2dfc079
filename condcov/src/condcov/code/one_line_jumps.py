"""Finds where jumps in the line of their test go, such as `continue` in `if x: continue`.

The bytecode first leaves the `with` and `try` statements around the jump, whose lines do not tell.
"""

import ast
from collections.abc import Mapping
from typing import NamedTuple

from condcov.model import Span

KINDS = (ast.Break, ast.Continue, ast.Return)


class OneLineJump(NamedTuple):
    """The Span of the suite that a jump ends, and the line that it goes to, or None for the exit of the function."""

    span: Span
    target: int | None


class _Place(NamedTuple):
    """Where control goes after a suite, and by `break` and `continue` in it: lines, or None for the exit."""

    after: int | None = None
    after_loop: int | None = None
    loop: int | None = None


def find(tree: ast.Module, jumps: Mapping[ast.stmt, Span], before: int, after: int | None) -> dict[int, OneLineJump]:
    """Return what is known of jumps, for each of their lines.

    jumps       the spans of the suites that they end
    before      how many lines of the file come before the tree, which does not count them
    after       the line of the statement after the tree, counted as in it; None at the end of the file
    """
    found: dict[int, OneLineJump] = {}
    todo: list[tuple[list[ast.stmt], _Place]] = [(tree.body, _Place(after))]
    while todo:
        suite, place = todo.pop()
        after = place.after
        for node in reversed(suite):
            if isinstance(node, KINDS):
                span = jumps.get(node)
                if span is not None:
                    target = (place.after_loop if isinstance(node, ast.Break)
                              else place.loop if isinstance(node, ast.Continue) else None)
                    jump = OneLineJump(span, None if target is None else target + before)
                    found.update(dict.fromkeys(range(span.line, span.end_line + 1), jump))
            else:
                todo += _suites(node, place._replace(after=after))
            after = _line(node, after)
    return found


def _suites(node: ast.stmt, place: _Place) -> list[tuple[list[ast.stmt], _Place]]:
    """The suites of a statement; `place` is that of the statement."""
    match node:
        case ast.If():
            return [(node.body, place), (node.orelse, place)]
        case ast.For() | ast.AsyncFor() | ast.While():
            head = (node.test if isinstance(node, ast.While) else node.iter).lineno
            return [(node.body, _Place(head, place.after, head)), (node.orelse, place)]
        case ast.With() | ast.AsyncWith():
            return [(node.body, place)]
        case ast.Try() | ast.TryStar():
            last = place._replace(after=_first(node.finalbody, place.after))
            return [(node.body, place._replace(after=_first(node.orelse, last.after))), (node.orelse, last),
                    (node.finalbody, place), *((handler.body, last) for handler in node.handlers)]
        case ast.Match():
            return [(case.body, place) for case in node.cases]
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return [(node.body, _Place())]
    return []


def _first(suite: list[ast.stmt], after: int | None) -> int | None:
    """The first line of a suite, or `after` if there is none."""
    for node in reversed(suite):
        after = _line(node, after)
    return after


def _line(node: ast.stmt, after: int | None) -> int | None:
    """The first line of a statement, or `after` if it has no code."""
    if isinstance(node, (ast.Global, ast.Nonlocal)) or isinstance(node, ast.AnnAssign) and node.value is None:
        return after
    decorators = getattr(node, 'decorator_list', None)
    return decorators[0].lineno if decorators else node.lineno
