"""Test probes in bytecode: the codeprobes module and its C API."""

import codeblocks
import codeprobes
import collections
import contextlib
import copy
import ctypes
import dis
import doctest
import gc
import itertools
import marshal
import opcode
import os
import random
import re
import sys
import sysconfig
import textwrap
import threading
import traceback
import types
import unittest
import weakref
from test import bytecodesupport, support
from test.support import import_helper, script_helper, threading_helper
from test.tracecorpus import CORPUS
from test.tracesupport import BaseTestCase as TracingTestCase, DEFAULT, record

CONDITIONAL = {name for name in dis.opmap if '_IF_' in name} | {'FOR_ITER'}
PROBE = 254
# A probe function must not run Python, so take one of the C library: it keeps the probe if its data is not 0.
FUNC = ctypes.pythonapi.PyCode_SetProbes and ctypes.cast(ctypes.CDLL(None).abs, ctypes.c_void_p)

set_probes = ctypes.PYFUNCTYPE(
    ctypes.c_int, ctypes.py_object, ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int),
    ctypes.c_ssize_t)(('PyCode_SetProbes', ctypes.pythonapi))
get_probes = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)(
    ('PyCode_GetProbes', ctypes.pythonapi))
restore_probes = ctypes.PYFUNCTYPE(None, ctypes.py_object)(('PyCode_RestoreProbes', ctypes.pythonapi))


def instructions_of(code):
    """The instructions from dis; EXTENDED_ARG prefixes belong to the instruction, which starts at the first one."""
    for offset, instruction in bytecodesupport.instructions(code):
        # _replace() would execute _make(), which is recorded too.
        yield dis.Instruction(*instruction[:5], offset, *instruction[6:])


def operation_of(code, offset):
    """The offset of the instruction proper, after the EXTENDED_ARG prefixes that start at offset."""
    while code.co_code[offset] == dis.EXTENDED_ARG:
        offset += 2
    return offset


def places(code):
    """The instructions that can have a probe."""
    started = False
    found = []
    for i in instructions_of(code):
        if started and i.opcode not in codeprobes.UNSUPPORTED_OPCODES:
            found.append(i)
        started |= i.opname == 'RESUME'
    return found


def everywhere(code):
    found = places(code)
    return (tuple(i.offset for i in found),
            tuple((i.offset, -1, 0, None, None) for i in found if i.opname in CONDITIONAL), ())


def set_everywhere(code, keep):
    offsets = [i.offset for i in places(code)]
    set_probes(code, FUNC, keep, (ctypes.c_int * len(offsets))(*offsets), len(offsets))


def remove(code):
    set_probes(code, None, None, None, 0)


def probed(code):
    """The offsets of the instructions that currently have probes."""
    adaptive = code._co_code_adaptive       # a byte in a cache can equal PROBE
    return [i.offset for i in instructions_of(code) if adaptive[operation_of(code, i.offset)] == PROBE]


def conditions(code):
    return [i for i in instructions_of(code) if i.opname in CONDITIONAL]


def decision(code, jumps=None):
    """A plan for a single decision that consists of the jumps, in the order of their offsets.

    Each jump tests another condition; for ..._IF_TRUE and ..._IF_FALSE, the truth value is known.
    """
    jumps = jumps or conditions(code)
    instructions = {i.offset: i for i in instructions_of(code)}
    offsets = sorted(instructions)
    number = {i.offset: n for n, i in enumerate(jumps)}

    def next_condition(offset, before):
        while instructions[offset].opname not in ('RETURN_VALUE', 'POP_TOP'):
            if offset in number:
                return number[offset] if number[offset] > before else -1
            offset = offsets[offsets.index(offset) + 1]
        return -1

    def paths(n):
        return 1 if n < 0 else sum(paths(m) for m in successors[n])

    successors, plan = [], []
    for n, i in enumerate(jumps):
        when_jumps = 'IF_TRUE' in i.opname
        after = (next_condition(i.argval, n), next_condition(offsets[offsets.index(i.offset) + 1], n))
        successors.append(after if when_jumps else after[::-1])
        plan.append((i.offset, 0, n, when_jumps, not when_jumps))
    return (), tuple(plan), ((tuple(successors), paths(0) if len(jumps) < 20 else 0),)


def select_only(function, plan=None):
    code = function.__code__
    if plan is None:
        plan = decision(code)
    return lambda other: plan if other is code else None


def fresh(function):
    """A copy of the function whose code has never been executed."""
    return types.FunctionType(function.__code__.replace(), function.__globals__, function.__name__,
                              function.__defaults__, function.__closure__)


def suspendable():
    """A generator function with a decision that waits twice, and the plan of the decision."""
    def gen():
        while True:
            if (yield) and (yield):
                pass

    gen = fresh(gen)
    jumps = [i for i in conditions(gen.__code__) if i.opname.startswith('POP_JUMP_FORWARD')][:2]
    return gen, ((), tuple((i.offset, 0, n, False, True) for n, i in enumerate(jumps)), ((((1, -1), (-1, -1)), 3),))


class BaseTestCase(TracingTestCase):

    def recorder(self, select=lambda code: None, **options):
        recorder = codeprobes.Recorder(select, **options)
        self.addCleanup(recorder.stop)
        return recorder

    def started(self, *args, **options):
        recorder = self.recorder(*args, **options)
        recorder.start()
        return recorder

    def paths(self, recorder, **options):
        """(evaluated, true, ended, count) of each path; only one code object is recorded."""
        harvest = recorder.harvest(**options)
        return [path[1:] for _, _, _, paths in harvest for path in paths]


# --- The arguments and results of a Recorder --------------------------------------

def choose(a, b):
    if a and b:
        return 1
    return 0


class ApiTest(BaseTestCase):

    def test_records(self):
        f = fresh(choose)
        jumps = conditions(f.__code__)
        first = places(f.__code__)[0].offset
        lines, jump_plan, decisions = decision(f.__code__)
        recorder = self.started(select_only(f, ((first,), jump_plan, decisions)))
        self.assertEqual(recorder.harvest(), [])
        f(1, 0)
        self.assertEqual(recorder.harvest(), [
            (f.__code__, (first,), ((jumps[0].offset, False, 1), (jumps[1].offset, True, 1)), ((0, 3, 1, True, 1),))])
        f(1, 0)
        self.assertEqual(recorder.harvest(), [])
        f(0, 0)
        self.assertEqual(recorder.harvest(), [(f.__code__, (), ((jumps[0].offset, True, 1),), ((0, 1, 0, True, 1),))])

    def test_counts(self):
        f = fresh(choose)
        recorder = self.started(select_only(f), counts=True)
        for n in range(30):
            f(n % 3, 0)
        first, second = (i.offset for i in conditions(f.__code__))
        _, lines, jumps, paths = recorder.harvest()[0]
        self.assertEqual((set(jumps), set(paths)), ({(first, False, 20), (first, True, 10), (second, True, 20)},
                                                    {(0, 1, 0, True, 10), (0, 3, 1, True, 20)}))
        f(0, 0)
        self.assertEqual(recorder.harvest(), [(f.__code__, (), ((first, True, 1),), ((0, 1, 0, True, 1),))])

    def test_rearm(self):
        f = fresh(choose)
        for counts in False, True:
            recorder = self.recorder(select_only(f), counts=counts)
            recorder.start()
            recorder.offer(f.__code__)
            f(0, 0)
            first = recorder.harvest(rearm=True)
            self.assertEqual(len(first), 1)
            self.assertEqual(recorder.harvest(), [])
            f(0, 0)
            self.assertEqual(recorder.harvest(), first)
            recorder.stop()

    def test_async_for(self):
        """The loop ends at END_ASYNC_FOR; other instructions count as jumps that are never taken."""
        async def items(number):
            for item in range(number):
                yield item
            if number == 3:
                raise KeyError

        async def function(number):
            async for item in items(number):
                if item == 1 and number == 4:
                    break
            return number

        def drive(number):
            coroutine = function(number)
            try:
                coroutine.send(None)
            except (StopIteration, KeyError) as e:
                return e.args
            self.fail('not finished')

        instructions = list(dis.get_instructions(function))
        end, = [i.offset for i in instructions if i.opname == 'END_ASYNC_FOR']
        entered, = [i.argval for i in instructions if i.opname == 'SEND']
        plan = (), ((entered, -1, -1, None, None), (end, -1, -1, None, None)), ()
        for counts in False, True:
            with self.subTest(counts=counts):
                function = fresh(function)
                recorder = self.recorder(select_only(function, plan), counts=counts)
                recorder.start()
                seen = []
                for number in 4, 0, 2, 3, 0:
                    self.assertEqual(drive(number), () if number == 3 else (number,))
                    seen += [jumps for _, _, jumps, _ in recorder.harvest()]
                self.assertEqual(set(probed(function.__code__)), {entered, end} if counts else set())
                recorder.stop()
                first = [((entered, 0, 2 if counts else 1),), ((end, 1, 1),)]
                rest = [((entered, 0, 2), (end, 1, 1)), ((entered, 0, 3), (end, 0, 1)), ((end, 1, 1),)]
                self.assertEqual(seen, first + (rest if counts else [((end, 0, 1),)]))

    def test_stop_and_start(self):
        f = fresh(choose)
        recorder = self.started(select_only(f))
        recorder.start()
        f(0, 0)
        recorder.stop()
        recorder.stop()
        self.assertEqual(probed(f.__code__), [])
        f(1, 1)
        self.assertEqual(self.paths(recorder), [(1, 0, True, 1)])
        recorder.start()
        f(0, 0)
        f(1, 1)
        self.assertEqual(self.paths(recorder), [(3, 3, True, 1)])

    def test_new_code_is_offered_once(self):
        offered = []
        recorder = self.started(offered.append)
        f, g = fresh(choose), fresh(choose)
        for _ in range(20):
            f(1, 1)
        g(1, 1)
        h = fresh(choose)
        recorder.stop()
        h(1, 1)
        found = [code for code in offered if code.co_name == 'choose']
        self.assertEqual([*map(id, found)], [id(f.__code__), id(g.__code__)])
        recorder.start()
        h(1, 1)                         # a new recording
        found = [code for code in offered if code.co_name == 'choose']
        self.assertEqual([*map(id, found[2:])], [id(h.__code__)])

    def test_hot_code_can_be_offered(self):
        f = fresh(choose)
        for _ in range(100):
            f(1, 1)
        recorder = self.started(select_only(f))
        f(1, 1)
        self.assertEqual(recorder.harvest(), [])
        recorder.offer(f.__code__)
        f(1, 1)
        self.assertEqual(self.paths(recorder), [(3, 3, True, 1)])

    def test_line_at_a_conditional_jump(self):
        # Only the requested data is recorded, and the probe is not kept for anything else.
        f = fresh(choose)
        jump = conditions(f.__code__)[0].offset
        recorder = self.started(select_only(f, ((jump,), (), ())))
        f(1, 1)
        self.assertEqual(recorder.harvest(), [(f.__code__, (jump,), (), ())])
        self.assertEqual(probed(f.__code__), [])

    def test_wrong_arguments(self):
        for wrong in 1, None, 'select':
            with self.assertRaisesRegex(TypeError, 'select must be callable, not '):
                codeprobes.Recorder(wrong)
        self.assertRaises(TypeError, codeprobes.Recorder)
        self.assertRaises(TypeError, codeprobes.Recorder, print, True)
        recorder = self.recorder()
        with self.assertRaisesRegex(RuntimeError, 'not running'):
            recorder.offer(choose.__code__)
        recorder.start()
        with self.assertRaisesRegex(TypeError, r'offer\(\) argument must be a code object, not function'):
            recorder.offer(choose)
        self.assertRaises(TypeError, recorder.harvest, False, False)
        self.assertRaises(TypeError, copy.copy, recorder)

    def test_wrong_plans(self):
        f = fresh(choose)
        call = compile('f()', '', 'eval')
        jump = conditions(f.__code__)[0].offset
        for plan, error, message in (
                (1, TypeError, r'select\(\) must return None or a tuple'),
                ((), TypeError, r'select\(\) must return None or a tuple'),
                (([], (), ()), TypeError, 'of tuples'),
                (((0,), (), ()), ValueError, 'at offset 0 of <code .* cannot have a probe'),
                (((jump + 1,), (), ()), ValueError, r'^<code .* has no instruction at offset \d+$'),
                (((-2,), (), ()), ValueError, '^<code .* has no instruction at offset -2$'),
                (((10_000,), (), ()), ValueError, '^<code .* has no instruction at offset 10000$'),
                (((2**40,), (), ()), OverflowError, 'too large'),
                ((('a',), (), ()), TypeError, "'str' object"),
                (((), (1,), ()), TypeError, 'a jump must be a tuple, not int'),
                (((), ((jump, -1),), ()), TypeError, r'a jump must be a tuple \(offset, decision'),
                (((), ((jump, 0, 0, True, False),), ()), ValueError, 'condition 0 of decision 0 does not exist'),
                (((), ((jump, -2, 0, True, False),), ()), ValueError, 'of decision -2 does not exist'),
                (((), ((jump, 0, 1, True, False),), ((((-1, -1),), 2),)), ValueError, 'condition 1 of decision 0 does not exist'),
                (((), (), (1,)), TypeError, 'a decision must be a tuple, not int'),
                (((), (), (((), 0),)), ValueError, 'must have 1 to 64 conditions, not 0'),
                (((), (), ((((-1, -1),) * 65, 0),)), ValueError, 'must have 1 to 64 conditions, not 65'),
                (((), (), (((1,), 0),)), TypeError, 'successors must be tuples, not int'),
                (((), (), ((((-1,),), 0),)), TypeError, r'successors must be tuples \(on_true, on_false\)'),
                (((), (), ((((0, -1),), 0),)), ValueError,
                 'the successor of condition 0 of 1 must be -1 or a later condition, not 0'),
                (((), (), ((((-1, 1),), 0),)), ValueError,
                 'the successor of condition 0 of 1 must be -1 or a later condition, not 1')):
            with self.subTest(plan=plan):
                f.__code__ = f.__code__.replace()
                recorder = self.started(select_only(f, plan))
                for _ in range(2):
                    with self.assertRaisesRegex(error, message):
                        recorder.offer(f.__code__)
                    try:
                        f(1, 1)
                    except error as e:
                        self.assertRegex(str(e), message)
                        self.assertIs(e.__traceback__.tb_next.tb_frame.f_code, f.__code__)
                    else:
                        self.fail('nothing raised')
                self.assertEqual((probed(f.__code__), recorder.harvest()), ([], []))
                recorder.stop()
                self.assertEqual(eval(call, {'f': lambda: f(1, 1)}), 1)

    def test_no_leak_of_recorders(self):
        f = fresh(choose)
        before = sys.getrefcount(f.__code__)
        recorder = self.started(select_only(f))
        f(1, 1)
        recorder.stop()
        del recorder
        self.doCleanups()
        gc.collect()
        self.assertEqual(sys.getrefcount(f.__code__), before)

    def test_deleted_while_running(self):
        # Nothing could stop the recorder any more, and no other one could be started.
        def start(select):
            nonlocal recorder
            recorder = codeprobes.Recorder(select)
            recorder.start()
            self.assertEqual(f(1, 0), 0)
            recorder.offer(f.__code__)

        def refers(code):               # a reference cycle
            return plan if recorder is not None and code is f.__code__ else None

        def deletes(code):
            nonlocal recorder
            recorder = None
            return plan if code is f.__code__ else None

        f = fresh(choose)
        plan = decision(f.__code__)
        for select in select_only(f), refers:
            with self.subTest(select=select.__name__):
                recorder = None
                f = fresh(choose)
                start(select_only(f) if select is not refers else refers)
                self.assertNotEqual(probed(f.__code__), [])
                kept = weakref.ref(recorder)
                if select is refers:
                    del start, refers
                recorder = select = None
                gc.collect()
                self.assertIsNone(kept())
                self.assertEqual(probed(f.__code__), [])
                self.started()
                self.doCleanups()
        f = fresh(choose)
        recorder = codeprobes.Recorder(deletes)
        recorder.start()
        self.assertEqual(f(1, 0), 0)
        self.assertEqual(probed(f.__code__), [])
        self.started()


