"""Faults while a thread is traced: trace functions that raise at every possible event, allocations that fail one by
one, trace functions that do what they should not do, and many threads that change their states.

After each fault, the program must be in a documented state: the exception is raised once, the handlers that protect
the place of the fault have run, the trace state is the old, the new or the default one, and no reference is leaked.
"""

import collections
import contextlib
import dis
import functools
import gc
import linecache
import os
import re
import sys
import textwrap
import threading
import time
import types
import unittest
import warnings
import weakref
from test import support
from test.support import import_helper, threading_helper
from test.support.script_helper import assert_python_ok
from test.tracesupport import DEFAULT, BaseTestCase, tracing

import_helper.import_module('_testcapi')


class Fault(Exception):
    """The exception that the trace functions raise."""


# --- Programs to raise in ---------------------------------------------------
#
# Each '+x' in the log must be followed by '-x'.  A with statement and the first line
# of a finally clause name their x, so that closers() finds it.

class Resource:

    def __init__(self, log, name):
        self.log = log
        self.name = name

    def __enter__(self):
        self.log.append('+' + self.name)
        return self

    def __exit__(self, *exc_info):
        self.log.append('-' + self.name)


class AsyncResource(Resource):

    async def __aenter__(self):
        return self.__enter__()

    async def __aexit__(self, *exc_info):
        await pause()
        self.__exit__()


@contextlib.contextmanager
def managed(log, name):
    log.append('+' + name)
    try:
        yield name
    finally:
        log.append('-' + name)


@types.coroutine
def pause():
    yield 'paused'


def drive(coroutine):
    """Run a coroutine that only awaits pause()."""
    while True:
        try:
            coroutine.send(None)
        except StopIteration as stop:
            return stop.value


def try_finally(log):
    try:
        log.append('+a')
        for i in range(2):
            try:
                log.append('+b')
                x = i or 'x'
            finally:
                log.append('-b')
        return x
    finally:
        log.append('-a')


def raises_itself(log):
    try:
        try:
            log.append('+a')
            1 / 0
        finally:
            log.append('-a')
    except ZeroDivisionError as e:
        log.append(type(e).__name__)
    return 'handled'


def handles_fault(log):
    try:
        x = [1, 2]
        return x and x[1]
    except Fault:
        log.append('caught')
        return 'caught'


def nested_with(log):
    with Resource(log, 'a') as a:
        with managed(log, 'b') as b, Resource(log, 'c'):
            log.append(b)
        with contextlib.ExitStack() as stack:
            stack.enter_context(Resource(log, 'd'))
            log.append(a.name)
    return len(log)


def generator(log):
    def inner():
        try:
            log.append('+a')
            got = yield 1
            log.append(got)
            try:
                log.append('+b')
                yield 2
            except KeyError:
                log.append('KeyError')
            finally:
                log.append('-b')
            yield 3
        finally:
            log.append('-a')
    def outer():
        with Resource(log, 'c'):
            return (yield from inner())
    gen = outer()
    try:
        next(gen)
        gen.send('sent')
        gen.throw(KeyError)
    finally:
        gen.close()
    for x in (x for x in range(2)):
        log.append(x)


def coroutine(log):
    async def numbers():
        try:
            log.append('+a')
            for i in range(2):
                await pause()
                yield i
        finally:
            log.append('-a')
    async def main():
        async with AsyncResource(log, 'b'):
            gen = numbers()
            try:
                async for i in gen:
                    log.append(i)
                return [i async for i in numbers() if i]
            finally:
                await gen.aclose()
    coro = main()
    try:
        return drive(coro)
    finally:
        coro.close()


def comprehensions(log):
    with Resource(log, 'a'):
        return ([x for x in range(3) if x], {x: y for x in 'ab' for y in 'c'}, {*'ab'}, sum(x for x in (1, 2)))


def exception_groups(log):
    try:
        try:
            log.append('+a')
            raise ExceptionGroup('group', [ValueError(1), KeyError(2), OSError(3)])
        except* ValueError as e:
            log.append(len(e.exceptions))
        except* (KeyError, OSError):
            log.append('others')
    finally:
        log.append('-a')


def matching(log):
    for value in ({'k': [1, 2]}, [3, 4], 5, 'x', None):
        with Resource(log, 'a'):
            match value:
                case {'k': [x, *_]} if x:
                    log.append(x)
                case [x, 4] | int(x):
                    log.append(x)
                case str():
                    continue
                case _:
                    log.append('other')


