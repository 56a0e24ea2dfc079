"""Tests of the instruction commands of pdb, and of restoring the program's trace state."""

import asyncio
import bdb
import builtins
import dis
import io
import os
import pdb
import re
import select
import subprocess
import sys
import threading
import time
import unittest
import weakref
from test import support
from test.support import import_helper, os_helper
from test.tracecorpus import CORPUS
from test.tracesupport import BaseTestCase, DEFAULT, ignore, tracing

import _bytecodeview


class Session(BaseTestCase):
    """Runs of pdb with scripted commands."""

    def setUp(self):
        super().setUp()
        self.enterContext(os_helper.EnvironmentVarGuard()).set('COLUMNS', '80')
        bdb.Breakpoint.clearBreakpoints()
        self.addCleanup(bdb.Breakpoint.clearBreakpoints)

    def new_pdb(self, *commands):
        self.output = io.StringIO()
        return pdb.Pdb(nosigint=True, readrc=False, stdout=self.output,
                       stdin=io.StringIO('\n'.join(commands) + '\n'))

    def answers(self):
        """The output before each prompt."""
        return self.output.getvalue().split('(Pdb) ')

    def debug(self, function, *commands, args=()):
        """The output of each command, starting before the first line."""
        self.result = self.new_pdb(*commands).runcall(function, *args)
        return self.answers()[1:]

    def offsets(self, answers):
        """The offsets of the next instructions, or None where none is shown."""
        found = [re.search(r'^    -> (\d+) ', answer, re.M) for answer in answers]
        return [int(match[1]) if match else None for match in found]


# The tests know these offsets.

def either(a, b):
    return a or b


def quotient(a, b):
    try:
        return a / b
    except ZeroDivisionError:
        return 0


def outer(x):
    return inner(x) + 1


def inner(x):
    return x


def generator(n):
    for i in range(n):
        yield i


NOT_KNOWN = '*** The value stack is not known: a frame does not keep it after an exception\n'


def at(function, opname, which=0):
    """Return the offset of an instruction."""
    return [i.offset for i in dis.get_instructions(function) if i.opname == opname][which]