# --- The plan for all conditional jumps -------------------------------------------

class ConditionalJumpsTest(BaseTestCase):

    def offsets(self, code):
        lines, jumps, decisions = codeprobes.conditional_jumps(code)
        self.assertEqual((lines, decisions, {jump[1:] for jump in jumps} - {(-1, -1, None, None)}), ((), (), set()))
        return [jump[0] for jump in jumps]

    def handmade(self, *instructions):
        """A code object of instructions, which are names or tuples of a name and an argument."""
        pairs = [(i, 0) if isinstance(i, str) else i for i in instructions]
        return choose.__code__.replace(co_code=b''.join(bytes([dis.opmap[name], arg]) for name, arg in pairs))

    def test_all_kinds(self):
        async def f(a, b):
            for x in a:
                while x and b or not x:
                    x = b if x is None else a is not None or x
            async for x in a:
                assert x
            return (a and x) or (b or x)

        names = collections.Counter()
        functions = [function for function in CORPUS if LONG or not function.__name__.startswith('use_')]
        for code in {code for function in functions for code in codes_of(function)} | {f.__code__}:
            found = [i for i in places(code) if i.opname in CONDITIONAL | {'END_ASYNC_FOR'}]
            self.assertEqual(self.offsets(code), [i.offset for i in found], code)
            names.update(i.opname for i in found)
        self.assertLess({'FOR_ITER', 'END_ASYNC_FOR', 'JUMP_IF_FALSE_OR_POP', 'JUMP_IF_TRUE_OR_POP',
                         'POP_JUMP_FORWARD_IF_NONE', 'POP_JUMP_FORWARD_IF_NOT_NONE', 'POP_JUMP_FORWARD_IF_TRUE',
                         'POP_JUMP_BACKWARD_IF_TRUE'}, set(names))

    def test_as_select(self):
        f = fresh(choose)
        recorder = self.started(codeprobes.conditional_jumps, counts=True)
        f(1, 0)
        f(1, 1)
        recorder.stop()
        first, second = self.offsets(f.__code__)
        self.assertEqual([result[1:] for result in recorder.harvest() if result[0] is f.__code__],
                         [((), ((first, False, 2), (second, False, 1), (second, True, 1)), ())])

    def test_in_a_select(self):
        f, g = fresh(choose), fresh(choose)

        def select(code):
            if code is not f.__code__:
                return None
            lines, jumps, decisions = codeprobes.conditional_jumps(code)
            return (places(code)[0].offset,), jumps, decisions

        recorder = self.started(select)
        f(1, 1), g(1, 1)
        (code, lines, jumps, paths), = recorder.harvest()
        self.assertIs(code, f.__code__)
        self.assertEqual((len(lines), [jump[0] for jump in jumps]), (1, self.offsets(code)))

    def test_no_jumps(self):
        # The recorder does not keep code in which there is nothing to record.
        f = fresh(lambda: 1)
        self.assertEqual(codeprobes.conditional_jumps(f.__code__), ((), (), ()))
        before = sys.getrefcount(f.__code__)
        recorder = self.started(select_only(f, codeprobes.conditional_jumps(f.__code__)))
        f()
        recorder.offer(f.__code__)
        self.assertEqual(sys.getrefcount(f.__code__), before + 1)       # in select_only()
        self.assertEqual(recorder.harvest(), [])

    def test_prefixes(self):
        code = self.handmade('RESUME', 'LOAD_FAST', 'EXTENDED_ARG', ('EXTENDED_ARG', 0), ('POP_JUMP_FORWARD_IF_TRUE', 1),
                             'NOP', 'LOAD_CONST', 'RETURN_VALUE')
        self.assertEqual(self.offsets(code), [4])
        body = '\n'.join(f'  y{n} = x + {n}.5' for n in range(300))
        namespace = {}
        exec(f'def f(x):\n for x in range(x):\n  if not x: continue\n{body}\n return x or None\n', namespace)
        f = namespace['f']
        instructions = conditions(f.__code__)
        self.assertIn(dis.EXTENDED_ARG, [f.__code__.co_code[i.offset] for i in instructions])
        self.assertEqual(self.offsets(f.__code__), [i.offset for i in instructions])
        recorder = self.started(select_only(f, codeprobes.conditional_jumps(f.__code__)))
        f(2)
        (_, _, jumps, _), = recorder.harvest()
        self.assertEqual({jump[0] for jump in jumps}, {i.offset for i in instructions})

    def test_before_the_first_resume(self):
        # A generator's code begins before its RESUME.
        code = self.handmade('RETURN_GENERATOR', 'POP_TOP', 'LOAD_FAST', 'POP_JUMP_FORWARD_IF_TRUE', 'FOR_ITER',
                             'RESUME', 'LOAD_FAST', 'POP_JUMP_FORWARD_IF_TRUE', 'LOAD_CONST', 'RETURN_VALUE')
        self.assertEqual(self.offsets(code), [14])
        self.assertEqual(self.offsets(self.handmade('LOAD_FAST', 'POP_JUMP_FORWARD_IF_TRUE', 'RETURN_VALUE')), [])

    def test_handmade_code(self):
        generator = random.Random(14)
        names = [name for name in dis.opmap if name not in dis.hasjrel or '_IF_' in name]
        found = 0
        for _ in range(300):
            # A conditional jump, or half of an instruction, can be anywhere; caches do not reach beyond the end.
            body = bytes(generator.choice([generator.randrange(256), dis.EXTENDED_ARG, 0,
                                           dis.opmap[generator.choice(names)]]) for _ in range(2 * 40))
            body = body[:20] + bytes([dis.opmap['RESUME'], 0]) + body[20:]
            code = choose.__code__.replace(co_code=body + bytes([dis.opmap['NOP'], 0] * 20))
            offsets = self.offsets(code)
            found += len(offsets)
            set_probes(code, FUNC, 1, (ctypes.c_int * len(offsets))(*offsets), len(offsets))
            self.assertEqual(bool(get_probes(code, None)), bool(offsets))
            for offset in range(0, len(code.co_code), 2):
                operation = operation_of(code, offset)
                name = dis.opname[code.co_code[operation]]
                if offset not in offsets and (name in CONDITIONAL or name == 'END_ASYNC_FOR'):
                    # Then this is before the first RESUME, or an offset after a prefix.
                    with self.assertRaises(ValueError):
                        set_probes(code, FUNC, 1, (ctypes.c_int * 1)(offset), 1)
        self.assertGreater(found, 200)

    def test_wrong_arguments(self):
        for wrong in choose, None, 'x = 1', choose.__code__.co_code:
            with self.assertRaisesRegex(TypeError, r'conditional_jumps\(\) argument must be a code object, not '):
                codeprobes.conditional_jumps(wrong)
        self.assertRaises(TypeError, codeprobes.conditional_jumps)


