"""Test the codeblocks module and the basic blocks that tracing uses."""

import _thread
import codeblocks
import collections
import contextlib
import dis
import gc
import itertools
import os
import re
import signal
import subprocess
import sys
import sysconfig
import textwrap
import threading
import time
import timeit
import tokenize
import tracemalloc
import unittest
import warnings
import weakref
from test import support
from test.bytecodesupport import CONDITIONAL, by_hand, code_objects, expected_leaders, instructions
from test.support import import_helper, os_helper, script_helper, threading_helper

NO_FALL_THROUGH = {'RETURN_VALUE', 'RAISE_VARARGS', 'RERAISE', 'JUMP_FORWARD',
                   'JUMP_BACKWARD', 'JUMP_BACKWARD_NO_INTERRUPT'}


def library(tests):
    """Yield every code object of the standard library, or of its tests."""
    top = os.path.dirname(os.__file__)
    for directory, names, files in os.walk(top):
        names[:] = [n for n in names if n not in ('site-packages', '__pycache__')]
        inside = os.path.relpath(directory, top).split(os.sep)
        if tests != bool({'test', 'tests', 'idle_test'} & set(inside)):
            continue
        for name in sorted(files):
            if name.endswith('.py'):
                path = os.path.join(directory, name)
                try:
                    with tokenize.open(path) as file:
                        code = compile(file.read(), path, 'exec', dont_inherit=True)
                except (SyntaxError, ValueError, UnicodeError):
                    continue        # tests that use invalid files
                yield from code_objects(code)


class HandMadeTest(unittest.TestCase):
    """Code that no compiler makes, and that can be executed."""

    def check(self, code, *starts):
        blocks = codeblocks.basic_blocks(code)
        self.assertEqual([block.start for block in blocks], list(starts))
        targets = {block.start for block in blocks}
        for block in blocks:
            for edge in block.successors:
                self.assertIn(edge.target, targets)
            self.assertLess(block.start, block.end)
        return blocks

    def test_a_jump_between_prefixes(self):
        op = dis.opmap
        blocks = self.check(by_hand(op['RESUME'], 0, op['LOAD_CONST'], 0, op['POP_JUMP_FORWARD_IF_TRUE'], 1,
                                    op['EXTENDED_ARG'], 1, op['LOAD_CONST'], 0, op['RETURN_VALUE'], 0), 0, 6, 8)
        self.assertEqual(blocks[1].successors, (codeblocks.Edge(6, 8, 'fall-through', None),))

    def test_a_jump_to_where_no_instruction_starts(self):
        op = dis.opmap
        cached = [op['LOAD_CONST'], 0, op['LOAD_ATTR'], 0, *[0, 0] * 4, op['RETURN_VALUE'], 0]
        self.check(by_hand(op['RESUME'], 0, op['LOAD_CONST'], 0, op['POP_JUMP_FORWARD_IF_TRUE'], 3, *cached), 0, 6)
        self.check(by_hand(op['RESUME'], 0, op['LOAD_CONST'], 0, op['POP_JUMP_FORWARD_IF_TRUE'], 99, *cached), 0, 6)
        self.check(by_hand(op['RESUME'], 0, op['LOAD_CONST'], 0, op['POP_JUMP_BACKWARD_IF_TRUE'], 99, *cached), 0, 6)

    def test_a_handler_that_does_not_exist(self):
        op = dis.opmap
        self.check(by_hand(op['RESUME'], 0, op['LOAD_GLOBAL'], 0, *[0, 0] * 5, op['RETURN_VALUE'], 0,
                           table=bytes([0x80 | 1, 6, 0x40 | 2, 0, 0])), 0)

    def test_entries_of_the_exception_table_out_of_order(self):
        op = dis.opmap
        blocks = self.check(by_hand(op['RESUME'], 0, op['LOAD_NAME'], 0, op['POP_TOP'], 0, op['LOAD_NAME'], 0,
                                    op['RETURN_VALUE'], 0, op['RETURN_VALUE'], 0, op['RETURN_VALUE'], 0,
                                    table=bytes([0x80 | 3, 1, 6, 0, 0x80 | 1, 1, 5, 0])), 0, 10, 12)
        self.assertEqual([edge for edge in blocks[0].successors if edge.kind == 'exception'],
                         [codeblocks.Edge(2, 10, 'exception', None), codeblocks.Edge(6, 12, 'exception', None)])

    def test_nothing_but_prefixes(self):
        op = dis.opmap
        self.check(by_hand(op['RESUME'], 0, op['LOAD_CONST'], 0, op['RETURN_VALUE'], 0, op['EXTENDED_ARG'], 1), 0)

    def test_time_grows_with_the_size(self):
        def seconds(tries):
            code = compile('try:\n    x.y()\nexcept E:\n    z()\n' * tries, '', 'exec')
            start = time.process_time()
            codeblocks.basic_blocks(code)
            return time.process_time() - start
        few, many = (min(times) for times in zip(*[(seconds(500), seconds(2000)) for _ in range(3)]))
        self.assertLess(many, 10 * few)     # 16 times if it were the square