class SteppingTest(Session):

    def test_stepi(self):
        answers = self.debug(either, *['si'] * 4, 'c', args=(0, 1))
        self.assertEqual(self.offsets(answers[:-1]), [4, 6, 8, None])
        self.assertEqual(answers[0].splitlines()[0][:2], '> ')
        self.assertEqual(answers[0].splitlines()[1:],
                         ['-> return a or b',
                          '    -> 4 JUMP_IF_TRUE_OR_POP      1 (to 8)'])
        self.assertIn('--Return--', answers[3])
        self.assertEqual(self.result, 1)

    def test_other_commands_show_no_instruction(self):
        answers = self.debug(quotient, 'n', 's', 'n', 'c', args=(1, 0))
        self.assertEqual(self.offsets(answers), [None] * 4)

    def test_every_instruction(self):
        # Stops exactly once at each instruction, including those that start a line.
        def f(x):
            y = [x,
                 x + 1]
            for z in y: pass
            return y
        path = []

        def tracer(frame, event, arg):
            if frame.f_code is f.__code__:
                if event == 'instruction':
                    path.append(frame.f_lasti)
                return tracer
        with tracing(tracer, trace_instructions=True, trace_lines=False):
            f(1)
        answers = self.debug(f, *['si'] * len(path), 'c', args=(1,))
        self.assertEqual(self.offsets(answers[:-2]), path[1:])
        self.assertIn('--Return--', answers[-2])

    def test_into_and_over_calls(self):
        call = at(outer, 'CALL')
        answers = self.debug(outer, f'tbreak *{call}', 'c', 'si', 'si', 'si', 'si', 'si', 'c', args=(1,))
        self.assertEqual(self.offsets(answers), [None, call, 0, 2, 4, None, call + 10, None])
        self.assertEqual(answers[2].splitlines()[0], '--Call--')
        self.assertEqual(answers[5].splitlines()[0], '--Return--')
        self.assertIn('outer()', answers[6])

        answers = self.debug(outer, f'tbreak *{call}', 'c', 'ni', 'ni', 'ni', 'ni', 'c', args=(1,))
        self.assertEqual(self.offsets(answers), [None, call, call + 10, call + 12, call + 16, None, None])
        self.assertIn('--Return--', answers[5])

    def test_nexti_returns_to_the_caller(self):
        call = at(outer, 'CALL')
        answers = self.debug(outer, f'b *{call}', 'c', 'si', 'ni', 'ni', 'ni', 'ni', 'c', args=(1,))
        self.assertEqual(self.offsets(answers), [None, call, 0, 2, 4, None, call + 10, None])

    def test_replaced_builtins(self):
        # No builtin is needed that pdb does not need without these commands.
        names = 'any', 'min', 'setattr', 'sorted', 'tuple', 'frozenset', 'next', 'reversed', 'zip'
        kept = {name: getattr(builtins, name) for name in names}
        self.addCleanup(vars(builtins).update, kept)

        def replacing():
            vars(builtins).update(dict.fromkeys(names))
            either(0, 1)
            vars(builtins).update(kept)

        answers = self.debug(replacing, 'n', 'n', 'si', 'ni', 'si 3', 'li', 'li .', 'stack', 'b *2', 'n', 'c')
        self.assertNotIn('Error', ''.join(answers))
        self.assertIn('LOAD_GLOBAL', answers[6])

    def test_count(self):
        answers = self.debug(outer, 'si 3', 'ni 2', 'c', args=(1,))
        self.assertEqual(self.offsets(answers), [call := at(outer, 'CALL'), call + 12, None])
        answers = self.debug(outer, 'si 7', 'c', args=(1,))
        self.assertIn('--Return--', answers[0])
        self.assertIn('inner()->1', answers[0])

    def test_count_ends_at_breakpoints(self):
        for place in f'{__file__}:{inner.__code__.co_firstlineno + 1}', 'inner':
            answers = self.debug(outer, 'b ' + place, 'ni 100', 'c', 'cl 1', args=(1,))
            self.assertEqual(self.offsets(answers[:2]), [None, 2])
            self.assertIn('inner()', answers[1])
            bdb.Breakpoint.clearBreakpoints()
        load = at(either, 'LOAD_FAST', 1)
        answers = self.debug(either, f'b *{load}', 'si 100', 'c', args=(0, 1))
        self.assertEqual(self.offsets(answers[:2]), [None, load])

    def test_count_ends_at_exceptions(self):
        answers = self.debug(quotient, 'si 100', 'si', 'c', args=(1, 0))
        self.assertEqual(answers[0].splitlines()[0], 'ZeroDivisionError: division by zero')
        self.assertEqual(self.offsets(answers[1:2]), [at(quotient, 'PUSH_EXC_INFO')])

    def test_bad_counts(self):
        for arg in '0', '-1', 'x', '1.5', '1 2':
            for command in 'si', 'stepi', 'ni', 'nexti':
                answers = self.debug(either, f'{command} {arg}', 'c', args=(0, 1))
                self.assertEqual(answers[0], f'*** Bad count: {arg!r} (must be 1 or more)\n')

    def test_blank_line_repeats(self):
        answers = self.debug(either, 'si', '', '', 'c', args=(0, 1))
        self.assertEqual(self.offsets(answers[:-1]), [4, 6, 8])

    def test_other_commands_continue_by_line(self):
        def f(x):
            x += 1
            x += 2
            for i in range(2):
                x += i
            x = inner(x)
            return x
        first = f.__code__.co_firstlineno
        for command, line in (('n', 2), ('s', 2), ('until', 2), (f'until {first + 5}', 5), ('r', 6)):
            answers = self.debug(f, 'si 2', command, 'p x', 'c', args=(1,))
            self.assertIn(f'({first + line})f()', answers[1])
            self.assertEqual(self.offsets(answers[1:]), [None] * 3)
        self.assertIn('--Return--', answers[1])
        self.assertEqual(answers[2], '5\n')

    def test_exception_in_called_function(self):
        def f():
            try:
                quotient(1, 'x')
            except TypeError:
                return 1
        call = at(f, 'CALL')
        answers = self.debug(f, f'tbreak *{call}', 'c', 'ni', 'ni', 'ni', 'c')
        self.assertIn('TypeError: unsupported operand', answers[2])
        self.assertEqual(self.offsets(answers[3:5]),
                         [at(f, 'PUSH_EXC_INFO'), at(f, 'PUSH_EXC_INFO') + 2])

    def test_instruction_without_line(self):
        def f(x):
            try:
                x.missing
            finally:
                x = 2
        handler = at(f, 'PUSH_EXC_INFO')
        self.assertIsNone({i.offset: i.positions.lineno for i in dis.get_instructions(f)}[handler])
        with self.assertRaises(AttributeError):
            self.debug(f, f'b *{handler}', 'c', 'l', 'until', 'c', args=(1,))
        answers = self.answers()[1:]
        first = f.__code__.co_firstlineno
        self.assertIn(f'({first + 4})f()', answers[1])
        self.assertEqual(self.offsets(answers[1:2]), [handler])
        self.assertRegex(answers[2], rf'{first + 4} B?\s*->\t                x = 2')
        for command in f'until {first + 5}', 'n', 's', 'r', 'li', 'll', 'w', 'ni':
            with self.assertRaises(AttributeError):
                self.debug(f, 'c', command, 'cl 1', 'c', args=(1,))
            self.assertNotIn('***', self.output.getvalue())

    def test_generator(self):
        def f():
            return list(generator(2))
        resume = at(generator, 'RESUME', 1)
        yields = at(generator, 'YIELD_VALUE')
        answers = self.debug(f, f'b {generator.__code__.co_firstlineno + 2}', 'c', 'cl 1',
                             'si', 'stack', 'si', 'si', 'si', 'c')
        self.assertEqual(self.offsets(answers), [None, None, None, yields, None, None, resume, resume + 2, None])
        self.assertRegex(answers[4], '(?s)range_iterator.*1 \\* 0\n')
        self.assertIn('--Return--', answers[5])
        self.assertIn('--Call--', answers[6])
        self.assertEqual(self.result, [0, 1])

    def test_nexti_in_generator(self):
        # Like next, continues to the next instruction of the generator itself.
        def f():
            return list(generator(2))
        yields = at(generator, 'YIELD_VALUE')
        answers = self.debug(f, f'b {generator.__code__.co_firstlineno + 2}', 'c', 'cl 1',
                             'ni', 'ni', 'c')
        self.assertEqual(self.offsets(answers[3:5]), [yields, yields + 4])

    def test_generator_throw(self):
        def f():
            g = generator(2)
            next(g)
            try:
                g.throw(KeyError)
            except KeyError:
                pass
        yields = at(generator, 'YIELD_VALUE')
        answers = self.debug(f, 'n', 'n', 'n', f'tbreak *{at(f, "CALL", 2)}', 'c', 'si', 'li', 'stack', 'si', 'c')
        self.assertEqual(self.offsets(answers[4:6]), [at(f, 'CALL', 2), None])
        self.assertIn('--Call--', answers[5])
        self.assertRegex(answers[6], rf'     ->\t +{yields} YIELD_VALUE')
        self.assertNotIn('*', answers[7])
        self.assertIn('KeyError', answers[8])

    def test_coroutine(self):
        class Awaitable:
            def __await__(self):
                yield 1
                return 2

        async def coroutine():
            return await Awaitable()

        def f():
            c = coroutine()
            c.send(None)
            try:
                c.send(None)
            except StopIteration as e:
                return e.value
        answers = self.debug(f, f'b {coroutine.__code__.co_firstlineno + 1}', 'c', *['si'] * 25, 'c')
        self.assertEqual(self.result, 2)
        self.assertNotIn('***', self.output.getvalue())
        for name in '__await__', 'GET_AWAITABLE', 'SEND', 'YIELD_VALUE':
            self.assertIn(name, self.output.getvalue())

    def test_until_offset(self):
        call = at(outer, 'CALL')
        answers = self.debug(outer, f'unt *{call}', f'until *{call - 1}', f'until *{call + 1}', 'c', args=(1,))
        self.assertEqual(self.offsets(answers), [call, None, call + 10, None])
        self.assertEqual(answers[1], f'*** The offset must be greater than {call}, where the function is now\n')
        # Also when the function returns.
        answers = self.debug(outer, 'until *1000', 'c', args=(1,))
        self.assertIn('--Return--', answers[0])

        # In a loop, only beyond the offset.
        def f():
            for x in range(3):
                y = x
            return y
        stop = [i.offset for i in dis.get_instructions(f) if i.opname == 'LOAD_FAST'][-1]
        answers = self.debug(f, f'until *{stop}', 'p x', 'c')
        self.assertEqual(self.offsets(answers), [stop, None, None])
        self.assertEqual(answers[1], '2\n')
        # In a caller, and at a breakpoint before it.
        answers = self.debug(outer, 's', 's', 's', 'u', f'until *{call + 10}', 'c', args=(1,))
        self.assertEqual(self.offsets(answers)[4:], [call + 10, None])
        answers = self.debug(outer, 'b inner', f'until *{call + 10}', 'n', 'c', args=(1,))
        self.assertIn('inner()', answers[1])
        answers = self.debug(outer, 'until *x', 'until *', 'c', 'cl 1', 'c', args=(1,))
        self.assertEqual(answers[:2], ['*** Bad offset: x\n', '*** Bad offset: \n'])

    def test_jump(self):
        def f(x):
            x.append(1)
            x.append(2)
            x.append(3)
        first = f.__code__.co_firstlineno
        third = [i for i in dis.get_instructions(f) if i.starts_line == first + 3][0].offset
        # Does not stop twice at the target of the jump.
        for before in 'si', 'si 3', 'ni 2':
            answers = self.debug(f, before, f'j {first + 3}', 'si', 'p x', 'c', args=([],))
            self.assertEqual(self.offsets(answers[1:3]), [third, third + 2])
            self.assertEqual(answers[3], '[]\n')
        # A breakpoint at the target is not counted either.
        answers = self.debug(f, f'b *{third}', 'si 2', f'j {first + 3}', 'c', args=([],))
        self.assertEqual(answers[3:], [''])
        self.assertEqual(bdb.Breakpoint.bpbynumber[1].hits, 0)
        # A jump before the first 'si'.
        answers = self.debug(f, f'j {first + 2}', 'si', 'cl 1', 'c', args=(x := [],))
        self.assertEqual(self.offsets(answers[:2]), [None, answers and self.offsets(answers)[1]])
        self.assertEqual(x, [2, 3])
        # Jumps back to where it was, and stops there again later.
        answers = self.debug(f, 'si 2', f'j {first + 2}', 'si', f'j {first + 2}', 'si', 'c', args=([],))
        self.assertEqual(self.offsets(answers)[1:5:2], self.offsets(answers)[3:5:2] * 2)

    def test_jump_to_offset(self):
        second = at(either, 'LOAD_FAST', 1)
        for before in [], ['si'], [f'tbreak *{second - 2}', 'c']:
            answers = self.debug(either, *before, f'j *{second}', 'si', 'p b', 'c', args=('a', 'b'))
            # Stops after the instruction jumped to, not at it again.
            self.assertEqual(self.offsets(answers[-4:]), [second, second + 2, None, None])
            self.assertEqual(self.result, 'b')
        # It continues by line, and stops at a breakpoint after the jump.
        answers = self.debug(either, f'jump *{second}', 'n', 'c', args=('a', 'b'))
        self.assertIn('--Return--', answers[1])
        self.assertEqual(self.result, 'b')
        answers = self.debug(either, f'tbreak *{second + 2}', f'jump *{second}', 'c', 'stack', 'c', args=('a', 'b'))
        self.assertEqual(answers[3], "   0 * 'b'\n")

    def test_jump_to_offset_errors(self):
        call = at(outer, 'CALL')
        answers = self.debug(outer, 'j *3', f'j *{call}', 'j *x', 'b inner', 'c', 'u', 'j *2', 'cl 1', 'c', args=(1,))
        self.assertEqual(answers[0], '*** Jump failed: there is no instruction to jump to at this offset\n')
        self.assertRegex(answers[1], r'^\*\*\* Jump failed: incompatible stacks\n$')
        self.assertEqual(answers[2], '*** Bad offset: x\n')
        self.assertEqual(answers[6], '*** You can only jump within the bottom frame\n')
        self.assertEqual(self.result, 2)

    def test_display(self):
        def f(x):
            x = x + 1; x = x + 1
            return x
        answers = self.debug(f, 'display x', *['si'] * 8, 'c', args=(1,))
        stores = [i for i, answer in enumerate(answers) if 'display x' in answer]
        self.assertEqual(len(stores), 3)
        self.assertIn('display x: 2  [old: 1]', answers[stores[1]])
        self.assertIn('display x: 3  [old: 2]', answers[stores[2]])

    def test_recursive_debugger(self):
        answers = self.debug(either, 'si', 'debug either(0, 3)', 's', 's', 'si', 'si', 'c', 'si', 'c', args=(0, 1))
        self.assertIn('LEAVING RECURSIVE DEBUGGER', self.output.getvalue())
        self.assertEqual(self.offsets(self.answers())[-2:-1] or None, [6])
        self.assertEqual(self.result, 1)

    def test_threads(self):
        # The debugger was started in another thread, which must wait in C meanwhile: it would stop in both.
        begin, end = threading.Lock(), threading.Lock()
        begin.acquire()
        end.acquire()

        def in_thread():
            threading.settrace(sys.gettrace())
            thread = threading.Thread(target=lambda: (begin.acquire(), outer(1), end.release()))
            thread.start()
            begin.release()
            end.acquire()
            thread.join()
        self.addCleanup(threading.settrace, None)
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(1000)
        answers = self.debug(in_thread, 'b outer', 'c', 'si', 'b *16', 'c', 'stack', 'cl 2', 'cl 1', 'c')
        self.assertEqual(self.offsets(answers[2:5]), [14, None, 16])
        self.assertRegex(answers[5], r"  0 \* <NULL>\n   1 \* <function inner|   0 +<NULL>\n   1 +<function inner")

    def test_prompt_without_flags(self):
        # Commands may save and restore the trace function.
        tool = ['!saved = sys.gettrace()', '!sys.settrace(None)', '!sys.settrace(saved)', 'p sys.gettrace()']
        for start in ['si'], ['b *16', 'c'], ['b inner', 'commands', *tool, 'end', 'c']:
            bdb.Breakpoint.clearBreakpoints()
            self.debug(outer, *start, *tool, 'si', *tool, 'si', 'si', 'cl 1', 'c', args=(1,))
            self.assertNotIn('Error', self.output.getvalue())
            self.assertEqual(self.output.getvalue().count('trace_dispatch'), 2 + ('commands' in start))
        answers = self.debug(quotient, *['si'] * 3, 'debug either(0, 1)', *['s'] * 5, 'c', 'si', 'si', 'c', args=(1, 0))
        offsets = [offset for offset in self.offsets(answers) if offset is not None]
        self.assertEqual(offsets, [4, 6, 8, at(quotient, 'PUSH_EXC_INFO')])

    def test_post_mortem_without_flags(self):
        try:
            quotient(1, None)
        except TypeError as e:
            tb = e.__traceback__

        def tracer(frame, event, arg):
            return tracer
        for command in 'p 1', '!sys.settrace(sys.gettrace())', '!sys.settrace(self.trace_dispatch)':
            with tracing(tracer, trace_branches=True):
                before = sys.gettracestate()
                p = self.new_pdb('p sys.gettrace()', command, 'q')
                p.reset()
                p.interaction(None, tb)
                self.assertEqual(sys.gettracestate(), before)
            self.assertEqual(self.answers()[1], 'None\n')
        # The user sets a trace function.
        with tracing(tracer, trace_branches=True):
            p = self.new_pdb('!sys.settrace(ignore)', 'q')
            p.reset()
            p.interaction(None, tb)
            state = sys.gettracestate()
        self.assertEqual(state, DEFAULT | {'tracefunc': ignore})

    def test_post_mortem(self):
        try:
            outer(None)
        except TypeError as e:
            tb = e.__traceback__.tb_next
        p = self.new_pdb('li', 'stack', 'si', 'ni 2', 'until *90', 'u', 'stack', 'q')
        p.reset()
        p.interaction(None, tb)
        answers = self.answers()[1:]
        self.assertRegex(answers[0], rf'(?m)^     ->\t +{at(outer, "BINARY_OP")} BINARY_OP')
        self.assertEqual(answers[1], NOT_KNOWN)
        for answer in answers[2:5]:
            self.assertEqual(answer, '*** There is no next instruction: the program is not running\n')

    def test_help(self):
        for command in 'stepi', 'si', 'nexti', 'ni', 'listi', 'li', 'stack', 'break', 'tbreak':
            answers = self.debug(either, 'help ' + command, 'c', args=(0, 1))
            self.assertIn('offset' if 'break' in command else 'instruction', answers[0])
        answers = self.debug(either, 'help', 'c', args=(0, 1))
        for command in 'stepi', 'si', 'nexti', 'ni', 'listi', 'li', 'stack':
            self.assertRegex(answers[0], rf'\b{command}\b')
            self.assertIn(f'do_{command}', dir(pdb.Pdb))
        for command in 'stepi | si', 'nexti | ni', 'listi | li', 'stack [index]':
            self.assertIn(command, pdb.__doc__)

    def test_breakpoint_commands_can_resume(self):
        answers = self.debug(outer, 'b inner', 'commands', 'si', 'c', 'p x', 'c', args=(1,))
        self.assertIn('-> 4 RETURN_VALUE', answers[-3])
        self.assertEqual(answers[-2], '1\n')


