"""Test the flightrecorder module."""

import asyncio
import builtins
import contextlib
import dis
import doctest
import faulthandler
import flightrecorder
import gc
import io
import itertools
import os
import re
import signal
import subprocess
import sys
import sysconfig
import textwrap
import threading
import tracemalloc
import types
import unittest
import weakref
from test import support
from test.support import import_helper, os_helper, script_helper, threading_helper
from test.tracecorpus import CORPUS
from test.tracesupport import BaseTestCase, DEFAULT

SANITIZED = support.check_sanitizer(address=True, memory=True, ub=True)


def loop(n):
    total = 0
    for i in range(n):
        total += i
    return total


def divide(a, b):
    return a / b


def recurse(n):
    return recurse(n - 1) if n else 0


numbers = itertools.count()


def fresh(function):
    """A copy of the function with a unique code object."""
    return type(function)(function.__code__.replace(co_name=f'fresh{next(numbers)}'), globals())


def executed(call):
    """The instructions of a call, as a trace function in Python receives them."""
    entries = []

    def tracer(frame, event, arg):
        # throw() enters a frame without a RESUME.
        opcode = frame.f_code.co_code[frame.f_lasti]
        if event == 'instruction' or event == 'call' and opcode == RESUME:
            entries.append((frame.f_code, frame.f_lasti))
        return tracer

    saved = sys.gettracestate()
    sys.settracestate(tracer, trace_lines=False, trace_instructions=True)
    try:
        try:
            call()
        except ZeroDivisionError:
            pass
    finally:
        sys.settracestate(**saved)
    return [entry for entry in entries if entry[0] not in OURS]


def recorded(call, size=100_000):
    flightrecorder.start(size)
    try:
        try:
            call()
        except ZeroDivisionError:
            pass
    finally:
        flightrecorder.stop()
    return [entry for entry in flightrecorder.last() if entry[0] not in OURS]


RESUME = dis.opmap['RESUME']
OURS = {executed.__code__, recorded.__code__}


def hook(frame, event, arg):
    return hook


def code_line(code, offset):
    return next(line for start, end, line in code.co_lines() if start <= offset < end)


INSTALL = {
    'settrace': lambda hook: sys.settrace(hook),
    'setprofile': lambda hook: sys.setprofile(hook),
    'instructions': lambda hook: sys.settracestate(hook, trace_instructions=hook is not None),
    'branches': lambda hook: sys.settracestate(hook, trace_lines=hook is None, trace_branches=hook is not None),
    'filter': lambda hook: sys.settracestate(hook, trace_instructions=hook is not None,
                                             instruction_filter=hook and [dis.opmap['COMPARE_OP']]),
}


def tearDownModule():
    asyncio.set_event_loop_policy(None)


class TestCase(BaseTestCase):

    def setUp(self):
        super().setUp()
        # CPython's test_threading does not reset the trace function of new threads.
        saved = threading.gettracestate()
        self.addCleanup(lambda: threading.settracestate(**saved))
        threading.settrace(None)
        self.addCleanup(flightrecorder.stop)