class CApiTest(BaseTestCase):

    def test_keeps_and_removes(self):
        f = fresh(choose)
        offsets = [i.offset for i in places(f.__code__)]
        for keep in 1, 0:
            set_everywhere(f.__code__, keep)
            self.assertEqual(probed(f.__code__), offsets)
            func = ctypes.c_void_p()
            self.assertEqual(get_probes(f.__code__, ctypes.byref(func)) or 0, keep)
            self.assertEqual(func.value, FUNC.value)
            for args in (0, 0), (1, 0), (1, 1):
                self.assertEqual(f(*args), int(all(args)))
            self.assertEqual(probed(f.__code__), offsets if keep else [])
            restore_probes(f.__code__)
            self.assertEqual(probed(f.__code__), offsets)
            remove(f.__code__)
            restore_probes(f.__code__)
            self.assertEqual(probed(f.__code__), [])
            self.assertIsNone(get_probes(f.__code__, ctypes.byref(func)))
            self.assertIsNone(func.value)

    def test_wrong_places(self):
        def f(x):
            async def g():
                async for y in x:
                    await y
                yield f
            for y in x:
                yield from y
        g = f.__code__.co_consts[1]
        for code in f.__code__, g:
            right = {i.offset for i in places(code)}
            set_everywhere(code, 1)
            before = probed(code)
            for offset in range(-2, len(code.co_code) + 2):
                if offset in right:
                    continue
                with self.assertRaisesRegex(ValueError, f'at offset {offset} of <code .* cannot have a probe'):
                    set_probes(code, FUNC, 1, (ctypes.c_int * 1)(offset), 1)
            self.assertEqual(probed(code), before)

    def test_prefixed_instructions(self):
        # Offsets are those of the first prefix, as in trace events and in the edges of codeblocks.
        def f(x):
            if x:
                return 1
            return 2

        def raw(name, arg=0):
            return bytes([dis.opmap[name], arg])

        before = raw('RESUME')
        load = len(before)
        before += raw('EXTENDED_ARG', 1) + raw('EXTENDED_ARG') + raw('LOAD_CONST') + raw('POP_TOP') + raw('LOAD_FAST')
        test = len(before)
        f.__code__ = code = f.__code__.replace(
            co_consts=tuple(range(65537)),
            co_code=(before + raw('EXTENDED_ARG', 1) + raw('POP_JUMP_FORWARD_IF_FALSE') + raw('NOP') * 254
                     + raw('LOAD_CONST', 1) + raw('RETURN_VALUE') + raw('LOAD_CONST', 2) + raw('RETURN_VALUE')))
        events = set()

        def trace(frame, event, arg):
            if event == 'instruction' and frame.f_code is code:
                events.add(frame.f_lasti)
            return trace

        sys.settracestate(trace, trace_lines=False, trace_instructions=True)
        self.assertEqual((f(1), f(0)), (1, 2))
        sys.settracestate(None)
        offsets = [i.offset for i in places(code)]
        self.assertEqual(sorted(events), offsets)
        self.assertLessEqual({load, test}, events)
        edges = [edge for block in codeblocks.basic_blocks(code) for edge in block.successors]
        self.assertEqual({edge.source for edge in edges}, {test})

        set_everywhere(code, 1)
        self.assertEqual(probed(code), offsets)
        remove(code)
        for wrong in load + 2, load + 4, test + 2:
            with self.assertRaisesRegex(ValueError, f'at offset {wrong} of <code .* cannot have a probe'):
                set_probes(code, FUNC, 1, (ctypes.c_int * 1)(wrong), 1)

        plan = (load, test), ((test, 0, 0, False, True),), ((((-1, -1),), 2),)
        recorder = self.started(select_only(f, plan))
        self.assertEqual((f(0), f(1)), (2, 1))
        self.assertEqual(recorder.harvest(), [
            (code, (load, test), ((test, False, 1), (test, True, 1)), ((0, 1, 0, True, 1), (0, 1, 1, True, 1)))])
        self.assertEqual(probed(code), [])

    def test_recorder_keeps_probes_of_others(self):
        f = fresh(choose)
        recorder = self.started(select_only(f))
        f(1, 1)
        recorder.stop()
        set_everywhere(f.__code__, 1)
        before = probed(f.__code__)
        recorder.start()
        recorder.offer(f.__code__)
        f(1, 1)
        recorder.harvest(rearm=True)
        recorder.stop()
        self.assertEqual(probed(f.__code__), before)

    def test_static_code_is_freed(self):
        # The probes of code in frozen modules, which is not freed by its destructor.
        if not hasattr(sys, 'gettotalrefcount'):
            self.skipTest('needs a debug build')
        script = textwrap.dedent("""
            import ctypes, sys, types, _frozen_importlib_external as external
            from test.test_codeprobes import FUNC, set_probes
            offset = (ctypes.c_int * 1)(2)
            for function in vars(external).values():
                if isinstance(function, types.FunctionType) and not function.__code__.co_cellvars:
                    set_probes(function.__code__, FUNC, 1, offset, 1)
                    if {remove}:
                        set_probes(function.__code__, None, None, None, 0)
        """)
        blocks = []
        for remove in False, True:
            result = script_helper.assert_python_ok('-X', 'showrefcount', '-c', script.format(remove=remove))
            blocks.append(int(re.search(rb'(\d+) blocks', result.err)[1]))
        self.assertEqual(*blocks)

    def test_probe_opcode_in_handmade_code(self):
        # The opcode of a probe is unknown in hand-written code.
        def f():
            return 1
        bad = bytes([dis.opmap['RESUME'], 0, PROBE, 0, dis.opmap['RETURN_VALUE'], 0])
        script = textwrap.dedent(f"""
            import dis
            def f(): pass
            codes = [f.__code__.replace(co_code={bad!r}) for _ in range(3)]
            assert codes[0] == codes[1]
            codes[1].co_code
            list(dis.get_instructions(codes[1]))
            for code in codes:
                try:
                    exec(code)
                except SystemError as e:
                    print(e)
        """)
        result = script_helper.assert_python_ok('-c', script)
        self.assertEqual(result.out.split(b'\n')[:3], [b'unknown opcode'] * 3)


class DocumentationTest(BaseTestCase):

    def test_example(self):
        path = os.path.join(sysconfig.get_config_var('srcdir') or '', 'Doc', 'library', 'codeprobes.rst')
        if not os.path.exists(path):
            self.skipTest('needs the documentation')
        failed, tried = doctest.testfile(path, module_relative=False, encoding='utf-8')
        self.assertGreater(tried, 8)
        self.assertEqual(failed, 0)

    def test_opcodes_without_probes(self):
        path = os.path.join(sysconfig.get_config_var('srcdir') or '', 'Doc', 'c-api', 'codeprobes.rst')
        if not os.path.exists(path):
            self.skipTest('needs the documentation')
        with open(path, encoding='utf-8') as file:
            text = file.read().partition('a probe cannot be set at one of the offsets')[2].partition('.. c:function')[0]
        documented = {dis.opmap[name] for name in re.findall('opcode:`([A-Z_]+)`', text)}
        self.assertEqual(documented - {dis.opmap['PRECALL']}, codeprobes.UNSUPPORTED_OPCODES - {dis.opmap['CACHE']})


# --- Probes are invisible -----------------------------------------------

def codes_of(function):
    """Return the code objects that a call of the function executes."""
    codes = {}

    def trace(frame, event, arg):
        codes[id(frame.f_code)] = frame.f_code

    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(None)
    own = sys._getframe().f_code
    return [code for code in codes.values() if code is not own]


def result_of(function):
    """Return the result, or the exception with its traceback, without addresses."""
    try:
        return repr(function()).split(' at 0x')[0]
    except Exception as e:
        return (type(e), str(e), [(frame.f_code.co_name, line, frame.f_lasti)
                                  for frame, line in traceback.walk_tb(e.__traceback__)][1:])


def opcode_stream(function):
    events = []

    def trace(frame, event, arg):
        frame.f_trace_opcodes = True
        events.append((frame.f_code.co_name, event, frame.f_lasti, (frame.f_lineno or 0) - frame.f_code.co_firstlineno))
        return trace

    sys.settrace(trace)
    try:
        result = result_of(function)
    finally:
        sys.settrace(None)
    return events, result


def profile_stream(function):
    events = []

    def profile(frame, event, arg):
        events.append((frame.f_code.co_name, event, frame.f_lasti))

    sys.setprofile(profile)
    try:
        result = result_of(function)
    finally:
        sys.setprofile(None)
    return events[:-1], result


def state_stream(function, **flags):
    events = []
    sys.settracestate(record(events), **flags)
    try:
        result = result_of(function)
    finally:
        sys.settracestate(None)
    return events, result


def filtered_stream(function):
    return state_stream(function, trace_lines=False, trace_instructions=True,
                        instruction_filter={opcode.opmap[n] for n in ('LOAD_FAST', 'FOR_ITER', 'PRECALL', 'CALL')})


def branch_stream(function):
    return state_stream(function, trace_instructions=True, trace_branches=True)


STREAMS = [opcode_stream, profile_stream, filtered_stream, branch_stream]
LONG = support.is_resource_enabled('cpu')


