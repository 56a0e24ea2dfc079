"""The switch of the eval loop from untraced code to traced code and back."""

import dis
import functools
import signal
import sys
import threading
import time
import types
import unittest
from test.support import cpython_only, import_helper, threading_helper
from test.tracesupport import BaseTestCase, ignore, record, traced, tracing


def warm(function, *args):
    """Specialize the instructions of a function."""
    for _ in range(20):
        function(*args)


def offsets(events, kind='instruction'):
    return [event[2] for event in events if event[1] == kind]


def fused(number, text, items):
    """Every kind of instruction whose specialized form also executes the next one."""
    total = 0
    half = 0.5
    name = ''
    for item in items:
        total = number + total          # LOAD_FAST__LOAD_FAST
        half = half + 1.0               # LOAD_FAST__LOAD_CONST, STORE_FAST__LOAD_FAST
        if total < number:              # COMPARE_OP_INT_JUMP
            total = 0
        if half > 100.5:                # COMPARE_OP_FLOAT_JUMP
            half = 0.5
        if text == 'none':              # COMPARE_OP_STR_JUMP
            text = 'some'
        name += text                    # BINARY_OP_INPLACE_ADD_UNICODE
        type(item), str(item), tuple(item)
        dict(item=item), ord(text[0]), len(item), isinstance(item, str)
        getattr(item, 'real', None), print(end='')
        text.upper(), text.join(item), text.replace('some', 'some')
        text.split(',')
        items.append(item)
        items.pop()
        a, b = item                     # STORE_FAST__STORE_FAST
        a = b
    return total, half, len(name)


class Getitem:

    def __getitem__(self, key):
        return key


def subscript(values):
    for i in range(3):
        values[i]                       # BINARY_SUBSCR_GETITEM
    return i


class FusedTest(BaseTestCase):

    ARGS = 3, 'some', ['ab', 'cd', 'ef']

    def traced(self, **flags):
        return traced(fused, *self.ARGS, only=('fused',), trace_lines=False, **flags)

    def forms(self, function):
        return {i.opname for i in dis.get_instructions(function, adaptive=True)}

    def test_function_has_them(self):
        warm(fused, *self.ARGS)
        warm(subscript, Getitem())
        all_fused = {name for name in dis._all_opname if '__' in name or name.startswith('PRECALL_')
                     or name.endswith('_JUMP') or 'INPLACE' in name or 'GETITEM' in name}
        all_fused -= {'PRECALL_ADAPTIVE', 'PRECALL_PYFUNC', 'PRECALL_BOUND_METHOD'}
        missing = all_fused - self.forms(fused) - self.forms(subscript)
        self.assertEqual(missing, {'LOAD_CONST__LOAD_FAST'})

    def test_each_half_is_announced(self):
        cold = self.traced()
        self.assertGreater(len(cold), 300)
        warm(fused, *self.ARGS)
        self.assertEqual(self.traced(), cold)
        self.assertEqual(fused(*self.ARGS), (9, 3.5, 12))

    def test_entered_without_a_call(self):
        warm(subscript, Getitem())
        self.assertIn('BINARY_SUBSCR_GETITEM', self.forms(subscript))
        callers = []

        def trace(frame, event, arg):
            if event == 'call' and frame.f_code is Getitem.__getitem__.__code__:
                callers.append(frame.f_back.f_lasti)
            return trace

        with tracing(trace):
            subscript(Getitem())
        places = [i.offset for i in dis.get_instructions(subscript) if i.opname == 'BINARY_SUBSCR']
        self.assertEqual(callers, 3 * places)

    def test_second_half_alone_in_the_filter(self):
        warm(fused, *self.ARGS)
        everything = offsets(self.traced())
        code = fused.__code__.co_code
        for name in ('CALL', 'STORE_FAST', 'LOAD_CONST', 'LOAD_FAST', 'POP_TOP', 'POP_JUMP_FORWARD_IF_FALSE'):
            with self.subTest(name):
                opcode = dis.opmap[name]
                events = self.traced(instruction_filter=[opcode])
                expected = [i for i in everything if code[i] == opcode]
                self.assertGreater(len(expected), 3)
                self.assertEqual(offsets(events), expected)

    def test_sources_of_branches(self):
        warm(fused, *self.ARGS)
        instructions = self.traced()
        leaders = set(sys._getcodeleaders(fused.__code__))
        events = self.traced(trace_instructions=False, trace_branches=True)
        self.assertEqual([event[3] for event in events if event[1] == 'branch'][1:],
                         [(arg, offset) for _, kind, offset, arg in instructions
                          if kind == 'instruction' and offset in leaders])

    def test_profiler_receives_c_calls(self):
        def calls():
            names = []
            sys.setprofile(lambda frame, event, arg: names.append(arg.__name__) if event == 'c_call' else None)
            try:
                fused(*self.ARGS)
            finally:
                sys.setprofile(None)
            return names
        cold = calls()
        warm(fused, *self.ARGS)
        self.assertEqual(calls(), cold)
        self.assertEqual(cold.count('len'), 4)
        self.assertEqual(cold.count('upper'), 3)

    def test_concatenation_stays_linear(self):
        def concatenate(n):
            s = ''
            for _ in range(n):
                s += 'x'
            return s

        warm(concatenate, 10)
        self.assertIn('BINARY_OP_INPLACE_ADD_UNICODE', self.forms(concatenate))
        # Copying the string each time would copy 80 gigabytes; debug builds always copy it.
        n = 4_000 if hasattr(sys, 'gettotalrefcount') else 400_000
        with tracing(ignore):
            self.assertEqual(len(concatenate(n)), n)


    @unittest.skipUnless(hasattr(signal, 'setitimer'), 'needs setitimer()')
    def test_interrupted_after_a_jump_back(self):
        # The specialized COMPARE_OP has jumped when the signal is handled.
        def loop(n):
            i = 0
            while i < n:
                i += 1

        def handler(signum, frame):
            if frame.f_code is loop.__code__:
                places.add(frame.f_lasti)

        warm(loop, 100)
        self.assertIn('COMPARE_OP_INT_JUMP', self.forms(loop))
        jumps = {i.offset for i in dis.get_instructions(loop) if i.opname == 'POP_JUMP_BACKWARD_IF_TRUE'}
        places = set()
        self.addCleanup(signal.signal, signal.SIGALRM, signal.signal(signal.SIGALRM, handler))
        self.addCleanup(signal.setitimer, signal.ITIMER_REAL, 0)
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        with tracing(lambda frame, event, arg: None):
            while not places:
                loop(10_000)
            loop(100_000)
        signal.setitimer(signal.ITIMER_REAL, 0)
        self.assertEqual(places, jumps)