class BreakpointTest(Session):

    def test_stops_at_the_instruction(self):
        second = at(either, 'LOAD_FAST', 1)
        answers = self.debug(either, f'b *{second}', 'c', 'p a', 'c', args=(0, 1))
        line = either.__code__.co_firstlineno + 1
        self.assertEqual(answers[0], f'Breakpoint 1 at {__file__}:{line}, *{second} of either\n')
        self.assertEqual(self.offsets(answers[1:2]), [second])
        # Not reached.
        self.assertEqual(len(self.debug(either, 'c', args=(1, 0))), 1)

    def test_every_instruction(self):
        # A breakpoint works at every traced instruction, whichever event announces it.
        def f():
            def g():
                return cell
            cell = None
            for cell in generator(2):
                try:
                    raise ValueError
                except ValueError:
                    pass
            return g
        code = f.__code__
        executed = set()

        def tracer(frame, event, arg):
            if frame.f_code is code:
                if event in ('call', 'line', 'instruction'):
                    executed.add(frame.f_lasti)
                return tracer
        with tracing(tracer, trace_instructions=True):
            f()
        starts = _bytecodeview.Code(code).offsets
        entry = at(f, 'RESUME')
        self.assertEqual(code.co_code[entry + 2], dis.opmap['LOAD_CLOSURE'])
        for offset in starts:
            bdb.Breakpoint.clearBreakpoints()
            answers = self.debug(f, f'tbreak *{offset}', 'c', 'c')
            if offset < entry:
                self.assertIn('*** No instruction of f is traced at', answers[0])
            elif offset <= entry + 2:
                self.assertEqual(len(answers), 2)       # it has already been executed
            elif offset in executed:
                self.assertEqual(self.offsets(answers), [None, offset, None], offset)

    def test_at_resume(self):
        answers = self.debug(lambda: (inner(1), list(generator(1))),
                             f'b {inner.__code__.co_firstlineno + 1}', 'c', 'b *0', 'u', 'c')
        def f():
            inner(1)
            inner(2)
            return list(generator(2))
        bdb.Breakpoint.clearBreakpoints()
        answers = self.debug(f, 'b inner', 'c', 'b *0', 'cl 1', 'c', 'p x', 'c')
        self.assertEqual(self.offsets(answers), [None, None, None, None, 0, None, None])
        self.assertEqual(answers[5], '2\n')
        # Stops at the RESUME of a generator once for each resumption.
        bdb.Breakpoint.clearBreakpoints()
        resume = at(generator, 'RESUME', 1)
        answers = self.debug(f, f'b {generator.__code__.co_firstlineno + 2}', 'c', f'b *{resume}',
                             'cl 1', 'c', 'c', 'p i', 'c')
        self.assertEqual(self.offsets(answers)[4:6], [resume, resume])
        self.assertEqual(answers[6], '1\n')

    def test_not_at_throw(self):
        # The frame is at the yield, but does not execute it.
        def gen():
            try:
                yield
            except KeyError:
                yield

        def f():
            g = gen()
            next(g)
            g.throw(KeyError)
        yields = at(gen, 'YIELD_VALUE')
        answers = self.debug(f, f'b {gen.__code__.co_firstlineno + 2}', 'c', f'b *{yields}', 'cl 1', 'c', 'c')
        self.assertEqual(self.offsets(answers), [None, None, None, None, yields, None])

    def test_condition_ignore_enable(self):
        def f():
            for x in range(10):
                either(x, 0)
        load = at(either, 'LOAD_FAST', 0)
        start = 'b either', 'c', f'b *{load + 2}, a % 2', 'cl 1'
        answers = self.debug(f, *start, 'c', 'p a', 'c', 'p a', 'ignore 2 1', 'c', 'p a',
                             'disable 2', 'condition 2', 'b', 'enable 2', 'c', 'p a', 'disable 2', 'c')
        self.assertEqual(answers[5], '1\n')
        self.assertEqual(answers[7], '3\n')
        self.assertEqual(answers[10], '7\n')
        self.assertIn('now unconditional', answers[12])
        self.assertRegex(answers[13], rf'2   breakpoint   keep no    at .*:\d+, \*{load + 2} of either\n'
                                      r'.*already hit \d times')
        self.assertEqual(answers[16], '8\n')

    def test_bad_condition_stops(self):
        load = at(either, 'LOAD_FAST', 0)
        answers = self.debug(either, f'tbreak *{load + 2}, nonsense', 'c', 'b', 'c', args=(0, 1))
        self.assertEqual(self.offsets(answers[1:2]), [load + 2])
        self.assertIn('breakpoint   del', answers[2])

    def test_temporary(self):
        def f():
            for x in range(3):
                either(x, 0)
        answers = self.debug(f, 'b either', 'c', 'tbreak *4', 'cl 1', 'c', 'b', 'c')
        self.assertEqual(self.offsets(answers)[4:], [4, None, None])
        self.assertEqual(answers[4].splitlines()[0][:21], 'Deleted breakpoint 2 ')
        self.assertEqual(answers[5:], ['', ''])

    def test_clear(self):
        for place in '4', '2':
            answers = self.debug(either, f'b *{place}', f'tbreak *{place}', 'b *6', f'cl *{place}', f'clear *{place}',
                                 'cl *x', 'c', 'cl *6', 'c', args=(0, 1))
            numbers = [1, 2, 3] if place == '4' else [4, 5, 6]
            self.assertEqual(re.findall(r'Deleted breakpoint (\d) at .*, \*(\d) of either', answers[3]),
                             [(str(number), place) for number in numbers[:2]])
            self.assertEqual(answers[4], f'*** There is no breakpoint at offset {place} of either\n')
            self.assertEqual(answers[5], '*** Bad offset: x\n')
            self.assertEqual(self.offsets(answers[6:7]), [6])
        self.assertEqual(set(bdb.Breakpoint.bpbynumber), {None})

    def test_commands(self):
        def f():
            return [either(x, 0) for x in range(3)]
        answers = self.debug(f, 'b either', 'c', 'b *4', 'commands', 'p "a is", a', 'c', 'end',
                             'commands 1', 'silent', 'end', 'cl 1', 'c')
        out = self.output.getvalue()
        for a in 1, 2:
            self.assertIn(f"('a is', {a})\n", out)

    def test_with_line_and_function_breakpoints(self):
        # One breakpoint does not hide the other.
        line = either.__code__.co_firstlineno + 1

        def f():
            for x in range(4):
                either(x, 0)
        answers = self.debug(f, 'b either', 'c', 'b *2', 'disable 2', 'c', 'p a', 'disable 1',
                             'enable 2', 'c', 'p a', 'enable 1', 'c', 'p a', 'c')
        self.assertEqual(self.offsets(answers), [None] * 8 + [2] + [None] * 5)
        self.assertEqual([answers[i] for i in (5, 9, 12)], ['1\n', '2\n', '3\n'])
        self.assertEqual([bp.hits for bp in bdb.Breakpoint.bpbynumber[1:]], [3, 1])
        bdb.Breakpoint.clearBreakpoints()
        answers = self.debug(f, f'b {line}', 'c', 'b *4', 'c', 'p a', 'c', 'p a', f'cl {__file__}:{line}', 'c')
        self.assertEqual(self.offsets(answers)[3:6], [4, None, None])
        self.assertEqual([answers[4], answers[6]], ['0\n', '1\n'])
        self.assertIn('Deleted breakpoint 1', answers[7])
        self.assertIn('Deleted breakpoint 2', answers[7])

    def test_same_line_other_code(self):
        # The code object matters, not the place in the file.
        def f():
            a, b = (lambda: 1 or 2), (lambda: 1 or 2)
            b()
            return a()
        lambdas = [c for c in f.__code__.co_consts if hasattr(c, 'co_code')]
        self.assertEqual(lambdas[0].co_code, lambdas[1].co_code)
        answers = self.debug(f, 'n', 'n', 's', 's', 'b *2', 'c', 'c')
        self.assertIn('<lambda>()', answers[3])
        self.assertEqual(bdb.Breakpoint.bpbynumber[1].hits, 0)

    def test_errors(self):
        self.assertEqual(self.debug(either, 'b *3', 'b *99', 'b *-2', 'b *x', 'b *', 'b', 'c', args=(1, 2)),
                         ['*** No instruction of either is traced at offset 3; the nearest are at 2 and 4\n',
                          '*** No instruction of either is traced at offset 99; the nearest is at 8\n',
                          '*** No instruction of either is traced at offset -2; the nearest is at 0\n',
                          '*** Bad offset: x\n', '*** Bad offset: \n', '', ''])
        self.assertEqual(bdb.Breakpoint.bpbynumber, [None])

    def test_extended_arg(self):
        source = 'def f(x):\n' + ''.join(f'    x = {i + 1000}\n' for i in range(300)) + '    return x\n'
        namespace = {}
        exec(compile(source, '<extended>', 'exec'), namespace)
        f = namespace['f']
        extended = [i.offset for i in dis.get_instructions(f) if i.opname == 'EXTENDED_ARG'][3]
        answers = self.debug(f, f'b *{extended + 2}', f'b *{extended}', 'c', 'li .', 'stack', 'si', 'stack',
                             'c', args=(1,))
        self.assertIn(f'the nearest are at {extended} and {extended + 4}', answers[0])
        self.assertEqual(self.offsets(answers)[2:6], [extended, None, None, extended + 4])
        self.assertRegex(answers[3], rf'    B->\t +{extended} LOAD_CONST +\d+ \(\d+\)')

    def test_recompiled(self):
        # A breakpoint remains effective in an equal code object after its own is gone.
        source = 'a = 0\nb = a or 3\n'
        code = compile(source, '<again>', 'exec')
        load = at(code, 'JUMP_IF_TRUE_OR_POP')
        p = self.new_pdb('c', 'c')
        p.reset()
        self.assertIsNone(p.set_instruction_break(code, load))
        p.run(compile(source, '<again>', 'exec'), {})
        self.assertEqual(self.offsets(self.answers())[1:2], [load])
        p = self.new_pdb('c', 'c')
        p.run(compile(source + 'c = 1\n', '<again>', 'exec'), {})
        self.assertEqual(self.offsets(self.answers())[1:], [None])

    def test_cleared_breakpoints_of_another_debugger(self):
        first = self.new_pdb('b *2', 'c')
        first.runcall(either, 0, 1)
        self.assertEqual(len(bdb.Breakpoint.bplist), 1)
        answers = self.debug(either, 'c', 'cl 1', 'c', args=(0, 1))
        self.assertEqual(self.debug(either, 'c', args=(0, 1)), [''])


