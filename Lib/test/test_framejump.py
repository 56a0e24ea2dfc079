"""Tests of setting frame.f_lineno: the model of the evaluation stack that decides which jumps are possible."""

import asyncio
import dis
import sys
import types
import unittest
from test.bytecodesupport import by_hand, code_objects
from test.support import import_helper
from test.tracecorpus import CORPUS

stack_model = import_helper.import_module('_testtracestate').stack_model


def jump(function, start, target, *arguments, **flags):
    """Call the function and jump once, at the first event of the line 'start', to the line 'target'.

    Lines count from the function's first one.  Return the result and the
    number of values on the stack after the jump.
    """
    code = function.__code__
    depths = []

    def tracefunc(frame, event, arg):
        if frame.f_code is not code:
            return None
        if event != 'call' and not depths and frame.f_lineno == code.co_firstlineno + start:
            frame.f_lineno = code.co_firstlineno + target
            depths.append(len(frame.f_valuestack))
        return tracefunc

    sys.settracestate(tracefunc, **flags)
    try:
        result = function(*arguments)
    finally:
        sys.settracestate(None)
    return result, depths[0]


def at(function, opname, which=0):
    """The offset of an instruction."""
    return [i.offset for i in dis.get_instructions(function) if i.opname == opname][which]


class ModelTest(unittest.TestCase):

    def fits(self, value, kind):
        if value is sys.stack_null:
            return kind == 'N'
        return {
            'O': True,
            'N': True,          # the object whose method is called
            'I': hasattr(type(value), '__next__') or hasattr(type(value), '__anext__'),
            'E': value is None or isinstance(value, BaseException),
            'R': value is None or isinstance(value, BaseException),
            'L': type(value) is int,
        }[kind]

    def test_same_as_the_real_stack(self):
        # At every instruction that the corpus executes.
        models = {}
        wrong = []
        events = 0

        def tracefunc(frame, event, arg):
            nonlocal events
            if event in ('line', 'instruction'):
                events += 1
                code = frame.f_code
                if code not in models:
                    models[code] = stack_model(code)
                model = models[code][frame.f_lasti // 2]
                stack = frame.f_valuestack
                if model is None or len(model) != len(stack) or not all(map(self.fits, stack, model)):
                    wrong.append((code.co_qualname, frame.f_lasti, model, list(map(type, stack))))
            return tracefunc

        for function in CORPUS:
            sys.settracestate(tracefunc, trace_instructions=True)
            try:
                function()
            finally:
                sys.settracestate(None)
        self.assertEqual(wrong, [])
        self.assertGreater(events, 100_000)
        executed = {instruction.opname for code in models for instruction in dis.get_instructions(code)}
        self.assertGreater(len(executed), 100)

    def test_compiled_code(self):
        # No two ways disagree, and a frame returns one value and leaves nothing.
        for name, module in list(sys.modules.items()):
            loader = getattr(module, '__loader__', None)
            if not hasattr(loader, 'get_code'):
                continue
            try:
                code = loader.get_code(name)
            except ImportError:
                continue
            for code in code_objects(code) if code else ():
                model = stack_model(code)
                self.assertNotIn('unknown', model, code)
                for instruction in dis.get_instructions(code):
                    stack = model[instruction.offset // 2]
                    if instruction.opname == 'RETURN_VALUE' and stack is not None:
                        self.assertEqual(stack, 'O', (code, instruction.offset))

    def test_code_made_by_hand(self):
        for name, code in {
            'a jump beyond the end': [dis.opmap['JUMP_FORWARD'], 200],
            'a jump before the start': [dis.opmap['JUMP_BACKWARD'], 200],
            'values that are not there': [dis.opmap['CALL'], 255, *[0, 0] * 4, dis.opmap['SWAP'], 9, dis.opmap['COPY'], 200],
            'an opcode that there is not': [3, 0],
            'an end in prefixes': [dis.opmap['EXTENDED_ARG'], 255, dis.opmap['EXTENDED_ARG'], 255],
        }.items():
            with self.subTest(name):
                self.assertEqual(stack_model(by_hand(dis.opmap['RESUME'], 0, *code))[0], '')
        for table in b'\xff', b'\x81\x7f\x7f\x7f', b'\xbf\x7f\x7f\x7f\x7f\x7f\x7f\x7f':
            with self.subTest(table=table):
                stack_model((lambda: None).__code__.replace(co_exceptiontable=table))

    def test_two_ways_that_disagree(self):
        op = dis.opmap
        code = by_hand(
            op['RESUME'], 0,
            op['LOAD_CONST'], 0,
            op['POP_JUMP_FORWARD_IF_TRUE'], 1,
            op['LOAD_CONST'], 0,
            op['LOAD_CONST'], 0,        # a value more, or not
            op['RETURN_VALUE'], 0)
        self.assertEqual(stack_model(code), ['', '', 'O', '', 'unknown', 'unknown'])

    def test_a_failing_allocation(self):
        import _testcapi
        code = (lambda a: [a(x, y=[z for z in x]) for x in a]).__code__
        for n in range(1, 50):
            _testcapi.set_nomemory(n, n + 1)
            try:
                model = stack_model(code)
            except MemoryError:
                continue
            finally:
                _testcapi.remove_mem_hooks()
            if n > 20:
                break
        self.assertEqual(model, stack_model(code))


class JumpTest(unittest.TestCase):

    def test_after_a_test_for_none(self):
        def function(x):
            if x is None:
                return 1
            a = 1
            b = 2
            return b
        with self.assertRaises(UnboundLocalError):
            jump(function, 3, 5, 1)
        self.assertEqual(jump(function, 3, 4, 1), (2, 0))

    def test_after_a_call_with_many_arguments(self):
        # CPython's own model ends at 21 values, and does not recover.
        def function(f):
            f(f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f)
            a = 1
            b = 2
            return f
        function_of_many = lambda *arguments: None
        self.assertEqual(jump(function, 2, 4, function_of_many), (function_of_many, 0))

    def test_out_of_a_call_with_many_arguments(self):
        class Counted:
            alive = 0
            def __init__(self):
                Counted.alive += 1
            def __del__(self):
                Counted.alive -= 1
        def function(f, a, b, c):
            f(Counted(), Counted(), Counted(), Counted(), Counted(), Counted(), Counted(), Counted(), Counted(),
              Counted(), Counted(), Counted(), Counted(), Counted(), Counted(), Counted(), Counted(), Counted(),
              Counted(), Counted(), Counted(), Counted(), Counted(), Counted(), Counted(), Counted(), Counted(), (a <
               b <= c))
            return 5
        # The second comparison is after a SWAP.
        for line in 3, 4:
            for flags in {}, {'trace_instructions': True}, {'trace_branches': True}:
                with self.subTest(line=line, flags=flags):
                    self.assertEqual(jump(function, line, 5, print, 1, 2, 3, **flags), (5, 0))
                    self.assertEqual(Counted.alive, 0)

    def test_the_iterator_below_a_value_that_is_returned(self):
        # SWAP and POP_TOP take it off, 25 loops deep or not.
        def function(f):
            for a in f():
                try:
                    return a
                finally:
                    f()
                    f()
            return 0
        calls = []
        self.assertEqual(jump(function, 5, 7, lambda: calls.append(1) or [3, 4]), (0, 0))
        self.assertEqual(len(calls), 1)

    def test_not_into_what_needs_a_stack(self):
        def loop(f):
            f()
            for a in [1]:
                f()
        def handler(f):
            f()
            try:
                raise ValueError
            except ValueError:
                f()
        def groups(f):
            f()
            try:
                raise ValueError
            except* ValueError:
                f()
            f()
        for function, target, message in (loop, 3, 'body of a for loop'), (handler, 5, "'except' block"), \
                (groups, 5, 'block|stack'):
            with self.subTest(function.__name__), self.assertRaisesRegex(ValueError, message):
                jump(function, 1, target, lambda: None)


class YieldTest(unittest.TestCase):
    """The 'return' event of a yield."""

    def setUp(self):
        self.addCleanup(sys.settracestate, None)

    def at_first_yield(self, code, call, **flags):
        """Trace, and call call(frame) once, at the first yield of the code.

        Return a list of all events of the code, as event, line from the
        function's first one, offset and argument.
        """
        events = []
        done = []

        def tracefunc(frame, event, arg):
            if frame.f_code is code:
                events.append((event, frame.f_lineno - code.co_firstlineno, frame.f_lasti, arg))
                if event == 'return' and not done:
                    done.append(True)
                    call(frame)
            return tracefunc

        sys.settracestate(tracefunc, **flags)
        return events

    def test_the_generator_executes_until_the_event_is_over(self):
        def generator():
            yield 1
            yield 2
        for name, call, error in (
            ('clear', lambda frame: frame.clear(), RuntimeError),
            ('close', lambda frame: g.close(), ValueError),
            ('send', lambda frame: g.send(None), ValueError),
            ('throw', lambda frame: g.throw(KeyError), ValueError),
        ):
            for flags in {}, {'trace_instructions': True}, {'trace_branches': True}:
                with self.subTest(name, **flags):
                    def refused(frame):
                        with self.assertRaisesRegex(error, 'executing'):
                            call(frame)
                        refused.count += 1
                    refused.count = 0
                    g = generator()
                    self.at_first_yield(generator.__code__, refused, **flags)
                    self.assertEqual(list(g), [1, 2])
                    sys.settracestate(None)
                    self.assertEqual(refused.count, 1)

    def test_other_kinds_of_generators(self):
        async def coroutine():
            await once()
            return 3
        @types.coroutine
        def once():
            yield 1
        async def asynchronous():
            yield 1
        def drive(awaitable):
            try:
                while True:
                    awaitable.send(None)
            except StopIteration as stop:
                return stop.value
        def clear(frame):
            with self.assertRaises(RuntimeError):
                frame.clear()
        for name, code, run, result in (
            ('coroutine', coroutine.__code__, lambda: drive(coroutine()), 3),
            ('generator', once.__code__, lambda: drive(coroutine()), 3),
            ('asynchronous', asynchronous.__code__, lambda: drive(asynchronous().__anext__()), 1),
        ):
            with self.subTest(name):
                events = self.at_first_yield(code, clear, trace_instructions=True)
                self.assertEqual(run(), result)
                sys.settracestate(None)
                self.assertIn('return', [event[0] for event in events])

    def test_a_trace_function_that_raises(self):
        def generator():
            yield 1
            yield 2
        def fail(frame):
            raise KeyError
        g = generator()
        self.at_first_yield(generator.__code__, fail)
        self.assertRaises(KeyError, next, g)
        self.assertEqual(list(g), [])

    def jump_to(self, line):
        def jump(frame):
            frame.f_lineno = frame.f_code.co_firstlineno + line
            self.assertEqual(frame.f_lineno, frame.f_code.co_firstlineno + line)
        return jump

    def test_jump(self):
        # CPython executes the line without its first instruction, and crashes.
        calls = []
        def generator():
            a = 1
            b = yield 1
            calls.append(b)
            calls.append(a)
            return a
        (yield_offset,) = [instruction.offset for instruction in dis.get_instructions(generator)
                           if instruction.opname == 'YIELD_VALUE']
        (target,) = [offset for offset, line in dis.findlinestarts(generator.__code__)
                     if line == generator.__code__.co_firstlineno + 4]
        for flags in ({}, {'trace_instructions': True}, {'trace_branches': True},
                      {'trace_lines': False, 'trace_instructions': True}):
            with self.subTest(**flags):
                calls.clear()
                g = generator()
                events = self.at_first_yield(generator.__code__, self.jump_to(4), **flags)
                self.assertEqual(next(g), 1)
                sent = object()
                with self.assertRaises(StopIteration) as caught:
                    g.send(sent)
                sys.settracestate(None)
                self.assertEqual(caught.exception.value, 1)
                self.assertEqual(calls, [1])
                returned = [event[0] for event in events].index('return')
                after = events[returned + 1]
                if flags.get('trace_lines', True):
                    self.assertEqual(after, ('line', 4, target, None))
                else:
                    self.assertEqual(after, ('instruction', 4, target, yield_offset))

    def test_not_into_an_expression(self):
        # The value that is yielded does not become the operand.
        def gen(a, b):
            yield 1
            return (a +
                    b)

        def tracefunc(frame, event, arg):
            if frame.f_code is not gen.__code__:
                return None
            if event == 'return' and arg == 1:
                for attribute, target in (
                        ('f_lineno', gen.__code__.co_firstlineno + 3),
                        ('f_lasti', at(gen, 'LOAD_FAST', 1))):
                    with self.assertRaisesRegex(ValueError, 'incompatible stacks'):
                        setattr(frame, attribute, target)
                    refused.append(attribute)
            return tracefunc

        refused = []
        g = gen(10, 20)
        sys.settrace(tracefunc)
        try:
            yielded = next(g)
        finally:
            sys.settrace(None)
        self.assertEqual((yielded, refused), (1, ['f_lineno', 'f_lasti']))
        with self.assertRaises(StopIteration) as caught:
            next(g)
        self.assertEqual(caught.exception.value, 30)

    def test_jump_without_tracing_afterwards(self):
        def generator():
            b = yield 1
            print(b, b, b)
            return 5
        g = generator()
        self.at_first_yield(generator.__code__, self.jump_to(3))
        self.assertEqual(next(g), 1)
        sys.settracestate(None)
        with self.assertRaises(StopIteration) as caught:
            g.send('sent')
        self.assertEqual(caught.exception.value, 5)

    def test_jump_and_throw(self):
        def generator():
            try:
                yield 1
            except KeyError:
                return 'here'
            try:
                a = 1
                return a
            except KeyError:
                return 'there'
        g = generator()
        self.at_first_yield(generator.__code__, self.jump_to(6))
        self.assertEqual(next(g), 1)
        with self.assertRaises(StopIteration) as caught:
            g.throw(KeyError)
        self.assertEqual(caught.exception.value, 'there')

    def test_jump_twice(self):
        def generator():
            for i in [1, 2]:
                yield i
            a = 3
            b = 4
            return b
        def jumps(frame):
            self.jump_to(4)(frame)
            self.jump_to(5)(frame)
        g = generator()
        self.at_first_yield(generator.__code__, jumps)
        self.assertEqual(next(g), 1)
        with self.assertRaises(UnboundLocalError):
            next(g)

    def test_a_suspended_generator_in_an_event_of_another_frame(self):
        def generator():
            b = yield 1
            print(b, b, b)
            return 5
        g = generator()
        next(g)
        def other():
            pass
        def tracefunc(frame, event, arg):
            if event == 'line' and frame.f_code is other.__code__:
                g.gi_frame.f_trace = tracefunc
                self.jump_to(3)(g.gi_frame)
            return tracefunc
        sys.settrace(tracefunc)
        other()
        sys.settrace(None)
        with self.assertRaises(StopIteration) as caught:
            g.send('sent')
        self.assertEqual(caught.exception.value, 5)


class CallerTest(unittest.TestCase):

    def test_a_caller_cannot_jump(self):
        # CPython crashes.
        def callee(x=1):
            a = 1
            return 2
        def python_calls():
            x = callee()
            y = [1, x, callee()]
            return 'end'
        def c_calls():
            x = sorted([1], key=callee)
            y = [1, x, 2]
            return 'end'
        for caller in python_calls, c_calls:
            with self.subTest(caller.__name__):
                errors = []
                def tracefunc(frame, event, arg):
                    if frame.f_code is callee.__code__ and event == 'line':
                        try:
                            frame.f_back.f_lineno = caller.__code__.co_firstlineno + 3
                        except ValueError as error:
                            errors.append(str(error))
                    return tracefunc
                sys.settrace(tracefunc)
                try:
                    self.assertEqual(caller(), 'end')
                finally:
                    sys.settrace(None)
                self.assertEqual(set(errors), {"can't jump while the frame waits for a call"})


def tearDownModule():
    # The corpus runs coroutines.
    asyncio.set_event_loop_policy(None)


class EndedFrameTest(unittest.TestCase):

    def test_frames_that_do_not_execute(self):
        # In an event of another frame.  Their stacks are gone, or not there yet.
        def returning(a):
            for x in a:
                if x:
                    return sys._getframe()

        def raising(a):
            for x in a:
                x.missing

        def gen(a):
            for x in a:
                yield sys._getframe()

        def other():
            return 1

        frames = [returning([1])]
        try:
            raising([1])
        except AttributeError as e:
            frames.append(e.__traceback__.tb_next.tb_frame)
        frames.append(next(gen([1])))
        frames.append((unstarted := gen([1])).gi_frame)
        closed = gen([1])
        frames.append(next(closed))
        closed.close()
        messages = set()

        def tracefunc(frame, event, arg):
            if event == 'line' and frame.f_code is other.__code__:
                for dead in frames:
                    dead.f_trace = tracefunc
                    first = dead.f_code.co_firstlineno
                    for attribute, values in (('f_lineno', range(first, first + 4)), ('f_lasti', range(0, 60, 2))):
                        for value in values:
                            with self.assertRaises(ValueError) as caught:
                                setattr(dead, attribute, value)
                            messages.add(str(caught.exception).partition(' after ')[0])
            return tracefunc

        sys.settrace(tracefunc)
        try:
            other()
        finally:
            sys.settrace(None)
        self.assertIn("can't jump in a frame that is not executing", messages)
        self.assertLessEqual(messages, {
            "can't jump in a frame that is not executing",
            *(f'line {frame.f_code.co_firstlineno + 3} comes' for frame in frames)})
        self.assertIs(next(unstarted).f_code, gen.__code__)
        unstarted.close()


def jump_to_offset(function, start, target, *arguments, **flags):
    """Call the function and jump once, at the first event of the instruction 'start', to the one at 'target'.

    Return the result and the stack after the jump.
    """
    stacks = []

    def tracefunc(frame, event, arg):
        if frame.f_code is not function.__code__:
            return None
        if event in ('line', 'instruction', 'branch') and not stacks and frame.f_lasti == start:
            before = frame.f_valuestack
            frame.f_lasti = target
            stacks.append(frame.f_valuestack)
            assert frame.f_lasti == target and before[:len(stacks[0])] == stacks[0]
        return tracefunc

    sys.settracestate(tracefunc, **flags or {'trace_instructions': True})
    try:
        result = function(*arguments)
    finally:
        sys.settracestate(None)
    return result, *stacks


class OffsetTest(unittest.TestCase):
    """Setting frame.f_lasti."""

    def test_within_an_expression(self):
        def f(a, b, c):
            return a and b or c
        jump, other = at(f, 'POP_JUMP_FORWARD_IF_FALSE'), at(f, 'LOAD_FAST', 2)
        self.assertEqual(f('a', 'b', 'c'), 'b')
        self.assertEqual(jump_to_offset(f, at(f, 'LOAD_FAST'), other, 'a', 'b', 'c'), ('c', ()))
        self.assertEqual(jump_to_offset(f, jump, other, 'a', 'b', 'c'), ('c', ()))

    def test_values_that_are_left(self):
        def f(a, b):
            return [a, b, [a, b]]
        inner = at(f, 'BUILD_LIST')
        result, stack = jump_to_offset(f, inner, at(f, 'LOAD_FAST', 2), 1, 2)
        self.assertEqual((result, stack), ([1, 2, [1, 2]], (1, 2)))

    def test_back_in_a_loop(self):
        def f(n):
            seen = []
            for i in range(n):
                seen.append(i)
                seen.append(-i)
            return seen
        again = at(f, 'LOAD_FAST', 1)
        last = at(f, 'JUMP_BACKWARD')
        for flags in {'trace_instructions': True}, {'trace_instructions': True, 'trace_lines': False}:
            result, stack = jump_to_offset(f, last, again, 2, **flags)
            self.assertEqual(result, [0, 0, 0, 0, 1, -1])
            self.assertEqual(len(stack), 1)
        # Out of the loop.
        self.assertEqual(jump_to_offset(f, last, at(f, 'RETURN_VALUE') - 2, 5), ([0, 0], ()))

    def test_out_of_a_call_with_keywords(self):
        def f(a):
            x = dict(a=1)
            return dict()
        keywords = at(f, 'KW_NAMES')
        for start in keywords, keywords + 2:
            result, _ = jump_to_offset(f, start, at(f, 'LOAD_GLOBAL', 1), 3)
            self.assertEqual(result, {})

    def test_the_handled_exception(self):
        def f():
            try:
                1 / 0
            except ZeroDivisionError:
                x = 2
            return sys.exc_info()
        result, stack = jump_to_offset(f, at(f, 'STORE_FAST') - 2, at(f, 'LOAD_GLOBAL', 1))
        self.assertEqual(result, (None, None, None))

    def test_events(self):
        def f(a, b):
            return a or b
        events = []

        def tracefunc(frame, event, arg):
            if frame.f_code is not f.__code__:
                return None
            events.append((event, arg, frame.f_lasti))
            if len(events) == 4:
                frame.f_lasti = 2
            return tracefunc
        sys.settracestate(tracefunc, trace_instructions=True, trace_branches=True)
        try:
            f(0, 1)
        finally:
            sys.settracestate(None)
        self.assertEqual([e for e in events if e[0] != 'return'], [
            ('call', None, 0), ('branch', (-1, 0), 0), ('line', None, 2), ('instruction', 2, 4), ('instruction', 2, 2),
            ('instruction', 2, 4), ('instruction', 4, 6), ('branch', (4, 6), 6), ('instruction', 6, 8),
            ('branch', (6, 8), 8)])

    def test_after_a_yield(self):
        def gen():
            x = yield 1
            x = 2, (yield 3)
            return x
        code = gen.__code__
        loads = at(gen, 'LOAD_CONST', 1)

        def tracefunc(frame, event, arg):
            if frame.f_code is not code:
                return None
            if event == 'return' and arg == 1:
                frame.f_lasti = loads
            return tracefunc
        g = gen()
        sys.settrace(tracefunc)
        try:
            first = next(g)
        finally:
            sys.settrace(None)
        self.assertEqual((first, next(g)), (1, 3))
        with self.assertRaises(StopIteration) as caught:
            g.send(4)
        self.assertEqual(caught.exception.value, (2, 4))

    def refused(self, function, start, targets, message, *arguments):
        found = []

        def tracefunc(frame, event, arg):
            if frame.f_code is not function.__code__:
                return None
            if event in ('line', 'instruction') and not found and frame.f_lasti == start:
                for target in targets:
                    try:
                        frame.f_lasti = target
                    except ValueError as e:
                        found.append(str(e))
                    self.assertEqual(frame.f_lasti, start)
            return tracefunc

        sys.settracestate(tracefunc, trace_instructions=True)
        try:
            function(*arguments)
        finally:
            sys.settracestate(None)
        self.assertEqual(found, [message] * len(targets))

    def test_refused(self):
        def f(a, b):
            try:
                for c in [a, *b]:
                    d = len(b)
            except TypeError:
                pass
            return a
        load = at(f, 'LOAD_FAST')           # the stack is empty
        size = len(f.__code__.co_code)
        call = at(f, 'CALL')
        nowhere = 'there is no instruction to jump to at this offset'
        self.refused(f, load, [-2, -1, 1, 3, call + 2, call + 1, size, size + 2, 2 ** 100, -2 ** 100], nowhere, 1, [2])
        self.refused(f, load, [at(f, 'PUSH_EXC_INFO')], "can't jump to the start of an exception handler", 1, [2])
        self.refused(f, load, [at(f, 'FOR_ITER')], "can't jump into the body of a for loop", 1, [2])
        # There are as many values, but LIST_EXTEND would find an integer.
        build = at(f, 'BUILD_LIST')
        self.refused(f, build, [build + 2, build + 4], 'incompatible stacks', 1, [2])

    def test_every_jump(self):
        # From each instruction that is executed to each other one: the function goes on without a crash.
        def comprehension(a):
            return [b for c in a if c for b in (c, *a)], {**dict(x=a)}, {*a}, f'{a}{a!r:>3}'

        def handlers(a):
            with memoryview(b'') as b:
                try:
                    for c in a:
                        c / 0
                except ZeroDivisionError as e:
                    return e, b
                finally:
                    a = print

        def groups(a):
            try:
                raise ExceptionGroup('', [TypeError(), ValueError(), KeyError()])
            except* TypeError as e:
                a.append(e)
            except* ValueError:
                a.clear()

        def matches(a):
            match a:
                case {'x': b, **c}:
                    return b, c
                case [int(b), *c] if b:
                    d, *e = a
                    assert d, e
                    return d, e, lambda: c
                case _:
                    pass

        def yields(a):
            b = [(yield 1), *(yield from a)]
            del b[0], a
            return b


        made = refused = 0
        def all_yields(a):
            return list(yields(a))

        for function, argument, traced in (
                (comprehension, [1, 2], comprehension), (handlers, [1], handlers), (groups, [1], groups),
                (matches, [1, 2], matches), (matches, {'x': 1}, matches), (all_yields, [1], yields)):
            for code in code_objects(traced.__code__):
                offsets = [i.offset for i in dis.get_instructions(code)]
                for start in offsets:
                    for target in offsets:
                        outcome = self.try_jump(code, start, target, function, argument)
                        made += outcome is True
                        refused += outcome is False
        self.assertGreater(made, 1000)
        self.assertGreater(refused, 1000)

    def try_jump(self, code, start, target, function, argument):
        outcome = None
        events = 0

        class TooLong(BaseException):
            pass

        def tracefunc(frame, event, arg):
            nonlocal outcome, events
            if frame.f_code is not code:
                return None
            events += 1
            if events > 200:
                raise TooLong
            if outcome is None and event in ('line', 'instruction', 'return') and frame.f_lasti == start:
                before = frame.f_valuestack
                try:
                    frame.f_lasti = target
                except ValueError:
                    outcome = False
                else:
                    outcome = True
                    after = frame.f_valuestack
                    self.assertTrue(all(a is b for a, b in zip(after, before, strict=False)))
                    self.assertEqual(len(after), len(stack_model(code)[target // 2]))
            return tracefunc

        sys.settracestate(tracefunc, trace_instructions=True)
        try:
            function(argument[:] if type(argument) is list else argument)
        except (Exception, TooLong) as e:
            if isinstance(e, AssertionError) and e.__traceback__.tb_next.tb_frame.f_code is tracefunc.__code__:
                raise
        finally:
            sys.settracestate(None)
        return outcome

    def test_bad_values(self):
        def f():
            return 1
        errors = []

        def tracefunc(frame, event, arg):
            if frame.f_code is f.__code__ and event == 'line':
                for value in 1.5, None, '2':
                    try:
                        frame.f_lasti = value
                    except TypeError as e:
                        errors.append(str(e))
                try:
                    del frame.f_lasti
                except AttributeError as e:
                    errors.append(str(e))
            return tracefunc
        sys.settrace(tracefunc)
        try:
            f()
        finally:
            sys.settrace(None)
        self.assertEqual(errors, ['f_lasti must be an integer'] * 3 + ['cannot delete attribute'])

    def test_other_events(self):
        message = "f_lasti can only be set during a 'line', 'instruction' or 'branch' event"
        with self.assertRaisesRegex(ValueError, message):
            sys._getframe().f_lasti = 2

        def f():
            try:
                return missing
            except NameError:
                pass
        errors = {}

        def tracefunc(frame, event, arg):
            if frame.f_code is f.__code__:
                if event != 'line':
                    with self.assertRaisesRegex(ValueError, message):
                        frame.f_lasti = 2
                    errors[event] = True
                elif frame.f_trace is not None and 'untraced' not in errors:
                    frame.f_trace = None
                    with self.assertRaisesRegex(ValueError, 'f_lasti can only be set by a trace function'):
                        frame.f_lasti = 2
                    frame.f_trace = tracefunc
                    errors['untraced'] = True
                try:
                    frame.f_back.f_trace = tracefunc
                    with self.assertRaises(ValueError):
                        frame.f_back.f_lasti = 2
                finally:
                    frame.f_back.f_trace = None
            return tracefunc
        sys.settrace(tracefunc)
        try:
            f()
        finally:
            sys.settrace(None)
        self.assertEqual(set(errors), {'call', 'exception', 'return', 'untraced'})


if __name__ == '__main__':
    unittest.main()
