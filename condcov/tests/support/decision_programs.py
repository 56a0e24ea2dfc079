"""Hypothesis strategy: random programs full of decisions, in every context that has them.

A program defines functions and main(), which calls them. It gets its values from functions of the namespace that it
runs in, `c()` (anything, and it may raise Boom) and `n()` (a small number): see decision_values. It ends.
"""

import textwrap

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st

NUMBERS = st.lists(st.integers(0, 11), min_size=5, max_size=40)     # for decision_values.Values


@st.composite
def expressions(draw, kind='def', most=6):
    """An expression with at most this many conditions, in a function of this kind: 'def', 'async' or 'generator'."""
    left = draw(st.integers(1, most))

    def newline():
        return draw(st.sampled_from(['', '', '', '\n    ']))

    def leaf():
        leaves = ['c()', 'c()', 'c()', 'n() < n()', 'n() == 2', 'c() is None', 'c() is not None', 'n() in (1, 2)',
                  'n() not in (1, 2)', 'not c()', 'not n() in (1, 2)', 'not c() is None', 'o\n    .c()', 'o.c()',
                  '(w := c())',
                  '[c()][0]', '(c(),)', '-n()', 'f"{n()}"', '(lambda: c())()', 'any(c() for q in (1, 2) if n())',
                  '[q for q in (1, 2) if n() and c()]', 'True', 'False', '0', '"x"', '__debug__', 'not True', 'o.taken',
                  'n() < n() + (\n    1)', 'c() is (\n    None)', '(c()\n    if n() else c())', '(c() if n() else c())',
                  '(\n    c())']
        if kind == 'async':
            leaves += ['await a()', 'await a()', '[q async for q in items() if q or n()]']
        if kind == 'generator':
            leaves += ['(yield c())', '(yield)']
        return draw(st.sampled_from(leaves))

    def operand():
        text = draw(st.sampled_from(['n()', 'n()', '2', 'o.n()', '(n())', '(n() if n() else 1)', '(n() or\n    1)']))
        return text

    def expression(size, depth):
        if size == 1 or depth > 4:
            return leaf()
        shape = draw(st.sampled_from(['and', 'or', 'and', 'or', 'ternary', 'chain', 'not', 'is']))
        if shape == 'not':
            return f'not ({newline()}{expression(size, depth + 1)})'
        if shape == 'chain':
            operators = draw(st.lists(st.sampled_from(['<', '<=', '==', '!=', 'is', 'is not']), min_size=2,
                                      max_size=min(size, 3) if size > 2 else 2))
            return operand() + ''.join(f' {operator} {newline()}{operand()}' for operator in operators)
        if shape == 'is':
            return f'({expression(size, depth + 1)}) is {newline()}None'
        if shape == 'ternary' and size >= 3:
            third = size // 3
            parts = [expression(third, depth + 1) for _ in range(3)]
            return '({1}{3} if {0}{4} else {2})'.format(*parts, newline(), newline())
        shape = 'or' if shape == 'ternary' else shape
        parts, rest = [], size
        while rest:
            part = draw(st.integers(1, min(rest, size - 1)))
            text = expression(part, depth + 1)
            # Without brackets, an `and` in an `or` is no operand of another level, and a ternary would not parse.
            parts.append(f'({newline()}{text})' if part > 1 or draw(st.booleans()) else text)
            rest -= part
        return f' {shape} {newline()}'.join(parts)

    return f'({expression(left, 0)})'