class ListingTest(Session):

    def test_listing(self):
        answers = self.debug(quotient, 'li', 'li', 'li', 'b *2', 'li .', 'c', args=(1, 1))
        first = quotient.__code__.co_firstlineno
        lines = answers[0].splitlines()
        self.assertEqual(lines[:4], [
            f'{first:>3}  \tdef quotient(a, b):'.replace('  \t', '  \t'),
            '       \t      0 RESUME                   0',
            f'{first + 1:>3}  \t    try:',
            '     ->\t      2 NOP'])
        self.assertIn('  -', lines)
        handler = at(quotient, 'PUSH_EXC_INFO')
        self.assertIn(f'       \t>> {handler:>4} PUSH_EXC_INFO', lines)
        # Each instruction appears once, before the end.
        shown = re.findall(r'(?m)^ [ B]+(?:->|  )\t(?:  |>>) +(\d+) ', ''.join(answers[:3]))
        self.assertEqual([int(n) for n in shown], _bytecodeview.Code(quotient.__code__).offsets)
        self.assertIn('[End of quotient]\n', answers[1] + answers[2])
        self.assertIn('    B->\t      2 NOP\n', answers[4])

    def test_ranges(self):
        answers = self.debug(either, 'li 2, 6', 'li 4, 2', 'li 8', 'li 5, 1', 'li 3, 99', 'c', args=(1, 1))
        found = [[int(n) for n in re.findall(r'(?m)\t(?:  |>>) +(\d+) ', answer)] for answer in answers]
        self.assertEqual(found[:5], [[2, 4, 6], [4, 6], [0, 2, 4, 6, 8], [4], [2, 4, 6, 8]])
        for answer in answers[:1]:
            self.assertEqual(answer.count('return a or b'), 1)

    def test_function(self):
        answers = self.debug(either, 'li inner', 'li self.new_pdb', 'li inner.__code__', 'li (lambda: 0)',
                             'c', args=(1, 1))
        self.assertIn('[End of inner]\n', answers[0])
        self.assertEqual(answers[0], answers[2])
        self.assertNotIn('->', answers[0])
        self.assertIn('[End of <lambda>]', answers[3])

        def f(g):
            return g
        for value, name in ((generator(1), 'generator'), (self.setUp, 'setUp')):
            self.assertIn(f'[End of {name}]', self.debug(f, 'li g', 'c', args=(value,))[0])

    def test_errors(self):
        answers = self.debug(either, 'li 1/0', 'li missing', 'li 1, x', 'li "x"', 'li len', 'li 1, 2, 3',
                             'c', args=(1, 1))
        self.assertEqual(answers[0], '*** ZeroDivisionError: division by zero\n')
        self.assertIn("NameError: name 'missing'", answers[1])
        self.assertIn("NameError: name 'x'", answers[2])
        for answer in answers[3:6]:
            self.assertRegex(answer, r'^\*\*\* .* has no instructions: it is neither')

    def test_callers(self):
        # A caller shows the instruction that it is executing.
        answers = self.debug(outer, 'b inner', 'c', 'up', 'li', 'stack', 'down', 'li', 'c', args=(1,))
        self.assertRegex(answers[3], rf'(?m)^     ->\t +{at(outer, "CALL")} CALL ')
        self.assertEqual(answers[4], 'The value stack is empty.\n')
        self.assertRegex(answers[6], r'(?m)^     ->\t +2 LOAD_FAST ')

    def test_no_source(self):
        namespace = {}
        exec(compile('def f(x):\n return x\n', '<nowhere>', 'exec'), namespace)
        answers = self.debug(namespace['f'], 'li', 'si', 'c', args=(1,))
        self.assertIn('  2\n     ->\t      2 LOAD_FAST                0 (x)\n', answers[0])

    def test_width(self):
        source = 'def f():\n    return ' + repr('x' * 200) + '\n'
        namespace = {}
        exec(source, namespace)
        for columns in '60', '100':
            os.environ['COLUMNS'] = columns
            answers = self.debug(namespace['f'], 'li', 'c')
            longest = max(answers[0].expandtabs().splitlines(), key=len)
            self.assertEqual(len(longest), int(columns))
            self.assertTrue(longest.endswith('...'))

    def test_completion(self):
        p = self.new_pdb()
        frame = sys._getframe()
        p.reset()
        p.setup(frame, None)
        self.assertIn('frame', p.complete_listi('fra', 'li fra', 3, 6))
        p.forget()
        self.assertEqual(sorted(p.completenames('st')), ['stack', 'step', 'stepi'])


