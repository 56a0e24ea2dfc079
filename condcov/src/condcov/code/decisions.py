"""Finds the decisions of a syntax tree, and how to recognise the jumps that test their conditions.

The compiler (Python/compile.c) keeps no link from a conditional jump to the operand that it tests, but the instruction
before the jump has the position of what was evaluated last. A Table maps these positions to conditions.
"""

import ast
import bisect
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from condcov import model
from condcov.code import bytecode, one_line_jumps
from condcov.code.one_line_jumps import OneLineJump
from condcov.model import FALSE, TRUE, Key, Span

# The argument of IS_OP or CONTAINS_OP with which the operator itself, and not its opposite, is tested.
_PLAIN_ARGUMENT = {ast.Is: 0, ast.IsNot: 1, ast.In: 0, ast.NotIn: 1}
_CONSTANT_CODE = bytecode.ops('RESUME', 'LOAD_CONST', 'LOAD_SMALL_INT', 'LOAD_COMMON_CONSTANT', 'RETURN_VALUE',
                              'RETURN_CONST')
_FOLDABLE = (ast.Constant, ast.UnaryOp, ast.BinOp, ast.Tuple, ast.Subscript, ast.Slice, ast.JoinedStr, ast.Name,
             ast.operator, ast.unaryop, ast.expr_context)


class Operand(NamedTuple):
    """What a jump tests: a condition of a decision.

    argument    for `is` and `in` and their opposites: the argument of the instruction that tests this operator. The
                compiler folds `not (a in b)`, so the instruction may have the opposite one. None for everything else
    always      spans of alternatives of a pattern that are followed by one that always matches
    """

    decision: model.Decision
    condition: int
    argument: int | None = None
    always: tuple[Span, ...] = ()

    def following(self, truth: bool) -> int:
        """Return what Condition.on_true or on_false says."""
        condition = self.decision.conditions[self.condition]
        return condition.on_true if truth else condition.on_false


class Table:
    """Where the jumps of the decisions are: maps positions in the source to what is tested there.

    values      position of the instruction before the jump
    ends        only the end of that position: the compiler moves the start of method calls over several lines
    fused       position of a jump that is a comparison with None itself
    links       span of a chained comparison and position of the comparator that was evaluated last
    loops       span of a for statement; of a comprehension, with its loops in order; or of the last comparison
                compiled in its conditions so far, whose position the compiler of 3.11 also uses for what follows.
                From 3.13 on, span of the iterable, unless the loop is asynchronous
    handlers    span of an except clause
    patterns    span of the pattern of a case
    lefts       position of the left operand of a comparison with None
    firsts      span of a chained comparison, or of `and` or `or` in a value: its first operand. Span of the target of a
                comprehension: the first of its conditions
    reasons     for spans where jumps test no condition, the reason: patterns that always match, and functions that are
                compiled to a loop
    asserts     for the span of an assert statement, the keys of the decisions in it, except those in comprehensions,
                which pytest does not rewrite
    suites      for the key of the decision of a statement, the first and the last line of the suite that follows if it
                is true
    last_handlers   the keys of the last except clauses of try statements
    jumps       for a line, the jump that ends the statement there, if its test is in the same line
    returns, raises     the lines of such statements, with their tests, that end with a `return` or a `raise`
    """

    def __init__(self) -> None:
        self.values: dict[Span, Operand] = {}
        self.ends: dict[tuple[int, int], Operand] = {}
        self.fused: dict[Span, Operand] = {}
        self.links: dict[tuple[Span, Span], Operand] = {}
        self.loops: dict[Span, list[Operand]] = {}
        self.handlers: dict[Span, Operand] = {}
        self.patterns: dict[Span, Operand] = {}
        self.lefts: dict[Span, Operand] = {}
        self.firsts: dict[Span, Operand] = {}
        self.reasons: dict[Span, str] = {}
        self.asserts: dict[Span, list[Key]] = {}
        self.suites: dict[Key, tuple[int, int]] = {}
        self.last_handlers: set[Key] = set()
        self.jumps: dict[int, OneLineJump] = {}
        self.returns: set[int] = set()
        self.raises: set[int] = set()

    def update(self, other: 'Table') -> None:
        """Add the content of the table of another part of the file."""
        for name, entries in vars(other).items():
            getattr(self, name).update(entries)

    def in_asserts(self) -> set[Key]:
        """Return the keys of the decisions in assert statements that pytest may rewrite."""
        return {key for keys in self.asserts.values() for key in keys}


