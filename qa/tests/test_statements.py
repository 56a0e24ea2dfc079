"""condcov records the same lines and branches of random programs as coverage.py, except for a few differences.

qa.statements.worker lists the differences, and checks by other runs of the program that each is one of them. The
programs are the same each time. STATEMENT_PROGRAMS=NUMBER tries this many other programs.
"""

import collections
import os
import sys

import pytest
from hypothesis import given

from qa import ROOT, random_tests
from qa.statements.programs import laid_out, programs

pytestmark = pytest.mark.slow

settings = random_tests.settings('STATEMENT_PROGRAMS', 200)


@pytest.fixture(scope='module')
def worker():
    path = os.pathsep.join(filter(None, [str(ROOT / 'condcov/tests'), os.environ.get('PYTHONPATH')]))
    worker = random_tests.Worker(sys.executable, 'qa.statements.worker', PYTHONPATH=path)
    yield worker
    worker.end()


def test_lines_and_branches_of_random_programs(worker):
    seen = collections.Counter()

    @settings
    @given(programs())
    def check(program):
        answer = worker.ask(program)
        assert answer['unexplained'] == [], f'in this program:\n{program}'
        seen.update({'lines': answer['lines'], 'branches': answer['arcs'], **answer['explained']})

    check()
    assert worker.programs >= settings.max_examples
    assert seen['lines'] > 20 * worker.programs and seen['branches'] > 5 * worker.programs
    print(f'{worker.programs} programs:', ', '.join(f'{number} {what}' for what, number in seen.items()))


JUMP = '''\
from contextlib import nullcontext

def function(x):
    for i in range(2):
        with nullcontext():
            if x: continue
        str(i)

def main():
    function(VALUE)
'''


@pytest.mark.parametrize('value', [0, 1])
def test_jump_in_the_line_of_its_test_is_explained(worker, value):
    # coverage.py sees the same when the jump is taken and when it is not.
    answer = worker.ask(JUMP.replace('VALUE', str(value)))
    assert answer['unexplained'] == []
    assert answer['explained'] == ({'one_line_jump': 2} if value else {})


def test_branches_that_are_assumed_to_be_taken(worker):
    # By coverage.py's own setting for `if 1:`, the start of a line in this statement.
    answer = worker.ask('''\
def main():
    str()

def function(x):
    while x:
        match x:
            case 1 \\
            if 1:
                x = 2
''')
    assert answer['unexplained'] == []


def test_exception_that_leaves_a_line_is_explained(worker):
    answer = worker.ask('''\
def main():
    try:
        for i in 1:
            str(i)
    finally:
        str()
''')
    assert answer == answer | {'explained': {'exception_left': 1}, 'unexplained': []}


@pytest.mark.parametrize('errors, explained', [('[ValueError(), KeyError()]', {'exceptions_remain': 1}),
                                               ('[ValueError()]', {})])
def test_exceptions_that_no_clause_handles_are_explained(worker, errors, explained):
    answer = worker.ask(f'''\
def function(x):
    try:
        raise ExceptionGroup('', {errors})
    except* ValueError:
        while x:
            x = 0
    str(x)

def main():
    function(0)
''')
    assert answer['explained'] == explained and answer['unexplained'] == []


def test_cleanup_of_a_handler_is_no_line(worker):
    # The exception of the inner `try` leaves the outer `finally`, whose end has the line of the last statement in 3.11.
    answer = worker.ask('''\
def function(x):
    try:
        int('a')
    finally:
        try: int('b')
        except TypeError: x = 1
        finally:
            if x: return
        x = x

def main():
    function(0)
''')
    assert answer['explained'] == {'exception_left': 1} and answer['unexplained'] == []


def test_end_of_an_async_for_after_an_exception_was_thrown_is_explained(worker):
    answer = worker.ask('''\
class Items:
    def __aiter__(self): return self
    async def __anext__(self):
        await Ready()
        raise StopAsyncIteration

class Ready:
    def __await__(self):
        try:
            yield
        except ValueError:
            pass

async def function(x):
    async for _ in Items(): x = 1
    if x: str()

def main():
    coroutine = function(0)
    coroutine.send(None)
    try:
        coroutine.throw(*("throw", ValueError)[1:])
    except StopIteration:
        pass
''')
    assert answer['explained'].keys() == {'exception_thrown'} and answer['unexplained'] == []