def recursion(log, depth=4):
    try:
        log.append('+a')
        return depth and recursion(log, depth - 1) + 1
    finally:
        log.append('-a')


def wide_line(log):
    # More than 255 code units, with EXTENDED_ARGs.
    with Resource(log, 'a'):
        x = 0
        while x < 2:
            x += (1 if x or not x else
                  x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x +
                  x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x +
                  x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x +
                  x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x +
                  x)
    return x


PROGRAMS = [try_finally, raises_itself, handles_fault, nested_with, generator, coroutine, comprehensions,
            exception_groups, matching, recursion, wide_line]


# --- Cleanup that must run after a fault ------------------------------------------

def handler_of(code, offset):
    """The offset of an instruction's handler in the exception table, or None."""
    for entry in dis._parse_exception_table(code):
        if entry.start <= offset < entry.end:
            return entry.target
    return None


@functools.cache
def closers(code, offset):
    """The '-x' that an exception at offset leaves in the log before it leaves the frame, or gets to an except clause.

    They are those of the with statements and finally clauses whose handlers it goes through.
    """
    found = []
    instructions = list(dis.get_instructions(code))
    indices = {instruction.offset: i for i, instruction in enumerate(instructions)}
    for _ in instructions:
        target = handler_of(code, offset)
        if target is None:
            break
        i = indices[target]
        if instructions[i].opname == 'PUSH_EXC_INFO':
            first = instructions[i + 1]
            line = linecache.getline(code.co_filename, first.positions.lineno)
            if first.opname == 'WITH_EXCEPT_START' and 'async with' not in line:
                names = re.findall(r"(?:Resource|managed)\(log, '(\w)'\)", line)
                # If a statement has several, the handler protects the one at the same columns.
                column = first.positions.col_offset
                names = re.findall(r"(?:Resource|managed)\(log, '(\w)'\)", line[column:])[:1] or names
            elif match := re.match(r" *log\.append\('-(\w)'\)$", line):
                names = [match[1]]
            else:
                break
            found += ['-' + name for name in names]
        elif instructions[i].opname != 'COPY':      # the start of the end of a handler
            break
        while instructions[i].opname != 'RERAISE':
            i += 1
        offset = instructions[i].offset
    return found


class Raiser:
    """A trace function that raises Fault at the n-th of the chosen events."""

    def __init__(self, n, events, log):
        self.n = n
        self.log = log
        self.events = events
        self.count = self.calls_after = 0
        self.fault = None
        self.event = None

    def __call__(self, frame, event, arg):
        if self.fault is not None:
            self.calls_after += 1
        elif event in self.events:
            if self.count == self.n:
                self.fault = Fault(self.n)
                self.event = event
                self.log_length = len(self.log)
                raise self.fault
            self.count += 1
        return self


