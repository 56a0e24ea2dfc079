"""Lines and branches match those of coverage.py in the same run: probes do not use the trace function."""

import importlib.util
import json
import subprocess
import sys

import pytest

from support import beside_coverage

# An exception that leaves an except* has no line on 3.14; the tracer in Python, which is all there is, fails then.
traced_in_c = pytest.mark.skipif(sys.platform == 'emscripten', reason='the tracer of coverage.py in Python fails')
processes = pytest.mark.skipif(sys.platform == 'emscripten', reason='there are no processes')

# Branches that coverage.py counts as taken, because an exception left the line for their target: all
# here are `for`, `async for` and `await` over what is not iterable or awaitable, or raises.
EXCEPTIONS = {
    'test.test_coroutines': [
        'for i in coro:', 'for el in coro:', 'for _ in foo():', 'async def foo(): return await Awaitable()',
        'async for i in tup:', 'async for i in aiter:', 'async for i in aiter:', 'async for _ in F():',
        'async for tgt[0] in source():', 'async for i, j in badpairs():'],
}
if sys.version_info >= (3, 14):
    # coverage.py counts the body of a function on the same line as executed when the annotations are (PEP 649).
    EXCEPTIONS['test.test_grammar'] = [
        'def f(x) -> list: pass', 'def f(x: int): pass', 'def f(x: int, /): pass', 'def f(x: int = 34, /): pass',
        'def f(*x: str): pass', 'def f(**x: float): pass', 'def f(x, y: 1+2): pass', 'def f(x, y: 1+2, /): pass',
        'def f(a, b: 1, c: 2, d): pass', 'def f(a, b: 1, /, c: 2, d): pass',
        'def f(a, b: 1, c: 2, d, e: 3 = 4, f=5, *g: 6): pass',
        'def f(a, b: 1, c: 2, d, e: 3 = 4, f=5, *g: 6, h: 7, i=8, j: 9 = 10,',
        'def f(a, b: 1, c: 2, d, e: 3 = 4, f: int = 5, /, *g: 6, h: 7, i=8, j: 9 = 10,']


@pytest.mark.parametrize('tests, target', [
    ('test.test_textwrap', 'textwrap'), ('test.test_shlex', 'shlex'), ('test.test_contextlib', 'contextlib'),
    ('test.test_contextlib_async', 'contextlib'), ('test.test_except_star', 'test.test_except_star'),
    ('test.test_with', 'test.test_with'), ('test.test_grammar', 'test.test_grammar'), ('test.test_heapq', 'heapq'),
    ('test.test_coroutines', 'test.test_coroutines'), ('test.test_configparser', 'configparser'),
])
@pytest.mark.slow
@processes
def test_library_is_covered_as_by_coverage(tests, target):
    done = subprocess.run([sys.executable, '-W', 'ignore', beside_coverage.__file__, tests, target],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout[done.stdout.rindex('{'):])
    assert found['tests'] and found['executed'] > 50 and found['branches'] > 10
    ours, theirs = found['totals']
    assert ours == theirs
    assert found['lines'] == []
    with open(importlib.util.find_spec(target).origin) as source:
        text = source.read().splitlines()
    assert [text[start - 1].strip() for start, _ in found['arcs']] == EXCEPTIONS.get(target, [])


def both(path, text):
    """Run a program; return the SourceFile, the Seen to report, and the lines and arcs that coverage.py reports."""
    if sys.platform == 'emscripten' and 'asyncio' in text:
        pytest.skip('asyncio.run() is not supported')
    path.write_text(text)
    recorded = beside_coverage.Both(str(path), text)
    code = compile(text, path, 'exec')
    with recorded:
        exec(code, {})
    theirs = recorded.theirs()
    return *recorded.ours(), theirs.executed, beside_coverage.arcs_of(theirs.executed_branch_arcs())