class Raising:
    def __repr__(self):
        raise SystemExit('from repr')


class Lines:
    def __repr__(self):
        return 'first\nsecond'


class StackTest(Session):

    def test_marks(self):
        def f(x):
            return [x, inner(x), len([])]
        call = at(f, 'CALL')
        answers = self.debug(f, 'stack', f'b *{call}', 'c', 'stack', 'stack 0', 'stack -1', 'si', 'stack', 'c',
                             args=('arg',))
        self.assertEqual(answers[0], 'The value stack is empty.\n')
        self.assertEqual(re.sub(' at 0x[0-9a-f]+', '', answers[3]).splitlines(), [
            "   0   'arg'",
            '   1 * <NULL>',
            '   2 * <function inner>',
            "   3 * 'arg'"])
        self.assertEqual(answers[4:6], ["'arg'\n"] * 2)
        # In the called function.
        self.assertEqual(answers[7], 'The value stack is empty.\n')

    def test_reprs(self):
        def f(a, b, c):
            return [a, b, c]
        answers = self.debug(f, f'b *{at(f, "BUILD_LIST")}', 'c', 'stack', 'stack 2', 'stack 1', 'stack 3', 'stack x',
                             'c', args=(Raising(), Lines(), 'x' * 100))
        lines = answers[2].splitlines()
        self.assertRegex(lines[0], r'^   0 \* <Raising object: its repr\(\) raised SystemExit>$')
        self.assertEqual(lines[1], '   1 * first...')
        self.assertEqual(lines[2], "   2 * '" + 'x' * (80 - 8 - 3) + '...')
        self.assertEqual(answers[3], repr('x' * 100) + '\n')
        self.assertEqual(answers[4], 'first\nsecond\n')
        for answer, arg in zip(answers[5:7], '3x'):
            self.assertEqual(answer, f'*** Bad index: {arg!r} (the stack has 3 values)\n')

    def test_not_known(self):
        # The stop is at the StopIteration that ends a loop.
        class Empty:
            def __iter__(self):
                return self
            def __next__(self):
                raise StopIteration

        def f():
            for x in Empty():
                pass
        answers = self.debug(f, 'n', 'stack', 'c')
        self.assertIn('StopIteration', answers[0])
        self.assertEqual(answers[1], '*** The value stack is not known here: the frame is executing '
                                     'an instruction\n')

    def test_after_exception(self):
        # The frames that the exception has left; then one that has gone on after it.
        def f():
            return quotient(1, None)
        answers = self.debug(f, 'n', 'stack', 'd', 'stack', 'q')
        self.assertIn('TypeError', answers[0])
        self.assertEqual(answers[1], 'The value stack is empty.\n')
        self.assertEqual(answers[3], NOT_KNOWN)
        try:
            f()
        except TypeError as e:
            p = self.new_pdb('stack', 'u', 'stack', 'u', 'stack', 'q')
            p.reset()
            p.interaction(None, e.__traceback__)
        self.assertEqual(self.answers()[1::2], [NOT_KNOWN] * 3)

    def test_display(self):
        answers = self.debug(outer, 'undisplay *stack', 'display *stack', 'si', 'si', 's', 's', 'undisplay *stack', 's',
                             'c', args=(1,))
        self.assertEqual(answers[0], '*** not displaying *stack\n')
        self.assertEqual(answers[1], 'The value stack is empty.\n')
        self.assertRegex(answers[2], r'-> 14 .*\n   0   <NULL>\n   1   <function inner')
        self.assertRegex(answers[3], r"-> 16 .*\n   0 \* <NULL>\n   1 \* <function inner.*\n   2 \* 1\n")
        self.assertRegex(answers[4], r'--Call--\n> .*\n.*\nThe value stack is empty.\n')
        self.assertEqual(answers[6], '')
        self.assertNotIn('stack', answers[7])

    def test_at_exception(self):
        # The stack as left by the instruction that raised.
        answers = self.debug(quotient, 'si', 'si', 'si', 'si', 'stack', 'c', args=(1, 0))
        self.assertIn('ZeroDivisionError', answers[3])
        self.assertEqual(answers[4], '   0   <NULL>\n')

    def test_at_return(self):
        # No instruction is about to be executed.
        def gen():
            [1, (yield 2)]
        answers = self.debug(lambda: next(gen()), 's', 's', 's', 'stack', 'c')
        at_return = [i for i, a in enumerate(answers) if '--Return--' in a and 'gen()->2' in a]
        self.assertTrue(at_return)
        self.assertEqual(answers[at_return[0] + 1], '   0   1\n')