class RaiseTest(BaseTestCase):
    """A trace function that raises at the n-th event, for every n."""

    def setUp(self):
        super().setUp()
        self.unraisable = []
        self.enterContext(support.swap_attr(
            sys, 'unraisablehook', lambda unraisable: self.unraisable.append(unraisable.exc_type)))

    def raise_in(self, program, n, events, flags):
        """Return whether there was an n-th event."""
        log = []
        raiser = Raiser(n, events, log)
        # An exception left in sys.exc_info() at the end of a handler disappears with a generator.
        run = (program(log) for _ in range(1))
        came_out = None
        try:
            sys.settracestate(raiser, **flags)
            next(run)
        except (Fault, ExceptionGroup, RuntimeError) as e:
            came_out = e
        finally:
            state = sys.gettracestate()
            sys.settracestate(None)
        if raiser.fault is None:
            self.assertIsNone(came_out)
            self.assertIs(state['tracefunc'], raiser)
            return False
        self.assertEqual(state, DEFAULT)
        self.assertEqual(raiser.calls_after, 0)
        if came_out is None:
            # The program has handled it, or it was raised in a finalizer, which nothing can leave.
            self.assertEqual(log.count('caught') + len(self.unraisable), 1, log)
        else:
            self.assertNotIn('caught', log)
            self.assertEqual(self.unraisable, [])
            if isinstance(came_out, ExceptionGroup):
                # except* collects what its clauses raise.
                self.assertIs(came_out.exceptions[0], raiser.fault)
                self.assertEqual(len(came_out.exceptions), 1)
            elif isinstance(came_out, RuntimeError):
                # If an await was interrupted, the awaited iterator is still waiting and cannot be closed.
                self.assertIs(program, coroutine)
                self.assertRegex(str(came_out), 'is already running|ignored GeneratorExit')
                self.assertIs(came_out.__context__, raiser.fault)
            else:
                self.assertIs(came_out, raiser.fault)
        self.unraisable.clear()
        self.check(raiser, log)
        return True

    def check(self, raiser, log):
        # From the outermost frame that the exception passed through to the innermost.
        entries = []
        tb = raiser.fault.__traceback__
        while tb is not None:
            entries.append((tb.tb_frame, tb.tb_lasti))
            tb = tb.tb_next
        frame, offset = entries[-1]
        self.assertIs(frame.f_code, Raiser.__call__.__code__)
        frame, offset = entries[-2]
        self.assertIsNone(frame.f_trace)
        if raiser.event in ('instruction', 'branch', 'line', 'opcode'):
            for frame, offset in entries[:-1]:
                if frame.f_globals is globals():
                    for closer in closers(frame.f_code, offset):
                        self.assertIn(closer, log[raiser.log_length:], (frame.f_code.co_name, offset))
        raiser.fault.__traceback__ = None

    def raise_everywhere(self, events, **flags):
        for program in PROGRAMS:
            with self.subTest(program.__name__), warnings.catch_warnings():
                # Warnings about coroutines that were never awaited.
                warnings.simplefilter('ignore', RuntimeWarning)
                support.gc_collect()
                # One for each instance.
                before = sys.getrefcount(Fault), sys.getrefcount(Resource), sys.getrefcount(AsyncResource)
                n = 0
                while self.raise_in(program, n, events, flags):
                    n += 1
                self.assertGreater(n, 2)
                support.gc_collect()
                after = sys.getrefcount(Fault), sys.getrefcount(Resource), sys.getrefcount(AsyncResource)
                self.assertEqual(after, before)

    def test_closers(self):
        # The oracle works, and the programs contain the instructions that they are meant to test.
        def f(log):
            with Resource(log, 'a'):
                try:
                    log.append('body')
                finally:
                    log.append('-b')
        body = next(x.offset for x in dis.get_instructions(f) if x.argval == 'body')
        self.assertEqual(closers(f.__code__, body), ['-b', '-a'])
        self.assertEqual(closers(f.__code__, self.offsets(f, 'BEFORE_WITH')[0]), [])
        self.assertIn('EXTENDED_ARG', [x.opname for x in dis.get_instructions(wide_line)])

    def test_instruction(self):
        self.raise_everywhere({'instruction'}, trace_lines=False, trace_instructions=True)

    def test_instruction_with_lines(self):
        self.raise_everywhere({'instruction', 'line'}, trace_instructions=True)

    def test_branch(self):
        self.raise_everywhere({'branch'}, trace_lines=False, trace_branches=True)

    def test_all(self):
        self.raise_everywhere({'call', 'line', 'instruction', 'branch', 'exception', 'return'},
                              trace_instructions=True, trace_branches=True)

    def offsets(self, function, *opnames):
        """The offsets of the first sequence of instructions with these names."""
        instructions = list(dis.get_instructions(function))
        for i in range(len(instructions)):
            if tuple(x.opname for x in instructions[i:i + len(opnames)]) == opnames:
                return [x.offset for x in instructions[i:i + len(opnames)]]
        self.fail(f'no {opnames} in {function}')

    def raise_at(self, offset, function, *args):
        def trace(frame, event, arg):
            if frame.f_code is function.__code__ and event == 'instruction' and frame.f_lasti == offset:
                raise Fault
            return trace
        def run():
            yield function(*args)
        with self.assertRaises(Fault):
            with tracing(trace, trace_lines=False, trace_instructions=True):
                next(run())

    def test_with_is_atomic_at_entry_but_not_at_exit(self):
        def f(log):
            with Resource(log, 'a'):
                log.append('body')
        before, after = self.offsets(f, 'BEFORE_WITH', 'POP_TOP')
        log = []
        self.raise_at(before, f, log)
        self.assertEqual(log, [])
        self.raise_at(after, f, log)
        self.assertEqual(log, ['+a', '-a'])
        # It is not protected between the body and the call of __exit__, or at the start of the handler.
        for offset in self.offsets(f, 'LOAD_CONST', 'LOAD_CONST', 'LOAD_CONST', 'PRECALL', 'CALL'):
            log = []
            self.raise_at(offset, f, log)
            self.assertEqual(log, ['+a', 'body'])
        def g(log):
            with Resource(log, 'a'):
                1 / 0
        log = []
        self.raise_at(self.offsets(g, 'PUSH_EXC_INFO', 'WITH_EXCEPT_START')[0], g, log)
        self.assertEqual(log, ['+a'])

    def test_finally_is_not_run_after_a_fault_at_the_entry_of_its_handler(self):
        log = []
        self.raise_at(self.offsets(raises_itself, 'PUSH_EXC_INFO', 'LOAD_FAST')[0], raises_itself, log)
        self.assertEqual(log, ['+a'])
        log.clear()
        self.raise_at(self.offsets(raises_itself, 'BINARY_OP')[0], raises_itself, log)
        self.assertEqual(log, ['+a', '-a'])

    def test_handled_exception_stays_after_a_fault_in_the_end_of_a_handler(self):
        def f():
            try:
                1 / 0
            finally:
                'finally'
        def run():
            try:
                f()
            except Fault:
                pass
            seen.append(sys.exc_info()[0])
            yield
        offset = self.offsets(f, 'COPY', 'POP_EXCEPT', 'RERAISE')[0]
        def trace(frame, event, arg):
            if frame.f_code is f.__code__ and event == 'instruction' and frame.f_lasti == offset:
                raise Fault
            return trace
        seen = []
        with tracing(trace, trace_lines=False, trace_instructions=True):
            next(run())
        self.assertEqual(seen, [ZeroDivisionError])
        # Until the end of the generator, coroutine or thread in which it was raised.
        self.assertIsNone(sys.exc_info()[0])

    @threading_helper.requires_working_threading()
    def test_lock_in_a_thread(self):
        # The lock is released except in the few unprotected instructions at the end of the with statement.
        def f(lock):
            with lock:
                return [x for x in 'ab']
        held = {}
        for n in range(100):
            lock = threading.Lock()
            raiser = Raiser(n, {'instruction'}, [])
            def run():
                sys.settracestate(raiser, trace_lines=False, trace_instructions=True)
                try:
                    f(lock)
                except Fault as e:
                    frame = e.__traceback__.tb_next
                    if frame is not None and frame.tb_frame.f_code is f.__code__ and lock.locked():
                        held[n] = frame.tb_lasti
                    raiser.fault.__traceback__ = None
                finally:
                    sys.settracestate(None)
            thread = threading.Thread(target=run)
            thread.start()
            thread.join()
            if raiser.fault is None:
                break
            self.assertTrue(n in held or not lock.locked(), n)
        self.assertLess(n, 100)
        self.assertLess(len(held), 10)
        self.assertEqual([handler_of(f.__code__, offset) for offset in held.values()], [None] * len(held))


