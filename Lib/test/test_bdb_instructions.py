"""Tests of the instruction-level features of bdb."""

import bdb
import dis
import sys
import threading
import unittest
from test import support
from test.tracesupport import BaseTestCase, DEFAULT, tracing


def either(a, b):
    return a or b


def outer(x):
    return inner(x) + 1


def inner(x):
    return x


def at(function, opname):
    """The offset of the first instruction with this name."""
    return next(i.offset for i in dis.get_instructions(function) if i.opname == opname)


class Recorder(bdb.Bdb):
    """Performs the next of the given actions at each stop, and then continues."""

    def __init__(self, *todo):
        super().__init__()
        self.todo, self.stops = list(todo), []

    def stop(self, frame, event):
        self.stops.append((event, frame.f_code.co_name, frame.f_lasti))
        todo = self.todo.pop(0) if self.todo else 'set_continue'
        if todo in ('set_next', 'set_nextinstr', 'set_return'):
            getattr(self, todo)(frame)
        elif callable(todo):
            todo(frame)
        else:
            getattr(self, todo)()

    def user_line(self, frame):
        self.stop(frame, 'line')

    def user_instruction(self, frame):
        self.stop(frame, 'instruction')

    def user_call(self, frame, args):
        self.stop(frame, 'call')

    def user_return(self, frame, value):
        self.stop(frame, 'return')

    def user_exception(self, frame, exc_info):
        self.stop(frame, 'exception')

    def do_clear(self, arg):
        self.clear_bpbynumber(arg)