def find(tree: ast.Module, text: str, optimize: int = 0, before: int = 0, after: int | None = None
         ) -> tuple[list[model.Decision], Table]:
    """Return the decisions of a module, in order of their span, and the table of their jumps.

    text        its source
    optimize    the optimization level that the code is compiled with: from 1 on, there are no asserts
    before      how many lines of the file come before the text; the tree does not count them
    after       the line of the statement after the text, counted as in the tree; None at the end of the file
    """
    finder = _Finder(text, optimize, before)
    finder.walk(tree)
    if finder.jumps:
        finder.table.jumps = one_line_jumps.find(tree, finder.jumps, before, after)
    found = sorted(finder.decisions.values(), key=lambda decision: decision.key)
    keys = [decision.key for decision in found]
    comprehensions = sorted(finder.comprehensions)
    for span, inside in finder.table.asserts.items():
        others = _between(comprehensions, span)
        inside += [key for key in _between(keys, span)
                   if not any(other[:2] <= key[:2] and key[2:4] <= other[2:] for other in others)]
    return found, finder.table


def _between(places: list, span: Span) -> list:
    """Those of the sorted keys or spans that begin in a span."""
    return places[bisect.bisect_left(places, span[:2]):bisect.bisect_left(places, span[2:])]


# What has no decision inside it, of the values of the fields of nodes.
_PLAIN = frozenset((ast.Name, ast.Constant, ast.alias, ast.Pass, ast.Break, ast.Continue, ast.Import, ast.ImportFrom,
                    ast.Global, ast.Nonlocal, str, int, type(None),
                    *ast.expr_context.__subclasses__(), *ast.operator.__subclasses__(), *ast.unaryop.__subclasses__(),
                    *ast.cmpop.__subclasses__(), *ast.boolop.__subclasses__()))


class _Test:
    """An operand that is tested, while its decision is taken apart."""

    def __init__(self, node: ast.AST, span: Span, chain: Span | None = None, comparator: ast.expr | None = None,
                 last: bool = False, constant: bool | None = None) -> None:
        self.node = node
        self.span = span
        self.chain, self.comparator, self.last = chain, comparator, last    # of a link of a chained comparison
        self.constant = constant
        self.first_of: Span | None = None       # the span of what it is the first operand of
        self.index = self.on_true = self.on_false = 0       # set when the tree is complete


_Tree = Any     # described before test_tree()