NO_MEMORY = r'''
import functools, gc, os, sys, threading, types
from _testcapi import remove_mem_hooks, set_nomemory

def trace(frame, event, arg):
    return trace

FILTER = list(range(100, 200))
FLAGS = dict(trace_lines=False, trace_instructions=True, trace_branches=True, instruction_filter=FILTER)
DEFAULT = sys.gettracestate()
NEW = dict(tracefunc=trace, **FLAGS) | dict(instruction_filter=frozenset(FILTER))

def short(x):
    return [y for y in x if y] or x

def generator():
    try:
        yield 1
    finally:
        x = 1

def calls(x):
    # No cells: without memory for one, CPython 3.11.2 does not get as far as tracing.
    with Manager():
        return (lambda: 1)(), *(y for y in 'ab'), [x and 2, {**{'a': 1}}]

class Manager:
    def __enter__(self): pass
    def __exit__(self, *args): pass

namespace = {}
exec('def long(x):' + '\n x = x + 1 if x else x or 0' * 40 + '\n return x', namespace)
long = namespace['long']
# Offsets for which there are no cached objects.
assert len(long.__code__.co_code) > 512

class Filter:
    def __iter__(self):
        return iter([hex(opcode) and opcode for opcode in FILTER])

def fresh(function):
    """The function, of whose code nothing is known yet."""
    code = function.__code__.replace(co_name=function.__name__)
    return types.FunctionType(code, function.__globals__)

def run_generator(function):
    gen = function()
    next(gen)
    gen.close()

# Each makes the operation that is to fail, afresh.

def setting(set, filter=FILTER):
    return lambda: functools.partial(set, trace, **FLAGS | dict(instruction_filter=filter))

def getting():
    sys.settracestate(trace, **FLAGS)
    return sys.gettracestate

def analysis():
    return functools.partial(sys._getcodeleaders, fresh(long).__code__)

def events(function, *args, **flags):
    def make():
        operation = functools.partial(fresh(function), *args)
        sys.settracestate(trace, **flags)
        return operation
    return make

def resumption():
    operation = functools.partial(run_generator, fresh(generator))
    sys.settracestate(trace, trace_lines=False, trace_branches=True)
    return operation

INSTRUCTIONS = dict(trace_lines=False, trace_instructions=True)
BRANCHES = dict(trace_lines=False, trace_branches=True)
OPERATIONS = {
    'settracestate': setting(sys.settracestate),
    'settracestate, an iterable': setting(sys.settracestate, Filter()),
    'settracestate_all_threads in C': setting(sys._settracestate_all_threads),
    'threading.settracestate': setting(threading.settracestate),
    'threading.settracestate_all_threads': setting(threading.settracestate_all_threads),
    'gettracestate': getting,
    'analysis': analysis,
    'instructions': events(short, [1, 0, 2], **INSTRUCTIONS),
    'instructions far from the start': events(long, 0, **INSTRUCTIONS),
    'branches': events(short, [1, 0, 2], **BRANCHES),
    'branches far from the start': events(long, 1, **BRANCHES),
    'everything': events(calls, 0, trace_instructions=True, trace_branches=True),
    'lines': events(short, [1, 0, 2]),
    'generator': resumption,
}

AFTER = {
    'settracestate': (NEW, DEFAULT),
    'settracestate, an iterable': (NEW, DEFAULT),
    'settracestate_all_threads in C': (NEW, NEW),
    'threading.settracestate': (DEFAULT, NEW),
    'threading.settracestate_all_threads': (NEW, NEW),
}

def attempt(operation, *which):
    try:
        set_nomemory(*which)
        operation()
    except MemoryError:
        return False
    finally:
        remove_mem_hooks()
    return True

def states():
    return sys.gettracestate(), threading.gettracestate()

def check(name, *which):
    """Whether the operation succeeds although these allocations fail."""
    os.write(1, f'{name}: {which}\n'.encode())
    operation = OPERATIONS[name]()
    before = states()
    try:
        success = attempt(operation, *which)
    except MemoryError:         # in an event of the end of attempt()
        success = False
    after = states()
    sys.settracestate(None)
    threading.settracestate(None)
    if success:
        wanted = [AFTER.get(name, before)]
    else:
        # The trace function fails with MemoryError, too, and then the state is cleared.
        wanted = [before] + [(DEFAULT, DEFAULT)] * (name not in AFTER)
        if name == 'threading.settracestate_all_threads':
            # Its own return is an event already of the new state, which needs memory.  No half of it is set.
            wanted.append(AFTER[name])
    assert after in wanted, (after, wanted)
    return success

name = sys.argv[1]
successes = n = 0
while successes < 2:
    successes = successes + 1 if check(name, n) else 0
    n += 1
assert n > 2, n
for i in range(n):
    check(name, i, i + 1)

# Nothing is lost: with every failure, about as many blocks would be.
def blocks():
    for i in range(n):
        check(name, i)
        check(name, i, i + 1)
    gc.collect()
    return sys.getallocatedblocks()
first = blocks()
later = blocks()
assert later - first < n / 2, (first, later, n)
'''