class LibraryTest(unittest.TestCase):

    def check(self, tests, least):
        count = 0
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            for code in library(tests):
                count += 1
                expected, entry = expected_leaders(code)
                found = sys._getcodeleaders(code)
                if found != expected:
                    self.fail(f'{code}: {found} != {expected}')
                self.assertEqual(found[0], entry)
                self.check_blocks(code, codeblocks.basic_blocks(code))
        self.assertGreater(count, least)

    def check_blocks(self, code, blocks):
        """Check the properties that all blocks and edges must have."""
        starts = {block.start: block for block in blocks}
        self.assertEqual(tuple(starts), sys._getcodeleaders(code))
        offsets = [i.offset for i in dis.get_instructions(code)]
        offsets.append(len(code.co_code))
        for block, limit in zip(blocks, [*list(starts)[1:], offsets[-1]]):
            last = block.instructions[-1]
            self.assertEqual(block.end, offsets[offsets.index(last.offset) + 1])
            # Only unreachable code is between blocks.
            if last.opname not in NO_FALL_THROUGH:
                self.assertEqual(block.end, limit)
            self.assertLessEqual(block.end, limit)
        arriving = []
        for block in blocks:
            own = {i.offset for i in block.instructions}
            last = block.instructions[-1].opname
            self.assertEqual(block.start, block.instructions[0].offset)
            kinds = [edge.kind for edge in block.successors]
            ways = [kind for kind in kinds if kind != 'exception']
            for edge in block.successors:
                self.assertIn(edge.source, own)
                self.assertIn(edge, starts[edge.target].predecessors)
            for edge in block.predecessors:
                self.assertEqual(edge.target, block.start)
                if edge.kind == 'entry':
                    arriving.append(edge)
            # No instruction but the last one ends a block.
            for i in block.instructions[:-1]:
                self.assertNotIn(i.opname, CONDITIONAL)
                self.assertNotIn(i.opname, NO_FALL_THROUGH, code)
                self.assertNotEqual(i.opname, 'YIELD_VALUE')
            if last in CONDITIONAL:
                self.assertEqual(ways, ['jump', 'fall-through'])
                conditions = {edge.condition for edge in block.successors
                              if edge.kind != 'exception'}
                self.assertEqual(conditions, {True, False})
            elif last.startswith('JUMP'):
                self.assertEqual(ways, ['jump'])
            elif last in NO_FALL_THROUGH:
                self.assertEqual(ways, [])
            elif last == 'YIELD_VALUE':
                self.assertIn(ways, (['resume'], ['throw', 'resume']))
            else:
                self.assertEqual(ways, ['fall-through'])
        self.assertEqual(arriving, [(-1, blocks[0].start, 'entry', None)])

    def test_library(self):
        self.check(False, 10_000)

    @support.requires_resource('cpu')
    def test_library_tests(self):
        self.check(True, 30_000)


class BasicBlocksTest(unittest.TestCase):

    def edges(self, x):
        return [edge for block in codeblocks.basic_blocks(x)
                for edge in block.successors]

    def outcomes(self, x):
        """{opname: {condition: True if it jumps}} of the conditional jumps"""
        names = {offset: i.opname for offset, i in instructions(x)}
        found = {}
        for edge in self.edges(x):
            if edge.condition is not None:
                found.setdefault(names[edge.source], {})[edge.condition] = (
                    edge.kind == 'jump')
        return found

    def test_conditions(self):
        def f(a, b):
            while a:
                a = b and (a or b) or not a
                if a is None: b = 1
                if b is not None: a = 2
                if not a: b = 3
            for x in a: pass
        self.assertEqual(self.outcomes(f), {
            'POP_JUMP_FORWARD_IF_FALSE': {True: False, False: True},
            'POP_JUMP_FORWARD_IF_TRUE': {True: True, False: False},
            'JUMP_IF_TRUE_OR_POP': {True: True, False: False},
            'POP_JUMP_FORWARD_IF_NONE': {True: True, False: False},
            'POP_JUMP_FORWARD_IF_NOT_NONE': {True: False, False: True},
            'POP_JUMP_BACKWARD_IF_TRUE': {True: True, False: False},
            'FOR_ITER': {True: False, False: True},
        } | {name: outcome for name, outcome in self.outcomes(f).items()
             if name == 'JUMP_IF_FALSE_OR_POP'})

    def test_send(self):
        async def f():
            await f()
        self.assertEqual(self.outcomes(f), {'SEND': {True: False, False: True}})
        throw, = (e for e in self.edges(f) if e.kind == 'throw')
        yield_ = next(i for i in dis.get_instructions(f) if i.opname == 'YIELD_VALUE')
        send = next(i for i in dis.get_instructions(f) if i.opname == 'SEND')
        self.assertEqual(throw, (yield_.offset, send.argval, 'throw', None))

    def test_conditions_of_taken_edges(self):
        """The condition of an edge agrees with a traced run."""
        def f(a):
            return 1 if a else 2
        for a in 0, 1:
            taken = []
            def trace(frame, event, arg):
                if event == 'branch' and frame.f_code is f.__code__:
                    taken.append(arg)
                return trace
            saved = sys.gettracestate()
            sys.settracestate(trace, trace_lines=False, trace_branches=True)
            f(a)
            sys.settracestate(**saved)
            conditions = [edge.condition for edge in self.edges(f)
                          if edge[:2] in taken and edge.condition is not None]
            self.assertEqual(conditions, [bool(a)])

    def test_handler(self):
        def f():
            try:
                g()
            except ValueError:
                pass
        blocks = codeblocks.basic_blocks(f)
        exceptions = [e for e in self.edges(f) if e.kind == 'exception']
        targets = {e.target for e in dis._parse_exception_table(f.__code__)}
        self.assertEqual({e.target for e in exceptions}, targets)
        call = next(i.offset for i in dis.get_instructions(f) if i.opname == 'CALL')
        self.assertIn(call, [e.source for e in exceptions])
        store = [i.offset for i in dis.get_instructions(f) if i.opname == 'POP_TOP']
        self.assertFalse(set(store) & {e.source for e in exceptions})

    def test_positions(self):
        def f(a):
            return a or 1
        block = codeblocks.basic_blocks(f)[0]
        last = block.instructions[-1]
        self.assertEqual(last.positions.lineno, f.__code__.co_firstlineno + 1)
        self.assertEqual(last.positions.end_col_offset - last.positions.col_offset,
                         len('a or 1'))

    def test_frame_setup_is_in_no_block(self):
        def gen():
            yield lambda: gen
        def closure():
            return x
        x = 1
        for f in gen, closure:
            blocks = codeblocks.basic_blocks(f)
            self.assertEqual(blocks[0].instructions[0].opname, 'RESUME')
            self.assertGreater(blocks[0].start, 0)

    def test_arguments(self):
        def gen():
            yield 1
        class C:
            def method(self): pass
        g = gen()
        self.assertEqual(codeblocks.basic_blocks(g), codeblocks.basic_blocks(gen))
        self.assertEqual(codeblocks.basic_blocks(gen.__code__),
                         codeblocks.basic_blocks(gen))
        self.assertEqual(len(codeblocks.basic_blocks(C().method)), 1)
        self.assertEqual(len(codeblocks.basic_blocks('a if b else c')), 3)
        g.close()
        for bad in 1, None, len, object():
            self.assertRaises(TypeError, codeblocks.basic_blocks, bad)
        self.assertRaises(SyntaxError, codeblocks.basic_blocks, 'a b')
        self.assertRaises(TypeError, sys._getcodeleaders, gen)

    def test_repr(self):
        block, = codeblocks.basic_blocks('1')
        self.assertEqual(repr(block), f'<basic block 0 to {block.end}>')

    def test_all(self):
        support.check__all__(self, codeblocks)

    def test_extended_jump(self):
        body = ' x = 1;' * 300
        code = compile(f'for i in y:\n {body}\nwhile x:\n {body}', '', 'exec')
        self.assertEqual(sys._getcodeleaders(code), expected_leaders(code)[0])
        names = dict(instructions(code))
        for edge in self.edges(code):
            self.assertIn(edge.source, names)
            self.assertIn(edge.target, names)

    def test_invalid_code(self):
        # Targets outside the code, numbers that overflow a C int, and a truncated table.
        def f(): pass
        def jump(opname, *args):
            code = [dis.opmap['RESUME'], 0]
            for arg in args[:-1]:
                code += dis.opmap['EXTENDED_ARG'], arg
            return bytes([*code, dis.opmap[opname], args[-1]])
        for co_code, table in (
                (bytes([dis.opmap['RESUME'], 0, dis.opmap['JUMP_FORWARD'], 255,
                        dis.opmap['JUMP_BACKWARD'], 255]), b''),
                (jump('JUMP_FORWARD', 127, 255, 255, 255), b''),
                (jump('JUMP_BACKWARD', 128, 0, 0, 0), b''),
                (f.__code__.co_code, b'\xff' + 9 * b'\x7f' + b'\x3f'),
                (f.__code__.co_code, b'\x80'), (f.__code__.co_code, b'\xff\x7f'),
                (f.__code__.co_code, bytes([0x80, 1, 0x7f, 0x7f]))):
            code = f.__code__.replace(co_code=co_code, co_exceptiontable=table)
            found = sys._getcodeleaders(code)
            self.assertLessEqual(set(found), set(range(0, len(co_code), 2)))