@st.composite
def statements(draw, kind='def', depth=0):
    """A statement, of lines without indentation."""
    def test(most=6):
        return draw(expressions(kind, most))

    def block():
        if depth > 1:
            return '    f()'
        return textwrap.indent(draw(statements(kind, depth + 1)), '    ')

    shape = draw(st.sampled_from([
        'if', 'else', 'elif', 'while', 'assert', 'ternary', 'value', 'values', 'comprehension', 'finally',
        'match', 'for', 'try', 'lambda', 'format', 'default', 'line', 'with', 'subscript',
        *['yield'] * 2 * (kind == 'generator'), *['async for'] * 2 * (kind == 'async')]))
    match shape:
        case 'if':
            return f'if {test()}:\n{block()}'
        case 'else':
            return f'if {test()}:\n{block()}\nelse:\n{block()}'
        case 'elif':
            return f'if {test(3)}:\n{block()}\nelif {test()}:\n{block()}\nf()'
        case 'while':
            return f'while {test()}:\n    if k():\n        break\n{block()}'
        case 'assert':
            return f'try:\n    assert {test()}, c()\nexcept AssertionError:\n    f()'
        case 'ternary':
            return f'x = {test(3)} if {test()} else {test(2)}'
        case 'value':
            return f'x = {test()}'
        case 'values':
            return f'f({test()}, {test(3)}, x={test(2)})'
        case 'comprehension':
            start, end = draw(st.sampled_from(['[]', '{}']))
            return (f'x = {start}bool({draw(expressions(most=3))}) for i in (1, 2) if {draw(expressions())} '
                    f'for j in {draw(st.sampled_from(["(3, 4)", "[i]", "[5]"]))} if {draw(expressions(most=2))}{end}')
        case 'finally':
            way = draw(st.sampled_from(['f(c())', 'raise Boom', 'return c()',
                                        f'if {test(2)}:\n        return c()\n    f()']))
            return f'try:\n    {way}\nfinally:\n    x = {test()}\n    if {test()}:\n        f()\n'
        case 'match':
            subject = draw(st.sampled_from(['n()', '[n(), n()]', '{"k": n()}', 'c()']))
            patterns = ['1', '1 | 2', '[1, _]', '[1 | 2, 3]', '{"k": 1}', '[1, x] | [x, 2]', 'None', 'int()',
                        '(0 | 1) as y', '[0 | 1 | 2, *_]', 'str() | None', '[[1], 2]']
            cases = ''
            for _ in range(draw(st.integers(1, 3))):
                pattern = draw(st.sampled_from(patterns))
                guard = f' if {test(4)}' if draw(st.booleans()) else ''
                cases += f'    case {pattern}{guard}:\n' + textwrap.indent(block(), '    ') + '\n'
            if draw(st.booleans()):
                cases += f'    case z if {test(3)}:\n        f()\n'
            if draw(st.booleans()):
                cases += '    case _:\n        f()\n'
            return f'match {subject}:\n{cases}'
        case 'for':
            parts = [block(), f'    if {test(3)}:\n        continue', '    f()']
            return 'for i in (1, 2):\n' + '\n'.join(draw(st.sampled_from([parts, parts[1::-1]]))) + '\nelse:\n    f()'
        case 'async for':
            leave = draw(st.sampled_from(['break', 'continue', 'f()']))
            other = draw(st.sampled_from(['', 'else:\n    f()']))
            return f'async for q in items():\n{block()}\n    if {test(2)}:\n        {leave}\n{other}\nf()'
        case 'try':
            return (f'try:\n{block()}\nexcept (OSError, Boom) if {test(2)} else OSError:\n    f()\n'
                    'except Boom as e:\n    f()')
        case 'lambda':
            return f'g = lambda x={test(2)}: {draw(expressions())}\ng()'
        case 'format':
            one = test(2).replace('\n', ' ')
            return f'x = f"{{1}}{{{one}}}"' if '"' not in one and ':=' not in one and 'lambda' not in one else 'f()'
        case 'default':
            return f'def inner(x={test(2)}):\n    return {draw(expressions())}\ninner()'
        case 'line':
            return f'if {test()}: f()\nx = {test(2)}; y = {test(2)}'
        case 'with':
            return f'with __import__("contextlib").suppress(Boom):\n{block()}\n    f({test()})'
        case 'subscript':
            return f'x = [0, 1][bool({test()})]\nx = {{1: {test(2)}}}'
        case 'yield':
            return f'x = yield {test()}'


@st.composite
def programs(draw):
    """The text of a program."""
    text, calls = '', []
    for number in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(['def', 'def', 'async', 'generator']))
        start = {'def': 'def', 'async': 'async def', 'generator': 'def'}[kind]
        body = '\n'.join(draw(st.lists(statements(kind), min_size=1, max_size=4)))
        end = {'def': f'return {draw(expressions())}', 'async': f'return {draw(expressions(kind))}',
               'generator': 'yield c()'}[kind]
        text += f'{start} f{number}():\n{textwrap.indent(body, "    ")}\n    {end}\n\n'
        calls.append({'def': f'f{number}()', 'async': f'drive(f{number}())', 'generator': f'take(f{number}())'}[kind])
    text += '''\
def drive(coroutine):
    try:
        while True:
            coroutine.send(None)
    except StopIteration:
        f()

def take(generator):
    for number, _ in enumerate(generator):
        if number > 20:
            break

def main():
'''
    for call in calls:
        text += f'    for i in range(6):\n        try:\n            {call}\n        except Boom:\n            f()\n'
    return text


def collected(count):
    """This many random programs and their numbers, [(text, numbers)], the same each time."""
    found = []

    @hypothesis.settings(max_examples=count, derandomize=True, deadline=None, database=None, phases=(Phase.generate,),
                         suppress_health_check=list(HealthCheck))
    @hypothesis.given(programs(), NUMBERS)
    def collect(text, numbers):
        found.append((text, numbers))

    collect()
    return found
