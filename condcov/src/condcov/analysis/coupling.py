"""Finds conditions of a decision that always have the same value, or always opposite ones, as in `a and b or not a`."""

import ast
import re
from collections.abc import Iterable

from condcov import model
from condcov.model import Decision

# Evaluating one of these may change what other conditions evaluate to.
_CHANGING = (ast.Call, ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)
_POSITIVE: dict[type[ast.cmpop], ast.cmpop] = {ast.IsNot: ast.Is(), ast.NotIn: ast.In(), ast.NotEq: ast.Eq()}

MOST_GROUPS = 6         # each doubles the work; further ones are ignored

# Conditions that have one value in each evaluation: {index: whether it has the opposite of the value}.
Group = dict[int, bool]


def groups(decision: Decision, paths: Iterable[str]) -> list[Group]:
    """Return the groups of conditions of a decision that no input can separate, each with two or more.

    They have the same text, or one is the negation of the other, and nothing that may change the value is evaluated
    between them. Conditions that had different values in an observed path are not in a group.
    """
    size = len(decision.conditions)
    if size == 1 or len({_skeleton(condition.text) for condition in decision.conditions}) == size:
        return []               # the usual case
    every: list[Group] = []
    current: dict[str, Group] = {}
    for index, condition in enumerate(decision.conditions):
        tree = _parse(condition.text) if decision.test_of(index) == 'truth' else None
        if tree is None or any(isinstance(part, _CHANGING) for part in ast.walk(tree)):
            current = {}
        elif condition.tested and condition.constant is None:
            tree, negated = _without_not(tree)
            text = ast.dump(tree)
            if text not in current:
                every.append(current.setdefault(text, {}))
            current[text][index] = negated
    several = [group for group in every if len(group) > 1]
    if several:
        several = [group for group in several if not any(_separates(path, group) for path in paths)]
    return several[:MOST_GROUPS]


def _separates(path: str, group: Group) -> bool:
    return len({(path[index] == model.SEEN_TRUE) != negated
                for index, negated in group.items() if path[index] in 'TF'}) > 1


def _skeleton(text: str) -> str:
    """What is left of the text without negations, white space and brackets."""
    return re.sub(r'\bnot\b|[\s()]', '', text.replace('!=', '=='))


def _parse(text: str) -> ast.expr | None:
    try:
        return ast.parse(f'({text}\n)', mode='eval').body
    except (SyntaxError, ValueError, RecursionError):
        return None


def _without_not(tree: ast.expr) -> tuple[ast.expr, bool]:
    """The expression without negation, and whether it had one."""
    match tree:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            operand, negated = _without_not(operand)
            return operand, not negated
        case ast.Compare(ops=[operator]) if type(operator) in _POSITIVE:
            return ast.Compare(tree.left, [_POSITIVE[type(operator)]], tree.comparators), True
    return tree, False