class RecordTest(TestCase):

    def test_same_as_tracer(self):
        for call in CORPUS:
            with self.subTest(call=call.__name__):
                call()
                expected = executed(call)
                self.assertEqual(recorded(call), expected)

    def test_specialized(self):
        f = fresh(loop)
        for _ in range(20):
            f(10)
        def call():
            f(10)
        self.assertEqual(recorded(call), executed(call))

    def test_extended_arg(self):
        namespace = {}
        exec('def f(x):\n' + ''.join(f' x = x.a{i}\n' for i in range(300)), namespace)
        value = type('C', (), {'__getattr__': lambda self, name: self})()

        def call():
            namespace['f'](value)
        self.assertEqual(recorded(call), executed(call))

    def test_wraps(self):
        def call():
            loop(50)
        whole = recorded(call)
        for size in 1, 2, 7, len(whole) - 1, len(whole):
            flightrecorder.start(size)
            loop(50)
            entries = flightrecorder.last()
            flightrecorder.stop()
            self.assertEqual(len(entries), min(size, len(entries)))
            flightrecorder.start(100_000)
            loop(50)
            all_entries = flightrecorder.last()
            flightrecorder.stop()
            self.assertEqual([offset for code, offset in entries if code is loop.__code__],
                             [offset for code, offset in all_entries[-size:] if code is loop.__code__])

    def test_last(self):
        flightrecorder.start(1000)
        loop(20)
        flightrecorder.stop()
        entries = flightrecorder.last()
        self.assertEqual(flightrecorder.last(), entries)    # does not change
        self.assertEqual(flightrecorder.last(0), [])
        for n in 1, 5, len(entries), len(entries) + 1, 10**9, 10**30:
            self.assertEqual(flightrecorder.last(n), entries[-n:])
        self.assertEqual(flightrecorder.last(3, thread_id=threading.get_ident()), entries[-3:])
        self.assertIn(loop.__code__, [code for code, offset in entries])

    def test_call_of_last_is_recorded(self):
        flightrecorder.start()
        code, offset = flightrecorder.last()[-1]
        flightrecorder.stop()
        self.assertIs(code, sys._getframe().f_code)
        self.assertEqual(dis.opname[code.co_code[offset]], 'CALL')

    def test_restart_forgets(self):
        recorded(lambda: loop(5))
        flightrecorder.start(5)
        flightrecorder.stop()
        self.assertNotIn(loop.__code__, [code for code, offset in flightrecorder.last()])
        self.assertLessEqual(len(flightrecorder.last()), 5)

    def test_generators(self):
        def one():
            for i in range(5):
                yield i

        def other():
            yield from one()

        def call():
            for pair in zip(one(), other()):
                pass
            g = one()
            next(g)
            with contextlib.suppress(KeyError):
                g.throw(KeyError)
            with contextlib.suppress(KeyError):
                one().throw(KeyError)
        self.assertEqual(recorded(call), executed(call))

    def test_recursion(self):
        def call():
            recurse(100)
        self.assertEqual(recorded(call), executed(call))
        flightrecorder.start()
        with self.assertRaises(RecursionError):
            recurse(10**6)
        flightrecorder.stop()

    def test_is_running(self):
        self.assertIs(flightrecorder.is_running(), False)
        flightrecorder.start()
        self.assertIs(flightrecorder.is_running(), True)
        with self.assertRaisesRegex(RuntimeError, '^flightrecorder is already running$'):
            flightrecorder.start()
        self.assertIs(flightrecorder.is_running(), True)
        flightrecorder.stop()
        flightrecorder.stop()
        self.assertIs(flightrecorder.is_running(), False)
        self.assertEqual(sys.gettracestate(), DEFAULT)
        self.assertEqual(threading.gettracestate(), DEFAULT)

    def test_bad_arguments(self):
        for size in 0, -1, 2**20 + 1, 10**30, -10**30:
            with self.assertRaisesRegex(ValueError, '^size must be from 1 to 1048576$'):
                flightrecorder.start(size)
        for size in 1.5, '1', None:
            self.assertRaises(TypeError, flightrecorder.start, size)
        self.assertRaises(TypeError, flightrecorder.start, 10, True)
        self.assertFalse(flightrecorder.is_running())
        self.assertRaisesRegex(ValueError, '^n must not be negative$', flightrecorder.last, -1)
        self.assertRaises(TypeError, flightrecorder.last, 'x')
        self.assertRaises(TypeError, flightrecorder.last, thread_id='x')
        for ident in 1, -1, 10**30:
            self.assertRaisesRegex(LookupError, f'of thread {ident}$', flightrecorder.last, thread_id=ident)
        self.assertRaises(TypeError, flightrecorder.before, 1)
        self.assertRaises(TypeError, flightrecorder.before, ValueError)
        self.assertRaises(TypeError, flightrecorder.dump, exception=ValueError(), thread_id=1)
        self.assertRaisesRegex(ValueError, '^n must be from 1', flightrecorder.enable_crash_output, 2, 0)
        self.assertRaises(TypeError, flightrecorder.enable_crash_output, 2, '')
        self.assertFalse(flightrecorder.disable_crash_output())

    def test_keeps_code(self):
        # It is kept alive as long as it is in the ring, and then until the next sweep.
        f = fresh(loop)
        ref = weakref.ref(f.__code__)
        flightrecorder.start(100)
        f(2)
        del f
        self.assertIsNotNone(ref())
        flightrecorder.stop()
        self.assertIsNotNone(ref())
        flightrecorder.start(100)
        self.assertIsNotNone(ref())
        loop(100)
        flightrecorder.stop()
        self.assertIsNone(ref())

    def test_sweep(self):
        refs = []
        flightrecorder.start(100)
        for _ in range(3000):
            f = fresh(loop)
            refs.append(weakref.ref(f.__code__))
            f(1)
        del f
        loop(1000)
        kept = [ref() is not None for ref in refs]
        self.assertLess(sum(kept), 1100)
        self.assertEqual(kept, sorted(kept))            # the newest ones
        flightrecorder.stop()
        self.assertFalse(any(ref() for ref in refs))

    def test_memory(self):
        # As documented: 16 bytes for an instruction, and 2 kB.
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        before = tracemalloc.get_traced_memory()[0]
        flightrecorder.start(100_000)
        used = tracemalloc.get_traced_memory()[0] - before
        self.assertGreater(used, 1_600_000)
        self.assertLess(used, 1_620_000)
        for _ in range(20):
            thread = threading.Thread(target=loop, args=(3,))
            thread.start()
            thread.join()
        flightrecorder.stop()
        used = tracemalloc.get_traced_memory()[0] - before
        self.assertGreater(used, 9 * 1_600_000)         # this thread, and the 8 that ended last
        self.assertLess(used, 9 * 1_620_000)
        flightrecorder.start(1)
        flightrecorder.stop()
        self.assertLess(tracemalloc.get_traced_memory()[0] - before, 100_000)

    def test_freed_code_runs_code(self):
        calls = []

        def freed(ref):
            calls.append(ref)
            if len(calls) == 2:
                flightrecorder.stop()
                flightrecorder.start(10)
            fresh(loop)(1)

        functions = [fresh(loop) for _ in range(1500)]
        refs = [weakref.ref(f.__code__, freed) for f in functions]
        flightrecorder.start(50)
        while functions:
            functions.pop()(1)
        loop(100)
        self.assertTrue(flightrecorder.is_running())
        self.assertGreater(len(calls), 2)
        flightrecorder.stop()
        self.assertEqual(len(calls), 1500)
        self.assertEqual(len(flightrecorder.last()), 10)
        del refs

    def test_freed_code_comes_back(self):
        script = '''
            import flightrecorder, weakref
            def freed(ref):
                for other in refs:
                    code = other()
                    if code is not None:
                        exec(code)
                        flightrecorder.last()
                        break
            flightrecorder.start(10)
            refs = []
            for i in range(1500):
                code = compile('x = 1', f'<{i}>', 'exec')
                refs.append(weakref.ref(code, freed))
                exec(code)
                del code
            flightrecorder.stop()
            assert len(flightrecorder.last()) == 10
        '''
        script_helper.assert_python_ok('-c', textwrap.dedent(script))

    def test_started_by_a_select(self):
        script = '''
            import codeblocks, dis, flightrecorder, sys
            def function():
                flightrecorder.last()
            def select(code):
                if not flightrecorder.is_running():
                    flightrecorder.start()
                return True
            def trace(frame, event, arg):
                if frame.f_code is function.__code__:
                    frame.f_trace_opcodes = True
                    if event == 'opcode' and frame.f_lasti == call:
                        second.start()
                    return trace
            call, = (i.offset for i in dis.get_instructions(function) if i.opname == 'CALL')
            first = codeblocks.EdgeRecorder()
            first.start()
            function()
            second = codeblocks.EdgeRecorder(select)
            sys.settrace(trace)
            function()
            sys.settrace(None)
            assert flightrecorder.last()
        '''
        script_helper.assert_python_ok('-c', textwrap.dedent(script))

    def test_cycles_are_collected(self):
        class C:
            pass
        flightrecorder.start()
        c = C()
        c.self = c
        ref = weakref.ref(c)
        del c
        gc.collect()
        self.assertIsNone(ref())
        flightrecorder.stop()

    def test_memory_failure(self):
        import_helper.import_module('_testcapi')
        script = '''
            import _testcapi, flightrecorder, threading
            flightrecorder.start(4)
            def f():
                return 1 + len('abc')
            for start in range(12):
                _testcapi.set_nomemory(start, start + 1)
                try:
                    f()
                except MemoryError:
                    pass
                finally:
                    _testcapi.remove_mem_hooks()
            assert f() == 4
            flightrecorder.stop()
            assert len(flightrecorder.last()) == 4
        '''
        script_helper.assert_python_ok('-c', textwrap.dedent(script))

    def test_memory_failure_beside_an_edge_recorder(self):
        import_helper.import_module('_testcapi')
        script = '''
            import _testcapi, codeblocks, flightrecorder, sys
            flightrecorder.start(100_000)
            codeblocks.EdgeRecorder().start()
            for _ in range(600):
                exec('def f(): pass')
                _testcapi.set_nomemory(int(sys.argv[1]), int(sys.argv[1]) + 1)
                try:
                    f()
                except MemoryError:
                    pass
                finally:
                    _testcapi.remove_mem_hooks()
            assert flightrecorder.last()
        '''
        for number in range(8):
            with self.subTest(number=number):
                script_helper.assert_python_ok('-c', textwrap.dedent(script), str(number))


