"""Test frame.f_valuestack, frame.f_localvalues and sys.stack_null."""

import asyncio
import copy
import dis
import gc
import pickle
import sys
import threading
import unittest
import weakref
from test import support
from test.support import threading_helper
from test.bytecodesupport import instructions
from test.tracecorpus import CORPUS
from test.tracesupport import BaseTestCase, tracing

NULL = sys.stack_null


def stacks(function, *args, code=None, events=('call', 'line', 'instruction', 'branch')):
    """Return [(opname, stack)] for each event of the function's own frame."""
    code = code or function.__code__
    names = {i.offset: i.opname for i in dis.get_instructions(code)}
    result = []

    def tracer(frame, event, arg):
        if frame.f_code is code:
            if event in events:
                result.append((names[frame.f_lasti], frame.f_valuestack))
            return tracer

    with tracing(tracer, trace_lines=False, trace_instructions=True):
        function(*args)
    return result


def at(opname, *args, **kwargs):
    """Return the stacks at the instructions with this name."""
    return [stack for name, stack in stacks(*args, **kwargs) if name == opname]


class Obj:
    def __init__(self):
        self.stored = len

    def method(self, *args, **kwargs):
        return self


class NullTest(unittest.TestCase):

    def test_repr(self):
        self.assertEqual(repr(NULL), '<NULL>')

    def test_singleton(self):
        with self.assertRaises(TypeError):
            type(NULL)()
        with self.assertRaises(TypeError):
            class Sub(type(NULL)):
                pass
        with self.assertRaises(AttributeError):
            NULL.attribute = 1

    def test_copies_are_the_same_object(self):
        self.assertIs(copy.copy(NULL), NULL)
        self.assertIs(copy.deepcopy([NULL])[0], NULL)
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            self.assertIs(pickle.loads(pickle.dumps(NULL, protocol)), NULL)
            self.assertIs(pickle._loads(pickle._dumps(NULL, protocol)), NULL)

    @support.cpython_only
    def test_subinterpreter(self):
        for _ in range(2):
            self.assertEqual(support.run_in_subinterp(
                "import sys\n"
                "def f(): len('')\n"
                "found = []\n"
                "def tracer(frame, event, arg):\n"
                "    if event == 'instruction' and frame.f_code is f.__code__:\n"
                "        found.extend(frame.f_valuestack)\n"
                "    return tracer\n"
                "sys.settracestate(tracer, trace_instructions=True)\n"
                "f()\n"
                "sys.settracestate(None)\n"
                "assert sys.stack_null in found, found\n"
                "assert repr(sys.stack_null) == '<NULL>'\n"), 0)
        self.assertEqual(repr(NULL), '<NULL>')