class TransparencyTest(BaseTestCase):

    def corpus(self):
        for number, function in enumerate(CORPUS):
            if LONG or not function.__name__.startswith('use_') or number % 4 == 0:
                yield function

    def differ(self, function, expected, found, what):
        if expected != found:
            events = zip(expected[0], found[0])
            place = next((n for n, (a, b) in enumerate(events) if a != b), None)
            at = slice(max(place - 2, 0), place + 3) if place is not None else slice(0, 3)
            self.fail(f'{function.__name__} {what}: {expected[0][at]} != {found[0][at]}, {expected[1]!r} {found[1]!r}')

    def test_results_and_events(self):
        for function in self.corpus():
            codes = codes_of(function)
            codes = [code for code in codes if 'tracestate' not in code.co_filename]
            images = {id(code): (code.co_code, marshal.dumps(code, 2), hash(code)) for code in codes}
            expected = [stream(function) for stream in STREAMS]
            result = result_of(function)
            self.addCleanup(lambda codes: [*map(remove, codes)], codes)
            for keep in 1, 0:
                for code in codes:
                    set_everywhere(code, keep)
                for _ in range(3 - keep):
                    self.assertEqual(result_of(function), result)
                for stream, events in zip(STREAMS, expected):
                    if not keep:
                        for code in codes:
                            restore_probes(code)
                    self.differ(function, events, stream(function), stream.__name__)
                    if keep:
                        for code in codes:
                            self.assertEqual(len(probed(code)), len(places(code)))
                for code in codes:
                    self.assertEqual((code.co_code, marshal.dumps(code, 2), hash(code)), images[id(code)])
                    self.assertEqual(code, code.replace())
            for code in codes:
                remove(code)

    def test_recorder(self):
        for counts in False, True:
            for function in self.corpus():
                codes = codes_of(function)
                expected, result = branch_stream(function)
                recorder = codeprobes.Recorder(everywhere, counts=counts)
                recorder.start()
                try:
                    for code in codes:
                        recorder.offer(code)
                    for _ in range(2):
                        self.assertEqual(result_of(function), result)
                    self.differ(function, (expected, result), branch_stream(function), f'counts={counts}')
                finally:
                    recorder.stop()
                self.differ(function, (expected, result), branch_stream(function), 'after')
                for code in codes:
                    self.assertEqual(probed(code), [])

    def test_code_objects(self):
        f = fresh(choose)
        images = [f.__code__.co_code, dis.Bytecode(f.__code__).dis(), marshal.dumps(f.__code__), hash(f.__code__)]
        set_everywhere(f.__code__, 1)
        code = f.__code__
        self.assertEqual([code.co_code, dis.Bytecode(code).dis(), marshal.dumps(code), hash(code)], images)
        for copied in code.replace(), marshal.loads(marshal.dumps(code)):
            self.assertEqual(copied, code)
            self.assertEqual(code, copied)
            self.assertEqual(probed(copied), [])
            self.assertNotEqual(code, copied.replace(co_code=copied.co_code[:-2] + b'\x09\x00'))
        self.assertIs(copy.deepcopy(code), code)
        # Functions share the code object and its probes.
        g = types.FunctionType(code, {})
        self.assertEqual((f(1, 0), g(1, 1), g(0, 1)), (0, 1, 0))
        self.assertEqual(len(probed(code)), len(places(code)))

    def test_truth_is_tested_once(self):
        class Truth:
            def __init__(self, value, log):
                self.value, self.log = value, log

            def __bool__(self):
                self.log.append((sys._getframe(1).f_lasti, sys._getframe(1).f_lineno))
                if self.value is None:
                    raise ZeroDivisionError
                return self.value

        def pop(a): return 1 if a else 2
        def pop_not(a): return 1 if not a else 2
        def and_(a): return a and 1
        def or_(a): return a or 1
        def loop(a):
            x = 3
            while a:
                x -= 1
                if x: continue
                else: break
            return x
        def chained(a): return 0 < a < 3
        def caught(a):
            try:
                if a: return 1
            except ZeroDivisionError:
                return sys.exc_info()[2].tb_lasti
        for f in map(fresh, (pop, pop_not, and_, or_, loop, caught)):
            for value in True, False, None:
                seen = []
                for keep in None, 1, 0:
                    log = []
                    if keep is not None:
                        set_everywhere(f.__code__, keep)
                    truth = Truth(value, log)
                    seen.append((result_of(lambda: f(truth) is truth or f(truth)), log, sys.getrefcount(truth)))
                    remove(f.__code__)
                self.assertEqual(seen[0], seen[1], (f, value))
                self.assertEqual(seen[0], seen[2], (f, value))

    def test_iterators(self):
        class Iterator:
            def __init__(self, end):
                self.end, self.seen = end, []

            def __iter__(self):
                return self

            def __next__(self):
                self.seen.append(sys._getframe(1).f_lasti)
                if len(self.seen) == 3:
                    raise self.end
                return len(self.seen)

        def f(it):
            n = 0
            for i in it:
                n += i
            else:
                n += 10
            return n, it.seen

        def call():
            return f(Iterator(end()))

        for end in StopIteration, lambda: KeyError('x'), lambda: StopIteration(1):
            expected = [stream(call) for stream in (result_of, *STREAMS)]
            for keep in 1, 0:
                set_everywhere(f.__code__, keep)
                for stream, wanted in zip((result_of, *STREAMS), expected):
                    restore_probes(f.__code__)
                    self.assertEqual(stream(call), wanted)
            remove(f.__code__)

    def test_extended_arguments(self):
        body = '\n'.join(f'  y{n} = x + {n}.5' for n in range(300))
        source = f'def f(x):\n for x in range(x):\n  if not x: continue\n{body}\n return y299 if x else None\n'
        namespace = {}
        exec(source, namespace)
        f = namespace['f']

        def all_of(n):
            return f(n), opcode_stream(lambda: f(n)), branch_stream(lambda: f(n))

        expected = [*map(all_of, range(3))]
        self.assertIn('EXTENDED_ARG', [i.opname for i in dis.get_instructions(f)])
        for keep in 1, 0:
            set_everywhere(f.__code__, keep)
            for n, wanted in enumerate(expected):
                restore_probes(f.__code__)
                self.assertEqual(all_of(n), wanted)
            for _ in range(100):
                f(2)
        remove(f.__code__)

    def test_jumps_to_and_from(self):
        def f(seen):
            for x in (1, 2):
                seen.append(x)
                if x == 2:
                    seen.append('two')
                seen.append('end')
            return seen

        first = f.__code__.co_firstlineno

        def run(source, target):
            def trace(frame, event, arg):
                nonlocal jumped
                if frame.f_code is f.__code__:
                    if event == 'line' and frame.f_lineno == first + source and not jumped:
                        jumped = True
                        frame.f_lineno = first + target
                    return trace
            jumped = False
            sys.settrace(trace)
            try:
                return f([])
            except ValueError as e:
                return str(e)
            finally:
                sys.settrace(None)

        pairs = list(itertools.product(range(1, 7), repeat=2))
        expected = [run(*pair) for pair in pairs]
        self.assertGreater(len(set(map(str, expected))), 5)
        for keep in 1, 0:
            set_everywhere(f.__code__, keep)
            for pair, wanted in zip(pairs, expected):
                restore_probes(f.__code__)
                self.assertEqual(run(*pair), wanted, pair)
        remove(f.__code__)

    def test_calls(self):
        def f(*args, **kwargs):
            class C(dict):
                def __init__(self, **kwargs):
                    super().__init__(kwargs)
            return [len('abc'), C(a=1, **kwargs), dict(a=1), max(args, key=lambda x: -x), sorted(args, reverse=True),
                    ','.join('ab'), isinstance(1, int), str(1), type(1), [].append(1), (lambda a, b=2: a + b)(1)]
        expected = f(1, 2, z=3)
        for keep in 1, 0:
            set_everywhere(f.__code__, keep)
            for code in f.__code__.co_consts:
                if isinstance(code, types.CodeType):
                    set_everywhere(code, keep)
                    self.addCleanup(remove, code)
            for _ in range(50):
                self.assertEqual(f(1, 2, z=3), expected)
        remove(f.__code__)

    def check_tests(self, *names):
        """Tests of CPython pass with probes at all instructions that can have one."""
        script = textwrap.dedent("""
            import codeprobes, sys, unittest
            from test.test_codeprobes import everywhere
            counts, *names = sys.argv[1:]
            suite = unittest.defaultTestLoader.loadTestsFromNames(names)
            if counts != 'none':
                recorder = codeprobes.Recorder(everywhere, counts=bool(int(counts)))
                recorder.start()
            result = unittest.TextTestRunner(stream=sys.stderr, verbosity=0).run(suite)
            print(result.testsRun, sorted(str(test) for test, _ in result.failures + result.errors))
            print(sum(len(lines) for _, lines, _, _ in recorder.harvest()) > 1000 if counts != 'none' else True)
        """)
        for name in names:
            seen = [script_helper.assert_python_ok('-c', script, counts, 'test.' + name).out
                    for counts in ('none', '0', '1')]
            self.assertEqual(seen[0], seen[1], name)
            self.assertEqual(seen[0], seen[2], name)

    def test_library_tests(self):
        self.check_tests('test_generators', 'test_coroutines')

    @support.requires_resource('cpu')
    def test_more_library_tests(self):
        self.check_tests('test_asyncgen', 'test_compile', 'test_contextlib', 'test_dataclasses', 'test_enum',
                         'test_except_star', 'test_exceptions', 'test_frame', 'test_grammar', 'test_json', 'test_patma',
                         'test_pdb', 'test_scope', 'test_super', 'test_sys_setprofile', 'test_sys_settrace',
                         'test_traceback', 'test_tracestate_branches', 'test_unpack', 'test_with')


# --- Records match the execution ------------------------------------

def edges_of(function):
    """From trace events: how often each instruction was executed, and each conditional jump was taken or not taken."""
    executed, went = {}, {}
    instructions = {}

    def of(code):
        if id(code) not in instructions:
            table = {i.offset: i for i in instructions_of(code)}
            instructions[id(code)] = code, table, sorted(table)
        return instructions[id(code)]

    def trace(frame, event, arg):
        if event == 'instruction':
            code, table, offsets = of(frame.f_code)
            here = frame.f_lasti
            executed.setdefault(id(code), set()).add(here)
            if arg >= 0:
                before = table[arg]
                if before.opname in CONDITIONAL:
                    after = offsets[offsets.index(before.offset) + 1]
                    jumped = {before.argval: True, after: False}.get(here)
                    if jumped is not None:
                        key = before.offset, jumped
                        counts = went.setdefault(id(code), {})
                        counts[key] = counts.get(key, 0) + 1
        return trace

    sys.settracestate(trace, trace_lines=False, trace_instructions=True)
    try:
        result_of(function)
    finally:
        sys.settracestate(None)
    return executed, went


class Truth:
    """A condition that logs when its truth value is tested, and the value."""

    def __init__(self, number, value, log):
        self.number, self.value, self.log = number, value, log

    def __bool__(self):
        self.log.append((self.number, self.value))
        return self.value


def expression(random, names, depth=0):
    if len(names) == 1:
        return ('not ' if random.random() < .3 else '') + names[0]
    split = random.randint(1, len(names) - 1)
    text = (expression(random, names[:split], depth + 1) + random.choice([' and ', ' or '])
            + expression(random, names[split:], depth + 1))
    return ('not ' if random.random() < .2 else '') + f'({text})'


