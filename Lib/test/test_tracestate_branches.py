"""Test 'branch' events and the instruction filter of sys.settracestate()."""

import asyncio
import codeblocks
import contextlib
import dis
import functools
import gc
import sys
import textwrap
import threading
import types
import unittest
from test import support
from test.support import import_helper, threading_helper
from test.support.script_helper import assert_python_ok
from test.tracecorpus import CORPUS
from test.tracesupport import DEFAULT, BaseTestCase, ignore, traced, tracing

_testcapi = import_helper.import_module('_testcapi')
_testtracestate = import_helper.import_module('_testtracestate')

RESUME = dis.opmap['RESUME']


@functools.cache
def leaders(code):
    return frozenset(block.start for block in codeblocks.basic_blocks(code))


@functools.cache
def edges(code):
    return frozenset((edge.source, edge.target)
                     for block in codeblocks.basic_blocks(code)
                     for edge in block.predecessors)


def derived_edges(function, *args):
    """The edges that a reader of all 'call' and 'instruction' events keeps.

    test_tracestate.EventTest.test_previous_offset shows that their arguments
    are what such a reader would remember.
    """
    found = []
    def trace(frame, event, arg):
        code, offset = frame.f_code, frame.f_lasti
        if event == 'call' and code.co_code[offset] == RESUME:
            # Do not store frames, which would keep objects alive.
            previous = -1 if offset == min(leaders(code)) else offset - 2
        elif event == 'instruction':
            previous = arg
        else:
            return trace
        if offset in leaders(code):
            found.append((code, (previous, offset)))
        return trace
    with tracing(trace, trace_lines=False, trace_instructions=True):
        function(*args)
    return found


def branch_edges(function, *args, **flags):
    """The edges that 'branch' events report."""
    found = []
    def trace(frame, event, arg):
        if event == 'branch':
            assert arg[1] == frame.f_lasti
            found.append((frame.f_code, arg))
        return trace
    with tracing(trace, **{'trace_lines': False, 'trace_branches': True} | flags):
        function(*args)
    return found