class TakenTest(BaseTestCase):

    def test_all_opcodes(self):
        self.assertEqual(set(_bytecodeview.PUSHED), set(dis.opmap))

    def test_corpus(self):
        # The values below the operands of an instruction do not change.  The
        # deepest operand is replaced, unless the instruction keeps it.
        leave = {
            'CHECK_EXC_MATCH', 'FOR_ITER', 'GET_AITER', 'GET_ANEXT', 'GET_LEN', 'IMPORT_FROM', 'KW_NAMES',
            'MATCH_KEYS', 'MATCH_MAPPING', 'MATCH_SEQUENCE', 'PRECALL', 'PUSH_EXC_INFO', 'SEND',
            'WITH_EXCEPT_START'}
        views, replaced, kept, wrong = {}, set(), set(), []

        def tracer(frame, event, arg):
            code = frame.f_code
            if code not in views:
                view = _bytecodeview.Code(code)
                handlers = {e.target for e in dis._parse_exception_table(code)}
                views[code] = dict(zip(view.offsets, view.instructions)), handlers
            table, handlers = views[code]
            stacks = {}

            def local(frame, event, arg):
                if event not in ('call', 'instruction'):
                    return local
                now, stack = frame.f_lasti, frame.f_valuestack
                if event == 'instruction' and now not in handlers:
                    instruction, before = table[arg], stacks[arg]
                    if instruction.opname == 'YIELD_VALUE' and table[now].opname != 'RESUME':
                        stacks[now] = stack
                        return local    # throw() ended the awaited iterator
                    works_on = _bytecodeview.taken(instruction)
                    below = len(before) - works_on
                    if not (0 <= below <= len(stack) and
                            all(x is y for x, y in zip(before[:below], stack))):
                        wrong.append((instruction, before, stack))
                    elif works_on:
                        same = len(stack) > below and stack[below] is before[below]
                        (kept if same else replaced).add(instruction.opname)
                stacks[now] = stack
                return local
            return local(frame, event, arg)

        with tracing(tracer, trace_lines=False, trace_instructions=True):
            for function in CORPUS:
                function()
        self.assertEqual(wrong[:3], [])
        self.assertEqual(kept - replaced - leave, set())
        self.assertGreater(len(kept | replaced), 60)