class CommandLineTests(unittest.TestCase):

    SOURCE = """
# coding: latin-1
def either(a, b):
    try:
        return a or b       # \xe9
    except KeyError:
        return (lambda: 1)
class C:
    def other(self): pass
    def either(self): pass
"""

    def run_main(self, *arguments, status=0, source=SOURCE):
        with os_helper.temp_dir() as folder:
            path = os.path.join(folder, 'a.py')
            with open(path, 'w', encoding='latin-1') as file:
                file.write(source)
            arguments = [path if argument == 'a.py' else argument for argument in arguments]
            process = script_helper.spawn_python('-X', 'utf8', '-m', 'codeblocks', *arguments, stderr=subprocess.PIPE)
            output, error = process.communicate(source.encode('latin-1'))
        self.assertEqual(process.returncode, status, error)
        return output.decode(), error.decode().replace(path, 'a.py')

    def test_blocks(self):
        output, error = self.run_main('a.py', 'either')
        self.assertEqual(error, '')
        first, second = output.split('\n\n')[:2]
        self.assertEqual(first.partition('  block 10')[0], """\
either, line 3
  block 0 to 8
    line 3: def either(a, b):
         0 RESUME 0
    line 4: try:
         2 NOP
    line 5: return a or b       # \xe9
         4 LOAD_FAST 0 (a)
         6 JUMP_IF_TRUE_OR_POP 1 (to 10)
      -> 12     exception
      -> 10     jump, if True
      -> 8      fall-through, if False
  block 8 to 10
    line 5: return a or b       # \xe9
         8 LOAD_FAST 1 (b)
      -> 12     exception
      -> 10     fall-through
""")
        self.assertEqual(second.splitlines()[0], 'C.either, line 10')

    def test_documentation(self):
        output, _ = self.run_main('-', '<lambda>', source='either = lambda a, b: a or b\n')
        path = os.path.join(sysconfig.get_config_var('srcdir') or '', 'Doc', 'library', 'codeblocks.rst')
        if not os.path.exists(path):
            self.skipTest(f'there is no {path}')
        with open(path, encoding='utf-8') as file:
            text = file.read()
        example = text.partition("python -m codeblocks - '<lambda>'\n")[2].partition('\n\n')[0]
        self.assertEqual(textwrap.dedent(example), output.strip())

    def test_which_code(self):
        names = ['<module>', 'either', 'either.<locals>.<lambda>', 'C', 'C.other', 'C.either']
        for arguments, expected in (
            (['a.py'], names), (['-'], names), (['a.py', 'C.either'], names[5:]), (['a.py', 'other', 'C'], names[3:5]),
        ):
            output, _ = self.run_main(*arguments)
            self.assertEqual([part.split(',')[0] for part in output.strip().split('\n\n')], expected)

    def test_everything_is_shown(self):
        output, _ = self.run_main('a.py')
        code = compile(self.SOURCE.encode('latin-1'), 'a.py', 'exec')
        blocks = [block for found in code_objects(code) for block in codeblocks.basic_blocks(found)]
        self.assertEqual(output.count('  block '), len(blocks))
        self.assertEqual(output.count('      -> '), sum(
            len({edge[1:] for edge in block.successors}) for block in blocks))
        self.assertEqual(len(re.findall(r'(?m)^ +\d+ [A-Z_]+', output)), sum(
            instruction.opname != 'EXTENDED_ARG' for block in blocks for instruction in block.instructions))

    def test_errors(self):
        for arguments, status, message in (
            ([], 2, 'the following arguments are required: FILE\n'),
            (['a.py', 'neither'], 2, 'codeblocks: error: there is no function neither in a.py\n'),
            (['missing.py'], 2, 'codeblocks: error: cannot read missing.py: No such file or directory\n'),
        ):
            output, error = self.run_main(*arguments, status=status)
            self.assertEqual(output, '')
            self.assertTrue(error.endswith(message), error)
        _, error = self.run_main('a.py', status=1, source='x = (')
        self.assertRegex(error, r'(?s)^  File "a.py", line 1\n.*SyntaxError')
        _, error = self.run_main('a.py', status=1, source='\0')
        self.assertRegex(error, r'null bytes\n$')