class BranchTest(BaseTestCase):

    def assert_same_edges(self, function, *args):
        expected = derived_edges(function, *args)
        found = branch_edges(function, *args)
        # By name, because each call may create new code objects.
        def names(found):
            return [(code.co_qualname, code.co_firstlineno, edge)
                    for code, edge in found]
        self.assertEqual(names(found), names(expected))
        for code, edge in found:
            self.assertIn(edge, edges(code), code)
        return [edge for code, edge in found]

    def test_corpus(self):
        for function in CORPUS:
            with self.subTest(function=function.__name__), support.disable_gc():
                function()      # fill caches
                self.assert_same_edges(function)

    def test_condition(self):
        def f(a, b):
            return a or b
        resume, load_a, jump, load_b, ret = (
            i.offset for i in dis.get_instructions(f))
        def of_f(*args):
            return [edge for code, edge in branch_edges(f, *args)
                    if code is f.__code__]
        self.assertEqual(of_f(0, 1), [(-1, resume), (jump, load_b), (load_b, ret)])
        self.assertEqual(of_f(1, 0), [(-1, resume), (jump, ret)])

    def test_order_of_events(self):
        def f(a):
            if a:
                return 1
            return 2
        events = traced(f, 1, only={'f'}, trace_branches=True)
        self.assertEqual(
            [e[1] for e in events],
            ['call', 'branch', 'line', 'instruction', 'line', 'branch',
             'instruction', 'return'])
        self.assertEqual(events[5][3], (events[3][2], events[4][2]))
        without = traced(f, 1, only={'f'})
        self.assertEqual([e for e in events if e[1] != 'branch'], without)

    def test_other_events_are_not_changed(self):
        for function in CORPUS:
            with self.subTest(function=function.__name__), support.disable_gc():
                function()
                for flags in ({'trace_instructions': True},
                              {'trace_instructions': False},
                              {'trace_lines': False, 'trace_instructions': False}):
                    branches = traced(function, trace_branches=True, **flags)
                    self.assertEqual([e for e in branches if e[1] != 'branch'],
                                     traced(function, **flags))

    def test_goes_to_the_local_function(self):
        def f(a):
            return a or 1
        events = []
        def trace(frame, event, arg):
            events.append(event)
        with tracing(trace, trace_lines=False, trace_branches=True):
            f(0)
        self.assertEqual(set(events), {'call'})
        def first(frame, event, arg):
            return second
        def second(frame, event, arg):
            events.append(event)
            return third
        def third(frame, event, arg):
            events.append('third ' + event)
        events.clear()
        with tracing(first, trace_lines=False, trace_branches=True):
            f(0)
        self.assertEqual(events[:2], ['branch', 'third branch'])

    def test_generators(self):
        def gen():
            for x in (1, 2):
                try:
                    y = yield x
                    if y: break
                except KeyError:
                    pass
                finally:
                    x = None
        def send():
            g = gen()
            next(g), g.send(0), next(g, None)
        def throw():
            g = gen()
            next(g), g.throw(KeyError), g.close()
        def throw_other():
            g = gen()
            next(g)
            with contextlib.suppress(ValueError):
                g.throw(ValueError)
        for function in send, throw, throw_other:
            self.assert_same_edges(function)
        found = [edge for code, edge in branch_edges(throw) if code is gen.__code__]
        yield_ = next(i.offset for i in dis.get_instructions(gen)
                      if i.opname == 'YIELD_VALUE')
        handlers = {e.target for e in dis._parse_exception_table(gen.__code__)}
        self.assertTrue(any(a == yield_ and b in handlers for a, b in found))
        self.assertEqual(found.count((-1, found[0][1])), 1)

    def test_handler_entered_from_several_instructions(self):
        def f(what):
            try:
                a = {'x': 1}[what]
                b = a // (what != 'x')
            except (KeyError, ZeroDivisionError):
                return None
        handler = {e.target for e in dis._parse_exception_table(f.__code__)
                   if e.depth == 0}
        sources = set()
        for what in 'x', 'y':
            sources |= {a for a, b in self.assert_same_edges(f, what)
                        if b in handler}
        self.assertEqual(len(sources), 2)

    def test_interrupted_resume(self):
        # Pending work makes the eval loop dispatch a RESUME twice.
        def f():
            return 1
        found = []
        def trace(frame, event, arg):
            if event == 'branch' and frame.f_code is f.__code__:
                found.append(arg)
            return trace
        calls = 200
        with tracing(trace, trace_lines=False, trace_branches=True):
            for i in range(calls):
                _testcapi._pending_threadfunc(int)
                f()
        self.assertEqual(found, [(-1, 0)] * calls)

    def test_switched_on_in_the_middle_of_a_frame(self):
        def f(switch, n):
            switch(sys._getframe())
            while n:
                n -= 1
            return n or None
        def on(frame):
            sys.settracestate(trace, trace_lines=False, trace_branches=True)
            frame.f_trace = trace
        found = []
        def trace(frame, event, arg):
            if frame.f_code is f.__code__ and event == 'branch':
                found.append(arg)
            return trace
        for i in range(30):
            f(id, 3)            # specialize it
            found.clear()
            f(on, 3)
            sys.settracestate(None)
            reference = [edge for code, edge in derived_edges(f, id, 3)
                         if code is f.__code__]
            # All edges except the entry, which came before.
            self.assertEqual(found, reference[1:])

    def test_switched_on_by_a_call_before_a_join(self):
        # A specialized PRECALL executes the call too.
        def f(set, c):
            frame = getframe()
            frame.f_trace = trace
            return 0 if c else set(trace, trace_lines=False, trace_branches=True)
        def trace(frame, event, arg):
            if frame.f_code is f.__code__ and event == 'branch':
                found.append(arg)
            return trace
        getframe = sys._getframe
        calls = [i.offset for i in dis.get_instructions(f) if i.opname == 'CALL']
        for i in range(50):
            found = []
            f(sys.settracestate, False)
            sys.settracestate(None)
            self.assertIn([arg[0] for arg in found], ([], [calls[1]]))
            self.assertLessEqual(set(found), edges(f.__code__))

    def test_switched_on_by_the_condition_of_a_jump(self):
        # The comparison and the jump after it are one specialized instruction.
        def f(n, step):
            i = 0
            while i < n:
                i += step()
            return i
        def trace(frame, event, arg):
            if frame.f_code is f.__code__ and event == 'branch':
                found.append(arg)
            return trace
        def step():
            nonlocal calls
            calls += 1
            if calls == 5:
                sys.settracestate(trace, trace_lines=False, trace_branches=True)
                sys._getframe(1).f_trace = trace
            return 1
        for i in range(20):
            found, calls = [], 0
            f(8, step)
            sys.settracestate(None)
            self.assertLessEqual(set(found), edges(f.__code__))
            self.assertTrue(found)

    def test_jumps(self):
        def f(output):
            for i in (1, 2):
                output.append(i)
            output.append('after')
            if output:
                output.append('yes')
            else:
                output.append('no')
            return output
        code = f.__code__
        first = code.co_firstlineno
        def jump_in(event_name, flags):
            def trace(frame, event, arg):
                nonlocal jumped
                if frame.f_code is not code:
                    return None
                events.append((event, frame.f_lasti, arg))
                if (event == event_name and not jumped
                        and frame.f_lineno == first + 6 - 1):
                    jumped = True
                    frame.f_lineno = first + 7
                return trace
            jumped, events = False, []
            with tracing(trace, trace_branches=True, **flags):
                output = f([])
            self.assertTrue(jumped)
            self.assertEqual(output, [1, 2, 'after', 'no'])
            return events
        no = next(i.offset for i in dis.get_instructions(f)
                  if i.starts_line == first + 7)
        yes = next(i.offset for i in dis.get_instructions(f)
                   if i.starts_line == first + 5)
        for event_name, flags in (
                ('branch', {'trace_lines': False}),
                ('line', {}), ('branch', {}),
                ('instruction', {'trace_lines': False, 'trace_instructions': True}),
                ('branch', {'trace_lines': False, 'trace_instructions': True})):
            with self.subTest(event=event_name, **flags):
                events = jump_in(event_name, flags)
                arrivals = [(e, arg) for e, offset, arg in events if offset == no]
                test = next(arg[0] for e, offset, arg in events
                            if e == 'branch' and offset == no)
                # The jump left an instruction that was not executed, so the
                # source is the instruction before that.
                expected = [('branch', (test, no))]
                if flags.get('trace_instructions'):
                    expected.insert(0, ('instruction', test))
                self.assertEqual(arrivals, expected)
                self.assertEqual(
                    next(i.opname for i in dis.get_instructions(f)
                         if i.offset == test)[:8], 'POP_JUMP')
                instructions = [o for e, o, _ in events if e == 'instruction']
                self.assertEqual(len(set(zip(instructions, range(10 ** 6)))),
                                 len(instructions))

    def test_switched_on_by_a_deallocation(self):
        # A specialized STORE_FAST executes the next instruction too.
        class Switch:
            def __init__(self, on):
                self.on = on
            def __del__(self):
                if self.on:
                    sys.settracestate(trace, trace_lines=False,
                                      trace_branches=True)
                    sys._getframe(1).f_trace = trace
        def f(on, n):
            x = Switch(on)
            y = 0
            while n:
                if n > 1: x = y
                y = n
                n -= 1
            return x or y
        def g(on, n):
            x = Switch(on)
            y = 3
            return (x := y) if n else (x := n) or y
        def trace(frame, event, arg):
            if event == 'branch' and frame.f_code in (f.__code__, g.__code__):
                found.append((frame.f_code, arg))
            return trace
        for i in range(50):
            for function in f, g:
                function(False, 2)
                found = []
                function(True, 2)
                sys.settracestate(None)
                for code, edge in found:
                    self.assertIn(edge, edges(code))
                self.assertTrue(found or function is g)

    def test_state_set_by_a_finalizer(self):
        # The garbage collector can run when the tuple of an event is made.
        class Cycle:
            def __init__(self):
                self.cycle = self
            def __del__(self):
                sys.settracestate(trace, trace_instructions=True)
        def trace(frame, event, arg):
            if event == 'branch':
                kept.append(arg)
                if not sys.gettracestate()['trace_branches']:
                    unasked.append(arg)
            return trace
        def f():
            for i in range(60): pass
        self.addCleanup(gc.set_threshold, *gc.get_threshold())
        unasked = []
        for threshold in range(5, 80, 3):
            kept = []
            gc.collect()
            Cycle()
            gc.set_threshold(threshold)
            sys.settracestate(trace, trace_branches=True)
            f()
            sys.settracestate(None)
            gc.set_threshold(700)
        self.assertEqual(unasked, [])

    def test_jump_from_resume_with_opcodes(self):
        def f():
            x = 1
            return 2
        def trace(frame, event, arg):
            if frame.f_code is f.__code__:
                events.append((event, frame.f_lineno - f.__code__.co_firstlineno))
                frame.f_trace_opcodes = True
                if event == 'branch':
                    frame.f_lineno = f.__code__.co_firstlineno + 2
                return trace
        events = []
        with tracing(trace, trace_branches=True):
            f()
        self.assertEqual(events, [('call', 0), ('branch', 0), ('opcode', 2),
                                  ('opcode', 2), ('return', 2)])

    def test_jump_from_resume(self):
        def f(output):
            output.append(1)
            output.append(2)
            return output
        def trace(frame, event, arg):
            if frame.f_code is f.__code__ and event == 'branch' and arg[0] == -1:
                frame.f_lineno = f.__code__.co_firstlineno + 2
            return trace
        with tracing(trace, trace_branches=True):
            output = f([])
        self.assertEqual(output, [2])

    def test_trace_function_raises(self):
        def f(a):
            try:
                return a or 1
            finally:
                done.append(1)
        for at in range(1, 20):
            count, done = 0, []
            def trace(frame, event, arg):
                nonlocal count
                if frame.f_code is f.__code__ and event == 'branch':
                    count += 1
                    if count == at:
                        raise ValueError(at)
                return trace
            sys.settracestate(trace, trace_branches=True)
            try:
                f(0)
            except ValueError:
                self.assertEqual(sys.gettracestate(), DEFAULT)
            else:
                sys.settracestate(None)
                break
        self.assertGreater(at, 3)

    def test_state(self):
        sys.settracestate(ignore, trace_branches=True)
        state = sys.gettracestate()
        self.assertRaises(RuntimeError, sys.gettrace)
        sys.settracestate(None)
        self.assertEqual(state, DEFAULT | {
            'tracefunc': ignore, 'trace_branches': True})

    @support.cpython_only
    def test_out_of_memory(self):
        script = textwrap.dedent('''
            import sys, _testcapi
            set, get = sys.settracestate, sys.gettracestate
            set_nomemory, remove = _testcapi.set_nomemory, _testcapi.remove_mem_hooks
            def trace(frame, event, arg):
                return trace
            def fresh():
                ns = {}
                exec("def f(x):\\n  for i in x:\\n   i or x\\n  return 3", ns)
                return ns["f"]
            kwargs = dict(trace_branches=True, trace_instructions=True,
                          instruction_filter=tuple(range(100)))
            def attempt(f, n):
                try:
                    set_nomemory(n, n + 1)
                    set(trace, **kwargs)
                    f((1,))
                    return False
                except MemoryError:
                    return True
                finally:
                    remove()
            DEFAULT = get()
            WANTED = sys._make_tracestate(trace, **kwargs)
            failures = 0
            for n in range(1, 80):
                f = fresh()
                try:
                    failed = attempt(f, n)
                except MemoryError:
                    failed = True
                remove()
                failures += failed
                state = get()
                set(None)
                assert state == WANTED or failed and state == DEFAULT, (n, state)
                events = []
                def count(frame, event, arg):
                    events.append(event)
                    return count
                set(count, **kwargs)
                f((1,))
                set(None)
                assert 'branch' in events, (n, events)
            assert failures > 3, failures
            ''')
        with support.SuppressCrashReport():
            assert_python_ok('-c', script)


