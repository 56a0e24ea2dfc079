"""Test the trace state: sys.settracestate() and sys.gettracestate().

qa/tests/test_event_stream.py compares the whole stream of events with that of
stock CPython.
"""

import asyncio
import contextlib
import contextvars
import dis
import doctest
import functools
import gc
import inspect
import itertools
import os
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
from test.bytecodesupport import instructions
from test.tracecorpus import CORPUS, exception_groups, with_statements
from test.tracesupport import DEFAULT, BaseTestCase, ignore, record, traced, tracing

_testcapi = import_helper.import_module('_testcapi')
_testtracestate = import_helper.import_module('_testtracestate')

RESUME = dis.opmap['RESUME']
EXTENDED_ARG = dis.opmap['EXTENDED_ARG']


class StateTest(BaseTestCase):

    def test_default(self):
        self.assertEqual(sys.gettracestate(), DEFAULT)
        self.assertEqual(list(sys.gettracestate()), list(DEFAULT))
        sys.settracestate(ignore)
        self.assertEqual(sys.gettracestate(), DEFAULT | {'tracefunc': ignore})
        self.assertIs(sys.gettrace(), ignore)

    def test_settrace_is_the_default(self):
        sys.settracestate(ignore, trace_lines=False, trace_instructions=True)
        sys.settrace(ignore)
        self.assertEqual(sys.gettracestate(), DEFAULT | {'tracefunc': ignore})
        sys.settracestate(ignore, trace_lines=False)
        sys.settracestate(ignore)
        self.assertEqual(sys.gettracestate(), DEFAULT | {'tracefunc': ignore})

    def test_save_and_restore(self):
        for lines in False, True:
            for each in False, True:
                sys.settracestate(ignore, trace_lines=lines,
                                  trace_instructions=each)
                saved = sys.gettracestate()
                self.assertEqual(saved, DEFAULT | {
                    'tracefunc': ignore, 'trace_lines': lines,
                    'trace_instructions': each})
                sys.settracestate(None)
                sys.settracestate(**saved)
                self.assertEqual(sys.gettracestate(), saved)

    def test_none_resets(self):
        for off in (lambda: sys.settracestate(None),
                    lambda: sys.settracestate(None, trace_lines=False,
                                              trace_instructions=True),
                    lambda: sys.settrace(None)):
            sys.settracestate(ignore, trace_lines=False, trace_instructions=True)
            off()
            self.assertEqual(sys.gettracestate(), DEFAULT)
            self.assertIsNone(sys.gettrace())

    def test_gettrace(self):
        for flags in {'trace_lines': False}, {'trace_instructions': True}:
            sys.settracestate(ignore, **flags)
            with self.assertRaisesRegex(RuntimeError, 'gettracestate'):
                sys.gettrace()
            self.assertEqual(sys.gettracestate(),
                             DEFAULT | {'tracefunc': ignore} | flags)

    def test_gettrace_names_the_function(self):
        # For a user who did not set it.  Its repr() is not called.
        class Tracer:
            def method(self, frame, event, arg):
                return None
            def __call__(self, frame, event, arg):
                return None
            def __repr__(self):
                raise SystemExit
        class Static(Tracer):
            __module__ = 3
        def nameless(frame, event, arg):
            return None
        nameless.__module__ = None
        here = f'{__name__}.{self.id().removeprefix(__name__ + ".")}.<locals>'
        for tracefunc, name in (
                (ignore, 'test.tracesupport.ignore()'),
                (Tracer().method, f'{here}.Tracer.method()'),
                (Tracer(), f'<{here}.Tracer object>'),
                (Static(), f'<<unknown>.{here.removeprefix(__name__ + ".")}.Static object>'),
                (nameless, f'<unknown>.{nameless.__qualname__}()'),
                (functools.partial(ignore), '<functools.partial object>'),
                (types.MethodType(Tracer(), 1), f'<{here}.Tracer object>'),
                (print, 'builtins.print()'),
                ([].append, '<unknown>.append()'),
                (3, '<int object>')):
            for module in sys, threading:
                message = None
                module.settracestate(tracefunc, trace_branches=True)
                try:
                    module.gettrace()
                except RuntimeError as e:
                    message = str(e)
                finally:
                    module.settracestate(None)
                where = module.__name__
                self.assertEqual(
                    message,
                    f'{where}.gettrace() would lose the flags that were set with the '
                    f'trace function {name}: use saved = {where}.gettracestate() and '
                    f'{where}.settracestate(**saved)')

    def test_arguments(self):
        bad = [
            ((), {}),
            ((ignore, True), {}),
            ((ignore,), {'trace_opcodes': True}),
            ((ignore,), {'trace_instruction': True}),
            ((ignore,), {'tracefunc': ignore}),
        ]
        for function in (sys.settracestate, sys._settracestate_all_threads,
                         threading.settracestate,
                         threading.settracestate_all_threads):
            for args, kwargs in bad:
                with self.subTest(function=function, args=args, kwargs=kwargs):
                    self.assertRaises(TypeError, function, *args, **kwargs)
                    self.assertEqual(sys.gettracestate(), DEFAULT)
                    self.assertEqual(threading.gettracestate(), DEFAULT)
        self.assertRaises(TypeError, sys.gettracestate, None)

    def test_signatures(self):
        signature = inspect.signature(sys.settracestate)
        self.assertEqual(list(signature.parameters), list(DEFAULT))
        for function in (threading.settracestate,
                         threading.settracestate_all_threads):
            self.assertEqual(inspect.signature(function), signature)

    def test_truth_values(self):
        class Bad:
            def __bool__(self):
                sys.settrace(None)
                1 / 0
        for value in (), [0], 'x', 0.0, None, 2 ** 100:
            sys.settracestate(ignore, trace_lines=value,
                              trace_instructions=value)
            state = sys.gettracestate()
            self.assertIs(state['trace_lines'], bool(value))
            self.assertIs(state['trace_instructions'], bool(value))
        for flag in 'trace_lines', 'trace_instructions':
            sys.settracestate(ignore)
            with self.assertRaises(ZeroDivisionError):
                sys.settracestate(len, **{flag: Bad()})
            self.assertEqual(sys.gettracestate(), DEFAULT)

    def test_not_callable(self):
        # As with sys.settrace(), its first call fails.
        sys.settracestate(42, trace_instructions=True)
        try:
            (lambda: None)()
        except TypeError as e:
            error = str(e)
        else:
            sys.settracestate(None)
            error = None
        self.assertEqual(error, "'int' object is not callable")
        self.assertEqual(sys.gettracestate(), DEFAULT)

    def test_dict_is_a_copy(self):
        sys.settracestate(ignore, trace_instructions=True)
        sys.gettracestate().clear()
        self.assertTrue(sys.gettracestate()['trace_instructions'])

    def test_reference_counts(self):
        def function(frame, event, arg): pass
        before = sys.getrefcount(function)
        for i in range(100):
            sys.settracestate(function, trace_instructions=True)
            sys.gettracestate()
            sys._make_tracestate(function, trace_lines=False)
        sys.settracestate(None)
        self.assertEqual(sys.getrefcount(function), before)

    def test_documented(self):
        for function in (sys.settracestate, sys.gettracestate,
                         threading.settracestate, threading.gettracestate,
                         threading.settracestate_all_threads):
            self.assertIn('state', function.__doc__)

    def test_doctest(self):
        # doctest saves and restores the trace state.
        def f():
            """
            >>> 1 + 1
            2
            """
        sys.settracestate(ignore, trace_instructions=True)
        stdout = sys.stdout
        results = doctest.DocTestRunner().run(
            doctest.DocTestFinder().find(f, 'f', globs={})[0])
        state = sys.gettracestate()
        sys.settracestate(None)
        self.assertEqual(results, (0, 1))
        self.assertIs(sys.stdout, stdout)
        self.assertEqual(state['tracefunc'], ignore)
        self.assertTrue(state['trace_instructions'])

    def test_audit(self):
        assert_python_ok('-c', textwrap.dedent('''
            import sys, threading
            events = []
            failing = False
            def hook(event, args):
                if event == 'sys.settrace':
                    events.append(args)
                    if failing:
                        raise ValueError('no')
                    for set in (sys.settracestate, sys.settrace,
                                sys._settracestate_all_threads):
                        try:
                            set(None)
                        except RuntimeError as e:
                            assert 'while another' in str(e), e
                        else:
                            raise AssertionError
            def trace(frame, event, arg): pass
            sys.addaudithook(hook)
            sys.settracestate(trace, trace_instructions=True)
            assert events == [()], events
            state = sys.gettracestate()
            assert state['trace_instructions']
            sys._settracestate_all_threads(**state)
            assert len(events) == 2 and sys.gettracestate() == state
            failing = True
            for set in (lambda: sys.settracestate(None),
                        lambda: sys.settracestate(len, trace_lines=False),
                        lambda: sys.settrace(None),
                        lambda: sys._settracestate_all_threads(len),
                        lambda: threading.settracestate_all_threads(len)):
                events.clear()
                try:
                    set()
                except ValueError as e:
                    assert str(e) == 'no'
                else:
                    raise AssertionError
                assert events == [()], events
                assert sys.gettracestate() == threading.gettracestate() == state
            failing = False
            hook = None
            '''))

    def test_set_from_del(self):
        class Function:
            def __call__(self, frame, event, arg):
                return self
            def __del__(self):
                try:
                    sys.settracestate(ignore, trace_lines=False)
                except RuntimeError as e:
                    errors.append(str(e))
        errors = []
        sys.settracestate(Function(), trace_instructions=True)
        sys.settracestate(ignore, trace_instructions=True)
        self.assertRegex(errors[0], 'while another')
        self.assertEqual(sys.gettracestate(), DEFAULT | {
            'tracefunc': ignore, 'trace_instructions': True})
        # For all threads, it is freed after the state is set.
        sys.settracestate(Function(), trace_instructions=True)
        sys._settracestate_all_threads(None)
        self.assertEqual(sys.gettracestate(), DEFAULT | {
            'tracefunc': ignore, 'trace_lines': False})

    def test_settrace_c_api_resets(self):
        sys.settracestate(ignore, trace_lines=False, trace_instructions=True)
        _testcapi.settrace_to_record([])
        state = sys.gettracestate()
        self.assertTrue(state['trace_lines'])
        self.assertFalse(state['trace_instructions'])