class SwitchTest(BaseTestCase):

    def test_often_in_one_frame(self):
        def switch(times):
            seen = []
            trace = record(seen, only=('switch',))
            for i in range(times):
                sys.settracestate(trace, trace_instructions=True)
                sys._getframe().f_trace = trace
                i += 1
                sys.settracestate(None)
                i += 2
            return seen

        first = len(switch(1))
        each = len(switch(2)) - first
        self.assertGreater(first, 3)
        # With a small C stack, so that none of it may be leaked.
        results = []
        size = threading.stack_size(256 * 1024)
        try:
            thread = threading.Thread(target=lambda: results.append(switch(20_000)))
            thread.start()
        finally:
            threading.stack_size(size)
        thread.join()
        self.assertEqual(len(results[0]), first + 19_999 * each)

    def test_off_in_a_function_of_a_traced_one(self):
        def inner():
            sys.settracestate(None)
            return 1

        def outer():
            a = inner()
            b = a + len([a])
            return [b for b in range(3)], b

        events = []
        with tracing(record(events), trace_instructions=True):
            result = outer()
        self.assertEqual(result, ([0, 1, 2], 2))
        self.assertEqual({event[0] for event in events}, {'outer', 'inner'})
        self.assertNotIn('return', [event[1] for event in events])

    def test_on_below_and_off_above(self):
        events = []

        def on():
            sys.settracestate(record(events), trace_instructions=True)

        def off():
            sys.settracestate(None)

        def middle():
            on()
            def deeper():
                return off
            return deeper()

        def top():
            middle()()
            return sys.gettracestate()['tracefunc']

        self.assertIsNone(top())
        self.assertEqual([event[:2] for event in events if event[1] == 'call'],
                         [('deeper', 'call'), ('off', 'call')])

    def test_switch_between_kw_names_and_call(self):
        # Between KW_NAMES and CALL, the names are in a variable of the eval loop.
        def function(a, *, b, c=0):
            return a, b, c

        def call(switch):
            return function(1, b=switch(), c=function(2, b=3))

        for switch in (lambda: sys.settracestate(ignore, trace_instructions=True),
                       lambda: sys.settracestate(None)):
            for _ in range(2):
                self.assertEqual(call(switch), (1, None, (2, 3, 0)))

    def test_off_by_the_event_before_the_call(self):
        def function(a, *, b):
            return a, b

        def call():
            return function(1, b=2)

        names = [i.offset for i in dis.get_instructions(call) if i.opname in ('PRECALL', 'CALL')]
        for offset in names:
            def trace(frame, event, arg):
                if event == 'instruction' and frame.f_lasti == offset:
                    sys.settracestate(None)
                return trace
            with tracing(trace, trace_instructions=True, trace_lines=False):
                self.assertEqual(call(), (1, 2))

    def test_exception_out_of_every_depth(self):
        class Error(Exception):
            pass

        def fail(depth, switch):
            if depth:
                try:
                    fail(depth - 1, switch)
                finally:
                    depth -= 1
            else:
                switch()
                raise Error

        for switch in (lambda: sys.settracestate(ignore, trace_instructions=True, trace_branches=True),
                       lambda: sys.settracestate(None)):
            for depth in range(4):
                for state in ({'tracefunc': None}, {'tracefunc': ignore, 'trace_instructions': True}):
                    with self.subTest(depth=depth, state=state):
                        sys.settracestate(**state)
                        self.assertRaises(Error, fail, depth, switch)
        sys.settracestate(None)

    def test_off_by_an_exception_of_the_trace_function(self):
        # The place where it was raised must not affect the code that is traced next.
        def fail(frame, event, arg):
            if event == 'line' and frame.f_lineno - frame.f_code.co_firstlineno == 3:
                raise ValueError
            return fail

        def long():
            a = [(1, 2, 3), [x for x in 'some'], {1: 2}, {3, 4}, (5, *'more'), len('instructions'), 6 ** 7]
            try:
                a.append(a)
            except ValueError:
                pass

        def short(values, trace):
            sys._getframe().f_trace = trace
            for x in values:
                break

        events = []
        trace = record(events)
        on = functools.partial(sys.settracestate, trace, trace_instructions=True, trace_lines=False)
        sys.settrace(fail)
        long()
        self.assertIsNone(sys.gettrace())
        short(iter(on, 1), trace)
        sys.settracestate(None)
        self.assertEqual(events[0][1], 'instruction')
        loop = [i.offset for i in dis.get_instructions(short) if i.opname == 'FOR_ITER']
        self.assertEqual(events[0][3], *loop)

    def test_jump_and_then_an_exception(self):
        # The jump has popped the iterator of the loop.
        def jump():
            for i in [1]:
                try:
                    i = 2
                    i = 3
                except KeyError:
                    i = 4
            return i

        first = jump.__code__.co_firstlineno
        for later in None, 'instruction', 'opcode', 'branch':
            jumped = False

            def trace(frame, event, arg):
                nonlocal jumped
                if frame.f_code is not jump.__code__:
                    return None
                if event == 'line' and frame.f_lineno == first + 3 and not jumped:
                    jumped = True
                    frame.f_lineno = first + 7
                    frame.f_trace_opcodes = later == 'opcode'
                    if later is None:
                        raise KeyError
                elif event == later and jumped:
                    raise KeyError
                return trace

            with self.subTest(later):
                sys.settracestate(trace, trace_instructions=later == 'instruction',
                                  trace_branches=later == 'branch')
                self.assertRaises(KeyError, jump)
                self.assertIsNone(sys.gettracestate()['tracefunc'])

    def test_bound_method_freed_by_the_first_of_two_events(self):
        def local(frame, event, arg):
            if event == 'line':
                frame.f_trace_opcodes = True
                sys.settrace(None)
            return local

        class Tracer:
            def trace(self, frame, event, arg):
                return local

        def f():
            a = 1
            return a

        for _ in range(100):
            sys.settrace(Tracer().trace)
            f()
            self.assertIsNone(sys.gettrace())

    def test_opcode_event_after_the_line_event_that_ends_tracing(self):
        """As in stock CPython, the 'opcode' event of the same instruction still comes."""
        def f():
            a = 1
            b = 2
            c = 3

        for last in 2, 3, 4:
            events = []

            def trace(frame, event, arg):
                events.append(event)
                if len(events) == last:
                    frame.f_trace_opcodes = True
                    sys.settrace(None)
                return trace

            sys.settrace(trace)
            f()
            self.assertEqual(events, ['call', 'line', 'line', 'line'][:last] + ['opcode'])

    @cpython_only
    def test_bound_method_freed_by_exception_event(self):
        _testcapi = import_helper.import_module('_testcapi')

        class Error(Exception):
            def __init__(self, *args):
                sys.settrace(None)

        class Tracer:
            def trace(self, frame, event, arg):
                return self.trace

        def f():
            try:
                _testcapi.raise_exception(Error, 1)
            except Error:
                pass

        for _ in range(100):
            sys.settrace(Tracer().trace)
            f()
            self.assertIsNone(sys.gettrace())

    @cpython_only
    def test_on_from_outside(self):
        _testtracestate = import_helper.import_module('_testtracestate')

        def f():
            a = 1
            return a

        def run(events):
            _testtracestate.settrace_from_outside(events)
            f()
            sys.settrace(None)

        # In a thread that has never had a trace function, and in one that has.
        for before in lambda: None, lambda: sys.settracestate(None), lambda: traced(f):
            events = []
            def program():
                before()
                run(events)
            thread = threading.Thread(target=program)
            thread.start()
            thread.join()
            names = [event[1] for event in events if event[0] == 'f']
            self.assertEqual(names, [0, 2, 2, 3])      # PyTrace_CALL, _LINE, _RETURN

    def test_on_at_the_end_of_append(self):
        """PRECALL_NO_KW_LIST_APPEND executes three instructions, and the last one frees the list."""
        class Starts:
            def __del__(self):
                if enabled:
                    sys._getframe(1).f_trace = tracefunc
                    sys.settracestate(tracefunc, trace_lines=False, trace_branches=True)

        def f(counter):
            while counter:
                if counter & 1:
                    [Starts()].append(1)
                counter -= 1

        def tracefunc(frame, event, arg):
            if event == 'branch' and frame.f_code is f.__code__:
                edges.append(arg)
            return tracefunc

        enabled = False
        warm(f, 3)
        edges = []
        enabled = True
        f(1)
        sys.settrace(None)
        opnames = {i.offset: i.opname for i in dis.get_instructions(f)}
        self.assertEqual(opnames[edges[0][0]], 'POP_TOP')

    def test_a_state_set_in_call_tracing_stays(self):
        def f():
            return 1
        for before in None, ignore:
            events = []
            def tracefunc(frame, event, arg):
                events.append((frame.f_code.co_name, event))
                return tracefunc
            def enable():
                sys.settracestate(tracefunc, trace_instructions=True)
            sys.settrace(before)
            sys.call_tracing(enable, ())
            f()
            self.assertIs(sys.gettracestate()['tracefunc'], tracefunc)
            sys.settrace(None)
            self.assertIn(('f', 'instruction'), events)

    @unittest.skipIf(hasattr(sys, 'gettotalrefcount'), 'a debug build does not execute a prefix of 0')
    def test_prefixed_reraise(self):
        op = dis.opmap
        code = (lambda: None).__code__.replace(
            co_consts=(KeyError(), 5), co_stacksize=3,
            co_linetable=bytes([0xf8 | 7]),
            co_code=bytes([
                op['RESUME'], 0,
                op['LOAD_CONST'], 0,
                op['RAISE_VARARGS'], 1,         # handled at 6
                op['EXTENDED_ARG'], 0,
                op['RERAISE'], 1,               # handled at 10
                op['POP_TOP'], 0,
                op['LOAD_CONST'], 1,
                op['RETURN_VALUE'], 0]),
            co_exceptiontable=bytes([0x80 | 1, 2, 3, 1, 0x80 | 3, 2, 5, 0]))
        f = types.FunctionType(code, {})
        self.assertEqual(f(), 5)
        events = traced(f, trace_branches=True)
        self.assertIn((code.co_name, 'branch', 10, (6, 10)), events)

    def test_generators_switch_between_loops(self):
        def generate():
            received = None
            while received != 'stop':
                try:
                    received = yield received
                except KeyError as error:
                    received = type(error)
            return 'end'

        def drive():
            generator = generate()
            results = [next(generator)]
            for i in range(6):
                sys.settracestate(ignore if i % 2 else None, trace_instructions=True)
                results.append(generator.send(i))
                sys.settracestate(None if i % 2 else ignore, trace_branches=True)
                results.append(generator.throw(KeyError))
            sys.settracestate(None)
            try:
                generator.send('stop')
            except StopIteration as stop:
                results.append(stop.value)
            return results

        self.assertEqual(drive(), [None, *(x for i in range(6) for x in (i, KeyError)), 'end'])

    @threading_helper.requires_working_threading()
    def test_frames_of_another_thread(self):
        # The frames are those of the traced loop; the untraced loop below it must not appear.
        inside, go_on = threading.Event(), threading.Event()

        def waits():
            inside.set()
            go_on.wait()

        def traced_thread():
            sys.settracestate(ignore, trace_instructions=True)
            waits()

        thread = threading.Thread(target=traced_thread)
        thread.start()
        inside.wait()
        names, frame = [], sys._current_frames()[thread.ident]
        while frame is not None:
            names.append(frame.f_code.co_name)
            frame = frame.f_back
        go_on.set()
        thread.join()
        self.assertEqual(names[names.index('waits'):][:3], ['waits', 'traced_thread', 'run'])


