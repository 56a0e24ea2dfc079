"""Finds the paths that evaluations take through decisions by rewriting the source.

An oracle for condcov.analysis.coverable and condcov.record.plan: each condition is wrapped in a call that writes its truth down, so that
nothing depends on bytecode. It knows only what this needs: Python's syntax tree, and short circuits.
"""

import ast
import collections
import sys


def paths_of(text, namespace, run):
    """Run a rewritten program.

    text        source of the program
    namespace   dict, the globals it is executed with
    run         called when the module has been executed
    Returns {decision's key: Counter of paths}, both as model.Seen.paths has them.
    """
    log = _Log()
    rewriter = _Rewriter()
    tree = ast.fix_missing_locations(rewriter.visit(ast.parse(text)))
    log.sizes = rewriter.sizes
    namespace.update(_leaf=log.leaf, _set=log.set, _get=log.get, _untested=log.untested, _end=log.end, _try=log.attempt,
                     _hit=log.hit, _items=log.items, _aitems=log.aitems,
                     _except=log.matches)
    exec(compile(tree, 'program', 'exec'), namespace)
    run()
    return log.finish()


class _Log:

    def __init__(self):
        self.paths = collections.defaultdict(collections.Counter)
        self.pending = {}           # the evaluations that have begun: {(frame, key): list of marks}
        self.values = {}            # operands of chains that are needed twice
        self.sizes = {}

    def write(self, key, marks, ended=True):
        if marks[0] == '?':         # this pattern was not mentioned again
            marks, ended = ['F', *marks[1:]], True
        self.paths[key][''.join(marks) + '!' * (not ended)] += 1

    def leaf(self, key, index, first, value):
        """A condition has this value; first, whether the decision begins with it."""
        truth = bool(value)
        place = sys._getframe(1), key
        if first or place not in self.pending:       # the compiler may have removed the first
            self.begin(place)
        self.pending[place][index] = 'T' if truth else 'F'
        return value

    def begin(self, place):
        if place in self.pending:
            self.write(place[1], self.pending[place], ended=False)
        self.pending[place] = ['-'] * self.sizes[place[1]]

    def untested(self, key, index):
        """The last operand is about to be evaluated, which nothing tests."""
        place = sys._getframe(1), key
        marks = self.pending.pop(place)
        marks[index] = 'e'
        self.write(key, marks)

    def end(self, key, value):
        """A decision has been made."""
        place = sys._getframe(1), key
        if place in self.pending:
            self.write(key, self.pending.pop(place))
        return value

    def set(self, name, value):
        self.values[sys._getframe(1), name] = value
        return value

    def get(self, name):
        return self.values[sys._getframe(1), name]

    def attempt(self, key):
        """A pattern is about to be tried. False, so that it is."""
        place = sys._getframe(1), key
        self.begin(place)
        self.pending[place][0] = '?'
        return False

    def hit(self, key):
        """A pattern has matched."""
        self.pending[sys._getframe(1), key][0] = 'T'
        return True

    def items(self, key, iterable):
        for item in iterable:
            self.write(key, ['T'])
            yield item
        self.write(key, ['F'])

    async def aitems(self, key, iterable):
        async for item in iterable:
            self.write(key, ['T'])
            yield item
        self.write(key, ['F'])

    def matches(self, key, kinds):
        """An except clause with these kinds of exception is tried."""
        self.write(key, ['T' if isinstance(sys.exc_info()[1], kinds) else 'F'])
        return kinds

    def finish(self):
        for (_, key), marks in self.pending.items():
            self.write(key, marks, ended=False)
        self.pending.clear()
        return dict(self.paths)


def _call(name, *arguments):
    arguments = [argument if isinstance(argument, ast.AST) else ast.Constant(argument) for argument in arguments]
    return ast.Call(ast.Name(name, ast.Load()), arguments, [])


def _constant(node):
    """The truth of a constant, or None."""
    match node:
        case ast.Constant():
            return bool(node.value)
        case ast.Name('__debug__'):
            return True
        case ast.UnaryOp(ast.Not(), operand) if _constant(operand) is not None:
            return not _constant(operand)
    return None