class AttributeTest(BaseTestCase):

    def test_read_only(self):
        frame = sys._getframe()
        with self.assertRaises(AttributeError):
            frame.f_valuestack = ()
        with self.assertRaises(AttributeError):
            del frame.f_valuestack

    def test_running(self):
        with self.assertRaisesRegex(RuntimeError, 'known only to a trace function'):
            sys._getframe().f_valuestack

    def test_running_generator(self):
        def running():
            yield g.gi_frame.f_valuestack
        g = running()
        self.assertRaises(RuntimeError, next, g)

    def test_running_while_delegating(self):
        def inner():
            yield outer_generator.gi_frame.f_valuestack

        def outer():
            yield from inner()
        outer_generator = outer()
        self.assertRaises(RuntimeError, next, outer_generator)

    def test_callers(self):
        # The eval loop has stored the stack of a caller if it calls a Python
        # function directly (after popping the arguments), and not otherwise.
        def inner():
            frame = sys._getframe().f_back
            try:
                return frame.f_valuestack
            except RuntimeError:
                return 'unknown'

        def python():
            return [1, inner(), *[2]]

        def through_c():
            return [1, list(map(lambda x: sys._getframe().f_back.f_valuestack, [0]))]

        self.assertEqual(python(), [1, (1,), 2])
        self.assertRaises(RuntimeError, through_c)

    @threading_helper.requires_working_threading()
    def test_other_thread(self):
        ready, done = threading.Event(), threading.Event()

        def run():
            ready.set()
            # Runs until 'done' is set, in C or in the eval loop.
            while not done.wait(0.001):
                pass

        thread = threading.Thread(target=run)
        with threading_helper.start_threads([thread], unlock=done.set):
            self.assertTrue(ready.wait(support.LONG_TIMEOUT))
            outcomes = set()
            for _ in range(50):
                frame = sys._current_frames()[thread.ident]
                try:
                    self.assertIsInstance(frame.f_valuestack, tuple)
                except RuntimeError:
                    outcomes.add('unknown')
            self.assertIn('unknown', outcomes)

    def test_completed_and_cleared(self):
        def f():
            a = [1]
            return sys._getframe()
        frame = f()
        self.assertEqual(frame.f_valuestack, ())
        frame.clear()
        self.assertEqual(frame.f_valuestack, ())

        def fails():
            [1, 2, 1 / 0]
        try:
            fails()
        except ZeroDivisionError as e:
            frame = e.__traceback__.tb_next.tb_frame
        self.assertEqual(frame.f_valuestack, ())
        frame.clear()
        self.assertEqual(frame.f_valuestack, ())

    def test_traceback_of_running_frame(self):
        try:
            1 / 0
        except ZeroDivisionError as e:
            with self.assertRaises(RuntimeError):
                e.__traceback__.tb_frame.f_valuestack

    def test_holds_new_references(self):
        class Target:
            pass

        kept = []

        def f():
            return [Target(), 1]

        def tracer(frame, event, arg):
            if frame.f_code is f.__code__ and event == 'instruction':
                if len(stack := frame.f_valuestack) == 2:
                    kept.append(stack)
            return tracer

        with tracing(tracer, trace_instructions=True):
            ref = weakref.ref(f()[0])
        self.assertIs(kept[-1][0], ref())
        kept[-1] += (kept,)         # a reference cycle
        del kept
        support.gc_collect()
        self.assertIsNone(ref())