class _Finder:

    def __init__(self, text: str, optimize: int, before: int) -> None:
        self.source = [line.encode() + b'\n' for line in text.split('\n')]    # not splitlines(): \f does not end a line
        self.before = before
        self.optimize = optimize
        self.decisions: dict[Key, model.Decision] = {}
        self.table = Table()
        self.jumps: dict[ast.stmt, Span] = {}       # in the line of their test, with the spans of their suites
        self.comprehensions: list[Span] = []

    def span(self, node: Any) -> Span:
        """The position of a node in the file."""
        return Span(node.lineno + self.before, node.col_offset, node.end_lineno + self.before, node.end_col_offset)

    def walk(self, tree: ast.AST) -> None:
        """Visit every node, in any order, with a stack: expressions may nest deeper than the recursion limit."""
        self.stack: list[ast.AST] = [tree]
        stack, plain = self.stack, _PLAIN
        visitors: dict[type, Callable[[Any], None] | None] = {}     # of those types of nodes that were seen
        while stack:
            node = stack.pop()
            kind: type = node.__class__
            if kind not in visitors:
                visitors[kind] = getattr(self, 'visit_' + kind.__name__, None)
            visit = visitors[kind]
            if visit is not None:
                visit(node)
                continue
            # As ast.iter_child_nodes(), but faster, and without nodes that have no decision inside them.
            fields = node.__dict__
            for name in node._fields:
                value: Any = fields.get(name)
                kind = value.__class__
                if kind is list:
                    for item in value:
                        if item.__class__ not in plain:
                            stack.append(item)
                elif kind not in plain and isinstance(value, ast.AST):
                    stack.append(value)

    # The visitors of nodes with a decision: they add it, and push the nodes that are not part of it.

    def visit_If(self, node: ast.If) -> None:
        self.suite(self.test('if', node.test), node.body)
        self.stack += node.body + node.orelse

    def visit_While(self, node: ast.While) -> None:
        self.suite(self.test('while', node.test), node.body)
        self.stack += node.body + node.orelse

    def visit_Assert(self, node: ast.Assert) -> None:
        if self.optimize < 1:
            self.table.asserts[self.span(node)] = []
            self.test('assert', node.test)
            self.stack += [node.msg] if node.msg else []

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.test('ternary', node.test)
        self.stack += [node.body, node.orelse]

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self.add('boolean', self.span(node), self.value_tree(node), value=True)

    def visit_Compare(self, node: ast.Compare) -> None:
        if len(node.ops) > 1:
            self.add('comparison', self.span(node), self.chain_tree(node), value=True)
        else:
            self.stack += [node.left, *node.comparators]

    def visit_For(self, node: ast.For) -> None:
        self.suite(self.loop(self.span(node), node), node.body)
        self.stack += [node.target, node.iter, *node.body, *node.orelse]

    visit_AsyncFor = visit_For

    def visit_ListComp(self, node: Any) -> None:
        position = self.span(node)
        self.comprehensions.append(position)
        for number, generator in enumerate(node.generators):
            if generator.is_async or not (number and _is_assignment(generator.iter, self.constant)):
                self.loop(position, generator)
            for condition in generator.ifs:
                tree = self.test_tree(condition)
                if condition is generator.ifs[0]:
                    next(_leaves(tree)).first_of = self.span(generator.target)
                self.add('comprehension', self.span(condition), tree)
                for test in _leaves(tree):
                    if isinstance(test.node, ast.Compare) and bytecode.COMPARISONS_MOVE:
                        position = test.chain or test.span
            self.stack += [generator.target, generator.iter]
        self.stack += [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]

    visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_ListComp

    def visit_Try(self, node: Any) -> None:
        if node.handlers and node.handlers[-1].type:
            self.table.last_handlers.add((*self.span(node.handlers[-1].type), 'except'))
        self.stack += [*node.body, *node.handlers, *node.orelse, *node.finalbody]

    visit_TryStar = visit_Try

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.type:
            span = self.span(node.type)
            decision = self.add('except', span, _Test(node.type, span))
            assert decision is not None
            self.table.handlers.setdefault(self.span(node), Operand(decision, 0))
            self.suite(decision, node.body)
            self.stack.append(node.type)
        self.stack += node.body

    def visit_Match(self, node: ast.Match) -> None:
        self.stack.append(node.subject)
        for case in node.cases:
            pattern = _Test(case.pattern, self.span(case.pattern),
                            constant=True if _matches_always(case.pattern) else None)
            tree = ('and', [pattern, self.test_tree(case.guard)]) if case.guard else pattern
            end = self.span(case.guard or case.pattern)
            decision = self.add('case', Span(*pattern.span[:2], *end[2:]), tree)
            if decision is None:
                self.table.reasons[pattern.span] = 'a pattern that always matches'
            self.suite(decision, case.body)
            self.stack += case.body

    if bytecode.LOOPS_OVER_GENERATORS:
        def visit_Call(self, node: ast.Call) -> None:
            if isinstance(node.func, ast.Name) and [type(argument) for argument in node.args] == [ast.GeneratorExp]:
                self.table.reasons[self.span(node.func)] = 'a function of a generator'
            self.stack += [part for part in (node.func, *node.args, *node.keywords) if part.__class__ not in _PLAIN]

    def loop(self, position: Span, node: ast.For | ast.AsyncFor | ast.comprehension) -> model.Decision:
        """Add the decision of a loop in the statement or comprehension at this position. Push nothing."""
        span = Span(*self.span(node.target)[:2], *self.span(node.iter)[2:])
        test = _Test(node.iter, span)
        decision = self.decision('for', span, *_tests_of(test))
        assert decision is not None
        is_async = isinstance(node, ast.AsyncFor) or isinstance(node, ast.comprehension) and node.is_async
        if bytecode.LOOPS_AT_ITERABLE and not is_async:
            position = self.span(node.iter)
        self.table.loops.setdefault(position, []).append(Operand(decision, 0))
        return decision

    def test(self, kind: str, node: ast.expr) -> model.Decision | None:
        """Add the decision of a test of the given kind; return it, or None."""
        return self.add(kind, self.span(node), self.test_tree(node))

    def suite(self, decision: model.Decision | None, body: list[ast.stmt]) -> None:
        """Enter the statements that are executed if the decision is true."""
        if decision is not None:
            last = body[-1]
            start, end = min(map(self.span, (body[0], *getattr(body[0], 'decorator_list', ())))), self.span(last)
            self.table.suites[decision.key] = start.line, end.end_line
            if (isinstance(last, (*one_line_jumps.KINDS, ast.Raise))
                    and self.source[body[0].lineno - 1][:body[0].col_offset].strip()):
                lines = range(decision.span.line, end.end_line + 1)
                if isinstance(last, ast.Raise):
                    self.table.raises.update(lines)
                    return
                self.jumps[last] = Span(*start[:2], *end[2:])
                if isinstance(last, ast.Return):
                    self.table.returns.update(lines)

    # A _Tree is a _Test, or ('and' | 'or', list of trees), ('not', tree) or ('if', test, body, orelse).

    def test_tree(self, node: ast.expr) -> _Tree:
        """Take apart what compiler_jump_if() takes apart; recurse only where the grammar limits the depth."""
        match node:
            case ast.BoolOp():
                return 'and' if isinstance(node.op, ast.And) else 'or', [self.test_tree(value) for value in node.values]
            case ast.UnaryOp(op=ast.Not()) if self.constant(node) is None:
                return 'not', self.test_tree(node.operand)
            case ast.IfExp():
                return 'if', self.test_tree(node.test), self.test_tree(node.body), self.test_tree(node.orelse)
            case ast.Compare() if len(node.ops) > 1:
                return self.chain_tree(node)
        return self.leaf(node)

    def value_tree(self, node: ast.expr) -> _Tree:
        """Take apart `and` and `or` in a value."""
        if isinstance(node, ast.BoolOp):
            parts = [self.value_tree(value) for value in node.values]
            if isinstance(parts[0], _Test):
                parts[0].first_of = self.span(node)
            return 'and' if isinstance(node.op, ast.And) else 'or', parts
        return self.leaf(node)

    def chain_tree(self, node: ast.Compare) -> _Tree:
        """Take apart a chained comparison into its links."""
        chain, links = self.span(node), []
        outer = [self.with_brackets(self.span(operand), chain) for operand in (node.left, *node.comparators)]
        for index, comparator in enumerate(node.comparators):
            span = Span(*outer[index][:2], *outer[index + 1][2:])
            operator = ast.Compare(node.left, [node.ops[index]], [comparator])
            links.append(_Test(operator, span, chain, comparator, index == len(node.ops) - 1))
        links[0].first_of = chain
        self.stack += [node.left, *node.comparators]
        return 'and', links

    def leaf(self, node: ast.expr) -> _Test:
        """Make a condition; expressions inside it may have decisions of their own."""
        self.stack.append(node)
        return _Test(node, self.span(node), constant=self.constant(node))

    def constant(self, node: ast.expr) -> bool | None:
        """The truth of an expression that the compiler folds to a constant, or None."""
        if isinstance(node, ast.Constant):
            return bool(node.value)
        if not isinstance(node, _FOLDABLE):
            return None
        for part in ast.walk(node):
            if not isinstance(part, _FOLDABLE) or isinstance(part, ast.Name) and part.id != '__debug__':
                return None
        code = compile(ast.Expression(node), '<constant>', 'eval', dont_inherit=True, optimize=self.optimize)
        return bool(eval(code)) if _CONSTANT_CODE.issuperset(code.co_code[::2]) else None

    def with_brackets(self, span: Span, within: Span) -> Span:
        """Extend the span of an operand to the brackets around it."""
        text = self.text(within)
        start = len(self.text(Span(*within[:2], *span[:2])))
        end = len(self.text(Span(*within[:2], *span[2:])))
        while True:
            before, after = text[:start].rstrip(), text[end:].lstrip()
            if not (before.endswith('(') and after.startswith(')')):
                break
            start, end = len(before) - 1, len(text) - len(after) + 1
        return Span(*self.position(within, text[:start]), *self.position(within, text[:end]))

    @staticmethod
    def position(within: Span, text: str) -> tuple[int, int]:
        """Line and column of the end of `text`, which starts where `within` starts."""
        *lines, last = text.split('\n')
        return within.line + len(lines), len(last.encode()) + (0 if lines else within.column)

    def text(self, span: Span) -> str:
        """The source text of a span."""
        start, end = span.line - self.before - 1, span.end_line - self.before
        if end == start + 1 and end <= len(self.source):
            return self.source[start][span.column:span.end_column].decode(errors='replace')
        lines = self.source[start:end]
        if not lines:
            return ''
        lines[-1] = lines[-1][:span.end_column]
        lines[0] = lines[0][span.column:]
        return b''.join(lines).decode(errors='replace')

    def decision(self, kind: str, span: Span, tests: list[_Test], reached: list[_Test], value: bool = False
                 ) -> model.Decision | None:
        """Make the decision of the _tests_of() a tree, or return None if nothing in it is tested.

        value   whether nothing tests the last operand
        """
        if len(tests) == 1 and tests[0].constant is None and not value:     # the usual case
            test = tests[0]
            condition = model.Condition(test.span, self.text(test.span), test.on_true, test.on_false)
            decision = model.Decision(kind, span, (condition,))
            return self.decisions.setdefault(decision.key, decision)
        number = {test.index: position for position, test in enumerate(reached)}
        conditions = tuple(
            model.Condition(test.span, self.text(test.span),
                            _next(tests, on_true, number), _next(tests, on_false, number),
                            tested=not (value and test is tests[-1]), constant=test.constant)
            for test in reached for on_true, on_false in [_ways(test)])
        if not any(condition.tested and condition.constant is None for condition in conditions):
            return None
        decision = model.Decision(kind, span, conditions)
        return self.decisions.setdefault(decision.key, decision)

    def add(self, kind: str, span: Span, tree: _Tree, value: bool = False) -> model.Decision | None:
        """Add the decision of a tree to the decisions and to the table; return it, or None."""
        tests, reached = _tests_of(tree)
        decision = self.decision(kind, span, tests, reached, value)
        if decision is None:
            return None
        for index, (test, condition) in enumerate(zip(reached, decision.conditions)):
            if condition.tested and kind != 'except':
                self.place(test, decision, index)
        return decision

    def place(self, test: _Test, decision: model.Decision, index: int) -> None:
        """Enter a condition into the table."""
        table = self.table
        if isinstance(test.node, ast.pattern):
            always = tuple(map(self.span, _before_a_match(test.node)))
            table.patterns.setdefault(test.span, Operand(decision, index, always=always))
            return
        node = _folded(test.node)
        operand = Operand(decision, index, _argument(node))
        if test.first_of:
            table.firsts.setdefault(test.first_of, operand)
        if test.chain:
            for tail in _tails(test.comparator):
                table.links.setdefault((test.chain, self.span(tail)), operand)
            if test.last and operand.argument is not None:
                table.fused.setdefault(test.chain, operand)
            return
        for tail in _tails(test.node):
            table.values.setdefault(self.span(tail), operand)
            if isinstance(tail, (ast.Call, ast.Attribute)):
                table.ends.setdefault(self.span(tail)[2:], operand)
        if operand.argument is not None:
            table.fused.setdefault(self.span(node), operand)
            for tail in _tails(node.left):
                table.lefts.setdefault(self.span(tail), operand)