# Each runs every outcome of its conditions, and each arc.
ASYNC_FOR = '''
import asyncio
async def items(n):
    for i in range(n):
        yield i
async def after_an_if(n, x):
    if x:
        async for i in items(n):
            print(i)
    return 1
async def with_a_break(n, x):
    async for i in items(n):
        if x:
            break
    return 1
async def with_an_else(n, x):
    async for i in (
            items(n)):
        if x:
            break
    else:
        print(n)
    return 1
async def at_the_end_of_a_loop(n, x):
    for _ in range(2):
        if x:
            async for i in items(n):
                print(i)
async def nested(n, x):
    async for i in items(n):
        async for j in items(x):
            print(j)
async def in_a_finally(n, x):
    try:
        1 / x
    finally:
        async for i in items(n):
            print(i)
async def main():
    for function in after_an_if, with_a_break, with_an_else, at_the_end_of_a_loop, nested, in_a_finally:
        for n in 0, 1:
            for x in 0, 1:
                try:
                    await function(n, x)
                except ZeroDivisionError:
                    print(n)
asyncio.run(main())
'''

TEST_AT_THE_END_OF_A_WITH = '''
from contextlib import nullcontext
def comparison(a, b):
    with nullcontext():
        if (a or
                b > 0):
            print(a)
    return 1
def nested(a, b):
    with nullcontext():
        with nullcontext():
            while (a
                    and b == 1):
                a = b = 0
    return 1
def loop(a, b):
    for _ in range(2):
        with nullcontext():
            if (a and
                    b
                    in (1, 2)):
                print(a)
def alternatives(a, b):
    with nullcontext():
        if a:
            print(a)
        elif (b and
                a < b):
            print(b)
    return 1
for a in 0, 1:
    for b in 0, 1:
        for function in comparison, nested, loop, alternatives:
            function(a, b)
'''

FINALLY = '''
def one_test(x, y, z):
    try:
        1 / x
    finally:
        if y:
            print(y)
def two_conditions(x, y, z):
    try:
        1 / x
    finally:
        if (y and
                z):
            print(y)
def nested_tests(x, y, z):
    try:
        1 / x
    finally:
        if y:
            if z:
                print(y)
def alternatives(x, y, z):
    try:
        1 / x
    finally:
        if y:
            print(y)
        elif z:
            print(z)
def loop(x, y, z):
    try:
        1 / x
    finally:
        for _ in range(y):
            print(y)
def while_loop(x, y, z):
    try:
        1 / x
    finally:
        while y:
            y = z = 0
def caught(x, y, z):
    try:
        try:
            1 / x
        finally:
            if y:
                print(y)
    except ZeroDivisionError:
        print(x)
    finally:
        if z:
            print(z)
for x in VALUES:
    for y in 0, 1:
        for z in 0, 1:
            for function in one_test, two_conditions, nested_tests, alternatives, loop, while_loop, caught:
                try:
                    function(x, y, z)
                except ZeroDivisionError:
                    print(x)
            caught(1, y, z)     # goes on after the inner try
'''

EXCEPT_STAR = '''
from contextlib import nullcontext
def loop(x, y):
    try:
        1 / x
    except* ZeroDivisionError:
        for _ in range(y):
            print(y)
    return x
def to_a_loop(x, y):
    for _ in range(2):
        try:
            1 / x
        except* ZeroDivisionError:
            if y:
                print(y)
def nested(x, y):
    try:
        try:
            1 / x
        except* ZeroDivisionError:
            try:
                int('a')
            except* ValueError:
                if y:
                    print(y)
    finally:
        print(x)
    return x
def with_a_finally(x, y):
    with nullcontext():
        try:
            1 / x
        except* ZeroDivisionError:
            if y or x:
                print(y)
        finally:
            for _ in range(y):
                print(y)
for x in 0, 1:
    for y in 0, 1:
        for function in loop, to_a_loop, nested, with_a_finally:
            function(x, y)
'''


@pytest.mark.parametrize('text', [
    ASYNC_FOR, TEST_AT_THE_END_OF_A_WITH, EXCEPT_STAR, FINALLY.replace('VALUES', '[0]'),
    FINALLY.replace('VALUES', '[0, 1]'),
], ids=['async for', 'with', 'except*', 'finally left by an exception', 'finally'])
def test_no_false_gap(tmp_path, text):
    source, seen, lines, arcs = both(tmp_path / 'program.py', text)
    assert seen.lines & source.lines == lines == source.lines
    assert seen.arcs == arcs
    assert source.arcs - arcs == frozenset()


