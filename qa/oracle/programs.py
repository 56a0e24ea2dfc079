"""Hypothesis strategies: random programs that end, for the comparison of trace events.

A program is source text. It defines functions, each of which calls only functions defined before it (or itself, with a
limit on the depth), and main(), which calls the last ones. It only computes, with the same result each time that main()
is called. Each loop counts up to a small constant, and the cost of a function, including nested loops and calls, is
limited.
"""

import re

from hypothesis import strategies as st

# Definitions that are added to the programs that use them, and traced like the rest.
PRELUDE = {
    'Error': '''\
class Error(Exception):
    def __init__(self, code=0):
        self.code = code
''',
    'Manager': '''\
class Manager:
    def __init__(self, suppress):
        self.suppress = suppress
    def __enter__(self):
        return self
    def __exit__(self, kind, value, traceback):
        return self.suppress
    async def __aenter__(self):
        return await Ready(self)
    async def __aexit__(self, kind, value, traceback):
        return self.suppress
''',
    'Ready': '''\
class Ready:
    __slots__ = 'value',
    def __init__(self, value):
        self.value = value
    def __await__(self):
        try:
            yield
        except Error:
            return None
        return self.value
''',
    'Countdown': '''\
class Countdown:
    def __init__(self, n):
        self.n = n
    def __iter__(self):
        return self
    def __next__(self):
        if not self.n:
            raise StopIteration
        self.n -= 1
        return self.n
    def __aiter__(self):
        return self
    async def __anext__(self):
        if not self.n:
            raise StopAsyncIteration
        self.n -= 1
        return await Ready(self.n)
''',
    'Point': '''\
class Point:
    __match_args__ = 'x', 'y'
    def __init__(self, x, y):
        self.x = x
        self.y = y
    @property
    def sum(self):
        return self.x + self.y
    def __getitem__(self, i):
        return self.x if i else self.y
    def scaled(self, by, *, add=0):
        return Point(self.x * by % 101 + add, self.y)
''',
    'drive': '''\
def drive(generator, actions):
    seen = []
    for name, value in actions:
        try:
            if name == 'send':
                seen.append(generator.send(value))
            elif name == 'throw':
                seen.append(generator.throw(value))
            else:
                generator.close()
        except (StopIteration, StopAsyncIteration):
            seen.append(None)
        except BaseException as e:
            seen.append(type(e))
    return len(seen)
''',
    'counter': 'counter = 0\n',
}

# Assignments that are added to the start of the functions that use them.
LOCALS = {
    'xs': '[a, 2, b]', 'd': '{"k": a}', 'p': 'Point(a, b)', 'q': 'None', 'f': '1.5',
}

COST = 250              # the number of statements of a function
DEPTH = 3               # the depth of nested statements, and of expressions
INTS = ('a', 'b', 'c')
ERRORS = ('Error', 'ValueError', 'ZeroDivisionError', 'KeyError', 'Exception')
RAISERS = ('Error(a)', 'ValueError', 'KeyError(s)', 'ExceptionGroup("g", [Error(1), ValueError(2)])', 'StopIteration')
# A line that starts between two instructions that specialization combines.
LINES = '(c, a,\n1)'
# The operations of an asynchronous generator.
ASYNC_STEPS = ('.__anext__()', '.asend(None)', '.athrow(Error)', '.aclose()')
# Expressions that fail in different ways: in an operation, in C code, for a name, in the middle of a line.
FAILURES = ('1 // 0', 'xs[99]', 'd["?"]', 'int(s + "z")', 's + 1', 'unknown', 'None.x', 'a()', 'len(a)',
            'next(iter(()))')