class TraceStateTest(Session):
    """The program's own tracing after the debugger stops tracing."""

    FLAGS = {'trace_branches': True, 'instruction_filter': frozenset({dis.opmap['CALL']}),
             'trace_instructions': True, 'trace_lines': True}

    def setUp(self):
        super().setUp()
        self.events = []

    def tracer(self, frame, event, arg):
        if frame.f_code.co_filename == __file__:
            self.events.append((frame.f_code.co_name, event))
            return self.local

    def local(self, frame, event, arg):
        self.events.append((frame.f_code.co_name, event))
        return self.local

    def traced(self, function):
        """Call function with the program's tracer, and return the state afterwards."""
        with tracing(self.tracer, **self.FLAGS):
            try:
                function()
            finally:
                state = sys.gettracestate()
        return state

    def expected(self):
        return DEFAULT | self.FLAGS | {'tracefunc': self.tracer}

    def test_breakpoint_and_continue(self):
        def callee():
            return 1

        def program():
            before = sys._getframe().f_trace, sys._getframe().f_back.f_trace
            debugger = self.new_pdb('n', 'si', 'si', 'c')
            debugger.set_trace()
            x = 1
            self.traces.append((before, (sys._getframe().f_trace, sys._getframe().f_back.f_trace)))
            self.events.clear()
            callee()
            return x
        self.traces = []
        self.assertEqual(self.traced(program), self.expected())
        (before, after), = self.traces
        self.assertEqual(before[0], self.local)
        self.assertEqual(before, after)
        # Both the debugged frame and the new one get their events.
        for event in (('callee', 'call'), ('callee', 'line'), ('callee', 'branch'), ('callee', 'return'),
                      ('program', 'line'), ('program', 'return'), ('program', 'instruction')):
            self.assertIn(event, self.events)

    def test_breakpoints_end_later(self):
        # 'continue' stops tracing only if there are no breakpoints.
        def program():
            debugger = self.new_pdb('b inner', 'c', 'b *4', 'cl 1', 'c', 'p x', 'cl 2', 'c')
            debugger.set_trace()
            self.states = [sys.gettracestate()['tracefunc'] == debugger.trace_dispatch]
            outer(5)
            self.states.append(sys.gettracestate() == self.expected())
            self.states.append(sys._getframe().f_trace)
        self.assertEqual(self.traced(program), self.expected())
        self.assertEqual(self.states, [True, True, self.local])
        self.assertEqual(self.answers()[6], '5\n')

    def test_run(self):
        for commands in (('c',), ('si', 'si', 'c'), ('r', 'r', 'r'), ('q',), ('si', 'q'), ('b *2', 'c', 'c')):
            for method, arguments in (('run', ('either(0, 1)', globals())),
                                      ('runeval', ('either(0, 1)', globals())),
                                      ('runcall', (either, 0, 1))):
                with self.subTest(commands=commands, method=method):
                    bdb.Breakpoint.clearBreakpoints()

                    def program():
                        getattr(self.new_pdb(*commands), method)(*arguments)
                        self.assertEqual(sys._getframe().f_trace, self.local)
                        self.assertEqual(sys.gettracestate(), self.expected())
                        self.events.clear()
                        inner(1)
                    self.assertEqual(self.traced(program), self.expected())
                    self.assertIn(('inner', 'call'), self.events)

    def test_run_that_raises(self):
        def program():
            with self.assertRaises(SystemExit):
                self.new_pdb('si 3', 'si', 'si', 'c').runcall(exits)
            self.assertEqual(sys.gettracestate(), self.expected())

        def exits():
            raise SystemExit(3)
        self.assertEqual(self.traced(program), self.expected())
        self.assertIn('SystemExit: 3', self.output.getvalue())

    def test_quit_of_breakpoint(self):
        # Any exception from a trace function clears the state, even BdbQuit, but
        # the frames have their local trace functions again.
        def program():
            try:
                debugged()
            except bdb.BdbQuit:
                self.traces = sys._getframe().f_trace, sys._getframe().f_back.f_trace

        def debugged():
            self.new_pdb('si', 'q').set_trace()
            return 1
        self.assertEqual(self.traced(program), DEFAULT)
        self.assertEqual(self.traces, (self.local, None))

    def test_post_mortem_leaves_the_state_alone(self):
        try:
            quotient(1, None)
        except TypeError as e:
            tb = e.__traceback__

        def program():
            p = self.new_pdb('li', 'q')
            p.reset()
            p.interaction(None, tb)
        self.assertEqual(self.traced(program), self.expected())

    def test_suspended_generator(self):
        # Its frame is not on any stack when the debugger stops tracing.
        def gen():
            yield 1
            yield 2

        def program():
            g = gen()
            self.new_pdb('n', 's', 's', 's', 's', 'c').set_trace()
            x = 1
            next(g)
            self.events.clear()
            list(g)

        def no_local(frame, event, arg):
            self.frames.append(frame)

        self.traced(program)
        self.assertIn('yield 1', self.output.getvalue())
        self.assertIn(('gen', 'line'), self.events)
        # Also if the program has no local trace function for it.
        self.frames = []
        with tracing(no_local):
            program()
        frame, = {frame for frame in self.frames if frame.f_code is gen.__code__}
        self.assertIsNone(frame.f_trace)

    def test_interrupting_debugger_takes_over(self):
        # breakpoint() under a debugger: it replaces the debugger, and the
        # program's state is restored at the end.
        def program():
            self.new_pdb('n', 'si', 'c').set_trace()
            inner(1)
            second()

        def second():
            return 2

        def nested():
            first = self.new_pdb('s', 's', 's', 's', 'c')
            first.set_trace()
            program()
        self.assertEqual(self.traced(nested), self.expected())

    def test_nothing_is_kept_alive(self):
        class Target:
            pass

        def program(target):
            debugger = self.new_pdb('si', 'si', 'b *2', 'c', 'c')
            debugger.set_trace()
            x = 1
            self.debuggers.append(debugger)
            return x
        self.debuggers = []
        target = Target()
        ref = weakref.ref(target)
        program(target)
        del target
        self.debuggers[0].curframe_locals = None
        support.gc_collect()
        self.assertIsNone(ref())


SCRIPT = """\
def work(n):
    total = 0
    for i in range(n):
        total += i
    return total

def spin():
    n = 0
    while True:
        work(3)
        n += 1
        if n % 100 == 0:
            os.write(1, b'spinning\\n')

import os
import sys
if sys.argv[1:] == ['exit']:
    work(1)
    sys.exit(7)
elif sys.argv[1:] == ['raise']:
    [].pop()
elif sys.argv[1:]:
    spin()
print('total', work(3))
"""


TRACED = """\
import sys

def tracer(frame, event, arg):
    if frame.f_code.co_name == 'f':
        events.append(event)
    return tracer

def f():
    breakpoint()
    x = [1, 2]
    return x

events = []
sys.settrace(tracer)
f()
print(sys.gettrace() is tracer, events)
events.clear()
f()
print(sys.gettrace() is tracer, events)
"""