def test_end_of_an_except_star_clause_that_others_follow(tmp_path):
    text = '''
def function(x, y):
    try:
        [lambda: int('a'), lambda: int([]), lambda: [][0], int][x]()
    except* ValueError:
        if y:
            print(y)
    except* TypeError:
        while y:
            y = 0
    except* (
        LookupError
    ):
        for _ in range(y):
            print(y)
    else:
        print(x)
    return x
for x in 0, 1, 2, 3:
    for y in 0, 1:
        function(x, y)
'''
    source, seen, lines, arcs = both(tmp_path / 'program.py', text)
    assert seen.lines & source.lines == lines == source.lines
    assert arcs < seen.arcs == source.arcs      # coverage.py sees that control goes to the next clause


@traced_in_c
def test_end_of_an_except_star_clause_counts_as_going_on(tmp_path):
    text = '''
def function(x):
    try:
        raise ExceptionGroup('', [ValueError(), TypeError()])
    except* ValueError:
        for _ in range(x):
            print(x)
    return x
try:
    function(1)
except* TypeError:
    print(1)
'''
    source, seen, lines, arcs = both(tmp_path / 'program.py', text)
    assert seen.lines & source.lines == lines == source.lines - {8}
    assert (6, 8) in seen.arcs - arcs


@traced_in_c
@pytest.mark.parametrize('value', [0, 1])
def test_raise_at_the_end_of_an_except_star_clause(tmp_path, value):
    text = '''
def in_a_loop(x):
    for _ in range(2):
        try:
            1 / 0
        except* ZeroDivisionError:
            if x: raise ValueError
def in_a_block(x):
    try:
        1 / 0
    except* ZeroDivisionError:
        if x:
            raise ValueError
    return x
def caught(x):
    try:
        try:
            1 / 0
        except* ZeroDivisionError:
            if x: raise ValueError
    except ValueError:
        print(x)
    return x
for function in in_a_loop, in_a_block, caught:
    try:
        function(VALUE)
    except ValueError:
        print(1)
'''
    source, seen, lines, arcs = both(tmp_path / 'program.py', text.replace('VALUE', str(value)))
    assert seen.lines & source.lines == lines
    assert seen.arcs == arcs


@traced_in_c
def test_end_of_a_function_in_an_except_star_clause(tmp_path):
    text = '''
def function(x):
    try:
        1 / x
    except* ZeroDivisionError:
        if x:
            print(x)
function(0)
'''
    source, seen, lines, _ = both(tmp_path / 'program.py', text)
    assert seen.lines & source.lines == lines
    # CPython 3.11 gives the end of the function the last line.
    assert (7 in lines) == (sys.version_info < (3, 12))


# Each runs every arc, but coverage.py misses those of the jumps.
JUMP_OUT_OF_A_WITH = '''
import asyncio
from contextlib import AsyncExitStack, nullcontext
def to_a_loop(x, y):
    for _ in range(2):
        with nullcontext():
            if x: continue
            print(x)
            if y: break
    return 1
def out_of_two(x, y):
    for _ in range(2):
        with nullcontext(), nullcontext():
            with nullcontext():
                if x or y: continue
                print(x)
    return 1
def test_of_several_lines(x, y):
    while x:
        x -= 1
        with (
            nullcontext(),
        ):
            if (x or
                    y): continue
            print(x)
def values(x, y):
    with nullcontext():
        if x: return 1
        if y: return x + y
        print(x)
def value_of_several_lines(x, y):
    with nullcontext():
        if x == y: return (x if x else
                           y)
        print(x)
def bare(x, y):
    with nullcontext():
        if x: return
        for _ in range(2):
            if y: return
    return 1
def in_a_handler(x, y):
    with nullcontext():
        try:
            1 / x
        except ZeroDivisionError:
            if y: return
            print(x)
    return 1
def case(x, y):
    with nullcontext():
        match x:
            case 0: return
            case 1: print(x)
            case 2: return y
        print(y)
async def awaits(x, y):
    for _ in range(2):
        async with AsyncExitStack():
            if x: continue
            async with AsyncExitStack():
                if y: return y
                print(x)
            print(y)
for x in 0, 1, 2, 3:
    for y in 0, 1:
        for function in (to_a_loop, out_of_two, test_of_several_lines, values, value_of_several_lines, bare,
                         in_a_handler, case):
            function(x, y)
        asyncio.run(awaits(x, y))
'''