class FilterTest(BaseTestCase):

    def test_values(self):
        every = dis.opmap.values()
        for given in ((), [1], {1: 2}, 'no'[:0], range(256), every, {255, 0},
                      iter([3, 3, 4]), b'ab', (True, False)):
            expected = frozenset(given) if not hasattr(given, '__next__') \
                else frozenset([3, 4])
            sys.settracestate(ignore, instruction_filter=given)
            found = sys.gettracestate()['instruction_filter']
            sys.settracestate(None)
            self.assertEqual(found, expected)
            self.assertIs(type(found), frozenset)

    def test_none_is_the_default(self):
        sys.settracestate(ignore, instruction_filter=None)
        self.assertEqual(sys.gettracestate(), DEFAULT | {'tracefunc': ignore})
        self.assertIs(sys.gettrace(), ignore)
        sys.settracestate(ignore, instruction_filter=())
        self.assertRaises(RuntimeError, sys.gettrace)
        sys.settracestate(None)

    def test_errors(self):
        class Index:
            def __index__(self):
                return 1 // 0
        def failing():
            yield 1
            raise KeyError
        class Iterable:
            def __iter__(self):
                raise OSError
        for value, error, message in (
                ([-1], ValueError, r'range\(256\), not -1'),
                ([256], ValueError, r'range\(256\), not 256'),
                ([2 ** 100], ValueError, r'range\(256\)'),
                ([-2 ** 100], ValueError, r'range\(256\)'),
                (['LOAD_FAST'], TypeError, 'integer, not str'),
                ([1.0], TypeError, 'integer, not float'),
                (7, TypeError, 'iterable of opcodes or None, not int'),
                (True, TypeError, 'iterable of opcodes or None, not bool'),
                ([Index()], ZeroDivisionError, ''),
                (failing(), KeyError, ''),
                (Iterable(), OSError, '')):
            for function in (sys.settracestate, threading.settracestate,
                             threading.settracestate_all_threads):
                sys.settracestate(ignore, trace_branches=True)
                state = sys.gettracestate()
                with self.subTest(value=value, function=function):
                    if isinstance(value, types.GeneratorType):
                        value = failing()
                    with self.assertRaisesRegex(error, message):
                        function(ignore, instruction_filter=value)
                    self.assertEqual(sys.gettracestate(), state)
                    self.assertEqual(threading.gettracestate(), DEFAULT)
                sys.settracestate(None)

    def test_iterable_that_sets_the_state(self):
        def iterable():
            sys.settracestate(ignore, trace_lines=False)
            yield 1
        sys.settracestate(ignore, instruction_filter=iterable())
        state = sys.gettracestate()
        sys.settracestate(None)
        self.assertEqual(state, DEFAULT | {
            'tracefunc': ignore, 'instruction_filter': frozenset([1])})

    def test_round_trip(self):
        sys.settracestate(ignore, trace_lines=False, trace_instructions=True,
                          trace_branches=True, instruction_filter=[1, 2])
        saved = sys.gettracestate()
        sys.settracestate(None)
        sys.settracestate(**saved)
        again = sys.gettracestate()
        sys.settracestate(None)
        self.assertEqual(again, saved)

    def test_events(self):
        """The filter has the same effect as filtering in the trace function."""
        names = 'LOAD_FAST', 'CALL', 'FOR_ITER', 'COMPARE_OP', 'RERAISE', 'YIELD_VALUE'
        opcodes = {dis.opmap[name] for name in names}
        @functools.cache
        def opcode(code, offset):
            while code.co_code[offset] == dis.EXTENDED_ARG:
                offset += 2
            return code.co_code[offset]
        def select(events, opcodes):
            return [(name, event, offset, arg)
                    for name, event, offset, arg, op in events
                    if event != 'instruction' or op in opcodes]
        def run(function, **flags):
            events = []
            def trace(frame, event, arg):
                events.append((
                    frame.f_code.co_name, event, frame.f_lasti,
                    None if event in ('return', 'exception') else arg,
                    opcode(frame.f_code, frame.f_lasti)))
                return trace
            with tracing(trace, trace_instructions=True, **flags):
                function()
            return events
        everything = set(range(256))
        for function in CORPUS:
            with self.subTest(function=function.__name__), support.disable_gc():
                function()
                for lines in False, True:
                    flags = {'trace_lines': lines, 'trace_branches': not lines}
                    full = run(function, **flags)
                    for filter in opcodes, set(), everything:
                        found = run(function, instruction_filter=filter, **flags)
                        self.assertEqual(select(found, everything),
                                         select(full, filter))

    def test_specialized_instructions(self):
        def f(x):
            total = 0
            for i in x:
                total += i + 1
            return total
        for i in range(50):
            f([1, 2, 3])
        self.assertTrue(any('__' in i.opname or i.opname == 'BINARY_OP_ADD_INT'
                            for i in dis.get_instructions(f, adaptive=True)))
        events = traced(f, [1, 2, 3], only={'f'}, trace_lines=False,
                        instruction_filter=[dis.opmap['BINARY_OP']])
        self.assertEqual([e[1] for e in events].count('instruction'), 6)

    def test_opcode_events_are_not_filtered(self):
        def f():
            return 1
        def trace(frame, event, arg):
            if frame.f_code is f.__code__:
                frame.f_trace_opcodes = True
                events.append(event)
                return trace
        events = []
        with tracing(trace, trace_lines=False, trace_instructions=True,
                     instruction_filter=()):
            f()
        self.assertEqual(events, ['call', 'opcode', 'opcode', 'return'])

    def test_threading(self):
        with threading_helper.wait_threads_exit():
            states = []
            threading.settracestate(ignore, trace_branches=True,
                                    instruction_filter=iter([5, 6]))
            try:
                thread = threading.Thread(
                    target=lambda: states.append(sys.gettracestate()))
                thread.start()
                thread.join()
            finally:
                state = threading.gettracestate()
                threading.settracestate(None)
            self.assertEqual(states, [state])
            self.assertEqual(state, DEFAULT | {
                'tracefunc': ignore, 'trace_branches': True,
                'instruction_filter': frozenset([5, 6])})
            threading.settracestate_all_threads(ignore, instruction_filter=[7])
            state = sys.gettracestate()
            threading.settracestate_all_threads(None)
            self.assertEqual(state['instruction_filter'], {7})