def _tests_of(tree: _Tree) -> tuple[list[_Test], list[_Test]]:
    """The tests of a tree, connected, and those of them that can be evaluated at all, given the constants."""
    tests = list(_leaves(tree))
    for index, test in enumerate(tests):
        test.index = index
    _connect(tree, TRUE, FALSE)
    return tests, tests if all(test.constant is None for test in tests) else _reached(tests)


def _leaves(tree: _Tree) -> Iterator[_Test]:
    if isinstance(tree, _Test):
        yield tree
        return
    for part in tree[1:]:
        for branch in part if isinstance(part, list) else [part]:
            yield from _leaves(branch)


def _first(tree: _Tree) -> int:
    return next(_leaves(tree)).index


def _connect(tree: _Tree, on_true: int, on_false: int) -> None:
    """Set where control goes after each condition of a tree, before constants are resolved."""
    match tree:
        case _Test():
            tree.on_true, tree.on_false = on_true, on_false
        case ['not', operand]:
            _connect(operand, on_false, on_true)
        case ['if', test, body, orelse]:
            _connect(test, _first(body), _first(orelse))
            _connect(body, on_true, on_false)
            _connect(orelse, on_true, on_false)
        case [operator, operands]:
            for operand, following in zip(operands, operands[1:]):
                if operator == 'and':
                    _connect(operand, _first(following), on_false)
                else:
                    _connect(operand, on_true, _first(following))
            _connect(operands[-1], on_true, on_false)