# Likewise.
JUMP_OUT_OF_A_TRY = '''
import asyncio
from contextlib import nullcontext
async def items(n):
    for i in range(n):
        yield i
def to_a_loop(x, y):
    for _ in range(2):
        try:
            if x: continue
            print(x)
            if y: x = y; break
            print(y)
        finally:
            print(y)
    return 1
def several_lines(x, y):
    while x:
        x -= 1
        try:
            if (x or
                    y): continue
            print(x)
        finally:
            if y:
                print(y)
def out_of_two(x, y):
    for _ in (
            1, 2):
        try:
            with nullcontext():
                try:
                    if x: break
                    print(x)
                    if y: continue
                finally:
                    print(y)
                print(x)
        except ZeroDivisionError:
            print(y)
        finally:
            print(y)
    else:
        print(x)
def values(x, y):
    try:
        if x: return 1
        if y: return (x +
                      y)
        print(x)
    finally:
        print(y)
    return 1
def handler_else_and_finally(x, y):
    for _ in range(2):
        try:
            1 / x
        except ZeroDivisionError:
            if y: continue
            print(x)
        else:
            if y: break
            print(x)
        finally:
            try:
                if x: continue
                print(x)
            finally:
                print(y)
    return 1
def case(x, y):
    try:
        match x:
            case 0: return
            case 1: print(x)
            case 2: return y
        print(y)
    finally:
        print(x)
def last_in_a_with(x, y):
    with nullcontext():
        while x:
            with nullcontext():
                x -= 1
                if y: break
                print(x)
    return 1
def last_in_a_loop(x, y):
    for _ in range(2):
        while x:
            with nullcontext():
                x -= 1
                if y: break
                print(x)
async def awaits(x, y):
    async for _ in items(2):
        with nullcontext():
            async for i in items(x):
                try:
                    if y: break
                    print(x)
                    if i: continue
                    print(i)
                finally:
                    await asyncio.sleep(0)
    return 1
for x in 0, 1, 2, 3:
    for y in 0, 1:
        for function in (to_a_loop, several_lines, out_of_two, values, handler_else_and_finally, case,
                         last_in_a_with, last_in_a_loop):
            function(x, y)
        asyncio.run(awaits(x, y))
'''


@pytest.mark.parametrize('text', [JUMP_OUT_OF_A_WITH, JUMP_OUT_OF_A_TRY], ids=['with', 'try'])
def test_jump_on_one_line(tmp_path, text):
    source, seen, lines, arcs = both(tmp_path / 'program.py', text)
    assert seen.lines & source.lines == lines
    assert arcs < seen.arcs == source.arcs


@pytest.mark.parametrize('jump', ['continue', 'return', 'break'])
def test_jump_out_of_a_with_that_is_not_taken_is_missing(tmp_path, jump):
    text = f'''
from contextlib import nullcontext
def function(x):
    for i in range(2):
        with nullcontext():
            if x: {jump}
            print(x)
    return 1
function(0)
'''
    source, seen, _, arcs = both(tmp_path / 'program.py', text)
    assert seen.arcs == arcs
    assert source.arcs - seen.arcs == {(6, {'continue': 4, 'return': -3, 'break': 8}[jump])}


@traced_in_c
@pytest.mark.parametrize('early', ['str(1 / 0)', 'yield', 'raise ValueError'])
def test_exception_that_leaves_a_finally_before_its_last_test(tmp_path, early):
    text = f"""
def function(x):
    try:
        int(x)
    finally:
        if x: {early}
        if x: return
    print(x)
    yield
generator = function('a')
try:
    next(generator)
    generator.close()
except Exception:
    pass
"""
    source, seen, lines, _ = both(tmp_path / 'program.py', text)
    assert seen.lines & source.lines == lines
    assert source.arcs >= {(7, -2), (7, 8)} and not {arc for arc in seen.arcs if arc[0] == 7}