class BdbTest(BaseTestCase):

    def setUp(self):
        super().setUp()
        bdb.Breakpoint.clearBreakpoints()
        self.addCleanup(bdb.Breakpoint.clearBreakpoints)

    def test_stepinstr(self):
        recorder = Recorder(*['set_stepinstr'] * 3, 'set_step', 'set_step')
        recorder.runcall(either, 0, 1)
        self.assertEqual(recorder.stops, [
            ('line', 'either', 2), ('instruction', 'either', 4), ('instruction', 'either', 6),
            ('instruction', 'either', 8), ('return', 'either', 8), ('line', 'runcall', recorder.stops[-1][2])])

    def test_nextinstr(self):
        recorder = Recorder(*['set_nextinstr'] * 6)
        recorder.runcall(outer, 1)
        call = at(outer, 'CALL')
        self.assertEqual([offset for event, name, offset in recorder.stops[:5]],
                         [2, 14, 16, call, call + 10])

    def test_break(self):
        recorder = Recorder('set_continue', 'set_continue')
        recorder.reset()
        self.assertIsNone(recorder.set_instruction_break(inner.__code__, 4, temporary=True))
        recorder.runcall(outer, 1)
        self.assertEqual(recorder.stops, [('line', 'outer', 2), ('call', 'inner', 0), ('instruction', 'inner', 4)])
        self.assertEqual(bdb.Breakpoint.bpbynumber, [None, None])

    def test_instructions_are_traced_only_when_needed(self):
        seen = []

        def look(then, *args):
            def todo(frame):
                getattr(recorder, then)(*args)
                seen.append(sys.gettracestate()['trace_instructions'])
            return todo
        recorder = Recorder(look('set_step'), look('set_stepinstr'), look('set_step'),
                            look('set_instruction_break', outer.__code__, 2), look('set_continue'))
        recorder.runcall(outer, 1)
        self.assertEqual(seen[:4], [False, True, False, True])
        bdb.Breakpoint.clearBreakpoints()
        # A line breakpoint does not need instruction events.
        recorder = Recorder(look('set_break', __file__, inner.__code__.co_firstlineno + 1), look('set_continue'))
        seen.clear()
        recorder.runcall(outer, 1)
        self.assertEqual(seen, [False, False])

    def test_unaware_subclass(self):
        # A subclass without the new methods gets the same events as before and prints nothing.
        class Unaware(bdb.Bdb):
            def __init__(self):
                super().__init__()
                self.events = []

            def trace_dispatch(self, frame, event, arg):
                self.events.append((event, frame.f_code.co_name))
                return super().trace_dispatch(frame, event, arg)

            def user_line(self, frame):
                self.set_step()
        unaware = Unaware()
        with support.captured_stdout() as out:
            unaware.runcall(outer, 1)
        self.assertEqual(out.getvalue(), '')
        self.assertEqual(unaware.events[:6], [
            ('call', 'outer'), ('line', 'outer'), ('call', 'inner'), ('line', 'inner'),
            ('return', 'inner'), ('return', 'outer')])

    def test_subclass_without_init(self):
        class Lazy(bdb.Bdb):
            skip = frame_returning = None

            def __init__(self):
                self.lines = []

            def break_anywhere(self, frame):
                return False
            break_here = break_anywhere

            def user_line(self, frame):
                self.lines.append(frame.f_lineno - frame.f_code.co_firstlineno)

        lazy = Lazy()
        lazy.runcall(inner, 1)
        self.assertEqual(lazy.lines[:1], [1])

    def test_break_errors(self):
        recorder = Recorder()
        recorder.reset()
        for offset, near in (3, 'are at 2 and 4'), (99, 'is at 8'), (-2, 'is at 0'):
            self.assertEqual(recorder.set_instruction_break(either.__code__, offset),
                             f'No instruction of either is traced at offset {offset}; the nearest {near}')
        self.assertEqual(bdb.Breakpoint.bpbynumber, [None])
        self.assertEqual(recorder.breaks, {})

    def test_break_format(self):
        recorder = Recorder()
        recorder.reset()
        recorder.set_instruction_break(either.__code__, 6, cond='a == b')
        bp = recorder.get_bpbynumber(1)
        place = f'{recorder.canonic(__file__)}:{either.__code__.co_firstlineno + 1}, *6 of either'
        self.assertEqual(str(bp), 'breakpoint 1 at ' + place)
        self.assertEqual(bp.bpformat(), f'1   breakpoint   keep yes   at {place}\n\tstop only if a == b')

    def test_lines_of_instructions(self):
        # An instruction without a line gets the line of a nearby instruction.
        def f(x):
            try:
                x.missing
            except KeyError:
                x = 2
        lines = {}

        def tracer(frame, event, arg):
            if frame.f_code is f.__code__:
                if event == 'instruction' and frame.f_lineno is None:
                    name = dis.opname[frame.f_code.co_code[frame.f_lasti]]
                    lines[name] = Recorder().get_lineno(frame) - f.__code__.co_firstlineno
                return tracer
        with self.assertRaises(AttributeError), tracing(tracer, trace_instructions=True):
            f(1)
        self.assertEqual(lines, {'PUSH_EXC_INFO': 3, 'COPY': 3, 'POP_EXCEPT': 3, 'RERAISE': 3})

    def test_threads(self):
        # Each thread has its own trace state, and what is traced holds for all threads.
        states = []

        def note():
            states.append(sys.gettracestate()['trace_instructions'])

        def work():
            turn.wait()
            turn.wait()
            inner(1)
            note()
            turn.wait()
            turn.wait()
            inner(2)
            note()

        recorder = Recorder('set_continue', 'set_continue')
        recorder.reset()
        recorder.set_break(__file__, outer.__code__.co_firstlineno + 1)     # continues to trace
        turn = threading.Barrier(2, timeout=support.LONG_TIMEOUT)
        threading.settrace(recorder.trace_dispatch)
        self.addCleanup(threading.settrace, None)
        thread = threading.Thread(target=work)
        recorder.set_continue()
        thread.start()
        turn.wait()             # The thread is traced already, without instructions.
        self.assertIsNone(recorder.set_instruction_break(inner.__code__, 4))
        turn.wait()
        turn.wait()
        bdb.Breakpoint.clearBreakpoints()
        recorder.set_continue()
        turn.wait()
        thread.join()
        self.assertEqual([stop for stop in recorder.stops if stop[0] == 'instruction'], [('instruction', 'inner', 4)])
        self.assertEqual(states, [True, False])
        self.assertEqual(sys.gettracestate(), DEFAULT)

    def test_each_thread_restores_its_own_state(self):
        def tracer(frame, event, arg):
            return None

        def other_tracer(frame, event, arg):
            return None

        def work():
            with tracing(other_tracer, trace_branches=True):
                recorder.set_trace()
                recorder.set_continue()
                states.append(sys.gettracestate())

        class Quiet(Recorder):
            def stop(self, frame, event):
                pass
        recorder = Quiet()
        states = []
        frame = sys._getframe()
        with tracing(tracer, trace_instructions=True):
            recorder.set_trace()
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
            states.append((sys.gettrace(), frame.f_trace))
            recorder.set_continue()
            states.append(sys.gettracestate())
        self.assertEqual(states, [
            DEFAULT | {'tracefunc': other_tracer, 'trace_branches': True},
            (recorder.trace_dispatch, recorder.trace_dispatch),
            DEFAULT | {'tracefunc': tracer, 'trace_instructions': True}])

    def test_state_of_the_program(self):
        def tracer(frame, event, arg):
            return None
        flags = {'trace_branches': True, 'trace_lines': False}
        for todo in 'set_continue', 'set_stepinstr', 'set_quit':
            with tracing(tracer, **flags):
                Recorder(todo).runcall(outer, 1)
                state = sys.gettracestate()
            self.assertEqual((state['tracefunc'], state['trace_branches'], state['trace_lines'],
                              state['trace_instructions']), (tracer, True, False, False))


if __name__ == '__main__':
    unittest.main()