def _reached(tests: Sequence[_Test]) -> list[_Test]:
    """The tests that can be evaluated at all."""
    reached: set[int] = set()
    todo = [0]
    while todo:
        index = todo.pop()
        if index >= 0 and index not in reached:
            reached.add(index)
            todo += _ways(tests[index])
    return [test for test in tests if test.index in reached]


def _ways(test: _Test) -> tuple[int, int]:
    """Where control goes after a test that is true, and one that is false: both are the same for a constant."""
    if test.constant is None:
        return test.on_true, test.on_false
    return (test.on_true,) * 2 if test.constant else (test.on_false,) * 2


def _next(tests: Sequence[_Test], index: int, number: dict[int, int]) -> int:
    """Where control goes to from the test with this index, if it is constant, or the index."""
    while index >= 0 and tests[index].constant is not None:
        index = _ways(tests[index])[0]
    return number.get(index, index)


def _folded(node: Any) -> Any:
    """The node without a `not` around `is` or `in`: the compiler inverts the operator."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        operand = _folded(node.operand)
        argument = _argument(operand)
        if argument is not None:
            opposite = {ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In}
            turned = ast.Compare(operand.left, [opposite[type(operand.ops[0])]()], operand.comparators)
            return ast.copy_location(turned, operand)
    return node


def _argument(node: ast.AST) -> int | None:
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        return _PLAIN_ARGUMENT.get(type(node.ops[0]))
    return None


def _tails(node: Any) -> list[Any]:
    """The nodes whose position the last instruction of an expression may have."""
    match node:
        case ast.IfExp():
            return _tails(node.body) + _tails(node.orelse)
        case ast.BoolOp():
            return [tail for value in node.values for tail in _tails(value)]
        case ast.NamedExpr():
            return [node.target]
        case ast.UnaryOp(op=ast.Not(), operand=ast.UnaryOp(op=ast.Not()) as inner):
            return [_folded(node), *_tails(inner)]      # from 3.13 on, the outer one may be folded
        case ast.UnaryOp(op=ast.Not()):
            return [_folded(node), node]        # from 3.14 on, an inverted operator has the position of the `not`
        case ast.JoinedStr():
            return [node, *node.values]
    return [node]


def _matches_always(pattern: ast.pattern) -> bool:
    match pattern:
        case ast.MatchAs():
            return pattern.pattern is None or _matches_always(pattern.pattern)
        case ast.MatchOr():
            return _matches_always(pattern.patterns[-1])
    return False


def _before_a_match(pattern: ast.pattern) -> Iterator[ast.pattern]:
    """The alternatives that are followed by one that always matches."""
    for part in ast.walk(pattern):
        if isinstance(part, ast.MatchOr) and _matches_always(part.patterns[-1]):
            yield from part.patterns[:-1]


def _is_assignment(iterable: ast.expr, constant: Callable[[ast.expr], bool | None]) -> bool:
    """Whether a later loop of a comprehension is the idiom `for y in [x]`, for which the compiler makes no loop."""
    return (isinstance(iterable, (ast.List, ast.Tuple)) and len(iterable.elts) == 1
            and not isinstance(iterable.elts[0], ast.Starred)
            and (bytecode.ASSIGNS_CONSTANTS or constant(iterable.elts[0]) is None))