class TruthTest(BaseTestCase):

    def test_lines_and_jumps(self):
        for function in CORPUS:
            if not LONG and function.__name__.startswith('use_'):
                continue
            codes = codes_of(function)
            executed, went = edges_of(function)
            recorder = codeprobes.Recorder(everywhere, counts=True)
            recorder.start()
            try:
                for code in codes:
                    recorder.offer(code)
                result_of(function)
            finally:
                recorder.stop()
            harvest = {id(code): (set(lines), jumps) for code, lines, jumps, _ in recorder.harvest()}
            for code in codes:
                lines, jumps = harvest.get(id(code), (set(), ()))
                everything = {i.offset for i in places(code)}
                self.assertEqual(lines, executed.get(id(code), set()) & everything, code)
                self.assertEqual({(offset, jumped): count for offset, jumped, count in jumps},
                                 went.get(id(code), {}), code)

    def test_paths_of_random_expressions(self):
        generator = random.Random(2914)
        for number in range(300 if LONG else 60):
            n = generator.randint(1, 6)
            names = [f'c{i}' for i in range(n)]
            text = expression(generator, names)
            namespace = {}
            exec(f'def f({", ".join(names)}):\n if {text}:\n  return 1\n return 0', namespace)
            code = namespace['f'].__code__
            if len(conditions(code)) != n:
                continue                # a 'not' around the expression can turn it into a value
            for counts in False, True:
                f = fresh(namespace['f'])
                recorder = self.started(select_only(f), counts=counts)
                expected, logs = {}, []
                for _ in range(generator.randint(1, 40)):
                    values = [generator.random() < .5 for _ in names]
                    log = []
                    result = f(*(Truth(i, value, log) for i, value in enumerate(values)))
                    self.assertEqual(result, eval(text, dict(zip(names, values))))
                    self.assertEqual(f(*values), result)
                    key = sum(1 << i for i, _ in log), sum(value << i for i, value in log)
                    expected[key] = expected.get(key, 0) + 2
                    logs.extend(log * 2)
                paths = self.paths(recorder)
                with self.subTest(expression=text, counts=counts):
                    self.assertEqual({path[:2]: path[3] for path in paths},
                                     expected if counts else dict.fromkeys(expected, 1))
                    self.assertTrue(all(path[2] for path in paths))
                recorder.stop()
                self.assertEqual(recorder.harvest(), [])


class DecisionTest(BaseTestCase):

    def test_generators_in_turns(self):
        def gen(a, b, c):
            while True:
                if (yield a) and (yield b) and (yield c):
                    pass

        gen = fresh(gen)
        jumps = [i for i in conditions(gen.__code__) if i.opname.startswith('POP_JUMP_FORWARD')][:3]
        self.assertEqual(len(jumps), 3)
        plan = (), tuple((i.offset, 0, n, False, True) for n, i in enumerate(jumps)), \
            ((((1, -1), (2, -1), (-1, -1)), 4),)
        recorder = self.started(select_only(gen, plan), counts=True)
        generator = random.Random(5)
        expected = {}
        generators = [[gen('a', 'b', 'c'), []] for _ in range(50)]
        for pair in generators:
            next(pair[0])
        for _ in range(3000):
            pair = generator.choice(generators)
            value = generator.random() < .6
            pair[0].send(value)
            pair[1].append(value)
            if not value or len(pair[1]) == 3:
                key = (1 << len(pair[1])) - 1, sum(v << i for i, v in enumerate(pair[1])), True
                expected[key] = expected.get(key, 0) + 1
                pair[1].clear()
        self.assertEqual({path[:3]: path[3] for path in self.paths(recorder)}, expected)
        # The other evaluations are incomplete.
        half = {}
        for _, values in generators:
            if values:
                key = (1 << len(values)) - 1, sum(v << i for i, v in enumerate(values)), False
                half[key] = half.get(key, 0) + 1
        recorder.stop()
        self.assertEqual({path[:3]: path[3] for path in self.paths(recorder)}, half)

    def test_recursion_in_a_condition(self):
        def f(n):
            if n and f(n - 1) and n > 2:
                return True
            return n == 0

        f = fresh(f)
        recorder = self.started(select_only(f), counts=True)
        f(4)
        # For 0, 'n' is false; for 1, 'n > 2' is false; for 2 to 4, 'f(n - 1)' is false.
        self.assertEqual(set(self.paths(recorder)), {(1, 0, True, 1), (7, 3, True, 1), (3, 1, True, 3)})

    def test_recursion_that_raises(self):
        def f(n):
            if n and f(n - 1) and 1 / 0:
                return True
            return True

        f = fresh(f)
        recorder = self.started(select_only(f), counts=True)
        self.assertRaises(ZeroDivisionError, f, 3)
        recorder.stop()
        self.assertEqual(set(self.paths(recorder)), {(1, 0, True, 1), (3, 3, False, 1), (1, 1, False, 2)})

    def test_exception_during_evaluation(self):
        f = fresh(choose)
        recorder = self.started(select_only(f), counts=True)

        class Raises:
            def __bool__(self):
                raise KeyError
        for _ in range(3):
            self.assertRaises(KeyError, f, 1, Raises())
        f(0, 0)
        recorder.stop()
        self.assertEqual(set(self.paths(recorder)), {(1, 1, False, 3), (1, 0, True, 1)})

    def test_stop_ends_evaluations(self):
        # An evaluation that began before a pause must not continue after it.
        gen, plan = suspendable()
        recorder = self.started(select_only(gen, plan))
        g = gen()
        next(g)
        g.send(1)
        recorder.stop()
        g.send(0)                       # ends the evaluation while nothing is recorded
        g.send(1)
        recorder.start()
        g.send(1)
        self.assertEqual(self.paths(recorder), [(1, 1, False, 1)])
        g.send(0)
        self.assertEqual(self.paths(recorder), [(1, 0, True, 1)])

    def test_unfinished_when_everything_is_learned(self):
        # The probes are removed: this must not look as if an exception had left the evaluation.
        def gen(a):
            if a and (yield):
                pass

        gen = fresh(gen)
        recorder = self.started(select_only(gen))
        waiting = gen(1)
        next(waiting)
        for values in (0, None), (1, 0), (1, 1):
            for value in (gen(values[0]),):
                with contextlib.suppress(StopIteration):
                    next(value)
                    value.send(values[1])
        self.assertEqual(sorted(self.paths(recorder)), [(1, 0, True, 1), (3, 1, True, 1), (3, 3, True, 1)])
        self.assertRaises(StopIteration, waiting.send, 1)
        self.assertEqual(list(gen(0)), [])
        self.assertEqual(probed(gen.__code__), [])
        self.assertEqual(recorder.harvest(rearm=True), [])

    @threading_helper.requires_working_threading()
    def test_threads_in_the_same_decision(self):
        class Slow:
            def __init__(self, value):
                self.value = value

            def __bool__(self):
                barrier.wait(support.LONG_TIMEOUT)
                return self.value

        f = fresh(choose)
        recorder = self.started(select_only(f), counts=True)
        threads = []
        barrier = threading.Barrier(8)
        for n in range(8):
            threads.append(threading.Thread(target=lambda n=n: [f(Slow(True), Slow(n % 2 == 1)) for _ in range(10)]))
        with threading_helper.start_threads(threads):
            pass
        self.assertEqual(set(self.paths(recorder)), {(3, 1, True, 40), (3, 3, True, 40)})

    def test_sixty_four_conditions(self):
        names = [f'c{n}' for n in range(64)]
        namespace = {}
        exec(f'def f({", ".join(names)}):\n if {" and ".join(names)}:\n  return 1', namespace)
        f = namespace['f']
        recorder = self.started(select_only(f), counts=True)
        full = 2**64 - 1
        f(*[1] * 64)
        f(*[1] * 63, 0)
        f(0, *[1] * 63)
        self.assertEqual(set(self.paths(recorder)),
                         {(full, full, True, 1), (full, full >> 1, True, 1), (1, 0, True, 1)})

    def test_many_suspended(self):
        # Those for which there is no room are recorded as incomplete.
        gen, plan = suspendable()
        recorder = self.started(select_only(gen, plan), counts=True)
        generators = [gen() for _ in range(1500)]
        for g in generators:
            next(g)
            g.send(1)
        self.assertEqual(self.paths(recorder), [(1, 1, False, 499)])
        for g in generators[499:]:
            g.send(1)
        self.assertEqual(self.paths(recorder), [(3, 3, True, 1001)])
        for g in generators[:499]:
            g.send(1)
        recorder.stop()
        self.assertEqual(self.paths(recorder), [])

    def test_many_suspended_at_random(self):
        gen, plan = suspendable()
        recorder = self.started(select_only(gen, plan), counts=True)
        choose = random.Random(7)
        generators = [gen() for _ in range(3000)]
        for g in generators:
            next(g)
        waiting = [False] * len(generators)     # for the second value
        current, suspended = None, {}           # in the order of suspension
        expected = collections.Counter()
        for _ in range(60_000):
            # Sometimes the same ones again, so that an evaluation ends before others are suspended.
            n = choose.randrange(3000 if choose.random() < .7 else 20)
            value = choose.random() < .8
            generators[n].send(value)
            known = n == current or suspended.pop(n, False)
            if not waiting[n] or known:
                if current not in (None, n):
                    if len(suspended) == 1000:
                        del suspended[next(iter(suspended))]
                        expected[1, 1, False] += 1
                    suspended[current] = True
                current = n if value and not waiting[n] else None
                if current is None:
                    expected[(3, 1 + 2 * value, True) if waiting[n] else (1, 0, True)] += 1
            waiting[n] = value and not waiting[n]
        self.assertEqual({path[:3]: path[3] for path in self.paths(recorder)}, expected)
        self.assertGreater(expected[1, 1, False], 1000)
        recorder.stop()
        left = len(suspended) + (current is not None)
        self.assertEqual(self.paths(recorder), [(1, 1, False, left)])

    def many_paths(self, n):
        """A function with 2**n paths, one for each argument up to 2**n, and their plan."""
        namespace = {}
        exec('def f(bits):\n' + ''.join(f' if bits & {1 << i}: pass\n' for i in range(n)) + ' return 1\n', namespace)
        f = namespace['f']
        jumps = [i for i in conditions(f.__code__)][:n]
        return f, ((), tuple((i.offset, 0, n, False, True) for n, i in enumerate(jumps)),
                   ((tuple((i + 1 if i + 1 < n else -1,) * 2 for i in range(n)), 0),))

    def test_many_paths(self):
        f, plan = self.many_paths(14)
        recorder = self.started(select_only(f, plan), counts=True)
        arguments = [*range(1 << 14)]
        random.Random(9).shuffle(arguments)
        for _ in range(2):
            for argument in arguments[:7000]:
                f(argument)
        self.assertEqual({path[:3]: path[3] for path in self.paths(recorder)},
                         {(0x3fff, argument, True): 2 for argument in arguments[:7000]})
        for argument in arguments[5000:]:
            f(argument)
        expected = {(0x3fff, argument, True): 1 for argument in arguments[5000:10_000]}
        self.assertEqual({path[:3]: path[3] for path in self.paths(recorder)}, expected)
        self.assertEqual(recorder.harvest(rearm=True), [])
        for argument in arguments[-1000:]:
            f(argument)
        self.assertEqual({path[:3]: path[3] for path in self.paths(recorder)},
                         {(0x3fff, argument, True): 1 for argument in arguments[-1000:]})

    @support.requires_resource('cpu')
    def test_time_of_a_call(self):
        # It does not grow with the number of paths, suspended evaluations or calls in progress.
        import time

        def best(calls):
            times = []
            for _ in range(7):
                start = time.process_time()
                calls()
                times.append(time.process_time() - start)
            return min(times)

        f, plan = self.many_paths(13)
        recorder = self.started(select_only(f, plan), counts=True)
        few = best(lambda: [f(0) for _ in range(8000)])
        self.assertLess(best(lambda: [f(n) for n in range(8000)]), 2 * few)
        recorder.stop()

        gen, plan = suspendable()
        recorder = self.started(select_only(gen, plan), counts=True)
        generators = [gen() for _ in range(1000)]
        for g in generators:
            next(g)
        few = best(lambda: [generators[0].send(1) for _ in range(8000)])
        self.assertLess(best(lambda: [g.send(1) for _ in range(8) for g in generators]), 2 * few)
        recorder.stop()

        def recursive(n):
            if n and recursive(n - 1) and n > 2:
                return True
            return True

        recursive = fresh(recursive)
        self.started(select_only(recursive), counts=True)
        with support.infinite_recursion(5000):
            few = best(lambda: [recursive(500) for _ in range(16)])
            self.assertLess(best(lambda: [recursive(4000), recursive(4000)]), 2 * few)

    def test_condition_that_uses_the_recorder(self):
        class Does:
            def __init__(self, action):
                self.action = action

            def __bool__(self):
                self.action()
                return True

        for counts in False, True:
            f = fresh(choose)
            recorder = self.recorder(select_only(f), counts=counts)
            other = self.recorder(select_only(f), counts=counts)
            actions = [recorder.stop, recorder.start, lambda: recorder.harvest(rearm=True), recorder.harvest,
                       lambda: recorder.offer(f.__code__), lambda: f(0, 1), lambda: f(1, 1),
                       lambda: (recorder.stop(), other.start(), other.offer(f.__code__), other.stop(),
                                recorder.start())]
            recorder.start()
            for first, second in itertools.product(actions, repeat=2):
                try:
                    f(Does(first), Does(second))
                except RuntimeError as e:
                    self.assertIn('not running', str(e))
                recorder.start()
                self.assertEqual(f(1, 1), 1)
            recorder.harvest(rearm=True)
            recorder.offer(f.__code__)
            f(1, 1)
            self.assertEqual(self.paths(recorder), [(3, 3, True, 1)])
            recorder.stop()