class EventTest(BaseTestCase):

    def test_names_and_arguments(self):
        def f(a):
            b = a
            return b + 1
        first, second, third = (i.offset for i in dis.get_instructions(f)
                                if i.starts_line)
        self.assertEqual(traced(f, 1, only={'f'}), [
            ('f', 'call', first, None),
            ('f', 'line', second, None),
            ('f', 'instruction', second + 2, second),
            ('f', 'line', third, None),
            ('f', 'instruction', third + 2, third),
            ('f', 'instruction', third + 4, third + 2),
            ('f', 'instruction', third + 8, third + 4),
            ('f', 'return', third + 8, None),
        ])
        self.assertEqual(traced(f, 1, only={'f'}, trace_lines=False), [
            ('f', 'call', first, None),
            ('f', 'instruction', second, first),
            ('f', 'instruction', second + 2, second),
            ('f', 'instruction', third, second + 2),
            ('f', 'instruction', third + 2, third),
            ('f', 'instruction', third + 4, third + 2),
            ('f', 'instruction', third + 8, third + 4),
            ('f', 'return', third + 8, None),
        ])
        self.assertEqual(traced(f, 1, only={'f'}, trace_instructions=False), [
            ('f', 'call', first, None),
            ('f', 'line', second, None),
            ('f', 'line', third, None),
            ('f', 'return', third + 8, None),
        ])
        self.assertEqual(traced(f, 1, only={'f'}, trace_instructions=False,
                                trace_lines=False), [
            ('f', 'call', first, None),
            ('f', 'return', third + 8, None),
        ])

    def test_previous_offset(self):
        """The argument is the previously announced offset in the same frame."""
        def trace(frame, event, arg):
            offset = frame.f_lasti
            if event == 'return':
                return trace
            if event == 'instruction':
                self.assertEqual(arg, last[frame], (frame, offset))
            elif event == 'line':
                self.assertTrue(lines)
            elif event == 'call':
                # Otherwise throw() has resumed or started it.
                if frame.f_code.co_code[offset] != RESUME:
                    return trace
                if frame in last:
                    self.assertEqual(offset, last[frame] + 2)
            if event != 'exception':
                last[frame] = offset
            return trace
        gc.collect()
        last = {}
        for lines in False, True:
            for function in CORPUS:
                function()      # fill caches
                with (self.subTest(function=function.__name__, lines=lines),
                      support.disable_gc(),
                      tracing(trace, trace_lines=lines, trace_instructions=True)):
                    function()
                # CPython 3.11 does not always find a cycle through a frame.
                last.clear()

    def test_flags_do_not_interact(self):
        """Turning off an event does not affect the others."""
        for function in CORPUS:
            with self.subTest(function=function.__name__), support.disable_gc():
                function()
                both = traced(function)
                lines = traced(function, trace_instructions=False)
                instructions = traced(function, trace_lines=False)
                neither = traced(function, trace_lines=False,
                                 trace_instructions=False)
                events = []
                with tracing(record(events)):
                    function()
                self.assertEqual(lines, events)
                self.assertEqual(
                    lines, [e for e in both if e[1] != 'instruction'])
                self.assertEqual(
                    neither, [e for e in lines if e[1] != 'line'])
                self.assertEqual(
                    [e[0::2] for e in instructions], [e[0::2] for e in both])
                self.assertEqual(
                    [e for e in instructions if e[1] != 'instruction'], neither)
                self.assertLess(set(e for e in both if e[1] == 'instruction'),
                                set(instructions))

    def test_state_is_changed_at_an_event(self):
        """Flags that are set apply from the next instruction on, and flags that are cleared end at once.  It does not
        matter whether all opcodes are in the filter, or there is no filter: then the eval loop has a shorter way to
        the events."""
        def f():
            x = 2
            while x:
                x -= 1
            return x

        def run(number, first, second, opcodes):
            events = []
            def trace(frame, event, arg):
                if frame.f_code is not f.__code__:
                    return None
                events.append((event, frame.f_lasti, arg))
                if len(events) == number:
                    frame.f_trace_opcodes = opcodes
                    sys.settracestate(trace, **second)
                return trace
            sys.settracestate(trace, **first)
            f()
            sys.settrace(None)
            return events

        flags = [{'trace_lines': lines, 'trace_instructions': instructions, 'trace_branches': branches}
                 for lines in (False, True) for instructions in (False, True) for branches in (False, True)]
        for first, second, opcodes in itertools.product(flags, flags, (False, True)):
            number = 0
            while True:
                number += 1
                plain = run(number, first, second, opcodes)
                filtered = run(number, first | {'instruction_filter': range(256)}, second, opcodes)
                self.assertEqual(plain, filtered, (first, second, opcodes, number))
                if len(plain) < number:
                    break
        leader = sys._getcodeleaders(f.__code__)[1]
        first = dict(trace_lines=False, trace_instructions=True)
        events = run(0, first, first, False)
        number = [event[1] for event in events].index(leader) + 1
        events = run(number, first, first | {'trace_branches': True}, False)
        self.assertEqual(events[number - 1][:2], ('instruction', leader))
        self.assertNotEqual(events[number][:2], ('branch', leader))
        both = first | {'trace_branches': True}
        events = [event[:2] for event in run(0, both, both, False)]
        number = events.index(('instruction', leader)) + 1
        self.assertEqual(events[number], ('branch', leader))
        events = run(number, both, first, False)
        self.assertEqual(events[number - 1][:2], ('instruction', leader))
        self.assertEqual(events[number][0], 'instruction')

    def test_opcode_events_come_after(self):
        def f(x):
            return x or (
                x + 1)
        def trace(frame, event, arg):
            if frame.f_code is f.__code__:
                frame.f_trace_opcodes = True
                events.append((event, frame.f_lasti))
                return trace
        events = []
        with tracing(trace, trace_instructions=True):
            f(0)
        events = events[1:-1]
        self.assertEqual({e for e, _ in events[0::2]}, {'line', 'instruction'})
        self.assertEqual({e for e, _ in events[1::2]}, {'opcode'})
        self.assertEqual([o for _, o in events[0::2]], [o for _, o in events[1::2]])

    def test_frame_without_lines(self):
        # With f_trace_lines=False, the first instruction of a line has an
        # 'instruction' event.
        def f():
            a = 1
            return a
        def trace(frame, event, arg):
            frame.f_trace_lines = False
            events.append((event, frame.f_lasti))
            return trace
        events = []
        with tracing(trace, trace_instructions=True):
            f()
        offsets = [i.offset for i in dis.get_instructions(f)]
        self.assertEqual(events[:5], [('call', offsets[0])] + [
            ('instruction', offset) for offset in offsets[1:]])

    def test_local_function(self):
        # With None or no local trace function, there are only 'call' events.
        def f():
            return 1
        events = []
        def trace(frame, event, arg):
            events.append(event)
        with tracing(trace, trace_instructions=True):
            f()
        self.assertEqual(events[0], 'call')
        self.assertEqual(set(events), {'call'})
        # The function that an event returns receives the next event.
        names = []
        def first(frame, event, arg):
            names.append(('first', event))
            return second
        def second(frame, event, arg):
            names.append(('second', event))
            return third
        def third(frame, event, arg):
            names.append(('third', event))
        with tracing(first, trace_lines=False, trace_instructions=True):
            f()
        self.assertEqual(names[:4], [('first', 'call'), ('second', 'instruction'),
                                     ('third', 'instruction'), ('third', 'return')])

    def test_extended_arg(self):
        names = ', '.join(f'v{i}' for i in range(300))
        ns = {}
        exec(f'def f({names}):\n return v1 or v299 or v298', ns)
        f = ns['f']
        offsets = [offset for offset, instruction in instructions(f)]
        events = traced(f, *[0] * 300, only={'f'})
        self.assertEqual([e[2] for e in events[:-1]], offsets)
        self.assertEqual([e[3] for e in events[2:-1]], offsets[1:-1])

    def test_handler(self):
        def f():
            try:
                try:
                    return 1 // zero
                finally:
                    unknown
            except NameError:
                return None
        zero = 0
        events = traced(f, only={'f'}, trace_lines=False)
        raising = [e[2] for e in events if e[1] == 'exception']
        after = [events[i + 1] for i, e in enumerate(events)
                 if e[1] == 'exception']
        self.assertEqual(len(raising), 2)
        handlers = {entry.target for entry in dis._parse_exception_table(f.__code__)}
        for offset, (_, event, target, arg) in zip(raising, after):
            self.assertEqual((event, arg), ('instruction', offset))
            self.assertIn(target, handlers)
        # RERAISE causes no 'exception' event and moves f_lasti back.
        reraises = {i.offset for i in dis.get_instructions(f)
                    if i.opname == 'RERAISE'}
        events = traced(nested_handlers, only={'nested_handlers'})
        code = nested_handlers.__code__.co_code
        self.assertIn(dis.opmap['RERAISE'],
                      {code[arg] for _, event, _, arg in events
                       if event == 'instruction'})

    def test_keyboard_interrupt_in_loop(self):
        # A jump back raises the exception after it has jumped.
        script = textwrap.dedent('''
            import signal, sys
            def f():
                while True:
                    try:
                        x = 1
                        while x:
                            if x == 1: signal.raise_signal(signal.SIGINT)
                            pass
                    except KeyboardInterrupt:
                        return
            last = []
            def trace(frame, event, arg):
                if frame.f_code is f.__code__:
                    if event == 'instruction':
                        assert arg == last[-1], (arg, last)
                    last.append(frame.f_lasti)
                return trace
            signal.signal(signal.SIGINT, signal.default_int_handler)
            sys.settracestate(trace, trace_lines=False, trace_instructions=True)
            f()
            sys.settrace(None)
            ''')
        assert_python_ok('-c', script)

    def test_throw_into_delegating_generator(self):
        def inner():
            try:
                yield 1
            except ValueError:
                return 2
        def f():
            x = yield from inner()
            return x
        # The frame is resumed without an event that could give it a trace
        # function.
        events = []
        trace = record(events, {'f'})
        g = f()
        with tracing(trace, trace_lines=False, trace_instructions=True):
            next(g)
            events.clear()
            self.assertRaises(StopIteration, g.throw, ValueError)
        yields = [i.offset for i in dis.get_instructions(f)
                  if i.opname == 'YIELD_VALUE']
        sends = [i.argval for i in dis.get_instructions(f) if i.opname == 'SEND']
        self.assertEqual(events[0], ('f', 'instruction', sends[0], yields[0]))

    def test_switched_on_in_the_middle_of_a_frame(self):
        # Even if the code is hot, and therefore specialized.
        def f(switch):
            x = 1
            y = x + x
            switch(sys._getframe())
            return y < x or len('x') + x
        def switch(frame):
            sys.settracestate(trace, trace_lines=False, trace_instructions=True)
            frame.f_trace = trace
        events = []
        trace = record(events, {'f'})
        for i in range(100):
            f(id)
            events.clear()
            f(switch)
            sys.settracestate(None)
            offsets = [i.offset for i in dis.get_instructions(f)]
            calls = [i.offset for i in dis.get_instructions(f)
                     if i.opname == 'CALL']
            name, event, offset, arg = events[0]
            self.assertEqual(event, 'instruction')
            self.assertEqual(arg, calls[1])
            self.assertEqual(offset, offsets[offsets.index(arg) + 1])

    def test_settracestate_call_itself(self):
        # In hot code, a specialized PRECALL executes the call.
        source = textwrap.dedent('''
            def g(trace):
                frame = getframe()
                frame.f_trace = trace
                set(trace, trace_lines=False, trace_instructions=True)
                x = 1
                set(None)
            ''')
        ns = {'set': sys.settracestate, 'getframe': sys._getframe}
        exec(source, ns)
        g = ns['g']
        offsets = [i.offset for i in dis.get_instructions(g)]
        calls = [i.offset for i in dis.get_instructions(g) if i.opname == 'CALL']
        events = []
        trace = record(events, {'g'})
        for i in range(100):
            events.clear()
            g(trace)
            name, event, offset, arg = events[0]
            self.assertEqual((event, arg), ('instruction', calls[1]))
            self.assertEqual(offset, offsets[offsets.index(arg) + 1])

    def test_gets_the_value_of_f_lineno(self):
        def f(x):
            return (x and
                    x + 1 or
                    x)
        def trace(frame, event, arg):
            if event == 'instruction' and frame.f_code is f.__code__:
                lines.append((frame.f_lasti, frame.f_lineno))
            return trace
        lines = []
        with tracing(trace, trace_lines=False, trace_instructions=True):
            f(0), f(1)
        positions = list(f.__code__.co_positions())
        for offset, line in lines:
            self.assertEqual(line, positions[offset // 2][0])

    def test_locals_can_be_changed(self):
        def f():
            x = 1
            y = x + x
            return y
        def trace(frame, event, arg):
            if event == 'instruction' and frame.f_code is f.__code__:
                if frame.f_locals.get('x') == 1:
                    frame.f_locals['x'] = 21
            return trace
        with tracing(trace, trace_lines=False, trace_instructions=True):
            result = f()
        self.assertEqual(result, 42)


def nested_handlers():
    try:
        try:
            try:
                {}['missing']
            finally:
                pass
        except ValueError:
            pass
    except KeyError:
        pass


class WaysInTest(BaseTestCase):
    """All kinds of frames have instruction events."""

    def assert_traced(self, events, name):
        self.assertIn((name, 'instruction'), [e[:2] for e in events])

    def test_kinds_of_frames(self):
        ns = {}
        def run(code):
            exec(code, ns)
        async def coroutine():
            return [x async for x in agen()]
        async def agen():
            yield 1
        def gen():
            yield 1
        def drive():
            with contextlib.suppress(StopIteration):
                coroutine().send(None)
        cases = {
            'gen': lambda: list(gen()),
            'coroutine': drive,
            'agen': drive,
            '<lambda>': lambda: 1 + len(''),
            '<listcomp>': lambda: [x for x in 'a'],
            '<setcomp>': lambda: {x for x in 'a'},
            '<dictcomp>': lambda: {x: x for x in 'a'},
            '<genexpr>': lambda: list(x for x in 'a'),
            '<module>': lambda: run('a = 1 if ns else 2' if 0 else 'a = 1; b = a'),
            'C': lambda: run('class C:\n a = 1; b = a'),
            '__init__': lambda: threading.Event(),
            'key': lambda: sorted([2, 1], key=key),
        }
        def key(x):
            return -x
        for name, function in cases.items():
            with self.subTest(name=name):
                self.assert_traced(traced(function), name)
        self.assert_traced(traced(lambda: eval('[1, 2][0]')), '<module>')

    def test_import(self):
        with support.os_helper.temp_cwd() as path:
            with open('traced_module.py', 'w') as file:
                file.write('a = 1; b = [a]\n')
            with import_helper.DirsOnSysPath(path):
                events = traced(lambda: __import__('traced_module'))
            sys.modules.pop('traced_module')
        self.assertIn(('<module>', 'instruction'), [e[:2] for e in events])

    def test_outer_frame_by_hand(self):
        def outer():
            x = inner()
            return x + 1
        def inner():
            sys.settracestate(lambda *args: None, trace_lines=False,
                              trace_instructions=True)
            sys._getframe(1).f_trace = trace
            return 1
        events = []
        trace = record(events)
        outer()
        sys.settracestate(None)
        offsets = [i.offset for i in dis.get_instructions(outer)]
        i = offsets.index([i.offset for i in dis.get_instructions(outer)
                           if i.opname == 'CALL'][0])
        self.assertEqual(
            [e for e in events if e[0] == 'outer' and e[1] == 'instruction'],
            [('outer', 'instruction', offset, previous)
             for previous, offset in zip(offsets[i:], offsets[i + 1:])])

    def test_call_tracing(self):
        def f():
            return 1
        def trace(frame, event, arg):
            if event == 'instruction' and not seen:
                seen.append(True)
                sys.call_tracing(g, ())
            events.append((frame.f_code.co_name, event))
            return trace
        def g():
            return 2
        seen, events = [], []
        with tracing(trace, trace_instructions=True):
            f()
        self.assertIn(('g', 'instruction'), events)
        self.assertEqual(sys.gettracestate(), DEFAULT)

    def test_call_tracing_with_a_state_of_its_own(self):
        def g():
            sys.settracestate(inner, trace_lines=False, trace_instructions=True)
            h()
            sys.settracestate(**saved)
        def h():
            return 1
        def outer(frame, event, arg):
            if event == 'line' and frame.f_code is f.__code__ and not events:
                sys.call_tracing(g, ())
            return outer
        def f():
            return 2
        events = []
        inner = record(events, {'h'})
        sys.settracestate(outer)
        saved = sys.gettracestate()
        f()
        self.assertEqual(sys.gettracestate(), saved)
        sys.settracestate(None)
        self.assert_traced(events, 'h')

    def test_generator_resumed_under_another_state(self):
        def gen():
            x = yield 1
            y = yield 2
            return x, y
        g = gen()
        next(g)
        events = []
        with tracing(record(events, {'gen'}), trace_instructions=True):
            next(g)
        next(g, None)
        offsets = [e[2] for e in events]
        self.assertEqual(events[0][1], 'call')
        yields = [i.offset for i in dis.get_instructions(gen)
                  if i.opname == 'YIELD_VALUE']
        self.assertEqual(events[0][2], yields[0] + 2)
        self.assertEqual(events[1][3], yields[0] + 2)

    @support.requires_fork()
    def test_fork(self):
        events = []
        def f():
            return 1
        sys.settracestate(record(events, {'f'}), trace_instructions=True)
        pid = os.fork()
        if not pid:
            code = 1
            try:
                state = sys.gettracestate()
                f()
                if state['trace_instructions'] and (
                        'f', 'instruction') in [e[:2] for e in events]:
                    code = 0
            finally:
                os._exit(code)
        sys.settracestate(None)
        support.wait_process(pid, exitcode=0)

    def test_subinterpreter(self):
        sys.settracestate(ignore, trace_instructions=True)
        code = textwrap.dedent('''
            import sys
            assert sys.gettracestate() == DEFAULT
            events = []
            def trace(frame, event, arg):
                events.append(event)
                return trace
            def f(): return 1
            sys.settracestate(trace, trace_instructions=True)
            f()
            import textwrap         # and code shared between interpreters
            textwrap.dedent(' x')
            sys.settracestate(None)
            assert 'instruction' in events
            ''')
        code = f'DEFAULT = {DEFAULT}\n' + code
        self.assertEqual(support.run_in_subinterp(code), 0)
        self.assertTrue(sys.gettracestate()['trace_instructions'])
        sys.settracestate(None)

    def test_subinterpreter_left_tracing(self):
        code = ('import sys\ndef f(*a): return f\n'
                'sys.settracestate(f, trace_instructions=True)\n'
                'class A:\n def __del__(self): self.x = [1 for x in "ab"]\na = A()')
        for i in range(3):
            self.assertEqual(support.run_in_subinterp(code), 0)

    def test_at_exit(self):
        assert_python_ok('-c', textwrap.dedent('''
            import atexit, sys, threading, weakref
            def trace(frame, event, arg):
                return trace
            class A:
                def __del__(self):
                    for x in range(3): self.x = x or 1
            a = A()
            a.self = a
            atexit.register(lambda: [x for x in 'abc'])
            sys.settracestate(trace, trace_instructions=True)
            threading.settracestate(trace, trace_instructions=True)
            threading.Thread(target=lambda: [x for x in 'abc'], daemon=True).start()
            '''))


class WrongTest(BaseTestCase):
    """Trace functions that misbehave."""

    def test_raises(self):
        def f():
            try:
                x = 1
                y = x or 2
                return y
            finally:
                done.append(1)
        for at in range(1, 40):
            count = 0
            done = []
            def trace(frame, event, arg):
                nonlocal count
                if frame.f_code is f.__code__ and event != 'return':
                    count += 1
                    if count == at:
                        raise ValueError(at)
                return trace
            sys.settracestate(trace, trace_instructions=True)
            try:
                f()
            except ValueError as e:
                self.assertEqual(e.args, (at,))
                self.assertEqual(sys.gettracestate(), DEFAULT)
                tb = e.__traceback__
                while tb.tb_next is not None and tb.tb_frame.f_code is not f.__code__:
                    tb = tb.tb_next
                self.assertIs(tb.tb_frame.f_code, f.__code__)
                self.assertIsNone(tb.tb_frame.f_trace)
            else:
                sys.settracestate(None)
                self.assertLess(count, at)
                break
        self.assertGreater(at, 10)

    def test_installs_another_state(self):
        def f():
            return [x for x in 'ab']
        def first(frame, event, arg):
            names.append(('first', event))
            if event == 'instruction':
                sys.settracestate(second, trace_lines=False,
                                  trace_instructions=True)
            return first
        def second(frame, event, arg):
            names.append(('second', event))
            return second
        names = []
        with tracing(first, trace_instructions=True):
            f()
        # A frame keeps its local trace function; new frames get the new one.
        self.assertEqual(names[:3], [('first', 'call'), ('first', 'line'),
                                     ('first', 'instruction')])
        self.assertIn(('second', 'call'), names)
        self.assertNotIn(('second', 'line'), names)

    def test_switches_instructions_on_and_off(self):
        def f():
            a = 1; b = 2; c = 3; d = 4
            a = 5; b = 6
            return a
        def trace(frame, event, arg):
            events.append((event, frame.f_lineno))
            if event == 'call':
                sys.settrace(trace)
            elif event == 'line' and frame.f_lineno == first + 2:
                sys.settracestate(trace, trace_instructions=True)
            elif event == 'line':
                sys.settrace(trace)
            return trace
        first = f.__code__.co_firstlineno
        events = []
        with tracing(trace):
            f()
        self.assertEqual(events[:7],
                         [('call', first), ('line', first + 1)] +
                         [('line', first + 2)] + [('instruction', first + 2)] * 3 +
                         [('line', first + 3)])

    def test_switches_tracing_off(self):
        def f():
            return [1, 2]
        def trace(frame, event, arg):
            events.append(event)
            if event == kind:
                sys.settracestate(None)
            return trace
        for kind in 'call', 'line', 'instruction':
            events = []
            sys.settracestate(trace, trace_instructions=True)
            f()
            self.assertEqual(events[-1], kind)
            self.assertEqual(sys.gettracestate(), DEFAULT)

    def test_deletes_itself(self):
        class Trace:
            def __call__(self, frame, event, arg):
                events.append(event)
                if event == 'instruction':
                    sys.settracestate(None)
                    del frame.f_trace
                    gc.collect()
                    return None
                return self
        def f():
            return 1
        events = []
        trace = Trace()
        ref = weakref.ref(trace)
        sys.settracestate(trace, trace_instructions=True)
        del trace
        f()
        self.assertEqual(events[-1], 'instruction')
        support.gc_collect()
        self.assertIsNone(ref())

    def test_deletes_local_function(self):
        class Trace:
            def __call__(self, frame, event, arg):
                events.append(event)
                if event == 'instruction':
                    del frame.f_trace
                    return None
                return Trace()
        def f():
            return 1 or 2
        events = []
        with tracing(Trace(), trace_instructions=True):
            f()
        self.assertEqual(events[:3], ['call', 'line', 'instruction'])

    def test_local_function_deleted_while_locals_are_copied(self):
        # Copying the locals into the dictionary frees its old values.
        class Local:
            def __call__(self, frame, event, arg):
                self.called = True
                return None
        class Value:
            def __init__(self, frame):
                self.frame = frame
            def __del__(self):
                del self.frame.f_trace
                gc.collect()
        def trace(frame, event, arg):
            if frame.f_code is f.__code__:
                return Local()
        def f():
            frame = sys._getframe()
            x = Value(frame)
            frame.f_locals
            x = None
            return 1
        with tracing(trace, trace_branches=True, trace_instructions=True):
            f()

    def test_recurses(self):
        def trace(frame, event, arg):
            def recurse(n):
                return n and recurse(n - 1)
            recurse(20)
            events.append((frame.f_code.co_name, event))
            return trace
        def f():
            return 1
        events = []
        with tracing(trace, trace_instructions=True):
            f()
        # The trace function is not traced.
        self.assertNotIn('recurse', {name for name, _ in events})
        def forever(frame, event, arg):
            return forever(frame, event, arg)
        sys.settracestate(forever, trace_instructions=True)
        try:
            f()
        except RecursionError:
            recursed = True
        else:
            recursed = False
            sys.settracestate(None)
        self.assertTrue(recursed)
        self.assertEqual(sys.gettracestate(), DEFAULT)

    def test_deletes_the_code(self):
        ns = {}
        exec('def f():\n  return [1 for x in "ab"]', ns)
        def trace(frame, event, arg):
            ns.clear()
            gc.collect()
            return trace
        with tracing(trace, trace_instructions=True):
            ns['f']()

    def test_code_objects_are_freed(self):
        refs = []
        for i in range(10):
            ns = {}
            exec('def f(x):\n  return x or 1', ns)
            refs.append(weakref.ref(ns['f'].__code__))
            with tracing(ignore, trace_instructions=True):
                ns['f'](0)
            del ns
        support.gc_collect()
        self.assertEqual([ref() for ref in refs], [None] * 10)

    def test_odd_bytecode(self):
        # Whatever the instructions are, they are not read beyond the end of the code.
        def f():
            return None
        load = dis.opmap['LOAD_CONST']
        nop, ret = dis.opmap['NOP'], dis.opmap['RETURN_VALUE']
        for code in (
            [RESUME, 0] + [EXTENDED_ARG, 1] * 40 + [nop, 0, load, 0, ret, 0],
            [RESUME, 0, nop, 0, load, 0, ret, 0, EXTENDED_ARG, 1],
            [RESUME, 0, load, 0, ret, 0, dis.opmap['LOAD_METHOD'], 255],
            [RESUME, 0, load, 0, ret, 0, dis.opmap['JUMP_FORWARD'], 255],
        ):
            g = types.FunctionType(
                f.__code__.replace(co_code=bytes(code), co_consts=(None,)), {})
            events = traced(g, only={'f'}, trace_lines=False)
            self.assertEqual(events[0][1], 'call')
            self.assertEqual(events[-1][1], 'return')

    @support.cpython_only
    def test_out_of_memory(self):
        """Whichever allocation fails, the state is either the old or the new one."""
        script = textwrap.dedent('''
            import sys, _testcapi
            def trace(frame, event, arg):
                return trace
            def fresh(n):
                ns = {}
                exec("def f():\\n  x = 1\\n  return x or 2", ns)
                return ns["f"]
            DEFAULT = sys.gettracestate()
            WANTED = DEFAULT | dict(tracefunc=trace, trace_lines=False,
                                    trace_instructions=True)
            failures = 0
            set_nomemory, remove = _testcapi.set_nomemory, _testcapi.remove_mem_hooks
            set, get = sys.settracestate, sys.gettracestate
            kwargs = dict(trace_lines=False, trace_instructions=True)
            def attempt(f, n):
                try:
                    set_nomemory(n, n + 1)
                    set(trace, **kwargs)
                    f()
                    return False
                except MemoryError:
                    return True
                finally:
                    remove()
            for n in range(1, 60):
                f = fresh(n)
                try:
                    failed = attempt(f, n)
                except MemoryError:
                    failed = True
                remove()
                state = sys.gettracestate()
                if failed:
                    failures += 1
                    assert state in (DEFAULT, WANTED), state
                else:
                    assert state == WANTED, state
                # Tracing still works.
                events = []
                def count(frame, event, arg):
                    events.append(event)
                    return count
                sys.settracestate(count, trace_instructions=True)
                f()
                sys.settracestate(None)
                assert 'instruction' in events, (n, events)
            assert failures, failures
            ''')
        with support.SuppressCrashReport():
            assert_python_ok('-c', script)


class JumpTest(BaseTestCase):
    """Setting f_lineno from 'instruction' events."""

    def test_is_announced(self):
        def f(output):
            output.append(1)
            output.append(2)
            output.append(3)
            return output
        first = f.__code__.co_firstlineno
        starts = {line - first: offset for offset, line
                  in dis.findlinestarts(f.__code__)}
        def trace(frame, event, arg):
            if frame.f_code is not f.__code__:
                return
            events.append((event, frame.f_lasti, arg))
            if frame.f_lasti == at and len(events) < 20:
                frame.f_lineno = first + 3
            return trace
        # From the middle of the previous line, from its start, and from a 'line' event.
        for at, lines in (starts[1] + 2, False), (starts[1], False), (starts[1], True):
            events = []
            with tracing(trace, trace_lines=lines, trace_instructions=True):
                output = f([])
            self.assertEqual(output, [3])
            offsets = [e[1] for e in events]
            i = offsets.index(at)
            # The instruction that was not executed is not a previous instruction.
            self.assertEqual(events[i + 1], (
                'instruction', starts[3],
                starts[0] if at == starts[1] else starts[1]))
            self.assertEqual(events[i + 2],
                             ('instruction', starts[3] + 2, starts[3]))

    def test_not_from_other_events(self):
        def f():
            return len('')
        def trace(frame, event, arg):
            if event == kind:
                with self.assertRaises(ValueError):
                    frame.f_lineno = frame.f_lineno
                tried.append(event)
            return trace
        for kind in 'call', 'return':
            tried = []
            with tracing(trace, trace_instructions=True):
                f()
            self.assertIn(kind, tried)

    def test_out_of_call_with_keywords(self):
        # The keyword names of the abandoned call do not affect the next one.
        def f(output):
            dict(a=1, b=2)
            output.append(int('7'))
        first = f.__code__.co_firstlineno
        for instruction in dis.get_instructions(f):
            if instruction.positions.lineno != first + 1:
                continue
            def trace(frame, event, arg):
                if (event == 'instruction' and frame.f_code is f.__code__
                        and frame.f_lasti == instruction.offset):
                    frame.f_lineno = first + 2
                return trace
            with self.subTest(instruction=instruction.opname):
                output = []
                with tracing(trace, trace_lines=False, trace_instructions=True):
                    f(output)
                self.assertEqual(output, [7])

    def test_out_of_handler_entry(self):
        # The exception that was about to be handled remains unhandled.
        def f(output):
            try:
                1 / 0
            except ZeroDivisionError:
                output.append(1)
            output.append(sys.exc_info()[0])
        code = f.__code__
        handlers = {i.offset for i in dis.get_instructions(f)
                    if i.opname == 'PUSH_EXC_INFO'}
        def trace(frame, event, arg):
            if (event == 'instruction' and frame.f_code is code
                    and frame.f_lasti in handlers):
                frame.f_lineno = code.co_firstlineno + 5
            return trace
        output = []
        with tracing(trace, trace_lines=False, trace_instructions=True):
            f(output)
        self.assertEqual(output, [None])
        self.assertIsNone(sys.exc_info()[0])

    def test_from_everywhere_to_everywhere(self):
        """A jump either works or raises ValueError."""
        def simple(n=3):
            total = 0
            for i in range(n):
                total += (max(i, n, key=lambda x: x, default=None)
                          if False else max(i, n, key=abs))
                if total > 100: break
            try:
                with contextlib.suppress(KeyError) as s:
                    {'a': 1, **{}}[str(total)]
                raise ValueError([
                    total, i])
            except ValueError as e:
                total = (e,
                         f'{total!r:>3}')
            finally:
                i = [x
                     for x in (1, 2) if x]
            return total
        def gen():
            for x in (1, 2):
                y = yield (x,
                           [y for y in 'ab'])
            z = yield from [3]
            return [
                x, z]
        async def coro():
            async for x in agen():
                y = [x, await
                     Awaitable()]
            async with Manager():
                y = x
            return x
        async def agen():
            yield 1
            yield 2
        class Awaitable:
            def __await__(self):
                yield
        class Manager:
            async def __aenter__(self): pass
            async def __aexit__(self, *args): pass
        def drive():
            c = coro()
            with contextlib.suppress(StopIteration):
                for i in range(100):
                    c.send(None)
            c.close()

        self.enterContext(warnings.catch_warnings())
        warnings.simplefilter('ignore', RuntimeWarning)     # never awaited
        jumped = refused = 0
        for code, run in ((simple.__code__, simple),
                          (gen.__code__, lambda: list(gen())),
                          (coro.__code__, drive),
                          (exception_groups.__code__, exception_groups),
                          (with_statements.__code__, with_statements)):
            lines = sorted({line for *_, line in code.co_lines() if line})
            for instruction in dis.get_instructions(code):
                for line in lines:
                    done = False
                    def trace(frame, event, arg):
                        nonlocal done, jumped, refused
                        if frame.f_code is code and not done and (
                                event == 'instruction' and
                                frame.f_lasti == instruction.offset):
                            done = True
                            try:
                                frame.f_lineno = line
                                jumped += 1
                            except ValueError:
                                refused += 1
                        return trace
                    # A jump from a handler into a 'with' statement's exit
                    # leaves the exception in sys.exc_info(), also from 'line'
                    # events.  A generator hides that from its caller.
                    def isolated():
                        try:
                            run()
                        except Exception:
                            pass    # the program is no longer meaningful
                        yield
                    generator = isolated()
                    sys.settracestate(trace, trace_lines=False,
                                      trace_instructions=True)
                    next(generator)
                    sys.settracestate(None)
        self.assertGreater(jumped, 200)
        self.assertGreater(refused, 200)


class ThreadTest(BaseTestCase):

    def setUp(self):
        super().setUp()
        saved = threading.gettracestate()
        self.addCleanup(lambda: threading.settracestate(**saved))
        self.enterContext(threading_helper.wait_threads_exit())

    def run_thread(self, target):
        thread = threading.Thread(target=target)
        thread.start()
        thread.join()

    def test_state_is_per_thread(self):
        sys.settracestate(ignore, trace_instructions=True)
        states = []
        self.run_thread(lambda: states.append(sys.gettracestate()))
        self.assertEqual(states, [DEFAULT])

    def test_threading_default(self):
        self.assertEqual(threading.gettracestate(), DEFAULT)
        self.assertIsNone(threading.gettrace())

    def test_threading_state(self):
        events = []
        trace = record(events, {'target'})
        def target():
            states.append(sys.gettracestate())
        states = []
        threading.settracestate(trace, trace_lines=False, trace_instructions=1)
        expected = DEFAULT | {'tracefunc': trace, 'trace_lines': False,
                              'trace_instructions': True}
        self.assertEqual(threading.gettracestate(), expected)
        self.assertEqual(sys.gettracestate(), DEFAULT)
        with self.assertRaisesRegex(RuntimeError, 'gettracestate'):
            threading.gettrace()
        self.run_thread(target)
        self.assertEqual(states, [expected])
        self.assertIn(('target', 'instruction'), [e[:2] for e in events])
        threading.settrace(ignore)
        self.assertIs(threading.gettrace(), ignore)
        self.assertEqual(threading.gettracestate(),
                         DEFAULT | {'tracefunc': ignore})
        saved = threading.gettracestate()
        threading.settracestate(None, trace_lines=False)
        self.assertEqual(threading.gettracestate(), DEFAULT)
        threading.settracestate(**saved)
        self.assertEqual(threading.gettracestate(), saved)

    def test_state_from_another_thread(self):
        # A thread sets the state of another one while its trace function runs.
        stop = threading.Event()
        def work():
            while not stop.is_set():
                sys.settracestate(ignore, trace_instructions=True)
                [x for x in range(10) if x]
                self.assertTrue(sys.gettracestate()['trace_instructions'])
                sys.settracestate(None)
        threads = [threading.Thread(target=work) for i in range(4)]
        with threading_helper.catch_threading_exception() as cm:
            for thread in threads:
                thread.start()
            for i in range(100):
                events = traced(lambda: [x for x in 'abc'])
                self.assertIn('instruction', [e[1] for e in events])
            stop.set()
            for thread in threads:
                thread.join()
            self.assertIsNone(cm.exc_value)

    def test_all_threads(self):
        started, stop = threading.Semaphore(0), threading.Event()
        seen = set()
        def trace(frame, event, arg):
            if frame.f_code is helper.__code__ and event == 'instruction':
                seen.add(threading.current_thread())
            return trace
        def helper():
            return [x for x in range(10) if x]
        def work():
            started.release()
            helper()
            while not stop.is_set():
                helper()
            state = sys.gettracestate()
            states.append(state)
        states = []
        threads = [threading.Thread(target=work) for i in range(3)]
        for thread in threads:
            thread.start()
            started.acquire()
        try:
            threading.settracestate_all_threads(trace, trace_lines=False,
                                                trace_instructions=True)
            state = sys.gettracestate()
            deadline = time.monotonic() + support.LONG_TIMEOUT
            while not seen.issuperset(threads) and time.monotonic() < deadline:
                time.sleep(0.001)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
            late = threading.Thread(target=work)
            late.start()
            late.join()
            threading.settracestate_all_threads(None)
        self.assertEqual(states, [state] * 4)
        self.assertEqual(state, DEFAULT | {
            'tracefunc': trace, 'trace_lines': False,
            'trace_instructions': True})
        self.assertEqual(seen, {*threads, late})
        self.assertEqual(sys.gettracestate(), DEFAULT)
        self.assertEqual(threading.gettracestate(), DEFAULT)

    def test_all_threads_while_one_ends(self):
        # Finalizers at the end of a thread can wait for other threads: a function
        # that these set in the meantime is not leaked.
        ending, go_on = threading.Event(), threading.Event()
        class Value:
            def __del__(self):
                ending.set()
                go_on.wait(support.LONG_TIMEOUT)
        variable = contextvars.ContextVar('variable')
        def function(frame, event, arg):
            pass
        before = sys.getrefcount(function)
        for flags in {}, {'trace_instructions': True}:
            ending.clear(), go_on.clear()
            thread = threading.Thread(target=lambda: variable.set(Value()))
            thread.start()
            ending.wait(support.LONG_TIMEOUT)
            threading.settracestate_all_threads(function, **flags)
            go_on.set()
            thread.join()
            threading.settracestate_all_threads(None)
            for _ in range(1000):
                if sys.getrefcount(function) == before:
                    break
                time.sleep(0.001)
            self.assertEqual(sys.getrefcount(function), before)

    def test_all_threads_come_and_go(self):
        stop = threading.Event()
        def breed():
            while not stop.is_set():
                self.run_thread(lambda: [x for x in 'ab'])
        threads = [threading.Thread(target=breed) for i in range(3)]
        for thread in threads:
            thread.start()
        try:
            for i in range(200):
                threading.settracestate_all_threads(ignore, trace_instructions=True)
                threading.settracestate_all_threads(None)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
            threading.settracestate_all_threads(None)


class CAPITest(BaseTestCase):

    CALL, EXCEPTION, LINE, RETURN, INSTRUCTION = 0, 1, 2, 3, 8

    def test_constant(self):
        self.assertEqual(_testtracestate.PyTrace_INSTRUCTION, self.INSTRUCTION)

    def events(self, set, **flags):
        def f(x):
            return x or 1
        events = []
        set(events, **flags)
        f(0)
        sys.settracestate(None)
        return [e[1:] for e in events if e[0] == 'f'], [
            i.offset for i in dis.get_instructions(f)]

    def test_events(self):
        events, offsets = self.events(_testtracestate.settracestate,
                                      trace_instructions=True)
        self.assertEqual(events, [
            (self.CALL, offsets[0], None),
            (self.LINE, offsets[1], None),
            *((self.INSTRUCTION, offset, previous)
              for previous, offset in zip(offsets[1:], offsets[2:])),
            (self.RETURN, offsets[-1], None),
        ])
        events, _ = self.events(_testtracestate.settracestate,
                                trace_lines=False, trace_instructions=True)
        self.assertEqual(events, [
            (self.CALL, offsets[0], None),
            *((self.INSTRUCTION, offset, previous)
              for previous, offset in zip(offsets, offsets[1:])),
            (self.RETURN, offsets[-1], None),
        ])

    def test_function_fails(self):
        def f(x):
            return x or 1
        for what in self.CALL, self.LINE, self.INSTRUCTION, 9, self.RETURN:
            failed = False
            try:
                _testtracestate.settracestate_failing(what)
                f(0)
            except LookupError:
                failed = True
            self.assertTrue(failed, what)
            self.assertEqual(sys.gettracestate(), DEFAULT)

    def test_defaults(self):
        expected = [self.CALL, self.LINE, self.RETURN]
        for set in (_testtracestate.settracestate, _testtracestate.settrace,
                    _testtracestate.settracestate_null):
            events, _ = self.events(set)
            self.assertEqual([e[0] for e in events], expected)

    def test_caller_with_fewer_fields(self):
        # It only knows trace_lines, which it has turned off.
        events, _ = self.events(_testtracestate.settracestate_old)
        self.assertEqual([e[0] for e in events], [self.CALL, self.RETURN])

    def test_get(self):
        self.assertEqual(_testtracestate.gettracestate(), (0, None, 1, 0, 0, -1))
        events = []
        _testtracestate.settracestate(events, trace_lines=False,
                                      trace_instructions=True)
        state = _testtracestate.gettracestate()
        python = sys.gettracestate()
        with self.assertRaises(RuntimeError):
            sys.gettrace()
        _testtracestate.settracestate(None, trace_instructions=True)
        self.assertEqual(state, (1, events, 0, 1, 0, -1))
        self.assertIs(python['tracefunc'], events)
        self.assertEqual(_testtracestate.gettracestate(), (0, None, 1, 0, 0, -1))
        self.assertRaisesRegex(ValueError, 'PyTraceState_INIT',
                               _testtracestate.gettracestate_unset)
        self.assertRaisesRegex(ValueError, 'PyTraceState_INIT',
                               _testtracestate.settracestate_unset, [])
        self.assertEqual(_testtracestate.gettracestate(), (0, None, 1, 0, 0, -1))

    def test_settrace_resets(self):
        _testtracestate.settracestate([], trace_lines=False,
                                      trace_instructions=True)
        _testtracestate.settrace([])
        state = _testtracestate.gettracestate()
        sys.settrace(None)
        self.assertEqual(state[2:], (1, 0, 0, -1))

    def test_all_threads(self):
        with threading_helper.wait_threads_exit():
            ready, go = threading.Event(), threading.Event()
            states = []
            def work():
                ready.set()
                go.wait()
                states.append(_testtracestate.gettracestate())
                sys.settracestate(None)
            thread = threading.Thread(target=work)
            thread.start()
            ready.wait()
            _testtracestate.settracestate_all_threads(0, trace_lines=False,
                                                      trace_instructions=True)
            states.append(_testtracestate.gettracestate())
            go.set()
            thread.join()
            _testtracestate.settracestate_all_threads(None)
        self.assertEqual(states, [(1, 0, 0, 1, 0, -1)] * 2)

    def test_all_threads_after_clear(self):
        # A thread state that has been cleared, and is not yet deleted, gets no
        # trace function: nothing would free it.
        ctypes = import_helper.import_module('ctypes')
        api = ctypes.pythonapi
        api.PyInterpreterState_Get.restype = ctypes.c_void_p
        api.PyThreadState_New.restype = ctypes.c_void_p
        interp = ctypes.c_void_p(api.PyInterpreterState_Get())

        def f(*args):
            return f

        before = sys.getrefcount(f)
        for _ in range(10):
            tstate = ctypes.c_void_p(api.PyThreadState_New(interp))
            api.PyThreadState_Clear(tstate)
            threading.settracestate_all_threads(f)
            threading.settracestate_all_threads(None)
            threading.settracestate_all_threads(f)
            api.PyThreadState_Delete(tstate)
            threading.settracestate_all_threads(None)
        self.assertEqual(sys.getrefcount(f), before)

    def test_co_extra_of_others(self):
        # Tracing stores data in co_extra; values that others have not set there
        # are not freed.
        import_helper.import_module('ctypes')
        assert_python_ok('-c', textwrap.dedent('''
            import ctypes, sys
            freed = []
            freefunc = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(freed.append)
            ctypes.pythonapi._PyEval_RequestCodeExtraIndex(freefunc)
            namespace = {}
            exec('def f(): pass', namespace)
            sys.settrace(lambda *args: None)
            namespace['f']()
            sys.settrace(None)
            del namespace['f']
            assert freed == [], freed
            '''))

    def test_audit(self):
        assert_python_ok('-c', textwrap.dedent('''
            import sys, _testtracestate
            def hook(event, args):
                if event == 'sys.settrace':
                    raise ValueError
            sys.addaudithook(hook)
            for set in (_testtracestate.settracestate,
                        _testtracestate.settracestate_all_threads):
                try:
                    set([], trace_instructions=True)
                except ValueError:
                    pass
                else:
                    raise AssertionError
            assert _testtracestate.gettracestate() == (0, None, 1, 0, 0, -1)
            '''))


def tearDownModule():
    # The corpus leaves an event loop policy.
    asyncio.set_event_loop_policy(None)


if __name__ == '__main__':
    unittest.main()