class OtherTracersTest(TestCase):
    """The recorder is no trace function, and works beside one."""

    def test_no_trace_function(self):
        flightrecorder.start()
        self.assertEqual(sys.gettracestate(), DEFAULT)
        self.assertIsNone(sys.gettrace())
        self.assertIsNone(threading.gettrace())
        flightrecorder.stop()

    def test_the_same_beside_a_tracer(self):
        # Whatever the program traces or profiles, and whenever that begins.
        for corpus in loop, CORPUS[0], CORPUS[-1]:
            def call():
                corpus(3) if corpus is loop else corpus()
            call()
            expected = recorded(call)
            self.assertGreater(len(expected), 20)
            for name, install in INSTALL.items():
                with self.subTest(corpus.__name__, tracer=name):
                    own = {hook.__code__, install.__code__, sys._getframe().f_code}

                    def ours(entries):
                        return [entry for entry in entries if entry[0] not in own]

                    install(hook)
                    flightrecorder.start(100_000)
                    call()
                    flightrecorder.stop()
                    install(None)
                    self.assertEqual(ours(flightrecorder.last()), expected)
                    flightrecorder.start(100_000)
                    install(hook)
                    call()
                    install(None)
                    flightrecorder.stop()
                    self.assertEqual(ours(flightrecorder.last()), expected)

    def test_the_tracer_receives_the_same(self):
        def events(install):
            found = []

            def tracer(frame, event, arg):
                if frame.f_code in (loop.__code__, divide.__code__):
                    found.append((frame.f_code, event, frame.f_lasti, arg if isinstance(arg, (int, tuple)) else None))
                return tracer

            install(tracer)
            try:
                loop(4)
                with contextlib.suppress(ZeroDivisionError):
                    divide(1, 0)
            finally:
                install(None)
            return [(code, event, lasti, arg if event != 'exception' else None) for code, event, lasti, arg in found]

        for name, install in INSTALL.items():
            with self.subTest(name):
                expected = events(install)
                self.assertTrue(expected)
                flightrecorder.start()
                self.assertEqual(events(install), expected)
                flightrecorder.stop()

    def test_a_tracer_jumps(self):
        # What is recorded is what is executed, not what was announced.
        def jumped():
            x = 1
            x = 2
            x = 3
            return x

        def tracer(frame, event, arg):
            if frame.f_code is jumped.__code__ and event == 'line' and frame.f_lineno == first + 2:
                frame.f_lineno = first + 3
            return tracer

        first = jumped.__code__.co_firstlineno
        expected = [offset for code, offset in recorded(jumped) if code is jumped.__code__]
        skipped = [offset for offset in expected if code_line(jumped.__code__, offset) != first + 2]
        self.assertLess(len(skipped), len(expected))
        flightrecorder.start()
        sys.settrace(tracer)
        jumped()
        sys.settrace(None)
        flightrecorder.stop()
        self.assertEqual([offset for code, offset in flightrecorder.last() if code is jumped.__code__], skipped)

    def test_exception_of_a_tracer(self):
        def tracer(frame, event, arg):
            if event == 'line' and frame.f_code is loop.__code__:
                raise ZeroDivisionError
            return tracer

        flightrecorder.start()
        sys.settrace(tracer)
        self.assertRaises(ZeroDivisionError, loop, 3)
        flightrecorder.stop()
        self.assertIsNone(sys.gettrace())
        self.assertEqual([offset for code, offset in flightrecorder.last() if code is loop.__code__], [0])

    def test_audit(self):
        script = '''
            import flightrecorder, sys, threading
            refuse = False
            events = []
            def hook(event, args):
                if event == 'sys.settrace':
                    events.append(event)
                    if refuse:
                        raise ValueError('refused')
            sys.addaudithook(hook)
            refuse = True
            try:
                flightrecorder.start()
            except ValueError:
                refuse = False
            assert not refuse and not flightrecorder.is_running()
            assert threading.gettrace() is None and sys.gettrace() is None
            assert flightrecorder.threads() == []
            flightrecorder.start()
            refuse = True
            flightrecorder.stop()
            assert not flightrecorder.is_running() and len(events) == 2
        '''
        script_helper.assert_python_ok('-c', textwrap.dedent(script))

    def test_audit_hook_reads(self):
        script = '''
            import flightrecorder, sys
            flightrecorder.start(1)
            for _ in range(50):
                exec('pass')
            flightrecorder.stop()
            sys.addaudithook(lambda event, args: event == 'sys.settrace' and sizes.append(len(flightrecorder.last())))
            sizes = []
            flightrecorder.start(1000)
            assert sizes == [1], sizes
        '''
        script_helper.assert_python_ok('-c', textwrap.dedent(script))