class CAPITest(BaseTestCase):

    CALL, LINE, RETURN, INSTRUCTION, BRANCH = 0, 2, 3, 8, 9

    def events(self, function, *args, **flags):
        events = []
        _testtracestate.settracestate(events, **flags)
        function(*args)
        sys.settracestate(None)
        return [e[1:] for e in events if e[0] == function.__name__]

    def test_branch(self):
        def f(a):
            return a or 1
        self.assertEqual(_testtracestate.PyTrace_BRANCH, self.BRANCH)
        events = self.events(f, 0, trace_lines=False, trace_branches=True)
        branches = [e for e in events if e[0] == self.BRANCH]
        self.assertEqual([arg for *_, arg in branches],
                         [edge for code, edge in branch_edges(f, 0)
                          if code is f.__code__])
        for _, offset, arg in branches:
            self.assertEqual(offset, arg[1])
        self.assertEqual(events[0][0], self.CALL)
        self.assertEqual(events[-1][0], self.RETURN)

    def test_filter(self):
        def f(a):
            return a + a
        events = self.events(f, 1, trace_lines=False, trace_instructions=True,
                             opcode=dis.opmap['LOAD_FAST'])
        self.assertEqual([e[0] for e in events],
                         [self.CALL, *[self.INSTRUCTION] * 2, self.RETURN])

    def test_get(self):
        _testtracestate.settracestate([], trace_branches=True, opcode=3)
        state = _testtracestate.gettracestate()
        python = sys.gettracestate()
        sys.settracestate(None)
        self.assertEqual(state[0:1] + state[2:], (1, 1, 0, 1, 1))
        self.assertEqual(python['instruction_filter'], {3})
        # The structure of an old caller ends before these fields.
        _testtracestate.settracestate_old([])
        state = _testtracestate.gettracestate()
        sys.settracestate(None)
        self.assertEqual(state[2:], (0, 0, 0, -1))


def tearDownModule():
    # The corpus leaves an event loop policy.
    asyncio.set_event_loop_policy(None)


if __name__ == '__main__':
    unittest.main()