# --- Several recorders at once --------------------------------------------

def chain(code):
    """A plan in which all conditional jumps are the conditions of a decision, whatever they mean."""
    jumps = conditions(code)[:codeprobes.MAX_CONDITIONS]
    plan = tuple((i.offset, 0, n, n % 2, not n % 2) for n, i in enumerate(jumps))
    successors = tuple((n + 1, -1 if n % 3 else n + 1) for n in range(len(jumps) - 1)) + ((-1, -1),)
    return ((), plan, ((successors, 0),)) if plan else None


def half(code):
    """Half of the instructions as lines, the other half of the jumps as jumps."""
    found = places(code)
    return (tuple(i.offset for i in found[::2]),
            tuple((i.offset, -1, 0, None, None) for i in found[1::2] if i.opname in CONDITIONAL), ())


class SeveralRecordersTest(BaseTestCase):

    KINDS = {'everywhere': (everywhere, False), 'jumps': (codeprobes.conditional_jumps, True), 'chain': (chain, False),
             'counted chain': (chain, True), 'half': (half, False)}

    def recorded(self, function, codes, kinds, schedule):
        """What each recorder harvests while the function and the recorders do what a schedule says."""
        known = {id(code) for code in codes}
        recorders, harvests = {}, {}
        for kind in kinds:
            select, counts = self.KINDS[kind]
            plans = {id(code): select(code) for code in codes}
            recorders[kind] = codeprobes.Recorder(lambda code, plans=plans: plans.get(id(code)), counts=counts)
            harvests[kind] = []

        def start(kind):
            recorders[kind].start()
            for code in codes:
                recorders[kind].offer(code)

        def harvest(kind, rearm=False):
            # In an order that does not depend on which code was executed first.
            result = {id(code): (lines, jumps, paths) for code, lines, jumps, paths in recorders[kind].harvest(rearm)}
            self.assertLessEqual(set(result), known)
            harvests[kind].append(result)

        for action, kind in schedule:
            if action == 'run':
                result_of(function)
            elif kind not in kinds:
                continue
            elif action == 'start':
                start(kind)
            elif action == 'stop':
                recorders[kind].stop()
            else:
                harvest(kind, action == 'rearm')
        for kind in kinds:
            recorders[kind].stop()
            harvest(kind)
        for code in codes:
            self.assertEqual(probed(code), [], code)
        return harvests

    def test_each_records_the_same_as_alone(self):
        generator = random.Random(1400)
        events = 0
        for function in CORPUS:
            if not LONG and (function.__name__.startswith('use_') or generator.random() < .3):
                continue
            codes = codes_of(function)
            kinds = generator.sample(list(self.KINDS), generator.choice([2, 2, 3, 5]))
            schedule = [('start', kind) for kind in kinds if generator.random() < .8]
            for _ in range(12):
                schedule.append((generator.choice(['run', 'run', 'run', 'start', 'stop', 'harvest', 'rearm']),
                                 generator.choice(kinds)))
            together = self.recorded(function, codes, kinds, schedule)
            for kind in kinds:
                alone = self.recorded(function, codes, [kind], schedule)
                self.assertEqual(together[kind], alone[kind], (function, kind, schedule))
                events += sum(len(result) for result in alone[kind])
        self.assertGreater(events, 100)

    def test_within_a_generator(self):
        # One starts, forgets and stops while an evaluation of the other one is suspended.
        gen, plan = suspendable()
        first, second = self.started(select_only(gen, plan)), self.recorder(select_only(gen, plan), counts=True)
        g = gen()
        next(g)
        g.send(1)
        second.start()
        second.offer(gen.__code__)
        g.send(0)                       # its evaluation began before the second recorder
        self.assertEqual((self.paths(first), self.paths(second)), ([(3, 1, True, 1)], []))
        g.send(1)
        second.harvest(rearm=True)
        g.send(1)
        self.assertEqual((self.paths(first), self.paths(second)), ([(3, 3, True, 1)], []))
        g.send(1)
        second.stop()
        self.assertEqual(self.paths(second), [(1, 1, False, 1)])
        for value in 0, 0, 1, 1:
            g.send(value)
        self.assertEqual(self.paths(first), [(1, 0, True, 1)])
        self.assertEqual(probed(gen.__code__), [])

    def test_probes_are_removed_when_nobody_needs_them(self):
        f = fresh(choose)
        code = f.__code__
        first, last = places(code)[0].offset, places(code)[-1].offset
        jumps = [i.offset for i in conditions(code)]
        lines = self.started(select_only(f, ((first, last), (), ())))
        counter = self.started(select_only(f, codeprobes.conditional_jumps(code)), counts=True)
        f(1, 1)
        self.assertEqual(probed(code), [*jumps, last])
        f(0, 0)
        self.assertEqual(probed(code), jumps)
        self.assertEqual([*map(set, lines.harvest()[0][1:3])], [{first, last}, set()])
        lines.harvest(rearm=True)
        self.assertEqual(probed(code), sorted([first, *jumps, last]))
        counter.stop()
        f(0, 0)
        self.assertEqual(probed(code), jumps[1:])       # they are removed when they are reached
        f(1, 1)
        self.assertEqual(probed(code), [])
        self.assertEqual(lines.harvest(), [(code, (first, last), (), ())])
        counter.start()
        self.assertEqual(probed(code), sorted([first, *jumps, last]))
        lines.stop()
        counter.stop()
        self.assertEqual(probed(code), [])

    def test_new_code_is_offered_to_each(self):
        def offers(log):
            return [code.co_name for code in log if code in (f.__code__, g.__code__, h.__code__)]

        f, g, h = (fresh(types.FunctionType(choose.__code__.replace(co_name=name), {})) for name in 'fgh')
        logs = [], [], []
        recorders = [self.recorder(log.append) for log in logs]
        recorders[0].start()
        f(1, 1)
        recorders[1].start()
        f(1, 1), g(1, 1), f(1, 1)
        self.assertEqual([*map(offers, logs)], [['f', 'g'], ['f', 'g'], []])
        recorders[2].start()
        recorders[0].stop()
        g(1, 1), f(1, 1), g(1, 1)
        self.assertEqual([*map(offers, logs)], [['f', 'g'], ['f', 'g'], ['g', 'f']])
        recorders[2].stop()
        f(1, 1), g(1, 1), h(1, 1)
        self.assertEqual([*map(offers, logs)], [['f', 'g'], ['f', 'g', 'h'], ['g', 'f']])
        recorders[0].start()
        h(1, 1), h(1, 1)
        self.assertEqual([*map(offers, logs)], [['f', 'g', 'h'], ['f', 'g', 'h'], ['g', 'f']])

    def test_code_with_probes_is_offered(self):
        f = fresh(choose)
        first = self.started(select_only(f))
        f(1, 1)
        second = self.started(select_only(f))
        f(0, 0)
        self.assertEqual((self.paths(first), self.paths(second)),
                         ([(3, 3, True, 1), (1, 0, True, 1)], [(1, 0, True, 1)]))

    def test_select_raises(self):
        f = fresh(choose)
        calls = []

        def select(number, code):
            if code is f.__code__:
                calls.append(number)
                if wrong == number:
                    raise ValueError(number)
                return decision(code) if number else None

        recorders = [self.started(lambda code, number=number: select(number, code)) for number in range(3)]
        for wrong in range(3):
            with self.assertRaises(ValueError):
                f(1, 1)
        wrong = None
        self.assertEqual(f(1, 1), 1)
        self.assertEqual(f(1, 1), 1)
        # Those that have answered are not asked again.
        self.assertEqual(calls, [0, 0, 1, 1, 2, 2])
        self.assertEqual([*map(self.paths, recorders)], [[], [(3, 3, True, 1)], [(3, 3, True, 1)]])

    def test_select_uses_other_recorders(self):
        def starts():
            other.start()

        def offers():
            other.start()
            other.offer(f.__code__)

        def restarts():
            other.stop()
            other.start()

        def restarts_itself():
            recorder.stop()
            recorder.start()

        for action in starts, offers, restarts, restarts_itself, lambda: other.stop(), lambda: other.harvest(rearm=True):
            for running in False, True:
                for late in False, True:
                    f = fresh(choose)
                    plan = decision(f.__code__)

                    def select(code):
                        if code is f.__code__:
                            action()
                            return plan

                    recorder, other = self.recorder(select), self.recorder(select_only(f))
                    for each in (recorder, other) if late else (other, recorder):
                        if each is recorder or running:
                            each.start()
                    self.assertEqual([f(1, 1), f(1, 1)], [1, 1])
                    self.assertEqual(self.paths(recorder), [(3, 3, True, 1)])
                    found = self.paths(other)
                    if action in (offers, restarts):
                        self.assertEqual(found, [(3, 3, True, 1)])
                    self.assertLessEqual(set(found), {(3, 3, True, 1)})
                    recorder.stop()
                    other.stop()
                    self.assertEqual(probed(f.__code__), [])

    def test_deleted(self):
        for count in False, True:
            f = fresh(choose)
            recorders = [self.started(select_only(f), counts=count) for _ in range(3)]
            f(1, 1)
            self._cleanups.clear()
            for number in 1, 1, 0:
                del recorders[number]
                gc.collect()
                f(0, 0)
                for left in range(len(recorders)):
                    self.assertEqual(self.paths(recorders[left], rearm=True)[-1], (1, 0, True, 1))
                self.assertEqual(bool(probed(f.__code__)), bool(recorders))

    def test_condition_that_uses_the_recorders(self):
        class Does:
            def __init__(self, action):
                self.action = action

            def __bool__(self):
                self.action()
                return True

        f = fresh(choose)
        first, second = self.started(select_only(f)), self.started(select_only(f), counts=True)
        actions = [second.stop, second.start, second.harvest, lambda: second.harvest(rearm=True),
                   lambda: (second.start(), second.offer(f.__code__))]
        for one, two in itertools.product(actions, repeat=2):
            first.harvest(rearm=True)
            self.assertEqual(f(Does(one), Does(two)), 1)
            self.assertEqual(self.paths(first), [(3, 3, True, 1)])

    @threading_helper.requires_working_threading()
    def test_threads(self):
        f = fresh(choose)
        interval = sys.getswitchinterval()
        self.addCleanup(sys.setswitchinterval, interval)
        support.setswitchinterval(1e-6)
        counter = self.started(select_only(f), counts=True)
        counter.offer(f.__code__)
        recorders = [self.recorder(select_only(f)) for _ in range(3)]

        def work():
            for n in range(2000):
                f(n % 2, n % 3)

        threads = [threading.Thread(target=work) for _ in range(3)]
        with threading_helper.start_threads(threads):
            while any(thread.is_alive() for thread in threads):
                for recorder in recorders:
                    recorder.start()
                    recorder.offer(f.__code__)
                    recorder.harvest(rearm=True)
                for recorder in recorders:
                    recorder.stop()
        self.assertEqual({path[:3]: path[3] for path in self.paths(counter)},
                         {(1, 0, True): 3000, (3, 1, True): 999, (3, 3, True): 2001})

    def test_no_memory(self):
        script = textwrap.dedent("""
            import codeprobes, sys
            from _testcapi import remove_mem_hooks, set_nomemory
            from test.test_codeprobes import choose, decision, fresh, probed

            plan = decision(choose.__code__)
            def select(code):
                return plan if code.co_name == 'choose' else None

            failed = {}
            for name in 'start', 'restart', 'offer', 'call', 'stop', 'rearm':
                for n in range(30):
                    f = fresh(choose)
                    first, second = codeprobes.Recorder(select), codeprobes.Recorder(select, counts=True)
                    first.start()
                    first.offer(f.__code__)
                    if name != 'start':
                        second.start()
                    if name in ('restart', 'stop', 'rearm'):
                        second.offer(f.__code__)
                        f(1, 1)
                    if name == 'restart':
                        second.stop()
                    operation = {'start': second.start, 'restart': second.start, 'stop': second.stop,
                                 'offer': lambda: second.offer(f.__code__), 'call': lambda: f(1, 1),
                                 'rearm': lambda: second.harvest(rearm=True)}[name]
                    try:
                        set_nomemory(n, n + 1)
                        operation()
                    except MemoryError:
                        failed[name] = failed.get(name, 0) + 1
                    finally:
                        remove_mem_hooks()
                    try:
                        first.harvest(rearm=True)
                    except MemoryError:
                        first.harvest(rearm=True)
                    assert f(1, 0) == 0
                    (code, lines, jumps, paths), = first.harvest()
                    assert (code, paths) == (f.__code__, ((0, 3, 1, True, 1),)), (name, n, paths)
                    second.stop()
                    f(1, 1)
                    (code, lines, jumps, paths), = first.harvest()
                    assert paths == ((0, 3, 3, True, 1),), (name, n, paths)
                    first.stop()
                    assert not probed(f.__code__)
            assert 'stop' not in failed, failed
            for name in 'start', 'restart', 'offer', 'rearm':
                assert failed[name] > 0, failed
        """)
        script_helper.assert_python_ok('-c', script)