@threading_helper.requires_working_threading()
class ThreadsTest(TestCase):

    def test_threads(self):
        functions = [fresh(loop) for _ in range(6)]
        barrier = threading.Barrier(7)

        def run(f):
            f(300)
            barrier.wait()
            barrier.wait()

        flightrecorder.start(100_000)
        threads = [threading.Thread(target=run, args=(f,)) for f in functions]
        with threading_helper.start_threads(threads):
            barrier.wait()
            flightrecorder.stop()
            rings = {t: flightrecorder.last(thread_id=t.ident) for t in threads}
            idents = flightrecorder.threads()
            barrier.wait()
        self.assertEqual(set(idents), {t.ident for t in threads} | {threading.get_ident()})
        expected = [offset for code, offset in executed(lambda: loop(300)) if code is loop.__code__]
        for thread, f in zip(threads, functions):
            entries = rings[thread]
            self.assertEqual([offset for code, offset in entries if code is f.__code__], expected)
            self.assertEqual(entries[0], (threading.Thread._bootstrap.__code__, 0))
            self.assertFalse({code for code, offset in entries}
                             & {other.__code__ for other in functions if other is not f})

    def test_running_thread(self):
        begun, go, done, end = (threading.Event() for _ in range(4))

        def run():
            begun.set()
            go.wait()
            loop(3)
            done.set()
            end.wait()
            self.state = sys.gettracestate()

        thread = threading.Thread(target=run)
        with threading_helper.start_threads([thread], unlock=end.set):
            begun.wait()
            flightrecorder.start(10_000)
            go.set()
            done.wait()
            flightrecorder.stop()
            end.set()
        self.assertIn((loop.__code__, 0), flightrecorder.last(thread_id=thread.ident))
        self.assertEqual(self.state, DEFAULT)

    def test_stale_thread(self):
        # A thread that has not noticed the end is not recorded by the next recording.
        begun, end = threading.Event(), threading.Event()

        def run():
            begun.set()
            end.wait()
            loop(3)

        thread = threading.Thread(target=run)
        with threading_helper.start_threads([thread], unlock=end.set):
            begun.wait()
            flightrecorder.start()
            flightrecorder.stop()
            flightrecorder.start(all_threads=False)
            end.set()
            thread.join()
            flightrecorder.stop()
        self.assertEqual(flightrecorder.threads(), [threading.get_ident()])

    def test_one_thread(self):
        flightrecorder.start(all_threads=False)
        thread = threading.Thread(target=loop, args=(3,))
        thread.start()
        thread.join()
        flightrecorder.stop()
        self.assertEqual(flightrecorder.threads(), [threading.get_ident()])

    def test_stop_in_thread(self):
        flightrecorder.start()
        thread = threading.Thread(target=flightrecorder.stop)
        thread.start()
        thread.join()
        self.assertFalse(flightrecorder.is_running())
        self.assertEqual(sys.gettracestate(), DEFAULT)

    def test_ended_threads(self):
        refs = []

        def run(f):
            f(1)

        flightrecorder.start(10_000)
        for _ in range(30):
            f = fresh(loop)
            refs.append(weakref.ref(f.__code__))
            thread = threading.Thread(target=run, args=(f,))
            thread.start()
            thread.join()
            del f, thread
        flightrecorder.stop()
        support.gc_collect()
        self.assertEqual([ref() is not None for ref in refs], [False] * 22 + [True] * 8)
        self.assertLessEqual(len(flightrecorder.threads()), 9)
        for ident in flightrecorder.threads():
            self.assertTrue(flightrecorder.last(1, thread_id=ident))

    @support.requires_fork()
    def test_fork(self):
        script = '''
            import flightrecorder, os, threading
            end = threading.Event()
            begun = threading.Event()
            def f():
                return 1
            def wait():
                begun.set()
                end.wait()
            flightrecorder.start(50)
            thread = threading.Thread(target=wait)
            thread.start()
            begun.wait()
            pid = os.fork()
            if not pid:
                try:
                    before = flightrecorder.last()
                    f()
                    assert f.__code__ in [code for code, offset in flightrecorder.last()]
                    assert threading.get_ident() in flightrecorder.threads()
                    for i in range(20):
                        t = threading.Thread(target=f)
                        t.start()
                        t.join()
                    flightrecorder.stop()
                    flightrecorder.start()
                    flightrecorder.stop()
                    os._exit(7)
                finally:
                    os._exit(1)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
            end.set()
            thread.join()
        '''
        script_helper.assert_python_ok('-c', textwrap.dedent(script))


class ExceptionTest(TestCase):

    def setUp(self):
        super().setUp()
        # Creating an exception can run the collector, and so finalizers, before it is raised.
        self.addCleanup(gc.enable)
        gc.disable()

    def start(self, size=1000):
        flightrecorder.start(size)

    def assertRaisedAt(self, entries, code, opname):
        self.assertIs(entries[-1][0], code)
        self.assertEqual(dis.opname[code.co_code[entries[-1][1]]], opname)

    @unittest.skipIf(SANITIZED, 'a sanitizer does not use addresses again')
    def test_before_an_exception_at_the_address_of_another_one(self):
        def attempt():
            try:
                divide(1, 0)
            except ZeroDivisionError as e:
                return e
        self.start()
        recorded = [attempt() for _ in range(100)]
        addresses = {id(e) for e in recorded}
        flightrecorder.stop()
        self.assertEqual(len(flightrecorder.before(recorded[-1], 1)), 1)
        del recorded
        exceptions = [attempt() for _ in range(100)]
        self.assertTrue(addresses & {id(e) for e in exceptions})
        for e in exceptions:
            self.assertRaises(LookupError, flightrecorder.before, e)

    def test_many_nested_tracebacks_are_freed(self):
        self.start()
        frame = sys._getframe()
        traceback = None
        for _ in range(500_000):
            traceback = types.TracebackType(traceback, frame, 0, 1)
        del traceback   # not by recursion

    def test_before(self):
        self.start()
        try:
            divide(1, 0)
        except ZeroDivisionError as e:
            loop(3)
            entries = flightrecorder.before(e)
            loop(3)
            self.assertEqual(flightrecorder.before(e), entries)
            self.assertEqual(flightrecorder.before(e, 2), entries[-2:])
            self.assertEqual(flightrecorder.before(e, n=0), [])
        flightrecorder.stop()
        self.assertRaisedAt(entries, divide.__code__, 'BINARY_OP')
        self.assertEqual([offset for code, offset in entries if code is divide.__code__], [0, 2, 4, 6])
        self.assertNotIn(loop.__code__, [code for code, offset in entries])

    def test_raised_again(self):
        def again():
            try:
                try:
                    divide(1, 0)
                finally:
                    loop(2)
            except ZeroDivisionError as e:
                kept = e
                loop(2)
            loop(2)
            raise kept

        self.start()
        try:
            again()
        except ZeroDivisionError as e:
            entries = flightrecorder.before(e)
        flightrecorder.stop()
        self.assertRaisedAt(entries, divide.__code__, 'BINARY_OP')

    def test_other_exceptions_in_between(self):
        def noise(n):
            for _ in range(n):
                try:
                    divide(1, 0)
                except ZeroDivisionError:
                    pass

        def fail():
            raise KeyError

        self.start(100_000)
        try:
            fail()
        except KeyError as e:
            noise(60)
            self.assertRaisedAt(flightrecorder.before(e), fail.__code__, 'RAISE_VARARGS')
            noise(10)
            with self.assertRaisesRegex(LookupError, '^the exception was raised while its thread was not recorded'):
                flightrecorder.before(e)
        flightrecorder.stop()

    def test_overwritten(self):
        self.start(50)
        try:
            divide(1, 0)
        except ZeroDivisionError as e:
            loop(1)
            self.assertTrue(flightrecorder.before(e))
            loop(100)
            self.assertEqual(flightrecorder.before(e), [])
        flightrecorder.stop()

    def test_unknown(self):
        try:
            divide(1, 0)
        except ZeroDivisionError as e:
            self.start()
            for error, why in ((e, 'was raised while its thread was not recorded, or too long ago'),
                               (KeyError('not raised'), 'has no traceback')):
                with self.assertRaisesRegex(LookupError, f'^the exception {why}$'):
                    flightrecorder.before(error)
                output = io.StringIO()
                flightrecorder.dump(output, exception=error)
                self.assertEqual(output.getvalue(),
                                 f'No recorded instructions before {type(error).__name__}: it {why}\n')
            self.assertRaises(TypeError, flightrecorder.dump, exception=1)
        flightrecorder.stop()

    def test_not_kept_alive(self):
        class Local:
            pass

        def fail():
            local = Local()
            refs.append(weakref.ref(local))
            raise KeyError

        refs = []
        self.start()
        with contextlib.suppress(KeyError):
            fail()
        self.assertIsNone(refs[0]())
        flightrecorder.stop()

    def test_same_address(self):
        def fail():
            raise KeyError

        self.start(100_000)
        for _ in range(50):
            try:
                fail()
            except KeyError as e:
                self.assertRaisedAt(flightrecorder.before(e), fail.__code__, 'RAISE_VARARGS')
                del e
            for _ in range(5):
                self.assertRaises(LookupError, flightrecorder.before, KeyError())
        flightrecorder.stop()

    def test_generator_throw(self):
        def generate():
            yield 1

        self.start()
        g = generate()
        next(g)
        try:
            g.throw(KeyError())
        except KeyError as e:
            entries = flightrecorder.before(e)
        flightrecorder.stop()
        # The generator executes no further instruction; the last one is the call of throw().
        self.assertRaisedAt(entries, sys._getframe().f_code, 'CALL')

    def test_other_thread(self):
        errors = []

        def run():
            try:
                divide(1, 0)
            except ZeroDivisionError as e:
                errors.append(e)

        self.start()
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        entries = flightrecorder.before(errors[0])
        flightrecorder.stop()
        self.assertRaisedAt(entries, divide.__code__, 'BINARY_OP')

    def test_excepthook(self):
        script = '''
            import flightrecorder, sys
            def divide(a, b):
                return a / b
            def hook(type, value, traceback):
                flightrecorder.dump(n=3, exception=value)
            sys.excepthook = hook
            flightrecorder.start()
            divide(1, 0)
        '''
        error = script_helper.assert_python_failure('-c', textwrap.dedent(script)).err.decode()
        self.assertRegex(error, textwrap.dedent(r'''
            Last 3 recorded instructions of thread 0x[0-9a-f]+ before ZeroDivisionError \(most recent last\):
              File "<string>", in divide
                line 4
                     2 LOAD_FAST 0 \(a\)
                     4 LOAD_FAST 1 \(b\)
                     6 BINARY_OP 11 \(/\)
            $''').lstrip())