class Function:
    """A function being written: its lines and its cost."""

    def __init__(self, draw, name, kind, callable_):
        self.draw = draw
        self.name = name
        self.kind = kind                # 'function', 'generator', 'coroutine', 'asyncgen'
        self.callable = callable_       # the functions defined before
        self.lines = []
        self.indent = 0
        self.times = 1                  # the maximum number of times that the current position runs
        self.cost = 0
        self.depth = 0
        self.in_loop = self.in_star = False
        self.nested = 0
        self.recursive = False
        self.fresh = 0

    # --- the choices ---

    def choose(self, *options):
        return self.draw(st.sampled_from(options))

    def number(self, low, high):
        return self.draw(st.integers(low, high))

    def maybe(self):
        return self.draw(st.booleans())

    # --- writing ---

    def write(self, line):
        self.lines.append('    ' * self.indent + line)
        self.cost += self.times

    def block(self, head, write=None, **context):
        """Write a clause of a compound statement: its head, and the output of write(), or statements, below it."""
        self.write(head)
        saved = {name: getattr(self, name) for name in context}
        vars(self).update(context)
        self.indent += 1
        self.depth += 1
        (write or self.statements)()
        self.depth -= 1
        self.indent -= 1
        vars(self).update(saved)

    def name_for(self, prefix):
        self.fresh += 1
        return f'{prefix}{self.fresh}'

    # --- expressions ---

    def integer(self, depth=DEPTH):
        """An expression whose value is an integer, if it does not fail."""
        if depth <= 0:
            return self.choose('a', 'b', 'c', '0', '1', '2', '7', '300')
        less = depth - 1
        form = self.number(0, 20)
        if form <= 3:
            return self.integer(0)
        if form <= 5:
            return f'{self.integer(less)} {self.choose("+", "-", "&", "|")} {self.integer(0)}'
        if form == 6:
            return f'({self.integer(less)} * {self.integer(0)} % 101)'
        if form == 7:
            return f'({self.integer(less)} {self.choose("and", "or")} {self.integer(less)})'
        if form == 8:
            return f'({self.integer(less)} if {self.condition(less)} else {self.integer(less)})'
        if form == 9:
            return f'{self.choose("len", "sum", "max")}({self.choose("xs", "[a, b]", "(c, 1)", LINES)})'
        if form == 10:
            return f'xs[{self.integer(0)} % 3]'
        if form == 11:
            return self.choose('p.x', 'p.sum', 'p[a]', 'p.scaled(2, add=b).x', 'q', 'counter', 'd["k"]',
                               '(1, 2)[a & 1]',
                               '-a', '~b', 'len(tuple(xs))', 'Point.scaled(p, 2).y', 'str.count(t, "x")')
        if form == 12:
            return self.comprehension(less)
        if form == 13:
            return f'(n{self.fresh}x := {self.integer(less)})'
        if form == 14:
            return f'(lambda u, v=1: {self.integer(0)} + u * v % 7)({self.integer(0)})'
        if form == 15:
            return f'({self.integer(less)} // {self.choose("2", "a", "(b - 1)")})'
        if form == 16 and self.maybe():
            return self.choose(*FAILURES)
        if form == 17 and self.kind in ('coroutine', 'asyncgen'):
            return f'(await Ready({self.integer(0)}))'
        if form == 18 and self.kind in ('generator', 'asyncgen'):
            return f'((yield {self.integer(0)}) or {self.integer(0)})'
        if form == 19:      # lines that start inside an expression
            return f'({self.integer(less)} {self.choose("+", "or")}\n{self.integer(0)})'
        return self.call(less)

    def condition(self, depth=DEPTH):
        form = self.number(0, 12)
        if depth <= 0 or form <= 2:
            return f'{self.integer(0)} {self.choose("<", "<=", "==", "!=", ">", ">=")} {self.integer(0)}'
        less = depth - 1
        if form <= 4:
            return f'({self.condition(less)} {self.choose("and", "or")} {self.condition(less)})'
        if form == 5:
            return f'(not {self.condition(less)})'
        if form == 6:
            return f'{self.integer(0)} < {self.integer(less)} <= {self.integer(0)}'
        if form == 7:
            return f'{self.choose("d.get(s)", "q", "a")} {self.choose("is", "is not")} None'
        if form == 8:
            return f'{self.choose("s == t", "s != t", "a in xs", "s not in d", "f < 2.5", "isinstance(a, int)")}'
        if form == 9:
            return f'({self.integer(0)}\n{self.choose("<", "==", "in (1, 2) or 0 <")}\n{self.integer(0)})'
        if form == 10:
            return f'{self.choose("any", "all")}(v > {self.integer(0)} for v in xs)'
        return self.integer(less)

    def comprehension(self, depth):
        item = self.choose('v', 'v + a', 'v * 2 % 9', '(v if v > 1 else b)')
        source = self.choose('xs', 'range(3)', 'Countdown(2)', 'd.values()')
        test = self.choose('', f' if v {self.choose("<", "!=")} {self.integer(0)}', ' for u in (1, 2) if u or v')
        self.cost += 8 * self.times
        opening, closing = self.choose(('sum([', '])'), ('len({', '})'), ('sum(', ')'), ('len({v: ', '})'))
        return f'{opening}{item} for v in {source}{test}{closing}'

    def arguments(self):
        first, second = self.integer(0), self.integer(0)
        return self.choose(first, f'{first}, {second}', f'{first}, k={second}', f'*[{first}, {second}]',
                           f'{first}, **{{"b": {second}}}', f'b={first}, a={second}')

    def call(self, depth):
        """A call of an earlier function or of this one; an integer if none is cheap enough."""
        affordable = [f for f in self.callable if self.cost + self.times * f.cost < COST]
        # Not in a comprehension or loop: it would run again in each of the calls below.
        if self.kind == 'function' and self.times == 1 and not self.recursive and self.nested == 0 and self.maybe():
            self.recursive = True
            self.cost *= 3
            return f'({self.name}({self.integer(0)}, depth=depth - 1) if depth > 0 else {self.integer(0)})'
        if not affordable:
            return self.integer(0)
        function = self.choose(*affordable)
        self.cost += self.times * function.cost
        made = f'{function.name}({self.arguments()})'
        if function.kind == 'function':
            return f'({made} or 0)'
        if function.kind == 'generator' and self.maybe():
            return f'{self.choose("sum", "len")}([v or 1 for v in {made}])'
        if function.kind == 'coroutine' and self.kind in ('coroutine', 'asyncgen') and self.maybe():
            return f'(await {made} or 0)'
        if function.kind == 'asyncgen':
            if self.kind in ('coroutine', 'asyncgen') and self.maybe():
                return f'len([v async for v in {made}])'
            made += self.choose(*ASYNC_STEPS)
        return f'drive({made}, {self.actions()})'

    def actions(self):
        options = ('("send", None)', '("send", 3)', '("throw", Error)', '("throw", ValueError(1))',
                   '("throw", StopIteration(2))', '("close", None)')
        # Start most generators, because they can do little before that.
        chosen = [self.choose(*options[:1] * 6, *options)]
        chosen += [self.choose(*options[:1] * 2, *options) for _ in range(self.number(0, 5))]
        return '[' + ', '.join(chosen) + ']'

    # --- statements ---

    def statements(self, most=3):
        for _ in range(self.number(1, most)):
            self.statement()
            if re.match(r' *(return|raise|break|continue)\b', self.lines[-1]) and self.level(-1) == self.indent:
                break       # the rest would never run

    def level(self, i):
        return (len(self.lines[i]) - len(self.lines[i].lstrip())) // 4

    def statement(self):
        simple = (self.assignment, self.assignment, self.augmented, self.string, self.structure, self.count, self.leave,
                  self.raising)
        if self.kind != 'function':
            simple += (self.suspension, self.suspension)
        compound = (self.branching, self.branching, self.while_loop, self.for_loop, self.trying, self.trying,
                    self.trying_star, self.context, self.matching, self.inner_function, self.wide)
        if self.depth >= DEPTH or self.cost >= COST:
            self.choose(*simple)()
        else:
            self.choose(*simple, *compound)()

    def assignment(self):
        target = self.choose(*INTS, *INTS, 'q', 'xs[0]', 'p.x', 'd["k"]', 'a, b', 'b, *xs')
        if ',' in target:
            value = self.choose('b, a', 'xs[:2]', 'divmod(a, 3)', '(c, 1)')
        else:
            value = self.integer()
        self.write(f'{target} = {value}')

    def augmented(self):
        self.write(f'{self.choose(*INTS, "xs[1]", "p.y", "f")} {self.choose("+=", "-=", "//=")} {self.integer(1)}')

    def string(self):
        self.write(self.choose(
            's += "x"', 's += t[:3]', f't = f"{{{self.integer(0)}}}-{{a!r:>4}}"', 's = s + t[:2]', 't = "%s" % a',
            't = str(b)', 's = t + "y"',
            's = s[1:]', 't = "k"'))

    def structure(self):
        self.write(self.choose(
            'xs.append(a)', 'xs = [a, b, c]', 'xs = [v for v in xs if v != b]', 'd[s] = a', 'd = {**d, t: b}',
            'd.pop(s, None)',
            'del d["k"]', 'p = Point(a, b)', 'f = f * 0.5 + 1.0', 'assert a != b, s', 'xs.sort()', 'q = None', 'pass',
            'q = a, *xs'))

    def count(self):
        self.write(self.choose('counter += 1', 'counter -= a & 1'))

    def leave(self):
        options = []
        if self.in_loop:
            options += ['break', 'continue']
        if not self.in_star:
            options += ['return'] if self.kind == 'asyncgen' else ['return', f'return {self.integer(1)}']
        if not options:
            self.write('pass')
        elif self.maybe():
            condition = self.condition(1)
            way = self.choose(*options)
            self.block(f'if {condition}:', lambda: self.write(way))
        else:
            self.write(self.choose(*options))

    def raising(self):
        way = self.choose('raise ' + self.choose(*RAISERS), 'raise', f'raise Error({self.integer(0)}) from None')
        if self.maybe():
            self.block(f'if {self.condition(1)}:', lambda: self.write(way))
        else:
            self.write(way)

    def suspension(self):
        if self.kind == 'coroutine':
            self.write(f'{self.choose(*INTS)} = await Ready({self.integer(1)})')
            return
        target = self.choose('', 'q = ', 'a = 1 + ')
        form = f'(yield {self.integer(1)})'
        if self.kind == 'generator' and self.maybe():
            sources = ['xs', 'range(2)', 'Countdown(2)', 'Ready(a).__await__()']
            sources += [f'{f.name}(a)' for f in self.callable
                        if f.kind == 'generator' and self.cost + self.times * f.cost < COST]
            source = self.choose(*sources)
            self.cost += self.times * (COST // 8)
            form = f'(yield from {source})'
        self.write(target + form)

    def branching(self):
        self.block(f'if {self.condition()}:')
        if self.maybe():
            self.block(f'elif {self.condition()}:')
        if self.maybe():
            self.block('else:')

    def loop(self, head, times, first=None):
        def body():
            if first:
                self.write(first)
            self.statements()
        self.block(head, body, times=self.times * times, in_loop=True)
        if self.maybe():
            self.block('else:')

    def while_loop(self):
        counter = self.name_for('n')
        self.write(f'{counter} = 0')
        times = self.number(1, 4)
        # Some have a second condition, so that either can end the loop.
        head = self.choose(f'while {counter} < {times}:', f'while {counter} < {times} and {self.condition(1)}:',
                           f'while not {counter} >= {times}:',
                           f'while (None if {counter} == {times} else a) is not None:',
                           f'while (None if {counter} < {times} else 0) is None:')
        self.loop(head, times, f'{counter} += 1')

    def for_loop(self):
        target, source = self.choose(('a', 'range(3)'), ('b', '[2, 0, 1]'), ('t', '"xyz"'), ('c', 'Countdown(3)'),
                                     ('t, q', 'list(d.items())[:3]'), ('a', 'tuple(xs)[:3]'),
                                     ('b, c', 'zip((1, 2), xs)'),
                                     ('a', 'range(20)'))
        times = 20 if '20' in source else 3
        if self.kind in ('coroutine', 'asyncgen') and self.maybe():
            self.loop('async for a in Countdown(2):', 3)
        else:
            self.loop(f'for {target} in {source}:', times)

    def handler(self, keyword, last=False):
        error = self.choose(*ERRORS)
        if keyword == 'except*':
            error = self.choose('Error', 'ValueError', 'Exception')
        head = self.choose(f'{keyword} {error}:', f'{keyword} ({error}, TypeError):', f'{keyword} {error} as e:')
        self.block(head)

    def trying(self):
        self.block('try:')
        handlers = self.number(0, 2)
        for _ in range(handlers):
            self.handler('except')
        if handlers and self.maybe():
            self.block('except:')
        if handlers and self.maybe():
            self.block('else:')
        if not handlers or self.maybe():
            self.block('finally:')

    def trying_star(self):
        self.block('try:')
        saved = self.in_star, self.in_loop
        self.in_star, self.in_loop = True, False
        for _ in range(self.number(1, 2)):
            self.handler('except*')
        self.in_star, self.in_loop = saved
        if self.maybe():
            self.block('finally:')

    def context(self):
        word = 'async with' if self.kind in ('coroutine', 'asyncgen') and self.maybe() else 'with'
        head = self.choose('Manager(False)', 'Manager(True)', 'Manager(a > 1) as m',
                           'Manager(True) as m, Manager(False)')
        self.block(f'{word} {head}:')

    def matching(self):
        def cases():
            for _ in range(self.number(1, 3)):
                pattern = self.choose('0', '1 | 2', '[x, *rest]', '[x, 1]', '{"k": v}', 'Point(x, 0)', 'Point(x=1)',
                                      'str()', 'None')
                guard = self.choose('', f' if {self.condition(1)}')
                self.block(f'case {pattern}{guard}:')
            if self.maybe():
                self.block('case _:')
        self.block(f'match {self.choose("a", "xs", "d", "p", "q", "(a, b)", "s")}:', cases)

    def inner_function(self):
        """A nested function that uses cells, called immediately."""
        name = self.name_for('inner')
        kind, self.kind = self.kind, 'function'

        def body():
            self.write('nonlocal a')
            first = len(self.lines)
            self.statements()
            self.write('return a + u')
            own = {'b': 'u', 'c': '3', 's': '"s"', 't': '"t"'} | LOCALS
            self.lines[first:first] = ['    ' * self.indent + f'{name} = {value}' for name, value in own.items()
                                       if uses(self.lines[first:], name)]
        self.block(f'def {name}(u):', body, in_loop=False, in_star=False, nested=self.nested + 1)
        self.kind = kind
        self.write(f'b = {name}({self.integer(0)})')

    def wide(self):
        """Instructions and jumps with EXTENDED_ARG prefixes: many constants, and a long distance."""
        constants = self.choose(0, 0, 260)
        steps = self.choose(3, 30)

        def body():
            if constants:
                self.write(f'q = [{", ".join(f"a + {1000 + i}" for i in range(constants))}]')
            for i in range(steps):
                self.write(f'c = a + {2000 + i} + b - 7')
            self.cost += self.times * 40
            self.statement()
        self.block(f'for a in range({self.number(1, 3)}):' if self.maybe() else f'if {self.condition(2)}:', body,
                   in_loop=False, times=self.times * 3)

    # --- the whole ---

    def source(self):
        word = 'async def' if self.kind in ('coroutine', 'asyncgen') else 'def'

        def body():
            self.statements(4)
            if self.kind in ('generator', 'asyncgen'):
                self.write('yield c')
            if self.kind != 'asyncgen':
                self.write('return a')
        self.block(f'{word} {self.name}(a=1, b=2, c=3, s="s", t="t", *, k=4, depth=2):', body)
        self.lines[1:1] = ['    global counter'] * uses(self.lines, 'counter') + [
            f'    {name} = {value}' for name, value in LOCALS.items() if uses(self.lines, name)]
        return '\n'.join(self.lines) + '\n'


def uses(lines, name):
    return any(re.search(rf'\b{name}\b', line) for line in lines)


@st.composite
def programs(draw, function_class=Function):
    """The source of a program, with a function main(); its functions are written by `function_class`."""
    functions, parts = [], []
    for i in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(('function', 'function', 'generator', 'generator', 'coroutine', 'asyncgen')))
        function = function_class(draw, f'{kind}_{i}', kind, tuple(functions))
        parts.append(function.source())
        functions.append(function)
    main = ['def main():', '    global counter', '    counter = 0']
    for function in reversed(functions):
        for _ in range(draw(st.integers(1, 2))):
            call = f'{function.name}({function.arguments()})'
            if function.kind == 'asyncgen':
                call += draw(st.sampled_from(ASYNC_STEPS))
            if function.kind != 'function':
                call = f'drive({call}, {function.actions()})'
            main += ['    a, b, c = 1, 2, 3', '    try:', f'        {call}', '    except Exception:',
                     '        counter += 1']
    parts.append('\n'.join(main) + '\n')
    # In reverse order, because a definition uses earlier ones.
    for name, piece in reversed(PRELUDE.items()):
        if uses(parts, name):
            parts.insert(0, piece)
    return '\n'.join(parts)
