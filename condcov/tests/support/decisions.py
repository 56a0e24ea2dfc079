"""Decisions from the text of an expression, and their meaning by simple interpretation, for tests of the analysis.

compile_decision() follows what CPython's compiler does with jumps; run() knows nothing of jumps and interprets the
syntax tree. The tests hold them against each other.
"""

import ast

from condcov import model
from condcov.analysis.source_file import SourceFile


def compile_decision(text, kind='if'):
    """The Decision of an expression in a test, or as a value if the kind is 'boolean' or 'comparison'."""
    return decision_of(ast.parse(text, mode='eval').body, kind)


def decision_of(tree, kind):
    """The Decision of the syntax tree of an expression, with its place."""
    made = []

    def condition(node, on_true, on_false, last):
        constant = bool(node.value) if isinstance(node, ast.Constant) else None
        made.append((model.Span(*_span(node)), ast.unparse(node), on_true, on_false, not last, constant))
        return len(made) - 1

    def emit(node, on_true, on_false, last):
        match node:
            case ast.BoolOp(op=op, values=values):
                entry = emit(values[-1], on_true, on_false, last)
                for operand in reversed(values[:-1]):
                    ways = (entry, on_false) if isinstance(op, ast.And) else (on_true, entry)
                    entry = emit(operand, *ways, False)
                return entry
            case ast.UnaryOp(op=ast.Not(), operand=operand) if not value:
                return emit(operand, on_false, on_true, last)
            case ast.IfExp(test=test, body=body, orelse=orelse) if not value:
                otherwise = emit(orelse, on_true, on_false, last)
                return emit(test, emit(body, on_true, on_false, last), otherwise, False)
            case ast.Compare() if len(node.ops) > 1 and (not value or node is tree):
                links = _links(node)
                entry = condition(links[-1], on_true, on_false, last)
                for link in reversed(links[:-1]):
                    entry = condition(link, entry, on_false, False)
                return entry
        return condition(node, on_true, on_false, last)

    value = kind in ('boolean', 'comparison')
    emit(tree, model.TRUE, model.FALSE, value)

    def renumber(way):
        return way if way < 0 else len(made) - 1 - way

    conditions = tuple(model.Condition(span, source, renumber(on_true), renumber(on_false), tested, constant)
                       for span, source, on_true, on_false, tested, constant in reversed(made))
    return model.Decision(kind, model.Span(*_span(tree)), conditions)


def run(text, values, kind='if'):
    """The path that the evaluation takes, and the truth of the expression.

    values are the truth values of the leaves, in the order in which the expression can evaluate them; constants have
    one too, of no effect.
    """
    tree = ast.parse(text, mode='eval').body
    value = kind in ('boolean', 'comparison')
    numbers = {}

    def number(node):
        match node:
            case ast.BoolOp(values=operands):
                for operand in operands:
                    number(operand)
            case ast.UnaryOp(op=ast.Not(), operand=operand) if not value:
                number(operand)
            case ast.IfExp(test=test, body=body, orelse=orelse) if not value:
                for part in (test, body, orelse):
                    number(part)
            case ast.Compare() if len(node.ops) > 1 and (not value or node is tree):
                for place in range(len(node.ops)):
                    numbers[id(node), place] = len(numbers)
            case _:
                numbers[id(node), 0] = len(numbers)

    def last_of(node):
        while isinstance(node, ast.BoolOp):
            node = node.values[-1]
        return node

    number(tree)
    marks = ['-'] * len(numbers)
    last = last_of(tree) if value else None

    def leaf(node, place=0, is_last=False):
        index = numbers[id(node), place]
        if isinstance(node, ast.Constant):
            return bool(node.value)
        marks[index] = 'e' if is_last else 'T' if values[index] else 'F'
        return values[index]

    def evaluate(node):
        match node:
            case ast.BoolOp(op=ast.And(), values=operands):
                return all(evaluate(operand) for operand in operands)
            case ast.BoolOp(op=ast.Or(), values=operands):
                return any(evaluate(operand) for operand in operands)
            case ast.UnaryOp(op=ast.Not(), operand=operand) if not value:
                return not evaluate(operand)
            case ast.IfExp(test=test, body=body, orelse=orelse) if not value:
                return evaluate(body) if evaluate(test) else evaluate(orelse)
            case ast.Compare() if (id(node), 1) in numbers:
                return all(leaf(node, place, node is last and place == len(node.ops) - 1)
                           for place in range(len(node.ops)))
        return leaf(node, 0, node is last)

    truth = evaluate(tree)
    return ''.join(marks), truth


def source_file(path, text, missing_arcs=(), taken_arcs=()):
    """A SourceFile of a text with its if, while and ternary decisions, of which coverage.py's arcs are given."""
    tests = {ast.If: 'if', ast.While: 'while', ast.IfExp: 'ternary'}
    tree = ast.parse(text)
    found = [decision_of(node.test, tests[type(node)]) for node in ast.walk(tree) if type(node) in tests]
    lines = frozenset(node.lineno for node in ast.walk(tree) if isinstance(node, ast.stmt))
    return SourceFile(path, text, lines, frozenset(), frozenset([*missing_arcs, *taken_arcs]),
                      tuple(sorted(found, key=lambda decision: decision.span)))


def seen(source, rows, missing_lines=(), missing_arcs=()):
    """The Seen of a SourceFile: rows maps the lines of decisions to rows of values, as '110' for run()."""
    paths = {}
    for decision in source.decisions:
        text = ast.get_source_segment(source.text, _located(decision.span))
        taken = [run(f'({text})', [digit == '1' for digit in row], decision.kind)[0]
                 for row in rows.get(decision.span.line, ())]
        paths[decision.key] = {path: taken.count(path) for path in taken}
    return model.Seen(set(source.lines) - set(missing_lines), set(source.arcs) - set(missing_arcs), paths)


def single(kind, text='x'):
    """A decision of one condition of any kind."""
    span = model.Span(1, 3, 1, 3 + len(text))
    return model.Decision(kind, span, (model.Condition(span, text, model.TRUE, model.FALSE),))


def _span(node):
    return node.lineno, node.col_offset, node.end_lineno, node.end_col_offset


def _located(span):
    return ast.Constant(None, lineno=span.line, col_offset=span.column, end_lineno=span.end_line,
                        end_col_offset=span.end_column)


def _links(chain):
    left = chain.left
    links = []
    for op, right in zip(chain.ops, chain.comparators):
        link = ast.Compare(left, [op], [right])
        ast.copy_location(link, left)
        link.end_lineno, link.end_col_offset = right.end_lineno, right.end_col_offset
        links.append(link)
        left = right
    return links