class DumpTest(TestCase):

    def test_dump(self):
        flightrecorder.start()
        divide(1, 2)
        flightrecorder.stop()
        output = io.StringIO()
        flightrecorder.dump(output, n=None)
        lines = output.getvalue().splitlines()
        entries = flightrecorder.last()
        self.assertEqual(lines[0], f'Last {len(entries)} recorded instructions of thread '
                                   f'0x{threading.get_ident():016x} (most recent last):')
        self.assertEqual([int(match[1]) for match in map(re.compile(r' +(\d+) [A-Z_]+').match, lines) if match],
                         [offset for code, offset in entries])
        line = divide.__code__.co_firstlineno
        self.assertIn(f"""
  in divide
    line {line}: def divide(a, b):
         0 RESUME 0
    line {line + 1}: return a / b
         2 LOAD_FAST 0 (a)
         4 LOAD_FAST 1 (b)
         6 BINARY_OP 11 (/)
        10 RETURN_VALUE
  in DumpTest.test_dump
    line """, output.getvalue())
        self.assertEqual(lines[1], f'  File "{__file__}", in DumpTest.test_dump')
        self.assertEqual(output.getvalue().count(__file__), 1)
        with support.captured_stderr() as stderr:
            flightrecorder.dump(n=1)
        self.assertEqual(stderr.getvalue().splitlines()[-1], lines[-1])
        # The program may have replaced builtins, which linecache needs.
        without_source = lambda text: re.sub(r'(?m)^(    line \d+): .*', r'\1', text)
        for name in 'hasattr', 'isinstance', 'iter', 'len', 'list', 'max', 'range', 'repr', 'str', 'type':
            output = io.StringIO()
            with support.swap_attr(builtins, name, None):
                flightrecorder.dump(output, n=None)
            self.assertEqual(without_source(output.getvalue()).splitlines(), without_source('\n'.join(lines)).splitlines())

    def test_files(self):
        # Each path appears once, unless files have the same name.
        def calls(path, name='f', body='g()'):
            namespace = {'g': lambda: None}
            exec(compile(f'def {name}(g): {body}', path, 'exec'), namespace)
            return namespace[name]

        def headers(function):
            flightrecorder.start()
            function()
            flightrecorder.stop()
            output = io.StringIO()
            flightrecorder.dump(output, n=None)
            return [line.strip() for line in output.getvalue().splitlines()
                    if re.match('  [Fi]', line) and 'DumpTest' not in line]

        last, first = calls('/one/last.py', 'last', 'g'), calls('/one/first.py', 'first', 'g(1); g(1)')
        self.assertEqual(headers(lambda: first(last)), [
            'File "/one/first.py", in first', 'File "/one/last.py", in last', 'in first (first.py)',
            'in last (last.py)', 'in first (first.py)'])
        last, first = calls('/one/a.py', 'last', 'g'), calls('/two/a.py', 'first', 'g(1); g(1)')
        self.assertEqual(headers(lambda: first(last)), [
            'File "/two/a.py", in first', 'File "/one/a.py", in last', 'File "/two/a.py", in first',
            'File "/one/a.py", in last', 'File "/two/a.py", in first'])
        first = calls('/one/\n.py', 'first', '0')
        first.__code__ = first.__code__.replace(co_qualname='a\nb')
        self.assertIn(r'File "/one/\n.py", in a\nb', headers(lambda: first(1)))

    def test_without_a_line(self):
        function = lambda: 1
        function.__code__ = function.__code__.replace(co_linetable=b'')
        flightrecorder.start()
        function()
        flightrecorder.stop()
        output = io.StringIO()
        flightrecorder.dump(output)
        self.assertRegex(output.getvalue(), r'<lambda>\n    line \?\n +0 RESUME 0\n +2 LOAD_CONST')

    def test_not_recorded(self):
        output = io.StringIO()
        flightrecorder.start()
        with self.assertRaisesRegex(AttributeError, 'write'):
            flightrecorder.dump(1)
        flightrecorder.dump(output)
        flightrecorder.stop()
        codes = {code.co_filename for code, offset in flightrecorder.last()}
        self.assertNotIn(flightrecorder.__file__, codes)

    def test_nothing(self):
        flightrecorder.start(all_threads=False)
        output = io.StringIO()
        thread = threading.Thread(target=flightrecorder.dump, args=(output,))
        thread.start()
        thread.join()
        flightrecorder.stop()
        self.assertRegex(output.getvalue(), r'^No recorded instructions of thread 0x[0-9a-f]+\n$')