class EventTest(BaseTestCase):

    def test_function_below_arguments(self):
        def f(function):
            function(1, x=2)

        def callee(*args, **kwargs):
            pass

        self.assertEqual(stacks(f, callee), [
            ('RESUME', ()),
            ('PUSH_NULL', ()),
            ('LOAD_FAST', (NULL,)),
            ('LOAD_CONST', (NULL, callee)),
            ('LOAD_CONST', (NULL, callee, 1)),
            ('KW_NAMES', (NULL, callee, 1, 2)),
            ('PRECALL', (NULL, callee, 1, 2)),
            ('CALL', (NULL, callee, 1, 2)),
            ('POP_TOP', (None,)),
            ('LOAD_CONST', ()),
            ('RETURN_VALUE', (None,)),
        ])

    def test_global_function(self):
        def f():
            len('')
        self.assertEqual(at('CALL', f), [(NULL, len, '')])

    def test_method(self):
        def f(obj):
            obj.method(1)
            obj.stored('')
        obj = Obj()
        self.assertEqual(at('CALL', f, obj),
                         [(Obj.method, obj, 1), (NULL, len, '')])

    def test_specialized(self):
        # Warm code does not call through the generic instructions.
        def f(obj):
            return [obj.method(x) for x in (1, 2)], obj.method(3), len('')
        obj = Obj()
        for _ in range(50):
            f(obj)
        self.assertEqual(at('CALL', f, obj)[1:],
                         [([obj, obj], Obj.method, obj, 3),
                          ([obj, obj], obj, NULL, len, '')])

    def test_for_loop(self):
        def f(it):
            for x in it:
                pass
        it = iter([1, 2])
        self.assertEqual(at('FOR_ITER', f, it), [(it,)] * 3)
        it = iter([1, 2])
        self.assertEqual(at('STORE_FAST', f, it), [(it, 1), (it, 2)])

    def test_line_event(self):
        found = []

        def f():
            for x in (
                    'a'):
                x = (x,
                     x + x)
            return x

        def tracer(frame, event, arg):
            if frame.f_code is f.__code__ and event == 'line':
                found.append(tuple(type(v) for v in frame.f_valuestack))
            return tracer

        for flags in {}, {'trace_instructions': True}:
            found.clear()
            with tracing(tracer, **flags):
                f()
            iterator = type(iter('a'))
            self.assertIn((iterator,), found)
            self.assertIn((iterator, str), found)
            self.assertIn((), found)

    def test_opcode_event(self):
        found = []

        def f(a, b):
            return a + b

        def tracer(frame, event, arg):
            if frame.f_code is f.__code__:
                frame.f_trace_opcodes = True
                if event == 'opcode':
                    found.append(frame.f_valuestack)
            return tracer

        with tracing(tracer):
            f(1, 2)
        self.assertEqual(found, [(), (1,), (1, 2), (3,)])

    def test_branch_event(self):
        found = []

        def f(a, b):
            return [a, a or b]

        def tracer(frame, event, arg):
            if event == 'branch' and frame.f_code is f.__code__:
                found.append(frame.f_valuestack)
            return tracer

        with tracing(tracer, trace_branches=True, trace_lines=False):
            f(0, 2)
        self.assertEqual(found, [(), (0,), (0, 2)])

    def test_return_event(self):
        # The value that is returned or yielded has been popped.
        def f():
            return [1]

        def gen():
            for x in 'a':
                [x, (yield 5)]

        self.assertEqual(at('RETURN_VALUE', f, events=('return',)), [()])
        yields = at('YIELD_VALUE', lambda: list(gen()), code=gen.__code__,
                    events=('return',))
        self.assertEqual([len(stack) for stack in yields], [2])
        self.assertEqual(yields[0][1], 'a')

    def test_return_event_of_exception(self):
        def f():
            [1, 1 / 0]

        found = stacks(lambda: self.assertRaises(ZeroDivisionError, f),
                       code=f.__code__, events=('return',))
        self.assertEqual(found, [('BINARY_OP', ())])

    def test_exception_event(self):
        # The stack as left by the instruction that raised.
        def f():
            for x in 'a':
                try:
                    [x, len(x, 2)]
                except TypeError:
                    pass

        (name, (iterator, *rest)), = stacks(f, events=('exception',))
        self.assertEqual(name, 'CALL')
        self.assertEqual(type(iterator), type(iter('a')))
        self.assertEqual(rest, ['a', NULL])

    def test_tracing_ended_in_call_event(self):
        # The frame continues, and its stack changes.
        def gen():
            x = [1, 2, (yield)]
            del x
            yield sys._getframe().f_valuestack

        def tracer(frame, event, arg):
            sys.settrace(None)

        g = gen()
        next(g)
        sys.settrace(tracer)
        self.assertRaises(RuntimeError, g.send, None)

    def test_handler(self):
        def f(function):
            for x in 'a':
                try:
                    function()
                except ValueError as e:
                    x = e
                    return

        error = ValueError()

        def fail():
            raise error

        found = stacks(f, fail)
        handler = [(name, stack[1:]) for name, stack in found
                   if name in ('PUSH_EXC_INFO', 'CHECK_EXC_MATCH', 'POP_EXCEPT')]
        self.assertEqual(handler, [
            ('PUSH_EXC_INFO', (error,)),
            # Below it is the previously handled exception, here none.
            ('CHECK_EXC_MATCH', (None, error, ValueError)),
            ('POP_EXCEPT', (None,)),
        ])

    def test_handler_with_offset(self):
        # The unwinder pushes the offset of the raising instruction.
        def f():
            try:
                1 / 0
            finally:
                pass

        def run():
            try:
                f()
            except ZeroDivisionError:
                pass
        (none, lasti, error), = at('COPY', run, code=f.__code__)
        self.assertIs(type(lasti), int)
        self.assertIsNone(none)
        self.assertIsInstance(error, ZeroDivisionError)

    def test_with(self):
        class Manager:
            def __enter__(self):
                return 'entered'

            def __exit__(self, *exc):
                return True

        def f(manager):
            with manager as x:
                1 / 0

        manager = Manager()
        (exit, lasti, none, error), = at('WITH_EXCEPT_START', f, manager)
        self.assertEqual(exit, manager.__exit__)
        self.assertIsInstance(lasti, int)
        self.assertIsInstance(error, ZeroDivisionError)

    def test_call_of_generator_throw(self):
        # No RESUME is executed; the stack is that of the yield.
        def gen():
            [1, (yield)]
        g = gen()
        next(g)
        found = []

        def tracer(frame, event, arg):
            if event == 'call' and frame.f_code is gen.__code__:
                found.append(frame.f_valuestack)
            return tracer
        with tracing(tracer):
            self.assertRaises(KeyError, g.throw, KeyError)
        self.assertEqual(found, [(1, None)])        # None is the value sent

    def test_jump(self):
        # Reading the stack does not affect the values that a jump pops.
        def f(output):
            for i in [output.append, output.append]:
                i((1,
                   2))
                return
            output.append(3)

        firstline = f.__code__.co_firstlineno
        before = []

        def tracer(frame, event, arg):
            if frame.f_code is not f.__code__:
                return None
            if event in ('line', 'instruction'):
                stack = frame.f_valuestack
                if len(stack) == 3 and not before:
                    before.append(stack)
                    frame.f_lineno = firstline + 5
                    before.append(frame.f_valuestack)
            return tracer

        output = []
        with tracing(tracer, trace_instructions=True):
            f(output)
        self.assertEqual(output, [3])
        self.assertEqual(len(before[0]), 3)
        self.assertIs(before[0][1], NULL)
        self.assertEqual(before[1], ())

    def test_corpus(self):
        # The depth agrees with the stack effects of the instructions and with
        # the exception tables, all along the paths taken.
        effects = {}
        count = 0
        wrong = []

        def effect(code):
            if code not in effects:
                table = dict(instructions(code))
                handlers = {e.target: e.depth + e.lasti + 1
                            for e in dis._parse_exception_table(code)}
                effects[code] = table, handlers
            return effects[code]

        def tracer(frame, event, arg):
            nonlocal count
            depths = {}
            table, handlers = effect(frame.f_code)

            def local(frame, event, arg):
                nonlocal count
                now = frame.f_lasti
                if event == 'exception' or event == 'return':
                    return local
                if event == 'call' and table[now].opname != 'RESUME':
                    return local                # generator.throw()
                stack = frame.f_valuestack
                depths[now] = len(stack)
                if event != 'instruction':
                    return local
                count += 1
                before = table[arg]
                jump = before.argval == now and before.opcode in dis.hasjrel
                if now in handlers:
                    expected = handlers[now]
                elif before.opname == 'PRECALL':
                    expected = depths[arg]      # CALL pops the arguments
                elif before.opname == 'CALL':
                    expected = depths[arg] - before.arg - 1
                elif before.opname == 'YIELD_VALUE' and table[now].opname != 'RESUME':
                    expected = depths[arg] - 1  # throw() ended the awaited
                else:
                    arg_ = before.arg if before.opcode >= dis.HAVE_ARGUMENT else None
                    expected = depths[arg] + dis.stack_effect(before.opcode, arg_, jump=jump)
                if len(stack) != expected:
                    wrong.append((frame.f_code.co_name, before, table[now], stack))
                return local
            return local if event == 'call' and local(frame, event, arg) else None

        with tracing(tracer, trace_lines=False, trace_instructions=True):
            for function in CORPUS:
                function()
        self.assertEqual(wrong[:3], [])
        self.assertGreater(count, 10_000)