class CStackTest(BaseTestCase):

    @cpython_only
    def test_as_much_as_untraced(self):
        """Python functions that C functions call use hardly more of the C stack than without a trace function."""
        c_stack = import_helper.import_module('_testtracestate').c_stack

        class Attributes:
            def __getattr__(self, name):
                if len(name) == 100:
                    found.append(c_stack())
                    return None
                return getattr(self, name + 'x')

        def used():
            found.append(c_stack())
            getattr(Attributes(), 'x')
            return abs(found.pop() - found.pop())

        found = []
        untraced = used()
        for flags in {}, {'trace_instructions': True}, {'trace_lines': False, 'trace_branches': True}:
            for function in ignore, lambda frame, event, arg: None:
                with self.subTest(flags=flags, function=function):
                    sys.settracestate(function, **flags)
                    try:
                        traced = used()
                    finally:
                        sys.settrace(None)
                    # Instruction events separate a call from its PRECALL, which takes one more C function.
                    self.assertLess(traced, (1.3 if 'trace_instructions' in flags else 1.15) * untraced)

    def test_switched_in_every_call(self):
        """Each call begins traced and continues untraced, or the other way round; results and exceptions arrive."""
        def switch(on):
            if on:
                frame = sys._getframe(1)
                while frame is not None:
                    frame.f_trace = ignore
                    frame = frame.f_back
            sys.settrace(ignore if on else None)

        def call(depth, on):
            switch(on)
            if depth == 0:
                1 / 0
            try:
                # sorted() is a C function.
                result = sorted([depth], key=lambda x: call(depth - 1, not on) and x)
                switch(not on)
                return result
            except ZeroDivisionError:
                switch(on)
                if depth % 10 == 5:
                    return [depth]
                raise
            finally:
                for i in range(3):
                    switch(i % 2)

        def generate(depth, on):
            for i in range(3):
                switch(on)
                yield i
                switch(not on)
                if depth:
                    yield from generate(depth - 1, not on)
        try:
            for on in False, True:
                self.assertEqual(call(25, on), [25])
                self.assertEqual(call(5, on), [5])
                self.assertRaises(ZeroDivisionError, call, 4, on)
                self.assertEqual(sum(generate(4, on)), 363)
        finally:
            sys.settrace(None)