class MainTest(unittest.TestCase):
    """Scripts run in a separate process."""

    def test_breakpoint_of_traced_program(self):
        result = subprocess.run(
            [sys.executable, '-c', TRACED], input='n\nsi\nstack\nc\nc\n',
            text=True, timeout=support.LONG_TIMEOUT, capture_output=True)
        answers = result.stdout.split('(Pdb) ')
        self.assertRegex(answers[2], r'    -> \d+ RETURN_VALUE\n$')
        self.assertEqual(answers[3], '   0 * [1, 2]\n')
        # The program's tracer is restored after the debugger stops tracing.
        self.assertIn("True ['call', 'line', 'return']\n", answers[4])
        self.assertEqual(answers[5], "True ['call', 'line', 'line', 'return']\n")

    def run_main(self, *commands, args=()):
        with os_helper.temp_dir() as directory:
            script = os.path.join(directory, 'script.py')
            with open(script, 'w') as file:
                file.write(SCRIPT)
            result = subprocess.run(
                [sys.executable, '-m', 'pdb', script, *args], input='\n'.join(commands) + '\n',
                capture_output=True, text=True, timeout=support.LONG_TIMEOUT,
                env={**os.environ, 'COLUMNS': '80', 'HOME': directory, 'PYTHONIOENCODING': 'utf-8'})
        self.assertEqual(result.stderr, '')
        return result.stdout.split('(Pdb) ')

    def test_restart(self):
        # Breakpoints at instructions remain when the program is restarted.
        answers = self.run_main('b work', 'c', 'b *4', 'cl 1', 'run', 'c', 'p n', 'c', 'q')
        self.assertIn('Breakpoint 2', answers[3])
        self.assertIn('Restarting', answers[5])
        self.assertRegex(answers[6], '-> 4 ')
        self.assertEqual(answers[7], '3\n')
        self.assertIn('total 3\nThe program finished', answers[8])

    def test_count_ends_with_the_program(self):
        answers = self.run_main('ni 1000000', 'p 1', 'q')
        self.assertIn('The program finished and will be restarted\n> ', answers[1])
        self.assertIn('script.py(1)<module>()', answers[1])
        self.assertEqual(answers[2], '1\n')

    def test_exit(self):
        answers = self.run_main('tbreak work', 'c', 'r', 'ni 3', 'n', 'ni 100', 'ni', 'ni', 'q', args=['exit'])
        out = ''.join(answers)
        self.assertIn('SystemExit: 7', out)

    def test_exit_status(self):
        answers = self.run_main('tbreak work', 'c', 'si', 'c', 'q', args=['exit'])
        self.assertIn('The program exited via sys.exit(). Exit status: 7', answers[4])

    def test_post_mortem(self):
        self.maxDiff = None
        with os_helper.temp_dir() as directory:
            script = os.path.join(directory, 'script.py')
            with open(script, 'w') as file:
                file.write(SCRIPT)
            result = subprocess.run(
                [sys.executable, '-m', 'pdb', script, 'raise'], text=True, timeout=support.LONG_TIMEOUT,
                input='c\nsi\nli\nstack\nq\nq\n', capture_output=True)
        answers = result.stdout.split('(Pdb) ')
        self.assertIn('Uncaught exception. Entering post mortem debugging', answers[1])
        self.assertIn('*** There is no next instruction', answers[2])
        self.assertRegex(answers[3], r'(?m)^     ->\t +\d+ CALL ')
        self.assertEqual(answers[4], NOT_KNOWN)


class TerminalTest(unittest.TestCase):
    """Run pdb in a terminal."""

    def setUp(self):
        self.pty = import_helper.import_module('pty')
        import_helper.import_module('readline')
        directory = self.enterContext(os_helper.temp_dir())
        script = os.path.join(directory, 'script.py')
        with open(script, 'w') as file:
            file.write(SCRIPT)
        self.argv = [sys.executable, '-m', 'pdb', script]
        self.env = {**os.environ, 'HOME': directory, 'TERM': 'dumb', 'INPUTRC': os.devnull}
        for name in 'COLUMNS', 'LINES', 'PYTHONSTARTUP':
            self.env.pop(name, None)
        self.text = ''

    def start(self, *args, columns=50):
        import fcntl
        import struct
        import termios
        self.master, slave = self.pty.openpty()
        self.addCleanup(os.close, self.master)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', 40, columns, 0, 0))
        self.process = subprocess.Popen(
            self.argv + list(args), stdin=slave, stdout=slave, stderr=slave, env=self.env,
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        self.addCleanup(self.process.wait)
        self.addCleanup(self.process.kill)
        return self.expect('(Pdb) ')

    def expect(self, what):
        """Read until the text appears; return all output since the last call."""
        deadline = time.monotonic() + support.LONG_TIMEOUT
        while what not in self.text:
            ready, *_ = select.select([self.master], [], [], max(deadline - time.monotonic(), 0))
            self.assertTrue(ready, f'no {what!r} after {self.text!r}')
            try:
                self.text += os.read(self.master, 1000).decode()
            except OSError:
                self.fail(f'it ended, without {what!r}: {self.text!r}')
        found, _, self.text = self.text.partition(what)
        return found.replace('\r\n', '\n')

    def type(self, keys):
        os.write(self.master, keys.encode())

    def command(self, line):
        self.type(line + '\n')
        answer = self.expect('(Pdb) ')
        echo, newline, answer = answer.partition('\n')
        self.assertIn(line, echo)
        return answer

    def test_session(self):
        self.start()
        self.command('tbreak work')
        self.command('c')
        self.assertTrue(self.command('si').endswith('-> total = 0\n    -> 4 STORE_FAST               1 (total)\n'))
        self.assertEqual(self.command('stack'), '   0 * 0\n')
        self.assertEqual(self.command('!value = "x" * 100'), '')
        self.assertRegex(self.command('ni 3'), r'-> 20 PRECALL +1\n$')
        answer = self.command('stack')
        self.assertIn("   1 * <class 'range'>\n", answer)
        self.assertIn('   2 * 3\n', answer)
        listing = self.command('li')
        self.assertIn('     ->\t', listing.replace('     ->     ', '     ->\t'))
        self.assertIn('for i in range(n):', listing)
        for line in listing.expandtabs().splitlines():
            self.assertLessEqual(len(line), 50)
        # An empty line repeats the command, and continues the listing.
        self.assertIn('[End of work]', self.command('') + self.command(''))
        self.assertIn('total 3', self.command('c'))
        self.type('q\n')
        self.assertEqual(self.process.wait(support.LONG_TIMEOUT), 0)

    def test_width(self):
        self.start()
        self.command('!long = "x" * 200')
        self.command('n')
        self.command('tbreak work')
        self.command('c')
        self.command('!n = range(10**30, 10**40)')
        self.command('si 4')
        answer = self.command('stack')
        self.assertTrue(answer.endswith('...\n'), answer)
        self.assertEqual(len(answer.splitlines()[-1]), 50)

    def test_completion(self):
        self.start()
        self.command('n')
        self.type('nex\t')
        self.expect('t')
        self.type('\t\t')
        found = self.expect('(Pdb) ')
        self.assertIn('nexti', found)
        self.type('i\n')
        self.expect('(Pdb) ')
        self.command('n')
        self.type('listi wo\t')
        self.type('\n')
        self.assertIn('[End of work]', self.expect('(Pdb) '))

    def test_interrupt(self):
        self.start('spin')
        self.command('tbreak spin')
        self.command('c')
        for command in 'si 1000000000', 'ni 1000000000', 'c':
            self.type(command + '\n')
            self.expect('spinning')
            self.type('\x03')
            answer = self.expect('(Pdb) ')
            self.assertIn("Program interrupted. (Use 'cont' to resume).", answer)
            self.assertRegex(answer, r'> .*script.py\(\d+\)(work|spin)\(\)')
            # It can continue by instruction.
            self.assertRegex(self.command('si') + self.command('si'), '    -> [0-9]+ [A-Z_]+')
        # At the prompt.  The signal can arrive before readline waits for a key.
        for _ in range(30):
            self.type('\x03')
            if select.select([self.master], [], [], 1)[0]:
                break
        self.assertIn('--KeyboardInterrupt--', self.expect('(Pdb) '))


def tearDownModule():
    # The corpus runs coroutines.
    asyncio.set_event_loop_policy(None)


if __name__ == '__main__':
    unittest.main()