class NoMemoryTest(unittest.TestCase):
    """Whichever allocation fails, the operation succeeds or raises MemoryError, and the state agrees with that."""

    def no_memory(self, name):
        with support.SuppressCrashReport():
            assert_python_ok('-c', NO_MEMORY, name)

    def test_settracestate(self):
        self.no_memory('settracestate')
        self.no_memory('settracestate, an iterable')

    def test_all_threads(self):
        self.no_memory('settracestate_all_threads in C')

    def test_threading(self):
        self.no_memory('threading.settracestate')
        self.no_memory('threading.settracestate_all_threads')

    def test_gettracestate(self):
        self.no_memory('gettracestate')

    def test_analysis(self):
        self.no_memory('analysis')

    def test_instructions(self):
        self.no_memory('instructions')
        self.no_memory('instructions far from the start')

    def test_branches(self):
        self.no_memory('branches')
        self.no_memory('branches far from the start')

    def test_everything(self):
        self.no_memory('everything')

    def test_lines(self):
        self.no_memory('lines')

    def test_generator(self):
        self.no_memory('generator')


EVENTS = 'call', 'line', 'instruction', 'branch', 'opcode', 'exception', 'return'
ALL = dict(trace_instructions=True, trace_branches=True)


def sample(x):
    try:
        for y in (x, 0):
            1 / y
    except ZeroDivisionError:
        return [z for z in 'ab' if x]