@cpython_only
class FromOutsideTest(BaseTestCase):
    """A debugger that attaches writes the trace function of a thread without calling the interpreter.  The flags of
    the state that it replaces are not meant for its function, which receives the events of sys.settrace()."""

    FLAGS = [
        {},
        {'trace_lines': False},
        {'trace_instructions': True},
        {'trace_branches': True},
        {'trace_lines': False, 'trace_instructions': True},
        {'trace_lines': False, 'trace_branches': True},
        {'trace_lines': False, 'trace_instructions': True, 'trace_branches': True},
        {'trace_lines': False, 'trace_instructions': True, 'instruction_filter': [dis.opmap['RETURN_VALUE']]},
        {'trace_lines': False, 'trace_instructions': True, 'instruction_filter': []},
    ]

    def setUp(self):
        super().setUp()
        module = import_helper.import_module('_testtracestate')
        self.attach = module.settrace_from_outside

    def program(self, attach):
        def called(i):
            if i % 2:
                i += 1
            return i
        attach()
        total = 1
        for i in range(3):
            total += called(i)
        try:
            total /= 0
        except ZeroDivisionError:
            pass
        return total

    def run_attached(self, flags):
        """Run the program under a state that it replaces; return the events until its end."""
        events = []
        if flags is not None:
            sys.settracestate(ignore, **flags)
        try:
            self.program(lambda: self.attach(events))
        finally:
            sys.settrace(None)
        return [event for event in events if event[0] in ('program', 'called')]

    def test_events_are_those_of_settrace(self):
        expected = self.run_attached(None)
        self.assertGreater(len(expected), 20)
        for flags in self.FLAGS:
            with self.subTest(flags):
                events = self.run_attached(flags)
                self.assertEqual(events[-len(expected):], expected)
                self.assertLessEqual({event[1] for event in events}, {0, 1, 2, 3})

    def test_the_state_is_that_of_settrace(self):
        for flags in self.FLAGS:
            with self.subTest(flags):
                events = []
                sys.settracestate(ignore, **flags)
                self.attach(events)
                function, state = sys.gettrace(), sys.gettracestate()
                sys.settrace(None)
                self.assertIs(function, events)
                self.assertIs(state.pop('tracefunc'), events)
                self.assertEqual(state, {'trace_lines': True, 'trace_instructions': False,
                                         'trace_branches': False, 'instruction_filter': None})

    def test_restored(self):
        """A tool that restores the old function the same way restores its flags."""
        for flags in self.FLAGS:
            with self.subTest(flags):
                events, program_events = [], []
                def trace(frame, event, arg):
                    if frame.f_code.co_name == 'called':
                        program_events.append((event, arg))
                    return trace
                def called(i):
                    return i + 1
                sys.settracestate(trace, **flags)
                before = sys.gettracestate()
                called(1)
                old = self.attach(events)
                called(2)
                self.attach(old[0], 0, old[1])
                called(1)
                after = sys.gettracestate()
                sys.settrace(None)
                self.assertEqual(after, before)
                half = len(program_events) // 2
                self.assertEqual(program_events[:half], program_events[half:])
                self.assertEqual([event[1] for event in events if event[0] == 'called'], [0, 2, 3])

    def test_restored_in_straight_line_code(self):
        """Where no call, jump or handler follows, the flags apply from the next line on."""
        def straight(attach):
            attach()
            a = 1
            b = 2
            c = 3
            return a + b + c
        for flags in self.FLAGS:
            with self.subTest(flags):
                events, kept = [], []
                def trace(frame, event, arg):
                    if frame.f_code is straight.__code__:
                        events.append((event, frame.f_lineno - straight.__code__.co_firstlineno, frame.f_lasti))
                    return trace
                def tool(frame, event, arg):
                    if event == 'line' and kept:
                        old, function = kept.pop()
                        frame.f_trace = trace
                        self.attach(old, 0, function)
                        return trace
                    return tool
                def attach():
                    kept.append(self.attach([]))
                    self.attach(tool, 0, kept[0][1])
                    sys._getframe(1).f_trace = tool
                sys.settracestate(trace, **flags)
                straight(lambda: None)
                expected = [event for event in events if event[1] > 2]
                events.clear()
                straight(attach)
                sys.settrace(None)
                self.assertEqual(kept, [])
                self.assertEqual([event for event in events if event[1] > 2], expected)
                self.assertTrue(expected)

    def test_in_other_threads(self):
        def loop():
            i = 0
            while not done:
                i += 1
        def call():
            def called():
                pass
            while not done:
                called()
        def sleep():
            while not done:
                time.sleep(.001)
        def inside_trace_function():
            while not done:
                called_by_trace_function = 1
        for program in loop, call, sleep, inside_trace_function:
            for flags in self.FLAGS:
                with self.subTest(program=program.__name__, **flags):
                    done = []
                    events = []
                    running = threading.Event()
                    def trace(frame, event, arg):
                        running.set()
                        if program is inside_trace_function:
                            time.sleep(.0001)
                        return trace
                    def run():
                        sys.settracestate(trace, **flags)
                        program()
                    thread = threading.Thread(target=run)
                    thread.start()
                    running.wait()
                    self.attach(events, thread.ident)
                    # Nothing waits here for a fixed time: the events come, or the test never ends.
                    while sum(event[1] == 2 for event in list(events)) < 3:
                        time.sleep(.001)
                    done.append(True)
                    thread.join()
                    self.assertLessEqual({event[1] for event in events}, {0, 1, 2, 3})


if __name__ == '__main__':
    unittest.main()