def test_exception_that_is_thrown_into_a_generator_is_explained(worker):
    answer = worker.ask('''\
def inner():
    try:
        yield
    except ValueError:
        return

def outer():
    yield from inner()
    yield

def main():
    generator = outer()
    next(generator)
    generator.throw(*("throw", ValueError)[1:])
    if generator:
        pass
''')
    assert answer['explained'].keys() == {'exception_thrown'} and answer['unexplained'] == []


def test_break_does_not_go_to_the_else_of_its_loop(worker):
    answer = worker.ask('''\
def main():
    for i in range(2): break
    else: str()
    str()
''')
    assert answer['unexplained'] == []


def test_break_does_not_go_to_the_first_line_of_its_loop(worker):
    answer = worker.ask('''\
def function(x):
    while \\
x:
        x = x - 1
        if x < 0: break

def main():
    function(2)
''')
    assert answer['unexplained'] == []


def test_return_in_a_try_leaves_by_its_finally(worker):
    answer = worker.ask('''\
def function(x):
    try:
        if x: return
    finally:
        if not x: return
    str()

def main():
    function(1)
''')
    assert answer['unexplained'] == []


def test_return_that_never_gets_out_of_its_finally(worker):
    answer = worker.ask('''\
generators = []

def function(x):
    try:
        if x: return
        str(x)
    finally:
        yield

def main():
    generators.append(function(1))
    next(generators[0])
''')
    assert answer['unexplained'] == []


def test_suppressed_exception_of_a_finally_is_explained(worker):
    answer = worker.ask('''\
from contextlib import suppress

def function(x):
    with suppress(ValueError):
        try:
            int('a')
        finally:
            if x: return
    str(x)

def main():
    function(0)
''')
    assert answer['explained'] == {'exception_suppressed': 1} and answer['unexplained'] == []


def test_exception_that_a_finally_of_a_generator_raises_again_is_explained(worker):
    answer = worker.ask('''\
from contextlib import nullcontext

def function(x):
    with nullcontext():
        try:
            int('a')
        finally:
            yield
            if x: return
    str(x)

def main():
    for _ in function(0):
        pass
''')
    assert answer['explained']['exception_suppressed'] == 1 and answer['unexplained'] == []


@pytest.mark.parametrize('fails', ['int("a")', '[][0]'])
def test_exception_that_a_finally_in_a_with_raises_again_is_explained(worker, fails):
    answer = worker.ask(f'''\
from contextlib import suppress

def function(x):
    with suppress(ValueError):
        try:
            {fails}
        finally:
            if x:
                str()
    str(x)

def main():
    function(0)
''')
    assert answer['explained'] == {'exception_suppressed': 1} and answer['unexplained'] == []


@pytest.mark.parametrize('jump', ['return', 'break', 'continue'])
def test_jump_whose_with_raises_is_not_taken(worker, jump):
    answer = worker.ask(f'''\
from contextlib import contextmanager, suppress

@contextmanager
def fails():
    yield
    raise ValueError

def function(x):
    for i in range(2):
        with suppress(ValueError):
            with fails():
                if x: {jump}
        str(i)
    str(x)

def main():
    function(1)
''')
    assert answer['explained'] == {'one_line_jump': 1} and answer['unexplained'] == []


@pytest.mark.parametrize('final', ['(yield a)', 'a.x', 'try: a.x\n                finally: str()'])
def test_jump_whose_finally_raises_may_be_taken(worker, final):
    answer = worker.ask(f'''\
from contextlib import nullcontext, suppress

def generator():
    for a in range(3):
        with nullcontext():
            try:
                if a < 5: break
                str(a)
            finally:
                {final}
    yield a

def main():
    with suppress(AttributeError):
        next(generator())
''')
    assert answer['unexplained'] == []


def test_jump_out_of_an_async_with_is_explained(worker):
    answer = worker.ask('''\
from contextlib import nullcontext

async def function(x):
    async with nullcontext():
        if x: return 1
        str(x)

def main():
    try:
        function(1).send(None)
    except StopIteration:
        pass
''')
    assert answer['unexplained'] == []


def test_layout_changes_nothing_but_lines():
    text = ('def f(x):\n    if x < (1, 2):\n        x = 3\n        return\n'
            '    while x:\n        if x:\n            pass\n')
    assert laid_out(text, lambda share: False) == text
    assert laid_out(text, lambda share: share == 0.5) == (
        'def f(x):\n    if x < (1, 2): x = 3; return\n    while x:\n        if x: pass\n')
    changed = laid_out(text, lambda share: True)
    assert changed.count('\n') > text.count('\n') and compile(changed, 'changed', 'exec')