class EdgeRecorderTests(unittest.TestCase):

    def reference(self, function):
        """The edges that a trace function in Python receives."""
        found = {}

        def trace(frame, event, arg):
            if event == 'branch':
                edges = found.setdefault(id(frame.f_code), (frame.f_code, {}))[1]
                edges[arg] = edges.get(arg, 0) + 1
            return trace

        sys.settracestate(trace, trace_lines=False, trace_branches=True)
        try:
            function()
        finally:
            sys.settrace(None)
        return found

    def record(self, function, **options):
        recorder = codeblocks.EdgeRecorder(**options)
        with recorder:
            function()
        self.assertIsNone(sys.gettrace())
        self.assertIsNone(threading.gettrace())
        return {id(code): (code, edges) for code, edges in recorder.edges()}

    @staticmethod
    def merged(found):
        """The same edges, merged for code objects that are compiled again in each run."""
        merged = {}
        for code, edges in found.values():
            total = merged.setdefault((code.co_filename, code), {})
            for edge, count in edges.items():
                total[edge] = total.get(edge, 0) + count
        return merged

    def test_edges_equal_those_of_a_trace_function(self):
        from test import tracecorpus
        self.addCleanup(tracecorpus.asyncio.set_event_loop_policy, None)
        found = 0
        for function in tracecorpus.CORPUS:
            with self.subTest(function.__name__):
                function()
                expected = self.merged(self.reference(function))
                counted = self.record(function, counts=True)
                self.assertEqual(self.merged(counted), expected)
                plain = self.record(function)
                self.assertEqual({count for _, edges in plain.values()
                                  for count in edges.values()}, {1})
                self.assertEqual({key: set(edges) for key, edges in self.merged(plain).items()},
                                 {key: set(edges) for key, edges in expected.items()})
                found += sum(len(edges) for edges in expected.values())
        self.assertGreater(found, 1000)

    def test_edges_are_edges_of_basic_blocks(self):
        def function(numbers):
            for number in numbers:
                try:
                    if number and 1 / number > 0.2:
                        continue
                    [][number]
                except IndexError:
                    pass
        code = function.__code__
        possible = {(edge.source, edge.target) for block in codeblocks.basic_blocks(code)
                    for edge in block.predecessors}
        _, taken = self.record(lambda: function([0, 1, 9]))[id(code)]
        self.assertLessEqual(set(taken), possible)
        _, fewer = self.record(lambda: function([0]))[id(code)]
        self.assertLess(set(fewer), set(taken))

    def test_select_is_called_once(self):
        asked = []

        def select(code):
            asked.append(code)
            return code is function.__code__

        def function():
            return [x for x in range(3) if x]

        found = self.record(lambda: [function() for _ in range(5)], select=select)
        self.assertEqual(list(found), [id(function.__code__)])
        self.assertEqual(len(asked), len(set(map(id, asked))))

    def test_select_sees_the_frame(self):
        seen = []

        def select(code):
            frame = sys._getframe(1)
            seen.append((frame.f_code is code, frame.f_code.co_name, dis.opname[code.co_code[frame.f_lasti]]))
            return True

        def plain():
            pass

        def closure():
            x = 1
            return lambda: x

        def generator():
            yield closure()()

        def hook(*args):
            return None

        for install in sys.settrace, sys.setprofile, lambda hook: None:
            seen.clear()
            with codeblocks.EdgeRecorder(select):
                install(hook)
                plain()
                list(generator())
                install(None)
            self.assertTrue(all(same for same, name, opname in seen), seen)
            names = 'plain', 'generator', 'closure'
            found = [(name, opname) for same, name, opname in seen if name in names]
            self.assertEqual(found, [(name, 'RESUME') for name in names])

    def test_instructions(self):
        def function(numbers):
            total = 0
            for number in numbers:
                if number:
                    total += number
            return total

        def select(code):
            return code is function.__code__

        recorder = codeblocks.EdgeRecorder(select)
        self.assertRaises(ValueError, recorder.instructions)
        with codeblocks.EdgeRecorder(select, counts=True) as edges:
            function([1, 0, 2])
        counted = collections.Counter()

        def trace(frame, event, arg):
            if select(frame.f_code) and event in ('call', 'instruction'):
                counted[frame.f_lasti] += 1
            return trace

        sys.settracestate(trace, trace_lines=False, trace_instructions=True)
        function([1, 0, 2])
        sys.settrace(None)
        for repeat in 0, 20:
            for _ in range(repeat):
                function([1])
            recorder = codeblocks.EdgeRecorder(select, counts=True, instructions=True)
            with recorder:
                function([1, 0, 2])
            self.assertEqual(recorder.instructions(), [(function.__code__, counted)])
            self.assertEqual(recorder.edges(), edges.edges())
            (_, new), = recorder.harvest()
            self.assertEqual(set(new), set(edges.edges()[0][1]))

    def test_refused_code_is_not_kept(self):
        recorder = codeblocks.EdgeRecorder(lambda code: code.co_filename != 'refused')
        for filename, is_kept in ('refused', False), ('selected', True):
            with self.subTest(filename), recorder:
                code = compile('1', filename, 'exec')
                exec(code, {})
                exec(code, {})
                reference = weakref.ref(code)
                del code
                self.assertEqual(reference() is not None, is_kept)

    def test_select_raises(self):
        def select(code):
            if code is function.__code__:
                raise ZeroDivisionError
            return False

        def function():
            pass

        recorder = codeblocks.EdgeRecorder(select)
        recorder.start()
        try:
            for _ in range(3):
                try:
                    function()
                except ZeroDivisionError as e:
                    tb = e.__traceback__.tb_next
                    self.assertIs(tb.tb_frame.f_code, function.__code__)
                    self.assertEqual(tb.tb_lasti, 0)        # at the RESUME
                else:
                    self.fail()
        finally:
            recorder.stop()
        self.assertEqual(recorder.edges(), [])
        with self.assertRaises(ZeroDivisionError), codeblocks.EdgeRecorder(lambda code: 1 / 0):
            function()
        function()

    def test_bad_arguments(self):
        with self.assertRaisesRegex(TypeError, 'select must be callable or None, not int'):
            codeblocks.EdgeRecorder(1)
        with self.assertRaises(TypeError):
            codeblocks.EdgeRecorder(None, True)
        recorder = codeblocks.EdgeRecorder()
        with self.assertRaises(TypeError):
            recorder()

    def test_threads(self):
        def function():
            for number in range(1000):
                if number % 3:
                    pass

        # A thread that runs before the start, two threads that begin after it, and this one.
        go = threading.Event()
        early = threading.Thread(target=lambda: (go.wait(), function()))
        early.start()

        def program():
            late = [threading.Thread(target=function) for _ in range(2)]
            for thread in late:
                thread.start()
            go.set()
            function()
            for thread in *late, early:
                thread.join()

        try:
            _, edges = self.record(program, counts=True)[id(function.__code__)]
        finally:
            go.set()
        entry = [count for (source, _), count in edges.items() if source == -1]
        self.assertEqual(entry, [4])
        self.assertEqual(sum(edges.values()) % 4, 0)
        self.assertGreater(sum(edges.values()), 8000)

    def test_stop_in_another_thread(self):
        go, ready = threading.Event(), threading.Event()

        def function():
            pass

        def program():
            ready.set()
            go.wait()
            function()

        recorder = codeblocks.EdgeRecorder(lambda code: code is function.__code__)
        with recorder:
            thread = threading.Thread(target=program)
            thread.start()
            ready.wait()
        go.set()
        thread.join()
        self.assertEqual(recorder.edges(), [])

    def test_threads_that_threading_does_not_start(self):
        def function():
            for _ in range(3):
                pass

        recorder = codeblocks.EdgeRecorder(lambda code: code is function.__code__, counts=True)
        with recorder:
            function()
            (_, expected), = recorder.edges()
            recorder.clear()
            ended = threading.Event()
            _thread.start_new_thread(lambda: (function(), ended.set()), ())
            ended.wait()
        self.assertEqual(recorder.edges(), [(function.__code__, expected)])
        _testcapi = import_helper.import_module('_testcapi')
        recorder.clear()
        threads = []
        with recorder:
            # Calls it in this thread and in threads that C starts.
            _testcapi._test_thread_state(lambda: (function(), threads.append(threading.get_ident())))
        self.assertGreater(len(set(threads)), 1)
        (_, found), = recorder.edges()
        self.assertEqual(found, {edge: len(threads) * count for edge, count in expected.items()})

    def test_beside_other_tools(self):
        # Trace and profile functions receive the same events, and are not recorded themselves.
        def function(numbers):
            for number in numbers:
                if number and number % 2:
                    continue
                len(str(number))
            return sorted(numbers)

        def run(install):
            calls = []

            def hook(frame, event, arg):
                if frame.f_code is function.__code__:
                    calls.append((event, frame.f_lasti, arg if isinstance(arg, (int, tuple)) else None))
                return hook

            install(hook)
            try:
                function([3, 1, 2, 0])
            finally:
                sys.settrace(None)
                sys.setprofile(None)
            return calls

        def instructions(hook):
            sys.settracestate(hook, trace_instructions=True, trace_branches=True)

        def select(code):
            return code is function.__code__

        with codeblocks.EdgeRecorder(select, counts=True) as recorder:
            function([3, 1, 2, 0])
        expected = recorder.edges()
        for install in sys.settrace, sys.setprofile, instructions:
            with self.subTest(install.__name__):
                events = run(install)
                self.assertTrue(events)
                recorder = codeblocks.EdgeRecorder(select, counts=True)
                with recorder:
                    self.assertEqual(run(install), events)
                self.assertEqual(recorder.edges(), expected)
                # Installed before the recorder starts.
                recorder.clear()
                self.assertEqual(run(lambda hook: (install(hook), recorder.start())), events)
                recorder.stop()
                self.assertEqual(recorder.edges(), expected)

    def test_interrupted_jump_back(self):
        # A jump back is interrupted, and the instruction before its target, where the exception is raised, is a
        # RERAISE, which did not raise it.
        def function():
            try:
                pass
            finally:
                while True:
                    count[0] -= 1
                    if not count[0]:
                        signal.raise_signal(signal.SIGINT)

        def interrupted(recorder):
            for count[0] in 1, 2, 3:
                with recorder or contextlib.nullcontext():
                    try:
                        function()
                    except KeyboardInterrupt:
                        pass

        count = [0]
        found = self.reference(lambda: interrupted(None))
        _, expected = found[id(function.__code__)]
        recorder = codeblocks.EdgeRecorder(lambda code: code is function.__code__, counts=True)
        interrupted(recorder)
        (_, edges), = recorder.edges()
        self.assertEqual(edges, expected)

    def test_memory(self):
        # As documented: 18 kB for a thread, up to 180 bytes for an edge, and the flags of the code.
        def function(x):
            return 1 if x else 2

        code = '\n'.join(f'if x == {i}: y = {i}' for i in range(5000))
        code = compile(code, 'many edges', 'exec')
        exec(code, {'x': 7})
        size = len(code.co_code)
        recorder = codeblocks.EdgeRecorder(lambda c: c is code)
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        before = tracemalloc.get_traced_memory()[0]
        recorder.start()
        exec(code, {'x': 7})
        n = len(recorder.edges()[0][1])
        self.assertGreater(n, 4999)
        running = tracemalloc.get_traced_memory()[0] - before
        self.assertLess(running, 20_000 + 180 * n + 2 * size)
        recorder.stop()
        exec(code, {'x': 7})
        self.assertLess(tracemalloc.get_traced_memory()[0] - before, running - 16_000)
        # Threads that have ended leave nothing.
        recorder.start()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(100):
            thread = threading.Thread(target=function, args=(1,))
            thread.start()
            thread.join()
        recorder.stop()
        self.assertLess(tracemalloc.get_traced_memory()[0] - before, 100_000)

    def test_many_code_objects(self):
        def source(i):
            return f'x = {i}\nif x:\n  x = {i}'

        def edges(code):
            with codeblocks.EdgeRecorder(lambda c: c is code) as recorder:
                exec(code, {})
            return recorder.edges()

        codes = [compile(source(i), 'many', 'exec') for i in range(1500)]
        expected = {id(code): found for code in codes for _, found in edges(code)}
        for select in lambda code: code.co_filename == 'many', None:
            recorder = codeblocks.EdgeRecorder(select)
            with recorder:
                for code in codes:
                    exec(code, {})
                    del code
            found = {id(code): found for code, found in recorder.edges() if code.co_filename == 'many'}
            self.assertEqual(found, expected)

    def test_it_is_no_trace_function(self):
        def trace(*args):
            return None

        for module in sys, threading:
            with codeblocks.EdgeRecorder():
                self.assertIsNone(module.gettrace())
                module.settrace(trace)
                self.assertIs(module.gettrace(), trace)
            self.assertIs(module.gettrace(), trace)
            module.settrace(None)

    def test_several_recorders(self):
        def one(x):
            return 1 if x else 2

        def other(x):
            return one(x) if x else 3

        def run():
            for x in 0, 1, 0:
                one(x)
                other(x)

        def edges(recorder):
            return sorted((code.co_name, sorted(found.items())) for code, found in recorder.edges())

        selects = [lambda code: code is one.__code__, lambda code: code is other.__code__,
                   lambda code: code in (one.__code__, other.__code__)]
        alone = []
        for select in selects:
            with codeblocks.EdgeRecorder(select, counts=True) as recorder:
                run()
            alone.append(edges(recorder))
        self.assertEqual(alone[2], sorted(alone[0] + alone[1]))
        for order in itertools.permutations(range(3)):
            recorders = [codeblocks.EdgeRecorder(select, counts=True) for select in selects]
            for i in order:
                recorders[i].start()
            run()
            for i in order:
                recorders[i].stop()
                self.assertEqual(edges(recorders[i]), alone[i])
            run()
            for i in order:
                self.assertEqual(edges(recorders[i]), alone[i])

    def test_flightrecorder_at_the_same_time(self):
        flightrecorder = import_helper.import_module('flightrecorder')
        self.addCleanup(flightrecorder.stop)

        def function(numbers):
            return [x for x in numbers if x]

        def other():
            return function([0, 1]) and function([2])

        select = lambda code: code is function.__code__ or code.co_name == '<listcomp>'
        with codeblocks.EdgeRecorder(select, counts=True) as recorder:
            other()
        expected = recorder.edges()
        flightrecorder.start(10_000)
        other()
        flightrecorder.stop()
        last = lambda: [i for i in flightrecorder.last() if select(i[0]) or i[0] is other.__code__]
        instructions = last()
        for flight_first in False, True:
            recorder.clear()
            if flight_first:
                flightrecorder.start(10_000)
            recorder.start()
            if not flight_first:
                flightrecorder.start(10_000)
            other()
            recorder.stop()
            flightrecorder.stop()
            self.assertEqual(last(), instructions)
            self.assertEqual(recorder.edges(), expected)

    def test_freed_code_is_not_mistaken(self):
        # Another code object is created at the address of one that was refused and freed.
        flightrecorder = import_helper.import_module('flightrecorder')
        self.addCleanup(flightrecorder.stop)
        recorder = codeblocks.EdgeRecorder(lambda code: code.co_filename == 'selected', counts=True)
        addresses, again = set(), 0
        with recorder:
            for i in range(2000):
                flightrecorder.start(1)         # keeps what the other refuses
                code = compile('x = 1\nif x:\n  y = 2', 'refused', 'exec')
                exec(code, {})
                addresses.add(id(code))
                del code
                flightrecorder.stop()
                flightrecorder.start(1)
                flightrecorder.stop()
                code = compile('x = 1\nif x:\n  y = 2', 'selected', 'exec')
                again += id(code) in addresses
                exec(code, {})
                if again > 5:
                    break
        if not again:
            self.skipTest('no address was used again')
        edges = recorder.edges()
        self.assertEqual(len(edges), i + 1)
        for _, found in edges:
            self.assertEqual(found, {(-1, 0): 1, (8, 10): 1})

    def test_harvest(self):
        def function(number):
            return 1 if number else 2

        recorder = codeblocks.EdgeRecorder(lambda code: code is function.__code__)
        self.assertEqual(recorder.harvest(), [])
        with recorder:
            function(0)
            (code, first), = recorder.harvest()
            self.assertIs(code, function.__code__)
            self.assertEqual(recorder.harvest(), [])
            function(0)
            self.assertEqual(recorder.harvest(), [])
            function(1)
            function(0)
            (_, second), = recorder.harvest()
            self.assertEqual(recorder.harvest(), [])
        (_, edges), = recorder.edges()
        self.assertTrue(second)
        self.assertEqual(first + second, list(edges))
        # It keeps its tables.
        with recorder:
            function(1)
            self.assertEqual(recorder.harvest(), [])
            recorder.clear()
            self.assertEqual(recorder.harvest(), [])
            function(1)
            (_, again), = recorder.harvest()
        self.assertEqual(set(again), {first[0], *second})

    def test_harvest_is_fast(self):
        recorder = codeblocks.EdgeRecorder(lambda code: False)
        with recorder:
            best = min(timeit.repeat(recorder.harvest, number=10_000, repeat=5)) / 10_000
        self.assertLess(best, 20e-6)        # 0.1 microseconds on a machine that does nothing else

    def test_started_and_stopped_while_frames_are_running(self):
        # Frames of several eval loops are active when recording is started anew.
        recorder = codeblocks.EdgeRecorder(lambda code: code is inner.__code__, counts=True)

        class Restart:
            def __del__(self):
                recorder.stop()
                recorder.clear()
                recorder.start()
                (lambda: None)()

        def inner(restart):
            x = restart() if restart else None
            x = y = 1
            for _ in range(3):
                x = y
            return x

        with recorder:
            for _ in range(20):
                inner(None)
            (_, found), = recorder.edges()
            self.assertEqual({count % 20 for count in found.values()}, {0})
            inner(Restart)
            (_, found), = recorder.edges()
        self.assertEqual(sum(count for (source, _), count in found.items() if source > 0), 8)

    def test_stop_without_start(self):
        recorder = codeblocks.EdgeRecorder()
        recorder.stop()
        recorder.start()
        recorder.start()
        recorder.stop()
        recorder.stop()

    def test_threads_begin_and_end_while_recorders_start_and_stop(self):
        _testcapi = import_helper.import_module('_testcapi')
        flightrecorder = import_helper.import_module('flightrecorder')
        self.addCleanup(flightrecorder.stop)

        def function():
            return [x for x in range(5) if x % 2]

        def work(begin):
            while not stop:
                begin()

        def in_c():
            _testcapi._test_thread_state(function)

        def in_threading():
            thread = threading.Thread(target=function)
            thread.start()
            thread.join()

        def recording():
            with codeblocks.EdgeRecorder(counts=True) as recorder:
                time.sleep(0.001)
            recorder.edges()

        def flying():
            with contextlib.suppress(RuntimeError):     # already running
                flightrecorder.start(100)
            flightrecorder.last()
            time.sleep(0.001)
            flightrecorder.stop()

        def tracing():
            sys.settrace(lambda *args: None)
            function()
            sys.settrace(None)

        stop = False
        threads = [threading.Thread(target=work, args=(begin,))
                   for begin in (in_c, in_threading, recording, recording, flying, flying, tracing)]
        with threading_helper.start_threads(threads):
            time.sleep(2)
            stop = True
        with codeblocks.EdgeRecorder(lambda code: code is function.__code__, counts=True) as recorder:
            function()
        self.assertEqual(recorder.edges()[0][1][-1, 0], 1)

    def test_a_recorder_that_is_never_stopped(self):
        script = """if True:
            import codeblocks, flightrecorder, threading
            recorder = codeblocks.EdgeRecorder(counts=True)
            recorder.start()
            flightrecorder.start()
            end = threading.Event()
            threading.Thread(target=end.wait, daemon=True).start()
            class Last:
                def __del__(self):
                    for _ in range(3):
                        pass
            last = Last()
        """
        _, _, error = script_helper.assert_python_ok('-c', script)
        self.assertEqual(error, b'')

    def test_audit_hook_refuses(self):
        script = """if True:
            import codeblocks, sys

            def hook(event, args):
                if event == 'sys.settrace':
                    raise RuntimeError('audit')

            sys.addaudithook(hook)
            recorder = codeblocks.EdgeRecorder()
            try:
                recorder.start()
            except RuntimeError:
                pass
            else:
                raise AssertionError
            (lambda: None)()
            assert not recorder.edges()
        """
        _, _, error = script_helper.assert_python_ok('-c', script)
        self.assertEqual(error, b'')

    def test_subinterpreter(self):
        # Each interpreter has its own recorders.
        script = """if True:
            import codeblocks, sys
            from test import support
            code = '''if True:
                import codeblocks
                def f(x):
                    return 1 if x else 2
                f(0)
                with codeblocks.EdgeRecorder(lambda code: code is f.__code__, counts=True) as recorder:
                    f(0)
                (_, edges), = recorder.edges()
                assert len(edges) == 3, edges
                running = codeblocks.EdgeRecorder()     # that is never stopped
                running.start()
                f(1)
            '''
            names = set()
            with codeblocks.EdgeRecorder(lambda code: names.add(code.co_qualname)) as recorder:
                assert support.run_in_subinterp(code) == 0
            assert 'f' not in names
        """
        _, _, error = script_helper.assert_python_ok('-c', script)
        self.assertEqual(error, b'')

    @support.requires_fork()
    def test_fork(self):
        def function(number):
            return 1 if number else 2

        recorder = codeblocks.EdgeRecorder(lambda code: code is function.__code__)
        with recorder:
            function(0)
            child = os.fork()
            if not child:
                function(1)
                (_, edges), = recorder.edges()
                os._exit(len(edges))
            status = os.waitpid(child, 0)[1]
        (_, edges), = recorder.edges()
        self.assertGreater(os.waitstatus_to_exitcode(status), len(edges))

    def test_clear(self):
        def function(number):
            return 1 if number else 2

        recorder = codeblocks.EdgeRecorder(lambda code: code is function.__code__)
        with recorder:
            function(0)
            (_, first), = recorder.edges()
            recorder.clear()
            self.assertEqual(recorder.edges(), [])
            function(1)
        (_, second), = recorder.edges()
        self.assertTrue(first and second)
        self.assertNotEqual(first, second)

    def test_equal_code_objects(self):
        one, other = (compile('x = 1', 'same', 'exec') for _ in range(2))
        self.assertEqual(one, other)
        recorder = codeblocks.EdgeRecorder(lambda code: code.co_filename == 'same')
        with recorder:
            exec(one)
            exec(other)
        self.assertEqual(sorted(id(code) for code, _ in recorder.edges()), sorted([id(one), id(other)]))
        self.assertEqual(len(recorder.edges()), 2)

    def test_python_code_runs_before_a_function_begins(self):
        # creating cells runs the garbage collector, and so its callbacks
        callback = lambda *args: None
        threshold = gc.get_threshold()
        codes = []
        recorder = codeblocks.EdgeRecorder()
        gc.callbacks.append(callback)
        gc.set_threshold(1)
        try:
            with recorder:
                for _ in range(20):
                    namespace = {}
                    exec('def f():\n  a = 1\n  b = 2\n  return lambda: a + b\n', namespace)
                    namespace['f']()
                    codes.append(namespace['f'].__code__)
        finally:
            gc.set_threshold(*threshold)
            gc.callbacks.remove(callback)
        recorded = {id(code) for code, _ in recorder.edges()}
        self.assertEqual([id(code) in recorded for code in codes], [True] * 20)

    def test_python_code_runs_before_an_exception_is_handled(self):
        class Temporary:
            def __del__(self):
                pass

        def inner():
            recorder.start()
            raise ValueError

        def outer():
            try:
                print(Temporary(), inner())
            except ValueError:
                for _ in range(3):
                    pass

        recorder = codeblocks.EdgeRecorder(lambda code: code is outer.__code__)
        outer()
        recorder.stop()
        (_, edges), = recorder.edges()
        iterator, = (offset for offset, i in instructions(outer.__code__) if i.opname == 'FOR_ITER')
        self.assertEqual(len([edge for edge in edges if edge[0] == iterator]), 2)

    def test_select_starts_another_recorder(self):
        def function():
            for _ in range(3):
                pass

        def select(code):
            if code is function.__code__:
                second.start()
                return True
            return False

        second = codeblocks.EdgeRecorder(lambda code: code is function.__code__)
        first = codeblocks.EdgeRecorder(select)
        with first:
            function()
        second.stop()
        for recorder in first, second:
            (_, edges), = recorder.edges()
            self.assertGreater(len(edges), 3)

    def test_started_by_a_trace_function(self):
        def function():
            for _ in range(3):
                pass

        def start(number):
            events = itertools.count(1)
            recorder = codeblocks.EdgeRecorder(lambda code: code is function.__code__)

            def trace(frame, event, arg):
                if frame.f_code is function.__code__:
                    if next(events) == number:
                        recorder.start()
                    return trace

            sys.settrace(trace)
            function()
            sys.settrace(None)
            recorder.stop()
            return [edge for _, edges in recorder.edges() for edge in edges]

        entry = sys._getcodeleaders(function.__code__)[0]
        self.assertIn((-1, entry), start(1))
        for number in range(2, 10):
            edges = start(number)
            self.assertNotIn(-1, [source for source, _ in edges], number)
        self.assertEqual(start(1000), [])

    def test_thread_that_is_traced_follows(self):
        ignore = lambda *args: None
        for install in (lambda: sys.setprofile(ignore),
                        lambda: sys.settrace(ignore),
                        lambda: sys.settracestate(ignore, trace_lines=False, trace_instructions=True),
                        lambda: sys.settracestate(ignore, trace_lines=False, trace_branches=True)):
            def work():
                install()
                ready.set()
                while not done:
                    pass

            recorder = codeblocks.EdgeRecorder(lambda code: code is work.__code__)
            ready = threading.Event()
            done = False
            thread = threading.Thread(target=work)
            with threading_helper.start_threads([thread]):
                try:
                    ready.wait()
                    time.sleep(0.01)        # in the loop
                    recorder.start()
                    deadline = time.monotonic() + support.LONG_TIMEOUT
                    while not recorder.edges() and time.monotonic() < deadline:
                        time.sleep(0.001)
                    self.assertTrue(recorder.edges())
                finally:
                    recorder.stop()
                    done = True

    def test_stopped_while_a_thread_ends(self):
        script = '''
            import codeblocks, contextvars, threading
            class Last:
                def __del__(self):
                    pass
            def select(code):
                if code is Last.__del__.__code__:
                    recorder.stop()
                    del globals()['recorder']
                return True
            recorder = codeblocks.EdgeRecorder(select)
            recorder.start()
            variable = contextvars.ContextVar('variable')
            thread = threading.Thread(target=lambda: variable.set(Last()))
            thread.start()
            thread.join()
            assert 'recorder' not in globals()
        '''
        script_helper.assert_python_ok('-c', textwrap.dedent(script), PYTHONMALLOC='debug')

    def test_select_without_memory(self):
        calls = []

        def select(code):
            if code is function.__code__:
                calls.append(1)
                raise MemoryError
            return False

        def function():
            for _ in range(3):
                pass

        recorder = codeblocks.EdgeRecorder(select)
        with self.assertRaises(MemoryError):
            with recorder:
                function()
        self.assertEqual((calls, recorder.edges()), ([1], []))

    def test_it_can_be_collected(self):
        class Select:
            def __call__(self, code):
                return True
        select = Select()
        select.recorder = codeblocks.EdgeRecorder(select)
        with select.recorder:
            (lambda: None)()
        gone = weakref.ref(select)
        del select
        support.gc_collect()
        self.assertIsNone(gone())

    def test_no_memory(self):
        _testcapi = import_helper.import_module('_testcapi')

        def fresh():
            namespace = {}
            exec('def function(numbers):\n  for number in numbers:\n    if number % 2:\n      pass\n', namespace)
            return namespace['function']

        failed = 0
        for start in range(1, 60):
            recorder = codeblocks.EdgeRecorder()
            function = fresh()
            try:
                try:
                    _testcapi.set_nomemory(start, start + 1)
                    recorder.start()
                    function((1, 2))
                finally:
                    _testcapi.remove_mem_hooks()
            except MemoryError:
                failed += 1
            recorder.stop()
            try:
                recorder.edges()
            except MemoryError:
                failed += 1
                recorder.clear()
                self.assertEqual(recorder.edges(), [])
        self.assertGreater(failed, 1)

    def test_without_memory_nothing_is_missing_in_silence(self):
        _testcapi = import_helper.import_module('_testcapi')

        def record(start):
            recorder = codeblocks.EdgeRecorder(counts=True)
            namespace = {}
            exec('def function(numbers):\n  for number in numbers:\n    if number % 2:\n      pass\n', namespace)
            function = namespace['function']
            recorder.start()
            try:
                if start is not None:
                    _testcapi.set_nomemory(start, start + 1)
                try:
                    function((1, 2))
                finally:
                    _testcapi.remove_mem_hooks()
            except MemoryError:
                return None
            finally:
                recorder.stop()
            try:
                edges = recorder.edges()
            except MemoryError:
                return None
            return next(edges for code, edges in edges if code is function.__code__)

        complete = record(None)
        found = [record(start) for start in range(40)]
        self.assertEqual([edges for edges in found if edges != complete and edges is not None], [])
        self.assertGreater(found.count(complete), 20)


if __name__ == '__main__':
    unittest.main()