class _Rewriter(ast.NodeTransformer):

    def __init__(self):
        self.sizes = {}             # how many conditions each decision has

    def visit_If(self, node):
        return self.statement(node, 'if')

    def visit_While(self, node):
        return self.statement(node, 'while')

    def visit_Assert(self, node):
        return self.statement(node, 'assert')

    def visit_IfExp(self, node):
        return self.statement(node, 'ternary')

    def statement(self, node, kind):
        test, node.test = node.test, ast.Constant(None)
        node = self.generic_visit(node)
        node.test = _Decision(self, self.key(kind, test)).rewrite(test)
        return node

    def visit_BoolOp(self, node):
        return _Decision(self, self.key('boolean', node), value=True).rewrite(node)

    def visit_Compare(self, node):
        if len(node.ops) == 1:
            return self.generic_visit(node)
        return _Decision(self, self.key('comparison', node), value=True).rewrite(node)

    def visit_For(self, node):
        key = self.key('for', node.target, node.iter)
        node = self.generic_visit(node)
        node.iter = _call('_aitems' if isinstance(node, ast.AsyncFor) else '_items', key, node.iter)
        return node

    visit_AsyncFor = visit_For

    def visit_ListComp(self, node):
        for generator in node.generators[1:]:
            # The idiom for an assignment is not compiled to a loop, from 3.14 on not with a constant either.
            match generator.iter:
                case ast.List([item]) | ast.Tuple([item]):
                    generator.is_assignment = sys.version_info >= (3, 14) or not isinstance(item, ast.Constant)
        return self.generic_visit(node)

    visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_ListComp

    def visit_comprehension(self, node):
        key = self.key('for', node.target, node.iter)
        node.iter = self.visit(node.iter)
        if node.is_async:
            node.iter = _call('_aitems', key, node.iter)
        elif not getattr(node, 'is_assignment', False):
            node.iter = _call('_items', key, node.iter)
        node.ifs = [_Decision(self, self.key('comprehension', test)).rewrite(test) for test in node.ifs]
        return node

    def visit_ExceptHandler(self, node):
        key = self.key('except', node.type)
        node = self.generic_visit(node)
        node.type = _call('_except', key, node.type)
        return node

    def visit_Match(self, node):
        node.subject = self.visit(node.subject)
        cases = []
        for case in node.cases:
            case.body = [self.visit(statement) for statement in case.body]
            key = self.key('case', case.pattern, case.guard or case.pattern)
            always = isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None
            if not always:
                nothing = ast.match_case(ast.MatchAs(), _call('_try', key), [ast.Pass()])
                cases.append(nothing)
            self.sizes[key] = 1
            if case.guard:
                guard = _Decision(self, key, first=1, begins=always).rewrite(case.guard)
                case.guard = guard if always else ast.BoolOp(ast.And(), [_call('_hit', key), guard])
            elif not always:
                case.guard = _call('_end', key, _call('_hit', key))
            cases.append(case)
        node.cases = cases
        return node

    @staticmethod
    def key(kind, first, last=None):
        last = last or first
        return first.lineno, first.col_offset, last.end_lineno, last.end_col_offset, kind


class _Decision:
    """Rewrites a decision."""

    def __init__(self, rewriter, key, value=False, first=0, begins=True):
        self.rewriter, self.key, self.value = rewriter, key, value
        self.size = first           # conditions so far
        self.begins = begins        # whether nothing that is tested comes before

    def rewrite(self, node):
        node, _ = self.expression(node, last=True)
        self.rewriter.sizes[self.key] = self.size
        return _call('_end', self.key, node)

    def expression(self, node, last):
        """The rewritten node and the set of its possible outcomes; last: whether it decides as the last operand."""
        match node:
            case ast.BoolOp():
                stops = isinstance(node.op, ast.Or)         # the outcome that makes a short circuit
                values, outcomes = [], set()
                for operand in node.values:
                    more = operand is not node.values[-1]
                    operand, possible = self.expression(operand, last and not more)
                    values.append(operand)
                    outcomes |= possible & {stops} if more else possible
                    if more and possible == {stops}:
                        break                               # what follows is never evaluated
                return (ast.BoolOp(node.op, values) if len(values) > 1 else values[0]), outcomes
            case ast.UnaryOp(ast.Not(), operand) if not self.value:
                operand, outcomes = self.expression(operand, last)
                return ast.UnaryOp(ast.Not(), operand), {not outcome for outcome in outcomes}
            case ast.IfExp() if not self.value:
                begins = self.begins
                test, outcomes = self.expression(node.test, False)
                after = self.begins and begins
                ways, possible = {}, set()
                for truth, way in ((True, node.body), (False, node.orelse)):
                    ways[truth] = ast.Constant(None)
                    if truth in outcomes:
                        self.begins = after
                        ways[truth], more = self.expression(way, last)
                        possible |= more
                self.begins = False
                return ast.IfExp(test, ways[True], ways[False]), possible
            case ast.Compare() if len(node.ops) > 1 and (not self.value or self.whole(node)):
                return self.chain(node), {True, False}
        return self.condition(node, last)

    def whole(self, node):
        return self.key == self.rewriter.key('comparison', node)

    def condition(self, node, last):
        constant = _constant(node)
        index, self.size = self.size, self.size + 1
        if constant is not None:
            return node, {constant}
        node = self.rewriter.visit(node)
        if self.value and last:
            if self.begins:
                return node, {True, False}                  # nothing is tested
            pair = ast.Tuple([_call('_untested', self.key, index), node], ast.Load())
            return ast.Subscript(pair, ast.Constant(1), ast.Load()), {True, False}
        begins, self.begins = self.begins, False
        return _call('_leaf', self.key, index, begins, node), {True, False}

    def chain(self, node):
        operands = [self.rewriter.visit(operand) for operand in (node.left, *node.comparators)]
        names = [f'{self.key} {number}' for number in range(len(operands))]
        links = []
        left = operands[0]
        for number, operator in enumerate(node.ops, 1):
            right = operands[number]
            if number < len(node.ops):
                right = _call('_set', names[number], right)
            link = ast.Compare(left, [operator], [right])
            index, self.size = self.size, self.size + 1
            if self.value and number == len(node.ops):
                pair = ast.Tuple([_call('_untested', self.key, index), link], ast.Load())
                links.append(ast.Subscript(pair, ast.Constant(1), ast.Load()))
            else:
                links.append(_call('_leaf', self.key, index, self.begins, link))
                self.begins = False
            left = _call('_get', names[number])
        return ast.BoolOp(ast.And(), links)