class SuspendedTest(BaseTestCase):

    def test_not_started(self):
        def gen():
            yield
        self.assertEqual(gen().gi_frame.f_valuestack, ())

        async def coro():
            pass
        c = coro()
        self.assertEqual(c.cr_frame.f_valuestack, ())
        c.close()

    def test_yield(self):
        def gen():
            for x in 'ab':
                len([x, (yield)])
        g = gen()
        next(g)
        iterator, null, function, x = g.gi_frame.f_valuestack
        self.assertIs(null, NULL)
        self.assertIs(function, len)
        self.assertEqual(x, 'a')
        g.send(1)
        self.assertEqual(g.gi_frame.f_valuestack[3], 'b')

    def test_yield_from(self):
        def inner():
            yield 1

        def outer(i):
            return [0, (yield from i)]
        i = inner()
        g = outer(i)
        next(g)
        self.assertEqual(g.gi_frame.f_valuestack, (0, i))

    def test_await(self):
        class Awaitable:
            def __await__(self):
                return iter([1])

        async def inner():
            await Awaitable()

        async def outer(c):
            return 'x', await c
        c = inner()
        o = outer(c)
        o.send(None)
        x, wrapper = o.cr_frame.f_valuestack
        self.assertEqual(x, 'x')
        self.assertEqual(len(c.cr_frame.f_valuestack), 1)
        o.close()

    def test_async_generator(self):
        async def agen():
            async for x in other():
                yield x, (yield x)

        async def other():
            yield 1

        async def main():
            g = agen()
            self.assertEqual(g.ag_frame.f_valuestack, ())
            await anext(g)
            iterator, x = g.ag_frame.f_valuestack
            self.assertEqual(iterator.__name__, 'other')
            self.assertEqual(x, 1)
            await g.aclose()
        asyncio.run(main())

    def test_in_handler(self):
        def gen():
            try:
                1 / 0
            except ZeroDivisionError:
                yield
        g = gen()
        next(g)
        none, = g.gi_frame.f_valuestack
        self.assertIsNone(none)

    def test_finished(self):
        def gen():
            for x in 'a':
                yield
        for end in list, type(gen()).close:
            g = gen()
            next(g)
            frame = g.gi_frame
            self.assertEqual(len(frame.f_valuestack), 1)
            end(g)
            self.assertEqual(frame.f_valuestack, ())
        g = gen()
        next(g)
        frame = g.gi_frame
        frame.clear()
        self.assertEqual(frame.f_valuestack, ())

    def test_abandoned(self):
        # The frame of a generator that ignores GeneratorExit keeps its
        # values.
        def gen(output):
            for x in 'a':
                try:
                    yield output.append
                except GeneratorExit:
                    yield
        g = gen([])
        next(g)
        frame = g.gi_frame
        with support.catch_unraisable_exception():
            del g
            support.gc_collect()
        before = frame.f_valuestack
        self.assertEqual(type(before[0]), type(iter('a')))
        frame.clear()
        self.assertEqual(frame.f_valuestack, ())

    def test_throw_into_awaited(self):
        # While throw() runs the awaited iterator, the stack of the awaiting
        # frame is known.
        found = []

        class Awaited:
            def __iter__(self):
                return self

            def __next__(self):
                return 1

            def throw(self, *args):
                found.append(g.gi_frame.f_valuestack)
                raise StopIteration

        def gen():
            return [7, (yield from awaited)]
        awaited = Awaited()
        g = gen()
        next(g)
        self.assertRaises(StopIteration, g.throw, KeyError)
        self.assertEqual(found, [(7, awaited)])

    def test_changed_by_garbage_collector(self):
        # Creating the tuple can run finalizers, which can resume the frame.
        def gen():
            [1, 2, (yield)]
            yield
            [1, 2, 3, 4, (yield)]

        class Cycle:
            def __init__(self):
                self.me = self

            def __del__(self):
                next(g, None)

        self.addCleanup(gc.set_threshold, *gc.get_threshold())
        kept = []
        for resumptions, expected in enumerate([(1, 2), (), (1, 2, 3, 4), ()]):
            g = gen()
            next(g)
            frame = g.gi_frame
            gc.set_threshold(0)
            kept.append([(i, i) for i in range(5000)])  # use up the free tuples
            for _ in range(resumptions):
                Cycle()
            gc.set_threshold(1)
            stack = frame.f_valuestack
            gc.set_threshold(0)
            self.assertEqual(stack, expected)
            g.close()