class HostileTest(BaseTestCase):
    """Trace functions that do what they should not do."""

    def test_another_state_in_every_kind_of_event(self):
        # The new state takes effect with the next event.
        def other(frame, event, arg):
            seen.append(event)
            return other
        states = [dict(trace_lines=False), dict(trace_branches=True), dict(trace_instructions=True),
                  dict(trace_lines=False, trace_instructions=True, instruction_filter=[dis.opmap['RETURN_VALUE']]),
                  None]
        for when in EVENTS:
            for flags in states:
                with self.subTest(when=when, flags=flags):
                    before = sys.getrefcount(other)
                    switched, seen = False, []
                    def trace(frame, event, arg):
                        nonlocal switched
                        self.assertFalse(switched)
                        if frame.f_code is not sample.__code__:
                            return None
                        frame.f_trace_opcodes = True
                        if event == when:
                            switched = True
                            frame.f_trace_opcodes = False
                            if flags is None:
                                sys.settracestate(None)
                            else:
                                sys.settracestate(other, **flags)
                                frame.f_trace = other
                                return other
                        return trace
                    with tracing(trace, **ALL):
                        result = sample(1)
                        state = sys.gettracestate()
                    self.assertEqual(result, ['a', 'b'])
                    self.assertTrue(switched)
                    wanted = {'return', 'exception', 'call'}
                    if flags is not None:
                        self.assertEqual(state['tracefunc'], other)
                        wanted |= {'line'} if flags.get('trace_lines', True) else set()
                        wanted |= {'branch'} if flags.get('trace_branches') else set()
                        wanted |= {'instruction'} if flags.get('trace_instructions') else set()
                        self.assertEqual('return' in seen, when != 'return')
                    else:
                        self.assertEqual((state, seen), (DEFAULT, []))
                    self.assertLessEqual(set(seen), wanted)
                    del trace, state
                    seen = None
                    self.assertEqual(sys.getrefcount(other), before)

    def test_code_freed_in_every_event(self):
        for n in range(200):
            namespace = {}
            exec('def f(x):\n for y in x:\n  1 / y', namespace)
            code = weakref.ref(namespace['f'].__code__)
            count = 0
            def trace(frame, event, arg):
                nonlocal count
                if count == n:
                    namespace.clear()
                    frame.f_trace = None
                    gc.collect()
                count += 1
                return trace
            sys.settracestate(trace, **ALL)
            try:
                namespace['f']([1, 0])
            except ZeroDivisionError:
                pass
            finally:
                sys.settracestate(None)
            if namespace:
                break
            self.assertIsNone(code())
        self.assertTrue(10 < n < 199)

    def test_keyboard_interrupt_in_every_event(self):
        for when in EVENTS:
            def trace(frame, event, arg):
                frame.f_trace_opcodes = True
                if event == when:
                    raise KeyboardInterrupt(when)
                return trace
            with self.subTest(when), self.assertRaises(KeyboardInterrupt) as caught:
                with tracing(trace, **ALL):
                    sample(1)
            self.assertEqual(caught.exception.args, (when,))
            self.assertEqual(sys.gettracestate(), DEFAULT)

    def test_recursion_limit(self):
        def endless(depth=0):
            return endless(depth + 1)
        def trace(frame, event, arg):
            if frame.f_code is endless.__code__:
                depths.append(frame.f_locals['depth'])
            return trace
        for flags in dict(trace_lines=False, trace_instructions=True), ALL:
            # If the program reaches the limit, the state remains; if the trace function does, it is cleared.
            depths = []
            with support.infinite_recursion(150), self.assertRaises(RecursionError):
                sys.settracestate(trace, **flags)
                endless()
            self.assertIn(sys.gettracestate()['tracefunc'], (None, trace))
            sys.settracestate(None)
            self.assertGreater(max(depths), 50)
            def recurse(frame, event, arg):
                if event == when:
                    endless()
                return recurse
            for when in 'instruction', 'branch', 'line', 'return':
                if when == 'branch' and 'trace_branches' not in flags or when == 'line' and flags is not ALL:
                    continue
                with support.infinite_recursion(150), self.assertRaises(RecursionError):
                    sys.settracestate(recurse, **flags)
                    sample(1)
                self.assertEqual(sys.gettracestate(), DEFAULT)
            # The thread can still recurse as deeply as before.
            def depth(n):
                return n and depth(n - 1)
            self.assertEqual(depth(500), 0)

    def test_recursion_handled_in_the_trace_function(self):
        def endless():
            return endless()
        def trace(frame, event, arg):
            nonlocal count
            if event in ('instruction', 'branch'):
                with support.infinite_recursion(60):
                    try:
                        endless()
                    except RecursionError:
                        count += 1
            return trace
        count = 0
        with tracing(trace, **ALL):
            self.assertEqual(sample(1), ['a', 'b'])
            self.assertIs(sys.gettracestate()['tracefunc'], trace)
        self.assertGreater(count, 10)

    @threading_helper.requires_working_threading()
    def test_threads_switch_in_every_event(self):
        def events():
            seen = []
            def trace(frame, event, arg):
                time.sleep(0)
                if frame.f_code is sample.__code__:
                    seen.append((event, frame.f_lasti, arg if event in ('instruction', 'branch') else None))
                return trace
            with tracing(trace, **ALL):
                for i in range(20):
                    sample(1)
            return seen
        results = []
        threads = [threading.Thread(target=lambda: results.append(events())) for i in range(4)]
        with threading_helper.start_threads(threads):
            pass
        self.assertEqual(len(results), 4)
        self.assertEqual(results, [results[0]] * 4)

    @support.requires_fork()
    def test_fork_in_every_kind_of_event(self):
        for when in EVENTS:
            child = None
            def trace(frame, event, arg):
                nonlocal child
                frame.f_trace_opcodes = True
                seen.append(event)
                if event == when and child is None:
                    child = os.fork()
                return trace
            seen = []
            code = 1
            try:
                with tracing(trace, **ALL):
                    result = sample(1)
                    state = sys.gettracestate()
                if result == ['a', 'b'] and state['tracefunc'] is trace and 'return' in seen:
                    code = 0
            finally:
                if child == 0:
                    os._exit(code)
            with self.subTest(when):
                support.wait_process(child, exitcode=0)
                self.assertEqual(code, 0)

    def test_subinterpreter_in_an_event(self):
        interpreters = import_helper.import_module('_xxsubinterpreters')
        interp = interpreters.create()
        self.addCleanup(interpreters.destroy, interp)
        script = textwrap.dedent("""
            import sys
            assert sys.gettracestate()['tracefunc'] is None
            def f(x):
                return [y for y in x if y]
            def trace(frame, event, arg):
                if frame.f_code is f.__code__:
                    events.append(event)
                return trace
            events = []
            sys.settracestate(trace, trace_instructions=True, trace_branches=True)
            f([1, 0])
            sys.settracestate(None)
            assert {'call', 'line', 'instruction', 'branch', 'return'} == set(events), events
            def fail(frame, event, arg):
                if event == 'instruction':
                    raise ValueError('in the trace function')
                return fail
            sys.settracestate(fail, trace_instructions=True)
            try:
                f([1, 0])
            except ValueError:
                pass
            assert sys.gettracestate()['tracefunc'] is None
            """)
        def trace(frame, event, arg):
            if event in ('instruction', 'branch') and counts[event] < 2:
                counts[event] += 1
                interpreters.run_string(interp, script)
            return trace
        counts = {'instruction': 0, 'branch': 0}
        with tracing(trace, **ALL):
            sample(1)
            # The same from traced code.
            interpreters.run_string(interp, script)
            self.assertIs(sys.gettracestate()['tracefunc'], trace)
        self.assertEqual(counts, {'instruction': 2, 'branch': 2})