# coverage.py counts the exception as the jump, or, on CPython 3.11 in nested ones, as the way to the last line.
@pytest.mark.parametrize('test', ['if x:', 'if x < \\\n x <= x:', 'if (x or\n x):', 'while x:', 'for _ in x or ():'])
@pytest.mark.parametrize('block', ['if not x:', 'with suppress(TypeError):', 'with suppress(ValueError):'])
@pytest.mark.parametrize('rest', ['', 'print(x)'])
@pytest.mark.parametrize('jump', ['return', 'raise KeyError'])
def test_exception_raised_again_is_no_jump_in_the_line_of_its_test(tmp_path, test, block, rest, jump):
    text = f"""
from contextlib import suppress
def function(x):
    {block}
        try:
            int('a')
        finally:
            try: int('b')
            except TypeError: x = 2
            finally:
                {test} {jump}
            {rest}
    print(x)
try:
    function(0)
except ValueError:
    pass
"""
    source, seen, _, _ = both(tmp_path / 'program.py', text)
    after = 12 + test.count('\n') + (not rest)
    assert source.arcs >= {(11, -3), (11, after)} and not {arc for arc in seen.arcs if arc[0] == 11}


@pytest.mark.parametrize('value', [
    "int('a',\n1) if x >\n0 else 7", "x and\nint('a')", "0 if (y :=\nx - 1) else (y or\nint('a'))",
    "[y for y in\n(x, 1) if y == x or\ny] and (x == 0 or\nint('a'))",
])
def test_return_whose_value_raises_is_not_taken(tmp_path, value):
    text = f"""
def function(x):
    try:
        if x: return ({value})
    finally:
        x = x
    return x
try:
    function(1)
except ValueError:
    pass
"""
    source, seen, _, _ = both(tmp_path / 'program.py', text)
    assert (4, -2) in source.arcs - seen.arcs


@pytest.mark.parametrize('test, x, y', [
    ('int(bool(0 if (x or\ny) else 1 < 0) and 1\n)', 1, 0), ('str(\nx or y)[5:]', 1, 0),
    ('(y\nin (x or y, 3))', 1, 0), ('x in (\ny, (x or 7))', 0, 1), ('(y\nif x <= x <= 1 else x)', 0, 0),
    ('[z for z in (x, y)\nif z and y]', 1, 0),
])
@pytest.mark.parametrize('jump', ['return', 'continue', 'break'])
def test_jump_whose_test_has_a_test_in_it_is_not_taken(tmp_path, test, x, y, jump):
    text = f"""
def function(x, y):
    for i in range(2):
        if {test}: {jump}
        i = 2
    return 1
function({x}, {y})
"""
    source, seen, _, arcs = both(tmp_path / 'program.py', text)
    after = 5 + test.count('\n')
    assert {arc for arc in seen.arcs if arc[0] == 4} == {arc for arc in arcs if arc[0] == 4} == {(4, after)}


def test_assert_before_a_return_in_the_line_of_its_test(tmp_path):
    text = """
def function(x, y):
    if x: assert y; return 1
    return 2
try:
    function(1, 0)
except AssertionError:
    pass
"""
    source, seen, _, _ = both(tmp_path / 'program.py', text)
    assert (3, -2) in source.arcs - seen.arcs


@traced_in_c
@pytest.mark.parametrize('test', ['if x:', 'for _ in range(\nx):', 'while (x and\nx):'])
@pytest.mark.parametrize('clause', ['except* KeyError: x = 1', 'except* ValueError:\n        x = 3'])
@pytest.mark.parametrize('x', [0, 1])
def test_raise_in_an_except_star_clause_that_others_follow(tmp_path, test, clause, x):
    # coverage.py does not know that the next clauses are tested.
    text = f"""
def function(x):
    try:
        raise ExceptionGroup('', [ValueError()])
    except* ValueError:
        {test} raise KeyError
        x = 2
    {clause}
    except* TypeError:
        x = 4
try:
    function({x})
except* KeyError:
    pass
"""
    source, seen, _, _ = both(tmp_path / 'program.py', text)
    after = 7 + test.count('\n')
    assert {arc for arc in source.arcs if arc[0] == 6} == {(6, after), (6, -2)}
    assert {arc for arc in seen.arcs if arc[0] == 6} == {(6, -2) if x else (6, after)}