def tearDownModule():
    # The corpus runs coroutines.
    asyncio.set_event_loop_policy(None)



class LocalValuesTest(unittest.TestCase):

    def test_order(self):
        def outer(free):
            def f(a, cell, *args, **kwargs):
                inner = lambda: (cell, later, free)
                later = 5
                local = 6
                return sys._getframe(), inner
            return f
        frame, inner = outer('free')(1, 2, 3, k=4)
        code = frame.f_code
        names = code.co_varnames + tuple(set(code.co_cellvars) - set(code.co_varnames)) + code.co_freevars
        self.assertEqual(names, ('a', 'cell', 'args', 'kwargs', 'inner', 'local', 'later', 'free'))
        self.assertEqual(frame.f_localvalues, (1, 2, (3,), {'k': 4}, inner, 6, 5, 'free'))

    def test_without_value(self):
        def f(deleted):
            lambda: (cell, free)
            del deleted
            found = sys._getframe().f_localvalues
            late = cell = 1
            return found
        def call():
            return f(0)
        self.assertEqual(call()[:3], (NULL, NULL, NULL))
        self.assertEqual(call()[-2:], (NULL, NULL))
        free = 1
        self.assertEqual(call()[-2:], (NULL, 1))

    def test_each_instruction(self):
        def f(x):
            y = x + 1
            del x
            return [y for _ in 'ab']
        found = []
        def tracer(frame, event, arg):
            if frame.f_code is f.__code__:
                found.append(frame.f_localvalues)
                return tracer
        with tracing(tracer, trace_lines=False, trace_instructions=True):
            f(1)
        self.assertEqual(list(dict.fromkeys(found)), [(1, NULL), (1, 2), (NULL, 2)])

    def test_changes_nothing(self):
        """Unlike f_locals, which updates the dictionary of locals(), and makes trace functions write variables back."""
        def f():
            known = locals()
            x = 1
            sys._getframe().f_localvalues
            return known
        self.assertEqual(f(), {})
        def g():
            def inner():
                nonlocal x
                x += 1
            x = 0
            inner()
            return x
        def tracer(frame, event, arg):
            frame.f_localvalues
            return tracer
        with tracing(tracer, trace_lines=False, trace_instructions=True):
            self.assertEqual(g(), 1)

    def test_a_variable_that_holds_a_cell(self):
        import types
        def f(x):
            return sys._getframe().f_localvalues
        cell = types.CellType(1)
        self.assertEqual(f(cell), (cell,))

    def test_generator_and_other_frames(self):
        def generator(a):
            yield
        g = generator(1)
        self.assertEqual(g.gi_frame.f_localvalues, (1,))
        next(g)
        self.assertEqual(g.gi_frame.f_localvalues, (1,))
        def called(back):
            return back.f_localvalues
        def caller():
            x = 1
            return called(sys._getframe())
        self.assertEqual(caller(), (1, called))
        def ended(x):
            return sys._getframe()
        frame = ended(3)
        self.assertEqual(frame.f_localvalues, (3,))
        frame.clear()
        self.assertEqual(frame.f_localvalues, (NULL,))
        namespace = {}
        exec('import sys\nx = 1\nfound = sys._getframe().f_localvalues', namespace)
        self.assertEqual(namespace['found'], ())

    def test_read_only(self):
        with self.assertRaises(AttributeError):
            sys._getframe().f_localvalues = ()


if __name__ == '__main__':
    unittest.main()