class ShutdownTest(unittest.TestCase):
    """Tracing continues while the interpreter ends: no output on stderr, and exit status 0."""

    def run_script(self, script, wanted=b''):
        prelude = textwrap.dedent("""
            import atexit, os, sys, threading, time
            def trace(frame, event, arg):
                return trace
            flags = dict(trace_instructions=True, trace_branches=True)
            def work(n=3):
                return [x or n for x in range(n)]
            """)
        status, out, err = assert_python_ok('-c', prelude + textwrap.dedent(script))
        self.assertEqual(err, b'')
        self.assertEqual(out.strip(), wanted)

    def test_atexit(self):
        self.run_script("""
            def at_exit():
                work()
                print(sys.gettracestate()['tracefunc'] is trace)
            atexit.register(at_exit)
            sys.settracestate(trace, **flags)
            work()
            """, b'True')

    def test_finalizers(self):
        self.run_script("""
            class A:
                def __del__(self):
                    for x in range(3):
                        self.x = [x or self]
            a = A()
            a.cycle = a
            sys.kept = A()
            def generator():
                try:
                    yield 1
                finally:
                    [x for x in 'ab']
            g = generator()
            next(g)
            sys.settracestate(trace, **flags)
            """)

    def test_trace_function_with_a_finalizer(self):
        self.run_script("""
            class Trace:
                def __call__(self, frame, event, arg):
                    return self
                def __del__(self):
                    [x for x in 'ab']
            t = Trace()
            sys.settracestate(t, **flags)
            del t
            work()
            """)

    def test_installed_in_a_finalizer(self):
        self.run_script("""
            class A:
                def __del__(self, set=sys.settracestate, trace=trace, flags=flags, work=work):
                    set(trace, **flags)
                    work()
            sys.kept = A()
            a = A()
            a.cycle = a
            """)

    def test_daemon_threads(self):
        self.run_script("""
            def run():
                while True:
                    work(20)
            threading.settracestate(trace, **flags)
            threads = [threading.Thread(target=run, daemon=True) for i in range(4)]
            for thread in threads:
                thread.start()
            sys.settracestate(trace, **flags)
            time.sleep(0.1)
            """)