# --- Afterwards, code is unchanged and as fast as before ----------------------------

class LearnedTest(BaseTestCase):

    def work(self):
        def f(n):
            total = 0
            for i in range(n):
                if i & 1 and i > 3:
                    total += i
                else:
                    total -= 1
            return total
        return fresh(f)

    def forms(self, f):
        return [i.opname for i in dis.get_instructions(f, adaptive=True)]

    def test_specialized_and_free_of_probes(self):
        for rearm in False, True:
            f, plain = self.work(), self.work()
            for _ in range(50):
                plain(20)
            recorder = self.started(everywhere)
            if rearm:
                for _ in range(50):
                    f(20)
                recorder.offer(f.__code__)
                recorder.harvest(rearm=True)
                self.assertNotEqual(probed(f.__code__), [])
            for _ in range(50):
                f(20)
            self.assertEqual(probed(f.__code__), [])
            # Instructions that had a probe when the others were quickened are not combined into superinstructions.
            adaptive = [name for name in self.forms(plain) if '__' not in name and '_JUMP' not in name]
            found = self.forms(f)
            self.assertIn('BINARY_OP_ADD_INT', found)
            self.assertIn('COMPARE_OP_INT_JUMP', found)
            self.assertIn('JUMP_BACKWARD_QUICK', found)
            self.assertFalse(set(adaptive) - set(found))
            recorder.stop()

    def test_quickened_count(self):
        if not hasattr(sys, '_getquickenedcount'):
            self.skipTest('needs sys._getquickenedcount()')
        f = self.work()
        f(1000)
        offset = (ctypes.c_int * 1)(places(f.__code__)[0].offset)

        def steps():
            yield sys._getquickenedcount()
            set_probes(f.__code__, FUNC, 1, offset, 1)
            yield sys._getquickenedcount()
            f(1000)
            yield sys._getquickenedcount()
            set_probes(f.__code__, None, None, None, 0)
            yield sys._getquickenedcount()

        for _ in range(20):             # until all the code executed here is quickened, too
            counts = [*steps()]
        n = counts[0]
        self.assertEqual(counts, [n, n - 1, n, n])

    @support.requires_resource('cpu')
    def test_speed_returns(self):
        import time

        def best(f):
            times = []
            for _ in range(15):
                start = time.process_time()
                f(50_000)
                times.append(time.process_time() - start)
            return min(times)

        plain, f = self.work(), self.work()
        recorder = self.started(everywhere)
        f(100)
        after = best(f)
        self.assertEqual(probed(f.__code__), [])
        recorder.stop()
        self.assertLess(after, best(plain) * 1.5)


# --- Hostile code -------------------------------------------