class LifeTest(TestCase):

    def test_shutdown(self):
        for code in ('flightrecorder.start()',
                     'flightrecorder.start(); flightrecorder.enable_crash_output()',
                     'faulthandler.enable(); flightrecorder.enable_crash_output()',
                     'flightrecorder.enable_crash_output(); faulthandler.enable()',
                     'flightrecorder.start(); sys.modules.clear()',
                     'flightrecorder.start(); C.c = C()',
                     'flightrecorder.start(); threading.Thread(target=time.sleep, args=(100,), daemon=True).start()',
                     'flightrecorder.start(); del sys.modules["_flightrecorder"]; import _flightrecorder as other; '
                     'assert other.is_running(); del other; del sys.modules["_flightrecorder"]; '
                     'assert flightrecorder.is_running(); flightrecorder.stop()'):
            with self.subTest(code=code):
                script_helper.assert_python_ok('-c', textwrap.dedent('''
                    import faulthandler, flightrecorder, sys, threading, time
                    class C:
                        def __del__(self):
                            for i in range(10): pass
                ''') + code)

    def test_subinterpreter(self):
        script = '''
            import flightrecorder
            from test import support
            flightrecorder.start()
            code = """if True:
                try:
                    import flightrecorder
                except ImportError as e:
                    assert str(e) == 'flightrecorder supports only the main interpreter', e
                else:
                    raise AssertionError
            """
            for _ in range(3):
                assert support.run_in_subinterp(code) == 0
            assert flightrecorder.is_running()
            assert flightrecorder.last()
        '''
        script_helper.assert_python_ok('-c', textwrap.dedent(script))

    def test_again_in_process(self):
        # Py_Initialize() after Py_Finalize(), as programs that embed Python do.
        program = os.path.join(os.path.dirname(sys.executable), 'Programs', '_testembed')
        if not sysconfig.is_python_build() or not os.path.exists(program):
            self.skipTest('needs a build directory')
        code = ('import sys; sys.path[:] = %r; import flightrecorder as f\n'
                'assert not f.is_running() and not f.threads()\n'
                'f.start(); f.enable_crash_output(2)\nfor i in range(5): pass\n'
                'assert f.last()\nprint("ok")' % (sys.path,))
        result = subprocess.run([program, 'test_repeated_init_exec', code], capture_output=True, text=True,
                                cwd=os.path.dirname(sys.executable), timeout=support.LONG_TIMEOUT)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertGreater(result.stdout.split().count('ok'), 1)

    def test_docs(self):
        path = os.path.join(sysconfig.get_config_var('srcdir') or '', 'Doc', 'library', 'flightrecorder.rst')
        if not os.path.exists(path):
            self.skipTest('there is no ' + path)
        failures, tests = doctest.testfile(path, module_relative=False, optionflags=doctest.ELLIPSIS)
        self.assertEqual(failures, 0)
        self.assertGreater(tests, 0)


class CommandLineTest(unittest.TestCase):

    SOURCE = """\
import sys
def first_even(numbers):
    i = 0
    while numbers[i] % 2:
        i += 1
    return numbers[i]
if __name__ == '__main__':
    print(first_even([int(argument) for argument in sys.argv[1:]]))
"""
    WRITTEN = textwrap.dedent(r'''
        Last 5 recorded instructions of thread 0x[0-9a-f]+ before IndexError \(most recent last\):
          File ".*a.py", in first_even
            line 5: i \+= 1
                32 BINARY_OP 13 \(\+=\)
                36 STORE_FAST 1 \(i\)
            line 4: while numbers\[i\] % 2:
                38 LOAD_FAST 0 \(numbers\)
                40 LOAD_FAST 1 \(i\)
                42 BINARY_SUBSCR
        ''').lstrip()

    def setUp(self):
        self.folder = self.enterContext(os_helper.temp_dir())
        self.write(self.SOURCE)

    def write(self, source, name='a.py'):
        with open(os.path.join(self.folder, name), 'w', encoding='utf-8') as file:
            file.write(textwrap.dedent(source))

    def python(self, *arguments, input=None):
        done = subprocess.run([sys.executable, *arguments], cwd=self.folder, input=input, capture_output=True,
                              encoding='utf-8', timeout=support.LONG_TIMEOUT)
        return done.returncode, done.stdout, done.stderr

    def record(self, *arguments, **options):
        return self.python('-m', 'flightrecorder', *arguments, **options)

    def test_success(self):
        self.assertEqual(self.record('a.py', '3', '4'), (0, '4\n', ''))
        self.write('import sys; sys.exit(3)')
        self.assertEqual(self.record('a.py'), (3, '', ''))

    def test_exception(self):
        for program in ['a.py', '1'], ['-m', 'a', '1'], ['--', 'a.py', '1']:
            status, output, error = self.record('-n', '5', *program)
            expected = self.python(*program[program[0] == '--':])[2]
            self.assertEqual((status, output, error[:len(expected)]), (1, '', expected))
            self.assertRegex(error[len(expected):], f'^{self.WRITTEN}$')
        status, _, error = self.record('-n', '1', '-', input='1/0')
        self.assertEqual(status, 1)
        self.assertRegex(error, r'File "<stdin>", in <module>\n    line 1\n +\d+ BINARY_OP 11 \(/\)\n$')

    def test_only_the_program(self):
        self.write('1/0')
        _, _, error = self.record('a.py')
        self.assertEqual(re.findall('(?m)^  (?:File|in).*', error.partition('Last')[2]),
                         [f'  File "{os.path.join(os.path.realpath(self.folder), "a.py")}", in <module>'])

    def test_not_compiled(self):
        self.write('1 +')
        expected = self.python('a.py')
        self.assertEqual(self.record('a.py'), expected)

    def test_output(self):
        expected = self.python('a.py', '1')
        self.assertEqual(self.record('-n', '5', '-o', 'out.txt', 'a.py', '1'), expected)
        with open(os.path.join(self.folder, 'out.txt'), encoding='utf-8') as file:
            self.assertRegex(file.read(), f'^{self.WRITTEN}$')

    def test_exception_in_a_thread(self):
        self.write("""
            import threading
            def fail():
                1/0
            for target in fail, exit:           # SystemExit ends a thread without a report
                thread = threading.Thread(target=target)
                thread.start()
                thread.join()
        """)
        status, _, error = self.record('-n', '1', 'a.py')
        self.assertEqual(status, 0)
        self.assertRegex(error, r'before ZeroDivisionError \(most recent last\):\n'
                                r'  File ".*", in fail\n    line 4: 1/0\n +6 BINARY_OP 11 \(/\)\n$')

    def test_exception_that_leaves_many_calls(self):
        self.write("""
            import contextlib, sys
            def fail(depth):
                with contextlib.nullcontext():
                    return fail(depth - 1) if depth else 1/0
            sys.excepthook = lambda *args: [fail(0) if n < 0 else n for n in range(10_000)]
            fail(50)
        """)
        status, _, error = self.record('-n', '3', 'a.py')
        self.assertEqual(status, 1)
        self.assertRegex(error, r'^Last 3 recorded (.*\n)+ +\d+ BINARY_OP 11 \(/\)\n$')

    def test_another_tracer(self):
        self.write('import sys\nsys.settrace(lambda *args: None)\n1/0')
        _, _, error = self.record('a.py')
        self.assertRegex(error, r'(?s)ZeroDivisionError: division by zero\n'
                                r'Last \d+ recorded instructions .* BINARY_OP 11 \(/\)\n$')

    @unittest.skipIf(SANITIZED, 'the sanitizer handles the signal')
    def test_crash(self):
        self.write('import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)')
        status, _, error = self.record('-n', '1', 'a.py')
        self.assertEqual(status, -signal.SIGSEGV)
        self.assertRegex(error, r'^Last 1 recorded .*\n  File ".*a.py", in <module>\n    line 2\n +\d+ CALL 2\n\n$')

    def test_module_of_the_same_name_as_ours(self):
        for name in 'opcode.py', 'dis.py', 'argparse.py':
            self.write('raise SystemExit("shadows")', name)
        self.assertEqual(self.record('a.py', '3', '4'), (0, '4\n', ''))

    def test_errors(self):
        for arguments, message in (
            ([], 'a program is needed: a file, -m MODULE, or - for standard input'),
            (['-m'], '-m needs the name of a module'),
            (['-n', '0', 'a.py'], '-n must be from 1 to 1048576, not 0'),
            (['-o', 'no/file', 'a.py'], 'cannot write no/file: No such file or directory'),
        ):
            status, output, error = self.record(*arguments)
            self.assertEqual((status, output), (2, ''))
            self.assertIn(f'error: {message}\n', error)