@threading_helper.requires_working_threading()
class ManyThreadsTest(BaseTestCase):
    """Sixteen threads change their states, and none loses an event."""

    THREADS = 16

    def switch(self, seconds):
        def loop(n):
            while n:
                n = n - 1 if n else 0
            return n
        # The events of loop(TURNS) by kind, counted while nothing else runs.
        TURNS = 20
        kinds = [dict(trace_lines=False, trace_instructions=True), dict(trace_lines=False, trace_branches=True),
                 dict(trace_instructions=True), dict(trace_branches=True), ALL, {},
                 dict(trace_lines=False, trace_instructions=True, instruction_filter=[dis.opmap['LOAD_FAST']])]
        def count(flags):
            counts = collections.Counter()
            def trace(frame, event, arg):
                if frame.f_code is loop.__code__:
                    counts[event] += 1
                return trace
            with tracing(trace, **flags):
                loop(TURNS)
                state = sys.gettracestate()
            self.assertIs(state['tracefunc'], trace)
            return counts
        wanted = [count(flags) for flags in kinds]
        # Three loads of n per turn: two tests and the subtraction.  In addition, the first test and the return.
        self.assertEqual(wanted[-1]['instruction'], 3 * TURNS + 2)
        errors, rounds = [], []
        deadline = time.monotonic() + seconds
        def run(i):
            done = 0
            try:
                # At least one round: on a busy machine, the time may be over before the thread gets its first turn.
                while not done or time.monotonic() < deadline:
                    kind = (i + done) % len(kinds)
                    found = count(kinds[kind])
                    if found != wanted[kind]:
                        errors.append((kinds[kind], found, wanted[kind]))
                        return
                    if sys.gettracestate() != DEFAULT:
                        errors.append(sys.gettracestate())
                        return
                    loop(TURNS)
                    done += 1
            except BaseException as e:
                errors.append(e)
            rounds.append(done)
        interval = sys.getswitchinterval()
        self.addCleanup(sys.setswitchinterval, interval)
        support.setswitchinterval(1e-5)
        threads = [threading.Thread(target=run, args=(i,)) for i in range(self.THREADS)]
        with threading_helper.start_threads(threads):
            pass
        self.assertEqual(errors, [])
        self.assertEqual(len(rounds), self.THREADS)

    def test_short(self):
        self.switch(2)

    @support.requires_resource('cpu')
    def test_long(self):
        self.switch(60)


if __name__ == '__main__':
    unittest.main()