class HostileTest(BaseTestCase):

    def test_select_raises(self):
        for error in ValueError, KeyboardInterrupt, SystemExit:
            f = fresh(choose)
            wrong = True

            def select(code):
                if code is f.__code__ and wrong:
                    raise error
                return decision(code) if code is f.__code__ else None

            recorder = self.started(select)
            for _ in range(2):
                self.assertRaises(error, f, 1, 1)
            wrong = False
            self.assertEqual(f(1, 1), 1)
            self.assertEqual(self.paths(recorder), [(3, 3, True, 1)])
            recorder.stop()

    def test_select_raises_at_a_generator(self):
        def gen():
            try:
                yield 1
            finally:
                log.append('closed')

        def select(code):
            if code is gen.__code__:
                raise ValueError('no')

        gen, log = fresh(gen), []
        g = gen()
        next(g)
        self.started(select)
        with self.assertRaisesRegex(ValueError, 'no'):
            next(g)
        self.assertEqual(log, ['closed'])
        self.assertRaises(ValueError, next, gen())
        self.assertRaises(StopIteration, next, g)

    def test_select_uses_the_recorder(self):
        def nested():
            f(1, 1)
            return plan

        def stops():
            recorder.stop()
            return plan

        def restarts():
            recorder.stop()
            recorder.start()
            return plan

        def another():
            recorder.stop()
            other.start()
            return plan

        def offers():
            if not offered:
                offered.append(1)
                recorder.offer(f.__code__)
            return plan

        for action, recorded in (nested, True), (stops, False), (restarts, True), (another, False), (offers, True):
            with self.subTest(action.__name__):
                f = fresh(choose)
                plan, offered = decision(f.__code__), []
                recorder = self.recorder(lambda code: action() if code is f.__code__ else None)
                other = self.recorder()
                recorder.start()
                self.assertEqual(f(1, 1), 1)
                self.assertEqual(bool(recorder.harvest()), recorded)
                recorder.stop()
                other.stop()
                self.assertEqual(probed(f.__code__), [])

    def test_plan_that_runs_code(self):
        # The numbers and truth values of a plan are objects whose methods run code.
        class Index:
            def __init__(self, value, action):
                self.value, self.action = value, action

            def __index__(self):
                self.action()
                return self.value

            __bool__ = __index__.__get__(None, object)

        class Says(Index):
            def __bool__(self):
                self.action()
                return True

        for action in 'stop', 'offer':
            for kind in 'lines', 'jumps':
                f = fresh(choose)
                jump = conditions(f.__code__)[0].offset
                calls = []

                def act():
                    if not calls:
                        calls.append(action)
                        recorder.stop() if action == 'stop' else recorder.offer(f.__code__)

                plan = (((Index(jump, act),), (), ()) if kind == 'lines' else
                        ((), ((jump, -1, 0, Says(1, act), None),), ()))
                recorder = codeprobes.Recorder(select_only(f, plan), counts=True)
                recorder.start()
                self.assertEqual(f(1, 1), 1)
                self.assertEqual(calls, [action])
                self.assertEqual(bool(probed(f.__code__)), (action, kind) == ('offer', 'jumps'))
                harvest = recorder.harvest()
                self.assertEqual(len(harvest), action == 'offer')
                recorder.stop()
                del recorder, harvest
                gc.collect()
                self.assertEqual((f(1, 1), f(0, 1)), (1, 0))

    def test_another_instance_of_the_module(self):
        other = import_helper.import_fresh_module('codeprobes')
        self.assertIsNot(other, codeprobes)
        f = fresh(choose)
        recorders = self.started(select_only(f)), other.Recorder(select_only(f))
        recorders[1].start()
        self.addCleanup(recorders[1].stop)
        f(1, 1)
        for recorder in recorders:
            self.assertEqual(self.paths(recorder), [(3, 3, True, 1)])

    def test_select_in_a_traced_thread(self):
        # select() is not traced, and must not affect the events of other code.
        f = fresh(choose)
        expected = [stream(lambda: f(1, 1)) for stream in STREAMS]
        for stream, wanted in zip(STREAMS, expected):
            f = fresh(choose)
            recorder = self.started(lambda code: decision(code) if code is f.__code__ else None)
            self.assertEqual(stream(lambda: f(1, 1)), wanted)
            self.assertEqual(self.paths(recorder), [(3, 3, True, 1)])
            recorder.stop()
        self.assertEqual(sys.gettracestate(), DEFAULT)

    def test_select_that_traces(self):
        events = []

        def trace(frame, event, arg):
            events.append((frame.f_code.co_name, event))
            return trace

        f = fresh(choose)

        def select(code):
            if code is f.__code__:
                sys.settrace(trace)

        self.started(select)
        f(1, 1)
        f(1, 1)
        sys.settrace(None)
        self.assertIn(('choose', 'line'), events)

    @threading_helper.requires_working_threading()
    def test_select_in_two_threads(self):
        f = fresh(choose)
        barrier = threading.Barrier(2)
        plan = decision(f.__code__)

        def select(code):
            if code is f.__code__:
                barrier.wait(support.LONG_TIMEOUT)
                return plan

        recorder = self.started(select, counts=True)
        threads = [threading.Thread(target=f, args=(1, n)) for n in range(2)]
        with threading_helper.start_threads(threads):
            pass
        self.assertEqual(len(recorder.harvest()), 1)

    @threading_helper.requires_working_threading()
    def test_threads_set_and_remove_probes(self):
        f = fresh(choose)
        interval = sys.getswitchinterval()
        self.addCleanup(sys.setswitchinterval, interval)
        support.setswitchinterval(1e-6)
        recorder = self.started(select_only(f))
        wrong = []

        def work():
            for n in range(2000):
                if f(n % 2, n % 3) != int(bool(n % 2 and n % 3)):
                    wrong.append(n)

        threads = [threading.Thread(target=work) for _ in range(4)]
        with threading_helper.start_threads(threads):
            while any(thread.is_alive() for thread in threads):
                recorder.harvest(rearm=True)
                recorder.stop()
                recorder.start()
        self.assertEqual(wrong, [])

    def test_code_freed_while_probed(self):
        for _ in range(20):
            f = fresh(choose)
            set_everywhere(f.__code__, 1)
            f(1, 1)
            del f

    def test_code_freed_in_a_condition(self):
        def f(a):
            if a:
                return 1

        class Replaces:
            def __bool__(self):
                f.__code__ = (lambda a: 2).__code__
                gc.collect()
                return True

        f = fresh(f)
        set_everywhere(f.__code__, 1)
        self.assertEqual((f(Replaces()), f(0)), (1, 2))

    def test_huge_code(self):
        source = 'def f(x):\n' + ' x = x or x + 1\n' * 20_000 + ' return x\n'
        namespace = {}
        exec(source, namespace)
        f = namespace['f']
        co_code = f.__code__.co_code
        self.assertGreater(len(co_code), 200_000)
        jump = opcode.opmap['JUMP_IF_TRUE_OR_POP']
        offsets = [i for i in range(0, len(co_code), 2) if co_code[i] == jump]
        self.assertEqual(len(offsets), 20_000)
        recorder = self.started(select_only(f, ((), tuple((i, -1, 0, None, None) for i in offsets), ())), counts=True)
        self.assertEqual(f(0), 1)
        self.assertEqual([jump for _, _, jumps, _ in recorder.harvest() for jump in jumps],
                         [(i, i != offsets[0], 1) for i in offsets])

    @support.requires_fork()
    def test_fork(self):
        f = fresh(choose)
        recorder = self.started(select_only(f))
        f(1, 1)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                f(0, 0)
                status = len(self.paths(recorder)) != 2
            finally:
                os._exit(status)
        support.wait_process(child, exitcode=0)
        self.assertEqual(self.paths(recorder), [(3, 3, True, 1)])

    def test_subinterpreter(self):
        # Interpreters share static code objects.  In a new process, this one is not yet specialized.
        script = textwrap.dedent("""
            import codeprobes, importlib.machinery
            from test.support import run_in_subinterp
            offered = []
            recorder = codeprobes.Recorder(offered.append)
            recorder.start()
            repr(importlib.machinery.ModuleSpec('a', None))
            def f(): pass
            f()
            assert f.__code__ in offered
            assert any(code.co_qualname == 'ModuleSpec.__repr__' for code in offered), offered
        """)
        again = f'{script}\nfor _ in range(2):\n    assert run_in_subinterp({script!r}) == 0\nf = lambda: 1\nf()\n'
        script_helper.assert_python_ok('-c', again + 'assert f.__code__ in offered')

    def test_code_shared_with_a_subinterpreter(self):
        # What another interpreter executes is not recorded.  This code of a frozen module is not yet specialized.
        script = textwrap.dedent("""
            import codeprobes, _frozen_importlib_external as external
            from _testcapi import run_in_subinterp
            from test.test_codeprobes import everywhere, probed, remove, set_everywhere
            join = external._path_join
            for counts in False, True:
                recorder = codeprobes.Recorder(lambda code: everywhere(code) if code is join.__code__ else None,
                                               counts=counts)
                recorder.start()
                recorder.offer(join.__code__)
                recorder.harvest(rearm=True)
                before = probed(join.__code__)
                assert run_in_subinterp("import _frozen_importlib_external as external\\n"
                                        "for _ in range(3): external._path_join('a', 'b')") == 0
                assert recorder.harvest() == []
                assert probed(join.__code__) == before != []
                join('a', 'b')
                (code, lines, jumps, paths), = recorder.harvest()
                assert code is join.__code__ and lines and (not jumps or jumps[0][2] == 1)
                # The recorders of two interpreters share the probes.  Each records its own interpreter.
                recorder.harvest(rearm=True)
                assert run_in_subinterp("import codeprobes, _frozen_importlib_external as external\\n"
                                        "from test.test_codeprobes import everywhere\\n"
                                        "join = external._path_join\\n"
                                        "recorder = codeprobes.Recorder(lambda code: everywhere(code)\\n"
                                        "                               if code is join.__code__ else None)\\n"
                                        "recorder.start()\\n"
                                        "recorder.offer(join.__code__)\\n"
                                        "join('a', 'b')\\n"
                                        "(code, lines, jumps, paths), = recorder.harvest()\\n"
                                        "assert code is join.__code__ and lines") == 0
                assert recorder.harvest() == []
                assert probed(join.__code__) == before
                join('a', 'b')
                assert [result[0] for result in recorder.harvest()] == [join.__code__]
                recorder.stop()
                assert probed(join.__code__) == []

            # Probes of the C API call their function in each interpreter; this one removes them.
            set_everywhere(join.__code__, 0)
            before = probed(join.__code__)
            assert run_in_subinterp("import _frozen_importlib_external as external\\n"
                                    "external._path_join('a', 'b')") == 0
            assert len(probed(join.__code__)) < len(before)
            remove(join.__code__)

            from importlib.machinery import ModuleSpec
            offered = []
            recorder = codeprobes.Recorder(offered.append)
            recorder.start()
            for _ in range(2):
                repr(ModuleSpec('a', None))
                assert run_in_subinterp("import codeprobes, importlib.machinery\\n"
                                        "recorder = codeprobes.Recorder(lambda code: None)\\n"
                                        "recorder.start()\\n"
                                        "repr(importlib.machinery.ModuleSpec('a', None))") == 0
            assert offered.count(ModuleSpec.__repr__.__code__) == 2, offered
        """)
        script_helper.assert_python_ok('-c', script)

    def test_cleared_by_the_garbage_collector(self):
        # While it clears a reference cycle, a destructor finds a recorder that has lost its function.
        script = textwrap.dedent("""
            import codeprobes, gc, os, warnings
            gc.disable()
            warnings.simplefilter('always')
            used = []

            def use(*args, **kwargs):
                for found in gc.get_objects():
                    if type(found) is codeprobes.Recorder:
                        found.start()
                        exec('def new(): return 1\\nnew()', {})
                        found.offer(use.__code__)
                        used.append(found.harvest())
                        found.stop()
                        found.start()

            warnings.showwarning = use
            functions = {}
            recorder = codeprobes.Recorder(functions.get)
            cycle = []                              # it is cleared after the other one
            cycle += cycle, os.scandir('.')
            functions.update(recorder=recorder, functions=functions)
            del functions, recorder, cycle
            gc.collect()
            assert used == [[]], used
            gc.collect()
            codeprobes.Recorder(print).start()      # there is no other one
        """)
        script_helper.assert_python_ok('-c', script)

    def test_recorder_running_at_exit(self):
        script = textwrap.dedent("""
            import codeprobes, os, sys

            def helper(code):
                return None

            def select(code, main=sys.modules['__main__']):
                return helper(code)         # None by the time that 'late' goes

            class Late:
                def __del__(self, new=compile('write(1, b"new code")', '', 'exec'), write=os.write):
                    eval(new, {'write': write})

            late = Late()
            recorder = codeprobes.Recorder(select, counts=True)
            recorder.start()
        """)
        result = script_helper.assert_python_ok('-c', script)
        self.assertEqual((result.out.strip(), result.err), (b'new code', b''))

    def test_no_memory(self):
        script = textwrap.dedent("""
            import codeprobes, sys
            from _testcapi import remove_mem_hooks, set_nomemory
            from test.test_codeprobes import choose, decision, fresh, probed

            plan = decision(choose.__code__)
            def select(code):
                return plan if code.co_name == 'choose' else None

            def attempt(operation, first):
                try:
                    set_nomemory(first, first + 1)
                    operation()
                    return True
                except MemoryError:
                    return False
                finally:
                    remove_mem_hooks()

            failed = {}
            for name in 'offer', 'call', 'start', 'stop', 'harvest', 'rearm':
                for n in range(1, 60):
                    f = fresh(choose)
                    recorder = codeprobes.Recorder(select, counts=True)
                    recorder.start()
                    if name not in ('offer', 'call'):
                        recorder.offer(f.__code__)
                        f(1, 1)
                    if name == 'start':
                        recorder.stop()
                    operation = {'offer': lambda: recorder.offer(f.__code__), 'call': lambda: f(1, 1),
                                 'start': recorder.start, 'stop': recorder.stop, 'harvest': recorder.harvest,
                                 'rearm': lambda: recorder.harvest(rearm=True)}[name]
                    ok = attempt(operation, n)
                    failed[name] = failed.get(name, 0) + (not ok)
                    for args in (1, 1), (0, 1), (1, 0):
                        assert f(*args) == all(args), (name, n)
                    try:
                        recorder.harvest()
                    except MemoryError:
                        recorder.harvest()
                    recorder.stop()
                    assert not probed(f.__code__)
            assert failed['stop'] == 0, failed
            for name in 'offer', 'harvest', 'rearm', 'start':
                assert failed[name] > 0, failed
        """)
        script_helper.assert_python_ok('-c', script)

    def test_pdb(self):
        import io
        import pdb
        f = fresh(choose)
        outputs = []
        for counts in None, False, True:
            if counts is not None:
                recorder = self.started(lambda code: everywhere(code) if code is f.__code__ else None, counts=counts)
                recorder.offer(f.__code__)
            output = io.StringIO()
            debugger = pdb.Pdb(stdin=io.StringIO('stepi\nstepi\nlisti\np a\nnext\nstepi\nstep\ncontinue\n'),
                               stdout=output, nosigint=True, readrc=False)
            debugger.use_rawinput = False
            debugger.runcall(f, 1, 0)
            outputs.append(output.getvalue())
            if counts is not None:
                recorder.stop()
        self.assertIn('POP_JUMP', outputs[0])
        self.assertEqual(outputs[0], outputs[1])
        self.assertEqual(outputs[0], outputs[2])

    def test_recursion_limit(self):
        def f(n):
            if n and f(n - 1):
                return True
            return False

        f = fresh(f)
        recorder = self.started(everywhere, counts=True)
        with support.infinite_recursion(100):
            namespace = {}
            exec('def g(x):\n if x and g(x): return 1', namespace)
            self.assertRaises(RecursionError, namespace['g'], 1)
        namespace['g'](0)
        recorder.stop()


if __name__ == '__main__':
    unittest.main()