class CrashTest(unittest.TestCase):

    CRASHES = [
        ('os.abort()', signal.SIGABRT),
        ('os.kill(os.getpid(), signal.SIGILL)', signal.SIGILL),
        ('ctypes.string_at(0)', signal.SIGSEGV),
        ('faulthandler._sigsegv()', signal.SIGSEGV),
        ('faulthandler._sigfpe()', signal.SIGFPE),
        ('os.kill(os.getpid(), signal.SIGBUS)', signal.SIGBUS),
        ('faulthandler._stack_overflow()', signal.SIGSEGV),
    ]
    IMPORTS = 'import ctypes, faulthandler, flightrecorder, os, signal, sys, threading\n'

    def crash(self, setup, crash, exitcode):
        script = self.IMPORTS + textwrap.dedent(setup) + textwrap.dedent(f'''
            def fail(value):
                value = value + 1
                {crash}
            fail(1)
            ''')
        with support.SuppressCrashReport():
            process = script_helper.spawn_python('-c', script, stderr=subprocess.PIPE)
            try:
                output, error = process.communicate(timeout=support.LONG_TIMEOUT)
            finally:
                process.kill()
        self.assertEqual(process.returncode, exitcode, error)
        return error.decode()

    def each(self):
        return [(crash, -signum) for crash, signum in self.CRASHES
                if (not SANITIZED or signum == signal.SIGABRT)      # the others belong to CPython
                and ('overflow' not in crash or hasattr(faulthandler, '_stack_overflow'))]

    LAST = r'''(?m)^Last 4 recorded instructions of thread 0x[0-9a-f]+ \(most recent last\):
  File ".*", in .*
    line \d+
((  File ".*", in .*
|  in .*
)?(    line \d+
)? +\d+ [A-Z_]+.*
){4}
'''

    def test_alone(self):
        setup = 'flightrecorder.enable_crash_output(n=4); flightrecorder.start()'
        for crash, exitcode in self.each():
            error = self.crash(setup, crash, exitcode)
            self.assertRegex(error, self.LAST)
            self.assertRegex(error, r'in (fail|string_at)\n(    line \d+\n| +\d+ [A-Z_]+.*\n)+ +\d+ CALL \d\n\n$')
            self.assertEqual(error.count('Last 4'), 1)

    def test_names(self):
        setup = 'flightrecorder.enable_crash_output(n=1000); flightrecorder.start()'
        error = self.crash(setup, 'os.abort()', -signal.SIGABRT)
        self.assertRegex(error, r'''
  in fail
    line \d+
         0 RESUME 0
    line \d+
         2 LOAD_FAST 0 \(value\)
         4 LOAD_CONST 1
         6 BINARY_OP 0
        10 STORE_FAST 0 \(value\)
    line \d+
        12 LOAD_GLOBAL 1 \(os\)
        24 LOAD_ATTR 1 \(abort\)
''')
        self.assertRegex(error, r'''  File "<string>", in <module>\n    line \d+\n''')
        self.assertRegex(error, r'\n +\d+ LOAD_NAME \d+ \(fail\)\n')

    def test_with_faulthandler(self):
        for first, second in (('flightrecorder.enable_crash_output(n=4)', 'faulthandler.enable()'),
                              ('faulthandler.enable()', 'flightrecorder.enable_crash_output(n=4)')):
            for crash, exitcode in self.each():
                error = self.crash(f'{first}; {second}; flightrecorder.start()', crash, exitcode)
                self.assertRegex(error, self.LAST)
                self.assertRegex(error, 'Fatal Python error: ')
                self.assertRegex(error, 'in fail\n')
                self.assertEqual(error.count('Last 4'), 1)
                self.assertEqual(error.count('Fatal Python error: '), 1)

    def test_enabled_twice(self):
        setup = '''
            flightrecorder.enable_crash_output(n=3)
            faulthandler.enable()
            flightrecorder.enable_crash_output(n=4)
            flightrecorder.start()
        '''
        for crash, exitcode in self.each():
            error = self.crash(setup, crash, exitcode)
            self.assertEqual(error.count('Last 4'), 1)
            self.assertEqual(error.count('Fatal Python error: '), 1)

    def test_disabled(self):
        for setup, faults in (
            ('flightrecorder.enable_crash_output(); flightrecorder.disable_crash_output()', 0),
            ('flightrecorder.enable_crash_output(); faulthandler.enable(); flightrecorder.disable_crash_output()', 1),
            ('faulthandler.enable(); flightrecorder.enable_crash_output(); flightrecorder.disable_crash_output()', 1),
        ):
            for crash, exitcode in self.each():
                if 'overflow' in crash and not faults:
                    continue
                error = self.crash(setup + '; flightrecorder.start()', crash, exitcode)
                self.assertNotIn('recorded instructions', error)
                self.assertEqual(error.count('Fatal Python error: '), faults)

    def test_enabled_again(self):
        setup = '''
            flightrecorder.enable_crash_output(n=3)
            faulthandler.enable()
            flightrecorder.disable_crash_output()
            flightrecorder.enable_crash_output(n=4)
            flightrecorder.start()
        '''
        for crash, exitcode in self.each():
            error = self.crash(setup, crash, exitcode)
            self.assertEqual(error.count('Last 4'), 1)
            self.assertEqual(error.count('Fatal Python error: '), 1)

    def test_default_again(self):
        setup = '''
            flightrecorder.enable_crash_output(n=3)
            signal.signal(signal.SIGABRT, signal.SIG_DFL)
            flightrecorder.enable_crash_output(n=4)
            flightrecorder.start()
        '''
        self.assertEqual(self.crash(setup, 'os.abort()', -signal.SIGABRT).count('Last 4'), 1)

    def test_not_recorded(self):
        setup = 'flightrecorder.enable_crash_output()'
        self.assertRegex(self.crash(setup, 'os.abort()', -signal.SIGABRT),
                         r'^No recorded instructions of thread 0x[0-9a-f]+\n$|'
                         r'^No recorded instructions of thread 0x[0-9a-f]+\n\n$')

    def test_stopped(self):
        setup = '''
            flightrecorder.enable_crash_output()
            flightrecorder.start()
            flightrecorder.stop()
        '''
        error = self.crash(setup, 'os.abort()', -signal.SIGABRT)
        self.assertRegex(error, r'Last \d+ recorded')
        self.assertNotIn('in fail', error)

    def test_other_thread(self):
        setup = '''
            def other(value):
                os.abort()
            flightrecorder.enable_crash_output(n=4)
            flightrecorder.start()
            thread = threading.Thread(target=other, args=(1,))
        '''
        error = self.crash(setup, 'thread.start(); thread.join()', -signal.SIGABRT)
        self.assertRegex(error, self.LAST)
        self.assertIn('in other\n', error)

    def test_while_the_recording_changes(self):
        # Another thread starts, stops and executes new code all the time.  The handler must neither hang nor crash.
        script = '''
            import ctypes, flightrecorder, signal, sys, threading, time
            def change():
                while True:
                    flightrecorder.start(20)
                    for i in range(100):
                        exec(compile('x = 1', 'new', 'exec'))
                        threading.Thread(target=len, args=('',)).start()
                    flightrecorder.stop()
            flightrecorder.enable_crash_output()
            threading.Thread(target=change, daemon=True).start()
            def crash():
                time.sleep(delay)
                # Without the GIL, so that the other thread goes on.
                ctypes.CDLL(None)['raise'](signal.SIGABRT)
            delay = float(sys.argv[1])
            crash()
        '''
        for i in range(8):
            with self.subTest(i):
                code, out, err = script_helper.assert_python_failure('-c', textwrap.dedent(script), str(i / 97))
                self.assertEqual(code, -signal.SIGABRT)
                self.assertRegex(err.decode(), r'(?s)recorded instructions of thread|being changed')

    def test_program_handles(self):
        # An existing handler is still called.
        setup = '''
            def handler(signum, frame):
                print('handled', file=sys.stderr, flush=True)
                os._exit(3)
            signal.signal(signal.SIGILL, handler)
            flightrecorder.enable_crash_output(n=4)
            flightrecorder.start()
        '''
        if SANITIZED:
            self.skipTest('the sanitizer handles it')
        error = self.crash(setup, 'os.kill(os.getpid(), signal.SIGILL); [i for i in range(10)]', 3)
        self.assertRegex(error, self.LAST + 'handled')

    def test_file(self):
        with open(os_helper.TESTFN, 'wb') as f:
            self.addCleanup(os_helper.unlink, f.name)
        setup = f'''
            flightrecorder.enable_crash_output(open({f.name!r}, 'w'), 4)
            flightrecorder.start()
        '''
        self.assertEqual(self.crash(setup, 'os.abort()', -signal.SIGABRT), '')
        with open(f.name) as f:
            self.assertRegex(f.read(), self.LAST)

    def test_probes(self):
        # An instruction with a probe is shown as the original instruction.
        setup = '''
            import codeprobes, dis
            def f(a):
                if a:
                    os.abort()
            code = f.__code__
            def select(code):
                return tuple(i.offset for i in dis.get_instructions(code) if i.opname == 'LOAD_FAST'), (), ()
            recorder = codeprobes.Recorder(lambda code: select(code) if code is f.__code__ else None, counts=True)
            recorder.start()
            flightrecorder.enable_crash_output()
            flightrecorder.start()
        '''
        self.assertRegex(self.crash(setup, 'f(1)', -signal.SIGABRT), r'in f\n(.*\n)+ +2 LOAD_FAST 0 \(a\)\n')

    def test_ignored(self):
        # A signal that the program ignores does not end the process, before or after another call.
        setup = '''
            for signum in signal.SIGILL, signal.SIGABRT:
                signal.signal(signum, signal.SIG_IGN)
            flightrecorder.enable_crash_output(n=4)
            flightrecorder.start()
            os.kill(os.getpid(), signal.SIGILL)
            signal.signal(signal.SIGBUS, signal.SIG_IGN)
            flightrecorder.enable_crash_output(n=4)
            os.kill(os.getpid(), signal.SIGBUS)
            print('ignored', file=sys.stderr, flush=True)
            flightrecorder.disable_crash_output()
            assert signal.getsignal(signal.SIGILL) is signal.SIG_IGN
            os.kill(os.getpid(), signal.SIGILL)
            os.kill(os.getpid(), signal.SIGBUS)
            flightrecorder.enable_crash_output(n=4)
            signal.signal(signal.SIGBUS, signal.SIG_DFL)
            flightrecorder.enable_crash_output(n=4)
        '''
        if SANITIZED:
            self.skipTest('the sanitizer handles them')
        error = self.crash(setup, 'os.kill(os.getpid(), signal.SIGBUS)', -signal.SIGBUS)
        self.assertRegex(error, r'^ignored\n')
        self.assertRegex(error, self.LAST)
        self.assertEqual(error.count('Last 4'), 1)

    def test_arguments(self):
        script = '''
            import flightrecorder, sys
            class NoFile:
                def flush(self): pass
                def fileno(self): return -7
            for wrong in -1, NoFile():
                try:
                    flightrecorder.enable_crash_output(wrong)
                except ValueError as e:
                    print(e)
            sys.stderr = None
            try:
                flightrecorder.enable_crash_output()
            except RuntimeError as e:
                print(e)
            import io
            try:
                flightrecorder.enable_crash_output(io.StringIO())
            except io.UnsupportedOperation:
                print('unsupported')
            print(flightrecorder.disable_crash_output())
            flightrecorder.enable_crash_output(2)
            print(flightrecorder.disable_crash_output())
            flightrecorder.dump()
        '''
        self.assertEqual(script_helper.assert_python_ok('-c', textwrap.dedent(script)).out.split(b'\n')[:-1],
                         [b'-1 is not a file descriptor', b'-7 is not a file descriptor',
                          b'sys.stderr is None', b'unsupported', b'False', b'True'])


if __name__ == '__main__':
    unittest.main()