@pytest.mark.parametrize('x', [0, 1])
def test_exception_raised_again_in_a_try_is_no_raise_in_the_line_of_its_test(tmp_path, x):
    text = f"""
def function(x):
    try:
        try:
            int('a')
        finally:
            if x: raise KeyError
    except ValueError:
        print(x)
    except KeyError:
        print(x)
function({x})
"""
    source, seen, _, arcs = both(tmp_path / 'program.py', text)
    assert source.arcs >= {(7, 8), (7, -2)} and (7, 8) in arcs
    assert {arc for arc in seen.arcs if arc[0] == 7} == ({(7, 8)} if x else set())


# In each, the `if` has two ways out, but with this value it takes only one.
@pytest.mark.parametrize('jump, way', [('continue', 4), ('return', -3), ('break', 9)])
@pytest.mark.parametrize('block', ['with nullcontext():', 'try:'])
@pytest.mark.parametrize('x', [0, 1])
def test_jump_at_the_end_of_a_block_has_two_ways(tmp_path, jump, way, block, x):
    rest = 'print(x)' if block == 'with nullcontext():' else 'finally: print(x)'
    text = f"""
from contextlib import nullcontext
def function(x):
    for i in range(2):
        {block}
            if x: {jump}
        {rest}
        print(x)
    return 1
function({x})
"""
    source, seen, _, _ = both(tmp_path / 'program.py', text)
    ways = {arc for arc in source.arcs if arc[0] == 6}
    assert ways == {(6, way), (6, 7)}
    assert ways - seen.arcs == ({(6, 7)} if x else {(6, way)})


# The exit of the inner `with` raises an exception before the jump is completed, and the outer one suppresses it.
@pytest.mark.parametrize('jump, way', [('continue', 7), ('return', -6), ('return x and i', -6), ('break', 13)])
@pytest.mark.parametrize('error', ['ZeroDivisionError', 'ValueError'])
def test_jump_whose_with_raises_is_not_taken(tmp_path, jump, way, error):
    text = f"""
from contextlib import contextmanager, suppress
@contextmanager
def fails(error):
    yield; raise error
def function(x, error):
    for i in range(2):
        with suppress(ValueError):
            with fails(error) if error else suppress():
                if x: {jump}
                print(x)
        print(x)
    return 1
try:
    function(1, {error})
except ZeroDivisionError:
    pass
function(0, None)
"""
    source, seen, _, _ = both(tmp_path / 'program.py', text)
    assert {arc for arc in source.arcs - seen.arcs if arc[0] == 10} == {(10, way)}


@pytest.mark.parametrize('jump, way', [('continue', 8), ('return', -7), ('return x or i', -7), ('break', 13)])
def test_jump_whose_async_with_raises_is_not_taken(tmp_path, jump, way):
    text = f"""
import asyncio
from contextlib import asynccontextmanager, suppress
@asynccontextmanager
async def fails():
    yield; await asyncio.sleep(0); raise ValueError
async def function(x):
    for i in range(2):
        with suppress(ValueError):
            async with fails():
                if x: {jump}
        print(i)
    return 1
asyncio.run(function(1))
"""
    source, seen, _, _ = both(tmp_path / 'program.py', text)
    assert (11, way) in source.arcs - seen.arcs


def test_suppressed_exception_counts_as_going_to_the_exit(tmp_path):
    text = """
from contextlib import suppress
def function(x):
    with suppress(ValueError):
        if x: raise ValueError
    return 2
assert function(1) == 2
"""
    source, seen, _, _ = both(tmp_path / 'program.py', text)
    assert {arc for arc in seen.arcs if arc[0] == 5} == {(5, -3)}


def test_suite_that_begins_with_a_decorated_function_is_not_one_line(tmp_path):
    text = """
def function(x):
    if x:
        @staticmethod
        def inner(y):
            if y:
                y = 0
            return y
        return inner
    return staticmethod(abs)
for x in 0, 1:
    for y in 0, 1:
        function(x)(y)
"""
    source, seen, _, arcs = both(tmp_path / 'program.py', text)
    assert seen.arcs == arcs == source.arcs
