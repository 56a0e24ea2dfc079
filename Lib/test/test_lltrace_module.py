"""Tests of lltrace: its output, and that a program runs in the same way with and without it."""

import asyncio
import codeblocks
import collections
import dis
import html.parser
import io
import json
import lltrace
import os
import pathlib
import py_compile
import re
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import types
import unittest
import xml.etree.ElementTree
import zipfile
from lltrace import _code, _html, _output, _select, _values
from test import support
from test.bytecodesupport import code_objects
from test.support import os_helper
from test.tracesupport import BaseTestCase
from unittest import mock


def python(*arguments, **how):
    """Run an interpreter, and return a CompletedProcess with text output."""
    how.setdefault('stdin', subprocess.DEVNULL) if 'input' not in how else None
    return subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, encoding='utf-8',
                          errors='surrogateescape', timeout=how.pop('timeout', support.LONG_TIMEOUT), **how)


class ProgramTestCase(unittest.TestCase):
    """Tests with files in a temporary folder."""

    def setUp(self):
        self.folder = os.path.realpath(tempfile.mkdtemp())
        self.addCleanup(os_helper.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as file:
            file.write(text if isinstance(text, bytes) else textwrap.dedent(text).encode())
        return path

    def on_terminal(self, width, *arguments):
        """Return the output on a terminal; width 0 is not known."""
        pty = __import__('test.support.import_helper', fromlist=['']).import_module('pty')
        termios = __import__('test.support.import_helper', fromlist=['']).import_module('termios')
        main, terminal = pty.openpty()
        attributes = termios.tcgetattr(terminal)
        attributes[1] &= ~termios.OPOST         # no carriage returns
        termios.tcsetattr(terminal, termios.TCSANOW, attributes)
        termios.tcsetwinsize(terminal, (24, width))
        child = subprocess.Popen([sys.executable, '-m', 'lltrace', *arguments], cwd=self.folder, stdout=subprocess.DEVNULL,
                                 stderr=terminal, env=dict(os.environ, TERM='xterm'))
        os.close(terminal)
        text = b''
        try:
            while data := os.read(main, 65536):
                text += data
        except OSError:
            pass
        os.close(main)
        self.assertEqual(child.wait(), 0)
        return text.decode()

    def lltrace(self, *arguments, status=0, **how):
        done = python('-m', 'lltrace', *arguments, cwd=how.pop('cwd', self.folder), **how)
        self.assertEqual(done.returncode, status, done.stderr[-3000:])
        return done

    def objects(self, *arguments, **how):
        """Return the lines of --jsonl."""
        self.lltrace('--jsonl', '-o', self.path('lines'), *arguments, **how)
        with open(self.path('lines')) as file:
            return [json.loads(line) for line in file]


class RunTest(ProgramTestCase):
    """Output, errors and exit status are the same as with python."""

    def check(self, *arguments, options=(), marker=None, **how):
        how.setdefault('cwd', self.folder)
        expected = python(*arguments, **how)
        found = python('-m', 'lltrace', '-o', self.path('lines'), *options, *arguments, **how)
        address = lambda text: re.sub('0x[0-9a-f]+', '0x', text)
        self.assertEqual((found.returncode, address(found.stdout), found.stderr),
                         (expected.returncode, address(expected.stdout), expected.stderr))
        if marker is not None:
            self.assertIn(marker, expected.stdout + expected.stderr)
        return expected

    def test_namespace(self):
        script = self.write('a.py', '''
            import sys
            print(list(globals().items())[:-1])
            print(sys.argv, sys.path, sys.modules['__main__'].__dict__ is globals(), __builtins__)
            print(sys.flags, __name__ == '__main__', sys.warnoptions)
            ''')
        self.check(script, '-x', '--output', 'b', '-m', '--', 'c')
        self.check('a.py', '-m', 'calendar')
        self.check('./a.py')
        os.symlink(script, self.path('link.py'))
        self.check('link.py', cwd=self.folder)
        os.mkdir(self.path('sub'))
        os.symlink('../a.py', self.path('sub/link.py'))
        self.check('sub/link.py')

    def test_module(self):
        self.write('package/__init__.py', 'print(__name__)')
        self.write('package/module.py', 'import sys; print(sys.argv, sys.path, sorted(globals()), __spec__.name, __file__)')
        self.write('package/__main__.py', 'import sys; print(sys.argv, sys.path, sorted(globals()), __spec__.name)')
        self.check('-m', 'package.module', 'a', '-o', '--limit')
        self.check('-m', 'package', '-m', 'b')
        self.check('-m', 'nosuch', marker='No module named nosuch')
        self.check('-m', 'package.nosuch', marker='No module named package.nosuch')
        self.check('-m', 'os.path.nosuch', marker='Error while finding module')
        self.check('-m', 'json.tool', 'nosuch.json', marker='No such file')
        self.write('raises.py', 'import sys\nprint(sys.argv)\nraise ValueError("x")')
        self.check('-m', 'raises', marker='_run_module_as_main')
        self.write('syntax.py', 'a b')
        self.check('-m', 'syntax', marker='SyntaxError')

    def test_folder_and_archive(self):
        self.write('folder/__main__.py', 'import sys; print(sys.argv, sys.path, __file__, sorted(globals()))')
        self.write('empty/other.py', '')
        self.check('folder', 'a')
        self.check('folder/')
        self.check('empty', marker="can't find '__main__' module")
        with zipfile.ZipFile(self.path('x.zip'), 'w') as archive:
            archive.write(self.path('folder/__main__.py'), '__main__.py')
        self.check('x.zip', 'a')

    def test_bytecode(self):
        self.write('a.py', 'import sys; print(sorted(globals()), __file__, __loader__.__class__, sys.argv)')
        py_compile.compile(self.path('a.py'), self.path('b.pyc'))
        shutil.copy(self.path('b.pyc'), self.path('c'))
        self.check('b.pyc', 'x')
        self.check('c')
        self.write('bad.pyc', b'\0\0\0\0' * 5)
        self.check('bad.pyc', marker='Bad magic number')

    def test_standard_input(self):
        text = 'import sys\nprint(sys.argv, sys.path, list(globals().items())[:-1])\n1/0\n'
        self.check('-', 'a', '-b', input=text, marker='"<stdin>", line 3')

    def test_program_reads_input(self):
        self.write('a.py', 'import sys; print(input(), sys.stdin.read())')
        self.check('a.py', input='one\ntwo\n')

    def test_no_such_program(self):
        done = self.check('nosuch.py', marker="can't open file")
        self.assertEqual(done.returncode, 2)
        self.assertFalse(os.path.exists(self.path('lines')))
        if os.geteuid():
            os.chmod(self.write('secret.py', ''), 0)
            self.check('secret.py', marker='Permission denied')

    def test_invalid_source(self):
        self.write('syntax.py', 'x = (1,\ny = = 2\n')
        self.check('syntax.py', marker='SyntaxError')
        self.write('indent.py', 'if 1:\n  x\n y\n')
        self.check('indent.py', marker='IndentationError')
        self.write('latin', 'x = 1\ny = "\xe4"\n'.encode('latin-1'))
        self.check('latin', marker='Non-UTF-8 code')
        self.write('cookie.py', '# coding: latin-1\nprint("\xe4")\n'.encode('latin-1'))
        self.check('cookie.py')
        self.write('unknown.py', '# coding: nosuch\n')
        self.check('unknown.py', marker='nosuch')
        self.write('undecodable.py', b'# coding: ascii\nprint("\xe4")\n')
        self.check('undecodable.py', marker='encoding problem')
        self.write('no text.py', '# coding: rot13\nprint(1)\n')
        self.check('no text.py', marker='encoding problem')
        self.write('bom.py', b'\xef\xbb\xbfprint(1)')
        self.check('bom.py')
        self.write('bom and cookie.py', b'\xef\xbb\xbf# coding: latin-1\nprint(1)')
        self.check('bom and cookie.py', marker='encoding problem')

    def test_program_shadows_library(self):
        """Files with the names of modules that lltrace needs do not break it, and the program finds its own modules."""
        self.write('random.py', 'import json, sys\nprint(__name__, json.__file__, sys.path[0])')
        self.write('json.py', 'import random, tempfile\nprint(__name__, random.__file__, tempfile.mkdtemp)')
        for name in 'tempfile', 'select', 'dis', 'codeblocks', 'argparse', 'threading':
            self.write(f'{name}.py', 'def mkdtemp(): pass\nprint(__name__)')
            self.check(f'{name}.py', marker='__main__')
        self.write('html/__init__.py', 'print(__name__)')
        self.write('html/__main__.py', 'import dis, html\nprint(__file__, dis.__file__, html.__file__)')
        for arguments in ['random.py'], ['-m', 'random'], ['-m', 'json'], ['-m', 'html'], ['html']:
            with self.subTest(arguments):
                self.check(*arguments, marker=self.folder)
        self.check('-', input='import dis\nprint(dis.__file__)', marker=self.folder)
        self.write('os.py', 'raise ImportError')        # which is already imported in every program
        self.write('shutil/readme', '')
        self.write('a.py', 'import os, shutil\nprint(os.getcwd(), shutil.copy)')
        self.check('a.py', marker=self.folder)
        done = python('-m', 'lltrace', '-o', self.path('lines'), '--counts', 'random.py', cwd=self.folder)
        self.assertEqual(done.stderr, '')

    @unittest.skipUnless(sys.platform == 'linux', 'a folder in use cannot be removed everywhere')
    def test_removed_folder(self):
        path = self.write('a.py', 'import sys; print(sys.path[0])')
        for arguments in [path], ['a.py'], ['-']:
            with self.subTest(arguments):
                self.check(*arguments, preexec_fn=self.enter_removed_folder, input='print(1)')

    def enter_removed_folder(self):
        gone = tempfile.mkdtemp()
        os.chdir(gone)
        os.rmdir(gone)

    def test_exit_status(self):
        for exit in ('0', '3', '-1', '256', 'None', '"text"', '[1]', '1, 2', 'True', ''):
            with self.subTest(exit=exit):
                self.write('a.py', f'import sys; sys.exit({exit})')
                self.check('a.py')
        self.write('a.py', 'raise SystemExit')
        self.check('a.py')
        self.write('a.py', 'import sys, atexit\natexit.register(print, "bye")\nsys.exit(4)')
        self.check('a.py', marker='bye')
        self.write('a.py', 'import os; os._exit(5)')
        self.check('a.py')

    def test_tracebacks(self):
        for name, text in {
            'simple': 'def f():\n    1/0\nf()',
            'chained': 'try:\n    1/0\nexcept ZeroDivisionError:\n    int("x")',
            'cause': 'try:\n    1/0\nexcept ZeroDivisionError as e:\n    raise OSError("x") from e',
            'group': 'raise ExceptionGroup("several", [ValueError(1), TypeError(2)])',
            'recursive': 'import sys\ndef f(n):\n    if n: f(n - 1)\n    else: raise KeyError("k")\nf(20)',
            'base': 'class E(BaseException): pass\nraise E("x")',
            'badstr': 'class E(Exception):\n    def __str__(self): 1/0\nraise E',
            'generator exit': 'raise GeneratorExit("x")',
            'interrupt': 'raise KeyboardInterrupt',
            'callback': 'sorted([1, 2], key=lambda x: 1 / 0)',
            'import': 'import simple',
        }.items():
            with self.subTest(name):
                self.write(f'{name}.py', text)
                self.check(f'{name}.py', marker='Traceback')

    def test_excepthook(self):
        for name, text in {
            'own': 'sys.excepthook = lambda *a: print("mine", a[0], a[2].tb_frame.f_code.co_name, a[2].tb_next)',
            'raises': 'def hook(*a): 1/0\nsys.excepthook = hook',
            'exits': 'def hook(*a): sys.exit(7)\nsys.excepthook = hook',
            'missing': 'del sys.excepthook',
            'last': 'import atexit\natexit.register(lambda: print(sys.last_type, sys.last_value))',
        }.items():
            with self.subTest(name):
                self.write('a.py', f'import sys\n{text}\nraise ValueError("x")\n')
                self.check('a.py', marker='x' if name == 'missing' else None)

    def test_pickle_of_main(self):
        self.write('a.py', '''
            import pickle
            class C:
                def __init__(self, x): self.x = x
            print(pickle.loads(pickle.dumps(C(5))).x, C.__module__)
            ''')
        self.check('a.py', marker='5 __main__')

    def test_closed_streams(self):
        self.write('a.py', 'import sys\nprint("x", file=sys.stderr)\nprint("y")')
        for closed in ('>&-', '2>&-', '<&-', '>&- 2>&-'):
            with self.subTest(closed):
                results = []
                for command in (['a.py'], ['-m', 'lltrace', '-o', 'lines', 'a.py']):
                    done = subprocess.run(['sh', '-c', f'"$@" {closed}', 'sh', sys.executable, *command], cwd=self.folder,
                                          capture_output=True, text=True)
                    results.append((done.returncode, done.stdout, done.stderr))
                self.assertEqual(*results)

    def test_sigint(self):
        """Ctrl-C interrupts the program, also while the trace function runs."""
        text = '''
            import os, signal, sys, time, threading
            def work():
                n = 0
                while True:
                    n = helper(n)
            def helper(n):
                return n + 1
            def interrupt():
                for _ in range(COUNT):
                    ready.acquire()
                    time.sleep(1)
                    os.kill(os.getpid(), signal.SIGINT)
            threading.settrace(None)
            ready = threading.Semaphore(0)
            t = threading.Thread(target=interrupt)
            t.start()
            for _ in range(COUNT - 1):
                try:
                    ready.release()
                    work()
                except KeyboardInterrupt:
                    print('caught', flush=True)
            ready.release()
            work()
            '''
        self.write('a.py', text.replace('COUNT', '3'))
        for options in [], ['--only', 'nosuch'], ['--branches'], ['--stack'], ['--counts'], ['--graph', 'a.dot', '--function', 'work']:
            with self.subTest(options):
                done = python('-m', 'lltrace', '-o', os.devnull, *options, 'a.py', cwd=self.folder)
                self.assertEqual((done.returncode, done.stdout), (-signal.SIGINT, 'caught\n' * 2))
                self.assertIn('KeyboardInterrupt', done.stderr)
                self.assertEqual(re.findall('lltrace.*', done.stderr),
                                 ['lltrace: no executed code matches --only nosuch'] * ('nosuch' in options))

    def test_sigint_ends_counting(self):
        """After the last of many interrupts there are counts of everything."""
        self.write('a.py', '''
            import os, signal, threading, time
            main = os.getpid()
            def interrupt():
                for n in range(100):
                    ready.acquire()
                    time.sleep(0.0001 * (n % 7))
                    os.kill(main, signal.SIGINT)
            def helper(n):
                return n + 1
            def work():
                ready.release()
                n = 0
                while True:
                    n = helper(n)
            ready = threading.Semaphore(0)
            threading.Thread(target=interrupt).start()
            caught = 0
            for _ in range(100):
                try:
                    work()
                except KeyboardInterrupt:
                    caught += 1
            def last(): pass
            last()
            print(caught)
            ''')
        done = self.lltrace('--counts', '-o', 'counts', 'a.py')
        self.assertEqual((done.stdout, done.stderr), ('100\n', ''))
        with open(self.path('counts')) as file:
            self.assertRegex(file.read(), r'\nlast, line \d+: 3 instructions\n')

    def test_sigint_status(self):
        self.write('a.py', 'import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nwhile True: pass')
        self.write('handled.py', '''
            import asyncio, os, signal
            async def main():
                os.kill(os.getpid(), signal.SIGINT)
                await asyncio.sleep(30)
            try:
                asyncio.run(main())
            except KeyboardInterrupt:
                print('interrupted', signal.getsignal(signal.SIGINT) is signal.default_int_handler)
            ''')
        self.assertEqual(self.check('a.py').returncode, -signal.SIGINT)
        self.check('-m', 'a')
        self.check('handled.py', marker='interrupted True')

    def test_killed(self):
        self.write('a.py', 'import os, signal\nos.kill(os.getpid(), signal.SIGTERM)')
        self.assertEqual(self.check('a.py').returncode, -signal.SIGTERM)
        self.write('a.py', """
            import os, signal, sys, threading, time
            ready = threading.Event()
            def last():
                ready.set()
                while True: time.sleep(60)
            def interrupt():
                ready.wait()
                time.sleep(0.1)
                os.kill(os.getpid(), signal.SIGTERM)
            threading.Thread(target=interrupt, daemon=True).start()
            last()
            """)
        for options, kept in (
                ([], 'last:5 '), (['--stack'], 'last:5 '), (['--counts'], '\nlast, line '), (['--html', 'lines'], '>last</'),
                (['--graph', 'lines.dot', '--function', 'last'], 'LOAD_GLOBAL')):
            with self.subTest(options):
                self.assertEqual(self.check('a.py', options=options).returncode, -signal.SIGTERM)
                with open(self.path('lines.dot' if '--graph' in options else 'lines')) as file:
                    self.assertIn(kept, file.read())

    def test_killed_in_the_trace_function(self):
        self.write('a.py', """
            import os, signal, threading, time
            def interrupt():
                time.sleep(DELAY)
                os.kill(os.getpid(), signal.SIGTERM)
            threading.settrace(None)
            threading.Thread(target=interrupt, daemon=True).start()
            n = 0
            while True: n += 1
            """)
        with open(self.path('a.py')) as file:
            text = file.read()
        for n in range(5):
            self.write('a.py', text.replace('DELAY', f'0.02 * {n}'))
            self.assertEqual(self.check('a.py', options=['--jsonl']).returncode, -signal.SIGTERM)
            with open(self.path('lines')) as file:
                for line in file:
                    json.loads(line)
            self.assertEqual(self.check('a.py', options=['--counts']).returncode, -signal.SIGTERM)
            self.assertTrue(os.path.getsize(self.path('lines')))

    def test_killed_while_nobody_reads(self):
        path = self.write('a.py', 'while True: pass')
        for sent in 1, 2:
            child = subprocess.Popen([sys.executable, '-m', 'lltrace', path], stderr=subprocess.PIPE)
            child.stderr.read(100)
            time.sleep(0.3)                 # until the pipe is full
            child.send_signal(signal.SIGTERM)
            if sent == 2:
                time.sleep(0.2)
                child.send_signal(signal.SIGTERM)
            try:
                self.assertEqual(child.wait(support.SHORT_TIMEOUT), -signal.SIGTERM)
            finally:
                child.kill()
                child.stderr.close()

    @unittest.skipUnless(hasattr(os, 'fork'), 'needs os.fork')
    def test_killed_children(self):
        self.write('a.py', """
            import multiprocessing, os, signal, time
            if __name__ == '__main__':
                for i in range(20):
                    child = multiprocessing.get_context('fork').Process(target=time.sleep, args=(60,))
                    child.start()
                    child.terminate()
                    child.join()
                    print(child.exitcode)
                if pid := os.fork():
                    print(os.waitpid(pid, 0)[1])
                else:
                    print(signal.getsignal(signal.SIGTERM), flush=True)
                    os._exit(0)
                signal.signal(signal.SIGTERM, lambda *arguments: print('handled'))
                os.kill(os.getpid(), signal.SIGTERM)
            """)
        for options in [], ['--counts']:
            self.check('a.py', options=options, marker='handled')

    def test_threads_end_first(self):
        self.write('a.py', '''
            import threading, time, atexit
            atexit.register(print, 'exit')
            def late():
                time.sleep(0.1)
                print('late')
            threading.Thread(target=late).start()
            print('main')
            ''')
        self.check('a.py', marker='main\nlate\nexit')

    def test_runner(self):
        self.write('tool/__main__.py', """
            import sys
            from lltrace import runner
            del sys.path[0]
            runner.run(sys.argv[2:], is_module=sys.argv[1] == 'm', start=lambda filename: print('start', filename),
                       failed=lambda error: print('failed', type(error).__name__, flush=True))
            """)
        path = self.write('a.py', 'import sys; print(__name__, sys.argv, sys.path[0])\n1/0')
        for kind, name, filename in ('s', 'a.py', path), ('m', 'a', None):
            expected = python(*(('-m', name) if kind == 'm' else (name,)), 'b', cwd=self.folder)
            done = python('tool', kind, name, 'b', cwd=self.folder)
            self.assertEqual(done.stdout, f'start {filename}\n{expected.stdout}failed ZeroDivisionError\n')
            self.assertEqual((done.returncode, done.stderr), (1, expected.stderr))

    def test_replaced_builtins(self):
        """The program may replace builtins for the rest of its life."""
        self.write('a.py', """
            import builtins, collections, threading
            class C:
                def __repr__(self): return 'C'
            def values():
                try:
                    yield [1, {2: 'x'}, (3, 4), b'x', 10 ** 50, {1, 2}, collections.deque([C()]), C()]
                    raise KeyError('k')
                except KeyError as e:
                    yield e
            def own():
                return [value for value in values()]
            def wrong(*arguments, **keywords):
                raise SystemError('replaced')
            kept = vars(builtins).copy()
            for name, value in kept.items():
                error = kept['isinstance'](value, kept['type']) and kept['issubclass'](value, BaseException)
                if not error and not name.startswith('__'):
                    kept['setattr'](builtins, name, wrong)
            own()
            kept['exec']('def made(a): return [a, a]\\nmade(5)')
            """)
        for options in (), ['--stack', '--source'], ['--jsonl', '--stack'], ['--branches'], ['--opcodes', 'CALL'], ['--only', '*'], \
                ['--counts'], ['--html', 'a.html'], ['--graph', 'a.dot', '--function', 'own'], ['--only', './a.py']:
            with self.subTest(options):
                self.check('a.py', options=options, marker='_shutdown')
        for name in 'lines', 'a.html', 'a.dot':
            self.assertTrue(os.path.getsize(self.path(name)))

    def test_run_with_counts(self):
        """The same is true for counts as for lines."""
        self.write('a.py', 'import sys\nprint(sys.argv)\n1/0')
        self.check('a.py', options=['--counts'], marker='ZeroDivisionError')
        self.write('a.py', 'raise KeyboardInterrupt')
        self.check('a.py', options=['--html', 'a.html'])
        self.assertTrue(os.path.exists(self.path('a.html')))


SAMPLE = '''
import contextlib

def either(a, b):
    return a or b

def handles(d, k):
    try:
        return d[k]
    except KeyError as e:
        return str(e)
    finally:
        either(d, k)

def reraises():
    try:
        try:
            raise ValueError('first')
        except ValueError:
            try:
                int('second')
            except ValueError:
                pass
            raise
    except ValueError as e:
        return str(e)

def leaves():
    try:
        raise LookupError('out')
    finally:
        either(1, 2)

@contextlib.contextmanager
def managed():
    yield 'in'

def numbers(n):
    for i in range(n):
        got = yield i
    return 'end'

def delegates():
    result = yield from numbers(2)
    yield result

def resumed():
    def inner():
        try:
            yield 1
        except KeyError:
            return 'caught'
    def outer():
        x = yield from inner()
        yield x
    g = outer()
    next(g)
    return g.throw(KeyError('k'))

def recursive(n):
    return n and recursive(n - 1)

def main():
    either(0, 1)
    handles({}, 'x')
    reraises()
    try:
        leaves()
    except LookupError:
        pass
    with managed() as m:
        either(m, 0)
    list(delegates())
    resumed()
    recursive(5)
    sum(x * x for x in range(3))
    [lambda: x for x in (1, 2)]

main()
'''


def reconstruct(path, argv=()):
    """(function, source or None, offset) for each instruction of a script, from a separate trace function."""
    with open(path) as file:
        code = compile(file.read(), path, 'exec')
    found = []
    last = {}

    def tracer(frame, event, arg):
        if frame.f_code.co_filename != path:
            return None
        offset = frame.f_lasti
        if event == 'instruction' or event == 'call' and frame.f_code.co_code[offset] == dis.opmap['RESUME']:
            # remember the source instead of taking it from the event
            found.append((frame.f_code.co_qualname, last.get(frame), offset))
            last[frame] = offset
        elif event == 'exception':
            pass
        return tracer

    saved = sys.gettracestate()
    sys.settracestate(tracer, trace_lines=False, trace_instructions=True)
    try:
        exec(code, {'__name__': '__main__'})
    finally:
        sys.settracestate(**saved)
        # The collector does not find all cycles through frames of generators.
        last.clear()
    return found


class LinesTest(ProgramTestCase):

    def test_every_instruction(self):
        """The instructions match those of a trace function that remembers the previous offsets itself."""
        path = self.write('sample.py', SAMPLE)
        found = self.objects(path)
        instructions = [(one['function'], one['source'], one['offset']) for one in found if one['event'] == 'instruction']
        self.assertGreater(len(instructions), 400)
        self.assertEqual(instructions, reconstruct(path))

    def test_fields(self):
        path = self.write('sample.py', SAMPLE)
        positions = {(code.co_qualname, offset): one for code in code_objects(compile(SAMPLE, path, 'exec'))
                     for offset, one in _code.instructions(code).items()}
        for one in self.objects(path):
            self.assertEqual((one['thread'], one['file'], one['module']), (1, path, '__main__'))
            if one['event'] == 'instruction':
                instruction = positions[one['function'], one['offset']]
                self.assertIsInstance(instruction, dis.Instruction)
                self.assertIsInstance(instruction.positions, dis.Positions)
                self.assertEqual(one['opname'], instruction.opname)
                self.assertEqual(one['line'] or 0, instruction.positions.lineno or 0)

    def test_depth(self):
        """The lines of each frame are one level deeper than those of its caller."""
        for one, depth in self.with_depth(self.write('sample.py', SAMPLE)):
            self.assertEqual(one['depth'], depth, one)

    def with_depth(self, path, *options):
        objects = self.objects(*options, path)
        depth, entered = 0, False
        for one in objects:
            resume = one.get('opname') == 'RESUME'
            thrown = one['event'] == 'throw'
            if resume or thrown:
                depth += 1
            elif one['function'] == 'resumed.<locals>.outer' and one.get('source') is not None and not entered \
                    and one['opname'] == 'STORE_FAST':
                entered = True              # continues after throw() without an event
                depth += 1
            yield one, depth - 1
            if one['event'] in ('return', 'yield', 'raise'):
                depth -= 1
        self.assertEqual(depth, 0)

    def test_exceptions(self):
        path = self.write('sample.py', SAMPLE)
        found = [(one['function'], one['exception']) for one in self.objects(path) if 'exception' in one]
        self.assertIn(('handles', "KeyError: 'x'"), found)
        for function in 'handles', 'reraises', 'leaves', 'main':
            self.assertNotIn((function, None), found)
        first, second = 'ValueError: first', "ValueError: invalid literal for int() with base 10: 'second'"
        own = [text for name, text in found if name == 'reraises']
        # the handler, the handler inside it, the cleanup of the first handler, the outer handler
        self.assertEqual(own, [first, second, first, first])
        raised = [(one['function'], one['value']) for one in self.objects(path) if one['event'] == 'raise']
        self.assertIn(('leaves', 'LookupError: out'), raised)

    def test_leaving(self):
        path = self.write('sample.py', SAMPLE)
        found = collections.Counter((one['function'], one['event'], one.get('value')) for one in self.objects(path)
                                    if one['event'] != 'instruction')
        self.assertEqual(found['numbers', 'yield', '1'], 1)
        self.assertEqual(found['delegates', 'yield', '1'], 1)
        self.assertEqual(found['numbers', 'return', "'end'"], 1)
        self.assertEqual(found['recursive', 'return', '0'], 6)
        self.assertEqual(found['resumed.<locals>.inner', 'throw', "KeyError: 'k'"], 1)
        self.assertEqual(found['resumed.<locals>.outer', 'yield', "'caught'"], 1)

    def test_text(self):
        path = self.write('ratio.py', '''\
            def ratio(a, b):
                try:
                    return a and a / b
                except ZeroDivisionError:
                    return 0
            ratio(1, 0)
            ''')
        done = self.lltrace('--only', ':ratio', path)
        self.assertEqual(done.stdout, '')
        self.assertEqual([' '.join(line.split()) for line in done.stderr.splitlines()], [
            '1 0 in module __main__ (ratio.py)',
            '1 0 ratio:1 -> 0 RESUME',
            '1 0 ratio:2 0 -> 2 NOP',
            '1 0 ratio:3 2 -> 4 LOAD_FAST a',
            '1 0 ratio:3 4 -> 6 JUMP_IF_FALSE_OR_POP to 16',
            '1 0 ratio:3 6 -> 8 LOAD_FAST a',
            '1 0 ratio:3 8 -> 10 LOAD_FAST b',
            '1 0 ratio:3 10 -> 12 BINARY_OP /',
            '1 0 ratio:- 12 => 18 PUSH_EXC_INFO ZeroDivisionError: division by zero',
            '1 0 ratio:4 18 -> 20 LOAD_GLOBAL ZeroDivisionError',
            '1 0 ratio:4 20 -> 32 CHECK_EXC_MATCH',
            '1 0 ratio:4 32 -> 34 POP_JUMP_FORWARD_IF_FALSE to 44',
            '1 0 ratio:4 34 -> 36 POP_TOP',
            '1 0 ratio:5 36 -> 38 POP_EXCEPT',
            '1 0 ratio:5 38 -> 40 LOAD_CONST 0',
            '1 0 ratio:5 40 -> 42 RETURN_VALUE',
            '1 0 ratio:5 42 <- returns 0'])

    def test_names_with_newlines(self):
        """Each event is one line of text, whatever the code is called."""
        path = self.write('a.py', """
            def f(): return lambda: 1
            f.__code__ = f.__code__.replace(co_name='f\\nf', co_qualname='f\\ng', co_filename='a\\nb', co_consts=tuple(
                const.replace(co_name='in\\nner') if hasattr(const, 'co_name') else const for const in f.__code__.co_consts))
            f()
            """)
        for options in ([], ['--stack'], ['--counts'], ['--counts', '--graph', 'x.dot', '--function', 'nosuch']):
            done = self.lltrace(*options, '--include', '*', path)
            self.assertNotRegex(done.stderr, r'(?m)^(g|b|ner)\b')
            self.assertIn(r'f\ng', done.stderr)

    def test_columns_and_indentation(self):
        path = self.write('sample.py', SAMPLE)
        text = self.lltrace(path).stderr
        columns = set()
        module, *lines = text.splitlines()
        self.assertEqual(module, '1   0  in module __main__ (sample.py)')
        for line in lines:
            depth = int(line[2:5])
            self.assertEqual(len(line) - len(line[7:].lstrip()) - 7, 2 * min(depth, 6), line)
            columns.add(re.search('->|=>|<-', line).start())
        self.assertEqual(len(columns), 1)

    def test_deep_calls(self):
        """However deep a call is, the function can be recognized."""
        path = self.write('a.py', 'def recursive(n):\n    return n and recursive(n - 1)\nrecursive(150)')
        lines = self.lltrace('--only', ':recursive', path).stderr.splitlines()[1:]
        self.assertEqual({line.split()[2] for line in lines}, {'recursive:1', 'recursive:2'})
        self.assertEqual(max(int(line.split()[1]) for line in lines), 150)

    def test_modules(self):
        """A line introduces the module of the lines that follow, in each thread and process."""
        self.write('one.py', 'def f(): pass')
        self.write('sub/__init__.py', 'import one, threading\ndef g():\n    one.f()\n    one.f()')
        path = self.write('a.py', """
            import os, sub, threading
            sub.g()
            thread = threading.Thread(target=sub.g, name='worker')
            thread.start()
            thread.join()
            if os.fork() == 0:
                sub.g()
                os._exit(0)
            os.wait()
            """)
        expected = {code.co_qualname: file for file in ('a.py', 'one.py', 'sub/__init__.py') if file != 'a.py'
                    for code in code_objects(compile(pathlib.Path(self.path(file)).read_text(), file, 'exec')) if code.co_name != '<module>'}
        for options in [], ['--branches'], ['--opcodes', 'RESUME'], ['--stack'], ['--source']:
            current, introduced = {}, collections.Counter()
            for line in self.lltrace(*options, path).stderr.splitlines():
                thread, depth, *words = line.split()
                if words[:2] == ['in', 'module']:
                    self.assertNotEqual(current.get(thread), words[2:])
                    current[thread] = words[2:]
                    introduced[words[2]] += 1
                elif (function := words[0].partition(':')[0]) in expected:
                    self.assertEqual(current[thread], [{'f': 'one', 'g': 'sub'}[function], f'({expected[function]})'])
            self.assertLessEqual({'__main__', 'one', 'sub'}, set(introduced))
            filtered = '--branches' in options or '--opcodes' in options
            self.assertEqual(introduced['one'], 4 if filtered else 7)

    def test_source(self):
        """Each source line is above the instructions that belong to it."""
        path = self.write('sample.py', SAMPLE)
        source = SAMPLE.splitlines()
        line, lines = None, 0
        for text in self.lltrace('--source', path).stderr.splitlines()[1:]:
            if found := re.fullmatch(r'1 +\d+ +(\d+)  (.*)', text):
                line = found[1]
                self.assertEqual(found[2], source[int(line) - 1])
                lines += 1
            elif (number := text.split()[2].rpartition(':')[2]) not in ('-', '0'):
                self.assertEqual(number, line, text)
        self.assertGreater(lines, 100)
        self.write('a.py', 'exec("x = 1")\nx = "\f\x1b[31m"\ndef f():\n\treturn 1\nf()')
        text = self.lltrace('--source', 'a.py').stderr
        self.assertIn(r'   2  x = "\x0c\x1b[31m"', text)
        self.assertIn('   4          return 1', text)
        with zipfile.ZipFile(self.path('x.zip'), 'w') as archive:
            archive.writestr('__main__.py', 'import other\n')
            archive.writestr('other.py', 'y = 2\n')
        self.assertIn('   1  y = 2\n', self.lltrace('--source', '--include', 'other', 'x.zip').stderr)

    def test_width(self):
        """On a terminal the lines are not wider than it, and complete as far as possible."""
        path = self.write('a.py', """
            class TheLongestNameOfAClass:
                def and_of_a_method(self, n):
                    values = [n, 'text' * 10, {'key': list(range(10))}]
                    return n and self.and_of_a_method(n - 1)
            for n in range(2):
                TheLongestNameOfAClass().and_of_a_method(20)
            try:
                int('x')
            except ValueError: pass
            """)
        wide = self.lltrace('--stack', path).stderr
        for width in 60, 80, 100, 500:
            for options in [], ['--stack'], ['--stack', '--source']:
                text = self.on_terminal(width, '--color=never', *options, path)
                lines = text.splitlines()
                self.assertGreater(len(lines), 300)
                if width >= 80:
                    self.assertLessEqual(max(map(len, lines)), width)
                if width == 500 and options == ['--stack']:
                    self.assertEqual(text, wide)
                self.assertIn('returns', text)

    def test_equal_code_in_different_files(self):
        """Equal code objects of different files are distinguished."""
        for name in 'ab':
            self.write(f'{name}.py', 'def f():\n    return 1\nf()')
        self.write('main.py', 'import a, b')
        found = self.objects('--exclude', 'a', '--jsonl', 'main.py')
        files = {os.path.basename(one['file']) for one in found}
        self.assertEqual(files, {'main.py', 'b.py'})

    def test_extended_arg(self):
        lines = ''.join(f'x = {n + 1000}; ' for n in range(600))
        path = self.write('a.py', f'for i in 1, 2:\n    {lines}\n')
        self.assertEqual([(one['function'], one['source'], one['offset']) for one in self.objects(path)
                          if one['event'] == 'instruction'], reconstruct(path))

    def test_branches(self):
        path = self.write('sample.py', SAMPLE)
        every = self.objects(path)
        leaders = {code.co_qualname: {block.start for block in codeblocks.basic_blocks(code)}
                   for code in code_objects(compile(SAMPLE, path, 'exec'))}
        pick = lambda one: (one['function'], one['source'], one['offset'], one['depth'])
        self.assertEqual([pick(one) for one in self.objects('--branches', path) if one['event'] == 'instruction'],
                         [pick(one) for one in every if one['event'] == 'instruction'
                          and one['offset'] in leaders[one['function']]])

    def test_opcodes(self):
        path = self.write('sample.py', SAMPLE)
        every = self.objects(path)
        found = self.objects('--opcodes', 'LOAD_FAST,call,RESUME,PUSH_*', path)
        wanted = {'LOAD_FAST', 'CALL', 'RESUME', 'PUSH_NULL', 'PUSH_EXC_INFO'}
        self.assertEqual(found, [dict(one, process=found[0]['process']) for one in every if one.get('opname') in wanted])
        self.assertNotIn('RESUME', {one['opname'] for one in self.objects('--opcodes', 'CALL', path)})

    def test_stack(self):
        path = self.write('a.py', '''
            def f(a, b):
                return max(a, [b])
            def g():
                yield 1
            f([1], 2)
            ''')
        found = [(one['opname'], one['stack']) for one in self.objects('--stack', '--only', ':f', path)
                 if one['event'] == 'instruction']
        self.assertEqual(found, [
            ('RESUME', []), ('LOAD_GLOBAL', []), ('LOAD_FAST', ['<NULL>', '<built-in function max>']),
            ('LOAD_FAST', ['<NULL>', '<built-in function max>', '[1]']),
            ('BUILD_LIST', ['<NULL>', '<built-in function max>', '[1]', '2']),
            ('PRECALL', ['<NULL>', '<built-in function max>', '[1]', '[2]']),
            ('CALL', ['<NULL>', '<built-in function max>', '[1]', '[2]']), ('RETURN_VALUE', ['[2]'])])
        text = self.lltrace('--stack', '--only', ':f', path).stderr
        self.assertIn("| <NULL>, <built-in function max>, [1], 2\n", text)

    def test_stack_of_hostile_values(self):
        path = self.write('a.py', '''
            import sys
            class Raises:
                def __repr__(self): raise ValueError
                def use(self): return self
            class Exits(Raises):
                def __repr__(self): sys.exit(3)
            class Traced(Raises):
                def __repr__(self): return str(len([1, 2]))
            class Lines(Raises):
                def __repr__(self): return 'two\\nlines' + chr(0xd800)
            class Half(Raises):
                def __init__(self): self.use(); self.x = 1
                def __repr__(self): return self.x
            l = [1]; l.append(l)
            for x in (Raises(), Exits(), Traced(), Lines(), Half(), l, 'x' * 10**7, b'y' * 10**7, 10**9999,
                      list(range(10**6))):
                x = x
            ''')
        out = self.lltrace('--stack', path).stderr
        self.assertNotIn('__repr__', [line.split()[2].partition(':')[0] for line in out.splitlines()])
        self.assertIn('its repr() raised ValueError', out)
        self.assertIn('its repr() raised SystemExit', out)
        self.assertIn(r'two\nlines\ud800', out)
        self.assertIn('[1, [1, [1, [...]]]]', out)
        self.assertLess(max(map(len, out.splitlines())), 1200)

    def test_asyncio(self):
        self.addCleanup(asyncio.set_event_loop_policy, None)
        path = self.write('a.py', '''
            import asyncio
            async def leaf(n):
                await asyncio.sleep(0)
                return n
            async def items():
                for i in range(2):
                    yield await leaf(i)
            async def main():
                async for i in items():
                    await leaf(i)
                await asyncio.gather(*(leaf(n) for n in range(3)))
            asyncio.run(main())
            ''')
        objects = [one for one in self.objects(path)]
        self.assertEqual([(one['function'], one['source'], one['offset']) for one in objects
                          if one['event'] == 'instruction'], reconstruct(path))
        depths = {}
        for one in objects:
            depths.setdefault(one['function'], set()).add(one['depth'])
        self.assertEqual(depths['<module>'], {0})
        self.assertEqual(depths['main'], {1})
        self.assertEqual(depths['items'], {2})
        # awaited by items, by main, and as tasks of the event loop
        self.assertEqual(depths['leaf'], {1, 2, 3})

    def test_deep_recursion(self):
        path = self.write('a.py', '''
            import sys
            sys.setrecursionlimit(5000)
            def f(n):
                return n and f(n - 1)
            f(2000)
            ''')
        depths = [one['depth'] for one in self.objects(path)]
        self.assertEqual(max(depths), 2001)
        self.assertEqual(depths[-1], 0)

    def test_recursion_limit(self):
        """If the recursion limit leaves no room for the trace function, the trace ends with a message."""
        path = self.write('a.py', '''
            def f(): f()
            try:
                f()
            except RecursionError:
                print('caught')
            ''')
        done = self.lltrace('-o', os.devnull, path)
        self.assertEqual(done.stdout, 'caught\n')
        self.assertRegex(done.stderr, r'^lltrace: the trace ended before the program: .*recursion limit\)\n$')

    def test_recursion_limit_in_formatting(self):
        """Exceptions raised and caught by the trace function are not part of the program's traceback."""
        self.write('a.py', 'def f(n, *values): f(n + 1, b"x", [n])\nf(0)')
        for spare in range(8):                  # the place where the limit is reached depends on the frames below
            self.write('b.py', 'g = lambda n: n and g(n - 1) or exec(compile(open("a.py").read(), "a.py", "exec"), {})\n'
                               f'g({spare})')
            done = self.lltrace('-o', os.devnull, '--stack', 'b.py', status=1)
            self.assertNotIn('During handling', done.stderr)
            self.assertNotIn('_values.py', done.stderr)

    def test_own_trace_function(self):
        path = self.write('a.py', '''
            import sys
            def before(): pass
            def after(): pass
            before()
            seen = []
            sys.settrace(lambda *args: seen.append(args))
            after()
            sys.settrace(None)
            print(len(seen))
            ''')
        done = self.lltrace(path)
        self.assertEqual(done.stdout, '1\n')
        self.assertIn(' before:3 ', done.stderr)
        self.assertNotIn(' after:4 ', done.stderr)
        self.assertRegex(done.stderr.splitlines()[-1], '^lltrace: the trace ended before the program: ')
        self.write('a.py', 'import sys\nsys.settrace(lambda *args: None)\n')
        self.assertIn('set a trace function of its own', self.lltrace(path).stderr)

    def test_threads(self):
        path = self.write('a.py', '''
            import threading
            def work(n):
                for i in range(n):
                    pass
            threads = [threading.Thread(target=work, args=(300,), name=f'worker-{i}') for i in range(8)]
            for t in threads: t.start()
            for t in threads: t.join()
            ''')
        objects = self.objects(path)            # an incomplete line would not parse
        names = [one['name'] for one in objects if one['event'] == 'thread']
        self.assertEqual(sorted(names), [f'worker-{i}' for i in range(8)])
        own = collections.Counter(one['thread'] for one in objects if one.get('function') == 'work')
        self.assertEqual(len(own), 8)
        self.assertEqual(len(set(own.values())), 1)
        self.assertEqual({one['depth'] for one in objects if one.get('function') == 'work'}, {0})
        self.assertIn('this is worker-3', self.lltrace(path).stderr)

    @unittest.skipUnless(hasattr(os, 'fork'), 'needs os.fork')
    def test_fork(self):
        path = self.write('a.py', '''
            import os
            def child(): return 1
            pid = os.fork()
            if pid == 0:
                child()
                os._exit(0)
            os.waitpid(pid, 0)
            ''')
        objects = self.objects(path)
        processes = list(dict.fromkeys(one['process'] for one in objects))
        self.assertEqual(len(processes), 2)
        self.assertEqual({one['process'] for one in objects if one['function'] == 'child'}, {processes[1]})
        last = [one for one in objects if one['process'] == processes[1]][-1]
        self.assertEqual(last['opname'], 'CALL')        # of os._exit
        self.assertEqual(len(objects), len({json.dumps(one) for one in objects}))

    def test_multiprocessing(self):
        path = self.write('a.py', '''
            import multiprocessing
            def work(n): return n + 1
            if __name__ == '__main__':
                with multiprocessing.get_context('fork').Pool(2) as pool:
                    print(pool.map(work, range(5)))
            ''')
        self.lltrace('-o', self.path('lines'), '--jsonl', '--only', ':work', path)
        with open(self.path('lines')) as file:
            found = [json.loads(line) for line in file]
        self.assertEqual(sorted(one['value'] for one in found if one['event'] == 'return'), list('12345'))

    def test_memory_stays_flat(self):
        path = self.write('a.py', '''
            import gc, weakref
            alive = []
            for i in range(12000):
                space = {'__name__': '__main__'}
                exec(f'def f{i}(): return {i}\\nf{i}()', space)
                alive.append(weakref.ref(space[f'f{i}'].__code__))
                space.clear()
            print(sum(1 for one in alive if one() is not None))
            ''')
        done = self.lltrace('-o', os.devnull, path)
        self.assertLess(int(done.stdout), _code.CodeInfos.LIMIT + 10)

    def test_frames_are_not_kept(self):
        path = self.write('a.py', '''
            import gc, weakref
            gc.disable()
            class C: pass
            def f():
                c = C()
                try:
                    1 / 0
                except ZeroDivisionError:
                    pass
                return weakref.ref(c)
            def g():
                c = C()
                yield weakref.ref(c)
            print(f()(), next(g())())
            ''')
        self.assertEqual(self.lltrace('-o', os.devnull, path).stdout, 'None None\n')


class SelectionTest(ProgramTestCase):

    def setUp(self):
        super().setUp()
        self.write('pkg/__init__.py', '')
        self.write('pkg/sub.py', 'def helper(): return 1\nclass C:\n    def method(self): return helper()')
        self.write('beside.py', 'def aside(): return 2')
        self.write('main.py', '''
            import calendar, collections, dataclasses, json
            import beside, pkg.sub
            Point = collections.namedtuple('Point', 'x y')
            @dataclasses.dataclass
            class D:
                x: int
            def own():
                json.dumps([1])
                calendar.monthrange(2026, 1)
                Point(1, 2)
                D(3)
                return beside.aside() + pkg.sub.C().method()
            own()
            ''')

    def functions(self, *options):
        return {f'{one["module"]}:{one["function"]}' for one in self.objects('--branches', *options, 'main.py')}

    def test_default(self):
        found = self.functions()
        self.assertLessEqual({'__main__:own', 'beside:aside', 'pkg.sub:C.method', '__main__:<module>'}, found)
        self.assertEqual({name.partition(':')[0] for name in found}, {'__main__', 'beside', 'pkg', 'pkg.sub'})

    def test_include(self):
        found = self.functions('--include', 'json')
        self.assertIn('json.encoder:JSONEncoder.encode', found)
        self.assertIn('json:dumps', found)
        self.assertNotIn('calendar:monthrange', found)
        self.assertIn('calendar:monthrange', self.functions('--include', 'calendar:month*'))
        self.assertIn('calendar:monthrange', self.functions('--include', os.path.dirname(os.__file__)))

    def test_only(self):
        self.assertEqual(self.functions('--only', ':own'), {'__main__:own'})
        self.assertEqual(self.functions('--only', 'pkg.sub:C.*'), {'pkg.sub:C.method'})
        self.assertEqual(self.functions('--only', 'beside'), {'beside:<module>', 'beside:aside'})
        self.assertEqual(self.functions('--only', './pkg/'), {'pkg:<module>', 'pkg.sub:<module>', 'pkg.sub:C',
                                                              'pkg.sub:C.method', 'pkg.sub:helper'})

    def test_exclude(self):
        found = self.functions('--exclude', 'pkg', '--exclude', ':<module>', '--exclude', '*/beside.py')
        self.assertIn('__main__:own', found)
        self.assertEqual({name.partition(':')[0] for name in found}, {'__main__'})
        self.assertNotIn('__main__:<module>', found)

    def test_lltrace_is_never_shown(self):
        found = self.objects('--branches', '--include', '*', 'main.py')
        self.assertFalse([one for one in found if os.path.dirname(one['file']) == os.path.dirname(lltrace.__file__)])
        self.assertIn('importlib._bootstrap', {one['module'] for one in found})
        # nor what it calls
        self.write('a.py', 'import os\nif os.fork() == 0: os._exit(0)\nos.wait()')
        for options in [], ['--branches']:
            found = self.objects('--only', '*', *options, 'a.py')
            self.assertEqual((found[0]['function'], found[0]['file']), ('<module>', self.path('a.py')))
            self.assertFalse({'signal', 'posixpath'} & {one['module'] for one in found})

    def test_module_of_the_library(self):
        found = self.objects('--branches', '-m', 'calendar', '2026', '1')
        self.assertEqual({one['module'] for one in found}, {'__main__'})
        self.assertIn('TextCalendar.formatmonth', {one['function'] for one in found})

    def test_pattern(self):
        for bad in '', ':':
            self.assertRaises(ValueError, _select.Pattern, bad)

    def test_unmatched(self):
        """A pattern that matches nothing is reported with the nearest names."""
        for options, message in {
            ('--only', 'own'): '--only own; did you mean :own?',
            ('--only', ':onw'): '--only :onw; did you mean :own?',
            ('--only', 'pkg.sbu', '--only', 'pkg'): '--only pkg.sbu; did you mean pkg.sub',
            ('--include', 'bseide'): '--include bseide; did you mean beside or :aside?',
            ('--include', 'main.py'): '--include main.py; did you mean */main.py',
            ('--exclude', 'pkg.sub:C.metohd'): '--exclude pkg.sub:C.metohd; did you mean pkg.sub:C.method or',
            ('--only', 'qqqqqq'): '--only qqqqqq',
            ('--counts', '--only', 'own'): '--only own; did you mean :own?',
        }.items():
            with self.subTest(options):
                done = self.lltrace('-o', os.devnull, *options, 'main.py')
                self.assertIn(f'lltrace: no executed code matches {message}', done.stderr)
                self.assertEqual(len(done.stderr.splitlines()), 1)
        for options in ['--only', ':own', '--only', '__main__'], ['--include', '*', '--exclude', 'pkg'], ['--limit', '1', '--only', '__main__', '--exclude', 'pkg']:
            self.assertNotIn('no code', self.lltrace('-o', os.devnull, *options, 'main.py').stderr)
        self.write('a.py', 'import os\ndef child(): pass\nif os.fork() == 0:\n    child()\n    os._exit(0)\nos.wait()')
        self.assertEqual(self.lltrace('-o', os.devnull, '--only', ':child', 'a.py').stderr, '')


class ValuesTest(unittest.TestCase):

    def test_bounded(self):
        class Big(list):
            pass
        class Named(type):
            __name__ = property(lambda self: 1 / 0)
        class Odd(metaclass=Named):
            def __repr__(self): raise MemoryError
        class NotStr:
            def __repr__(self): return 5
        recursive = {}
        recursive[1] = recursive
        deep = []
        for _ in range(100_000):
            deep = [deep]
        for value in ('x' * 10**6, b'x' * 10**6, bytearray(10**6), 10**5000, -10**5000, list(range(10**5)), recursive,
                      Big(range(10**5)), collections.Counter(range(10**5)), collections.deque(range(10**5)), Odd(), NotStr(),
                      collections.OrderedDict.fromkeys(range(10**5)), deep, '\n\0\x1b[31m\ud800', object(), sys, None, 1.5,
                      type('list', (), {'__len__': lambda self: 1 / 0})(), memoryview(b'x'), range(10**9)):
            text = _values.value(value)
            self.assertLess(len(text), 130)
            self.assertTrue(text.isprintable(), text)
        self.assertEqual(_values.value('a\nb'), r"'a\nb'")
        self.assertEqual(_values.value('x' * 38), repr('x' * 38))
        for value, text in {
            workload: '<function workload>', self.test_bounded: '<bound method ValuesTest.test_bounded>',
            workload.__code__: '<code object workload>', [].append: '<built-in method list.append>',
            len: '<built-in function len>', types.MethodType(5 .__add__, 1): '<bound method int.__add__>',
            types.MethodType(NotStr, 1): '<bound method ValuesTest.test_bounded.<locals>.NotStr>',
        }.items():
            self.assertEqual(_values.value(value), text)
        self.assertEqual(_values.value(iter(range(3))), '<range_iterator object>')
        self.assertEqual(_values.value([1, 'b']), "[1, 'b']")
        self.assertIn('Big of 100000 items', _values.value(Big(range(10**5))))

    def test_exception(self):
        class Bad(Exception):
            def __str__(self): raise KeyError
        self.assertEqual(_values.exception(ValueError('x')), 'ValueError: x')
        self.assertEqual(_values.exception(ValueError()), 'ValueError')
        self.assertIn('its str() raised KeyError', _values.exception(Bad()))
        self.assertLessEqual(len(_values.exception(ValueError('x' * 10**6))), 80)
        self.assertEqual(_values.exception(ValueError('a\nb')), r'ValueError: a\nb')


class OutputTest(ProgramTestCase):

    def setUp(self):
        super().setUp()
        self.loop = self.write('loop.py', 'for i in range(3000):\n    pass\nprint("end")\n')

    def test_limit(self):
        whole = self.lltrace(self.loop).stderr.splitlines()
        for limit in 1, 2, 63, 64, 65, 1000:
            done = self.lltrace('--limit', limit, self.loop)
            *lines, message = done.stderr.splitlines()
            self.assertEqual(lines, whole[:limit + 1])      # with the name of the module
            self.assertEqual(message, f'lltrace: the trace ended at the limit of {limit:,} line{"s" * (limit > 1)}')
            self.assertEqual(done.stdout, 'end\n')
        self.assertEqual(self.lltrace('--limit', 10**6, self.loop).stderr.splitlines(), whole)

    def test_limit_of_threads(self):
        self.write('a.py', '''
            import threading
            def work():
                for i in range(1000): pass
            threads = [threading.Thread(target=work) for i in range(5)]
            for t in threads: t.start()
            for t in threads: t.join()
            ''')
        *lines, message = self.lltrace('--limit', 5000, 'a.py').stderr.splitlines()
        self.assertEqual(len([line for line in lines if ' in module ' not in line]), 5000)
        self.assertEqual(message, 'lltrace: the trace ended at the limit of 5,000 lines')

    def test_reader_stops_reading(self):
        self.write('loop.py', 'for i in range(100_000):\n    pass\n')
        for options in '-o -', '2>&1 >/dev/null':
            with self.subTest(options):
                command = f'{{ "$0" -m lltrace {options} loop.py; echo "status $?" >status; }} | head -n 3'
                if options.startswith('2'):
                    command = f'{{ "$0" -m lltrace loop.py {options}; echo "status $?" >status; }} | head -n 3'
                done = subprocess.run(['bash', '-c', command, sys.executable], cwd=self.folder, capture_output=True, text=True)
                self.assertEqual(len(done.stdout.splitlines()), 3)
                self.assertNotIn('Traceback', done.stdout + done.stderr)
                self.assertNotIn('lltrace:', done.stderr)

    def test_reader_of_program_stops_reading(self):
        self.write('a.py', 'for i in range(100000): print(i)')
        results = []
        for command in 'a.py', '-m lltrace -o lines --limit 10 a.py':
            done = subprocess.run(['bash', '-c', f'"$0" {command} | head -n 1; echo "${{PIPESTATUS[0]}}"', sys.executable],
                                  cwd=self.folder, capture_output=True, text=True)
            results.append((done.stdout, done.stderr.removesuffix('lltrace: the trace ended at the limit of 10 lines\n')))
        self.assertEqual(*results)

    @unittest.skipUnless(os.path.exists('/dev/full'), 'needs /dev/full')
    def test_full_disk(self):
        done = self.lltrace('-o', '/dev/full', self.loop)
        self.assertEqual(done.stdout, 'end\n')
        self.assertEqual(done.stderr, 'lltrace: cannot write the trace: No space left on device\n')

    def test_signal_handler_raises_during_write(self):
        """Its exception reaches the program, even if it looks like an error of the output file."""
        def write(fd, data):
            raise TimeoutError('of the program')
        output = _output.Output(_output.Descriptor.of_path(self.path('lines')))
        output.buffer.append('line\n')
        with mock.patch('os.write', write), self.assertRaisesRegex(TimeoutError, 'of the program'):
            output.flush()
        self.assertIsNone(output.error)
        output.close()

    def test_os_exit_loses_lines(self):
        self.write('a.py', 'import os\nfor i in range(1000):\n    pass\nos._exit(3)\n')
        whole = self.lltrace('--flush', 'a.py', status=3).stderr.splitlines()
        self.assertIn('CALL', whole[-1])
        kept = self.lltrace('a.py', status=3).stderr.splitlines()
        self.assertEqual(kept, whole[:len(kept)])
        self.assertLess(len(whole) - len(kept), _output.Output.CHUNK)

    def test_crash(self):
        self.write('a.py', 'import os, signal\ndef last():\n    os.kill(os.getpid(), signal.SIGKILL)\nlast()\n')
        done = self.lltrace('--flush', 'a.py', status=-signal.SIGKILL)
        self.assertRegex(done.stderr.splitlines()[-1], r'last:3 .* CALL +2$')

    def test_program_closes_all_files(self):
        self.write('a.py', '''
            import os
            os.closerange(3, 100)
            with open('data', 'wb', buffering=0) as file:
                copies = [os.dup(file.fileno()) for i in range(20)]
                file.write(b'mine')
                for i in range(1000): pass
            ''')
        done = self.lltrace('-o', 'lines', 'a.py')
        with open(self.path('data')) as file:
            self.assertEqual(file.read(), 'mine')
        self.assertIn('the program closed its file', done.stderr)

    def test_program_replaces_stderr(self):
        self.write('a.py', 'import sys, io\nsys.stderr = io.StringIO()\nsys.stdout.close()\n')
        self.assertRegex(self.lltrace('a.py').stderr, r'returns +None\n$')

    def test_no_color_in_a_file(self):
        self.assertNotIn('\033', self.lltrace('--limit', '5', self.loop).stderr)
        for option in '--color', '--color=always':
            self.assertIn('\033[', self.lltrace(option, self.loop).stderr)
        plain = re.sub('\033\\[[0-9;]*m', '', self.lltrace('--color=always', self.loop).stderr)
        self.assertEqual(plain, self.lltrace('--color=never', self.loop).stderr)

    def test_terminal(self):
        text = self.on_terminal(0, '--limit', '3', self.loop)
        self.assertEqual(len(text.splitlines()), 5)
        self.assertIn('\033[1mRESUME', text)

    def test_ascii_terminal(self):
        self.write('a.py', 'def é():\n    return "ü"\né()\n')
        done = self.lltrace('a.py', env=dict(os.environ, PYTHONIOENCODING='ascii'))
        self.assertIn(r'\xe9:1', done.stderr)
        self.assertTrue(done.stderr.isascii())

    def test_unwritable(self):
        for option in '--output', '--html', '--graph':
            for name, reason in {'nosuch/x.dot': 'No such file or directory', 'folder.dot': 'Is a directory'}.items():
                os.makedirs(self.path('folder.dot'), exist_ok=True)
                done = self.lltrace(option, name, self.loop, status=2)
                self.assertEqual((done.stdout, done.stderr), ('', f'lltrace: error: cannot write {name}: {reason}\n'))

    def test_paths_are_relative_to_the_initial_folder(self):
        self.write('a.py', 'import os\nos.mkdir("there"); os.chdir("there")\ndef f(): pass\nf()\n')
        self.lltrace('--counts', '-o', 'a.txt', '--html', 'a.html', '--graph', 'a.dot', '--function', 'f',
                     'a.py')
        self.assertEqual(os.listdir(self.path('there')), [])
        os.rmdir(self.path('there'))
        self.lltrace('-o', 'lines', 'a.py')
        self.assertEqual(sorted(os.listdir(self.folder)),
                         ['a.dot', 'a.html', 'a.py', 'a.txt', 'lines', 'loop.py', 'there'])

    @unittest.skipUnless(os.path.exists('/dev/full'), 'needs /dev/full')
    def test_counts_and_full_disk(self):
        done = self.lltrace('--counts', '-o', '/dev/full', self.loop)
        self.assertEqual((done.stdout, done.stderr),
                         ('end\n', 'lltrace: error: cannot write the counts: No space left on device\n'))


class OptionsTest(ProgramTestCase):

    def error(self, *arguments):
        done = self.lltrace(*arguments, status=2)
        self.assertEqual(done.stdout, '')
        *usage, error = done.stderr.splitlines()
        self.assertTrue(usage and usage[0].startswith('usage: python -m lltrace '), done.stderr)
        return error.removeprefix('python -m lltrace: error: ')

    def test_errors(self):
        script = self.write('a.py', 'print("ran")')
        for arguments, expected in {
            (): 'a program is needed: a file, -m MODULE, or - for standard input',
            ('--',): 'a program is needed: a file, -m MODULE, or - for standard input',
            ('-m',): '-m needs the name of a module',
            ('--limit', '0', script): '--limit must be at least 1, not 0',
            ('--limit', 'x', script): "argument --limit: invalid int value: 'x'",
            ('--opcodes', 'LOAD_FATS', script): "there is no instruction 'LOAD_FATS'; did you mean LOAD_FAST?",
            ('--opcodes', '', script): "there is no instruction ''; dis.opmap lists the names",
            ('--opcodes', 'NOP', '--branches', script): '--branches and --opcodes cannot be combined',
            ('--include', '', script): "empty pattern; it must be MODULE, MODULE:FUNCTION or a path that contains '/'",
            ('--counts', '--stack', script): '--stack cannot be combined with --counts',
            ('--html', 'x', '--source', script): '--source cannot be combined with --html',
            ('--source', '--jsonl', script): '--source and --jsonl cannot be combined',
            ('--html', 'x', '--limit', '3', script): '--limit cannot be combined with --html',
            ('--function', 'f', script): '--function requires --graph',
            ('--graph', 'x.png', script): '--graph: x.png must end with .svg, .dot or .gv',
            ('--nosuch', script): 'unrecognized arguments: --nosuch',
            ('--color=blue', script): "argument --color: invalid choice: 'blue' (choose from 'auto', 'always', 'never')",
        }.items():
            with self.subTest(arguments):
                self.assertEqual(self.error(*arguments), expected)

    def test_separator(self):
        script = self.write('-a.py', 'import sys; print(sys.argv[1:])')
        self.assertEqual(self.lltrace('-o', os.devnull, '--', '-a.py', '--', 'b').stdout, "['--', 'b']\n")

    def test_help(self):
        text = self.lltrace('--help').stdout
        for option in ('--stack', '--source', '--branches', '--opcodes', '--include', '--exclude', '--only', '--limit', '--output', '--color',
                       '--jsonl', '--counts', '--html', '--graph', '--function', '--flush'):
            self.assertIn(option, text)


def workload():
    for i in range(10):
        try:
            branching(i)
        except ValueError:
            pass
    return sum(x for x in range(4))


def branching(n):
    if n % 2 and n > 3:
        raise ValueError(n)
    return [k for k in range(n)]


class CountsTest(ProgramTestCase):

    ONLY = [f'{__name__}:workload*', f'{__name__}:branching*']

    def independent(self, **flags):
        """A Counter of (code, offset or edge), from a separate trace function."""
        seen = collections.Counter()
        names = 'workload', 'branching'

        def tracer(frame, event, arg):
            code = frame.f_code
            if code.co_filename != workload.__code__.co_filename or not code.co_qualname.startswith(names):
                return None
            if event == 'instruction' or event == 'call' and code.co_code[frame.f_lasti] == dis.opmap['RESUME']:
                seen[code, frame.f_lasti] += 1
            elif event == 'branch':
                seen[code, arg] += 1
            return tracer

        saved = sys.gettracestate()
        sys.settracestate(tracer, trace_lines=False, trace_instructions=True, trace_branches=True)
        try:
            workload()
        finally:
            sys.settracestate(**saved)
        return seen

    def counted(self):
        with lltrace.count(only=self.ONLY) as counts:
            workload()
        return counts

    def test_equal_to_a_trace(self):
        counts = self.counted()
        found = {(one.code, key): number for one in counts.codes for key, number in (one.instructions | one.edges).items()}
        self.assertEqual(found, dict(self.independent()))
        # reading the counts does not change them
        self.assertEqual([one.instructions for one in counts.codes], [one.instructions for one in counts.codes])

    def test_threads(self):
        def work():
            for i in range(2000):
                pass
        with lltrace.count(only=[':*work']) as counts:
            threads = [threading.Thread(target=work) for _ in range(6)]
            interval = sys.getswitchinterval()
            sys.setswitchinterval(1e-6)
            try:
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
            finally:
                sys.setswitchinterval(interval)
        one, = counts.codes
        names = {offset: i.opname for offset, i in _code.instructions(work.__code__).items()}
        self.assertEqual([one.instructions[offset] for offset in names if names[offset] == 'FOR_ITER'], [6 * 2001])

    def test_text(self):
        stream = io.StringIO()
        self.counted().print(stream)
        text = stream.getvalue()
        self.assertRegex(text, r'\n +10 +0 RESUME\n')
        self.assertRegex(text, r'\n +\d+      raise ValueError\(n\)\n'.replace('      ', ' {2,}'))
        listed = re.findall(r'^ +([\d,]+|-)  (?:>>|  ) +(\d+) ([A-Z_]+)', text, re.MULTILINE)
        numbers = [(int(offset), 0 if count == '-' else int(count.replace(',', ''))) for count, offset, _ in listed]
        self.assertEqual(numbers, [(offset, one.instructions.get(offset, 0)) for one in self.counted().codes
                                   for offset in _code.instructions(one.code)])

    def test_never_called(self):
        path = self.write('a.py', 'def never():\n    def inner(): pass\ndef called(): pass\ncalled()')
        done = self.lltrace('--counts', '-o', '-', path)
        tail = done.stdout.partition('never called\n')[2]
        self.assertEqual(re.findall(r'a\.py:(\d)  (\S+)', tail), [('1', 'never'), ('2', 'never.<locals>.inner')])

    def test_page(self):
        counts = self.counted()
        page = _html.page(counts)
        parser = PageParser()
        parser.feed(page)
        parser.close()
        self.assertEqual(parser.open, [])
        self.assertNotRegex(_html._STYLE, r'(?i)http|url\(|@import')
        self.assertEqual(parser.attributes, {'lang', 'charset', 'name', 'content', 'class', 'id', 'style', 'href', 'type', 'for'})
        self.assertLessEqual(parser.open_tags, set('html head meta title style body header main h1 h2 small p span div input '
                                                   'label table tr td a b details summary'.split()))
        self.assertIn('prefers-color-scheme: dark', page)
        self.assertLessEqual(parser.targets, parser.ids)
        numbers = collections.Counter(int(row[0].replace(',', '')) for row in parser.instructions)
        expected = collections.Counter()
        for one in counts.codes:
            expected.update(one.instructions.get(offset, 0) for offset in _code.instructions(one.code))
        expected.update(0 for code in counts.never_called() for _ in _code.instructions(code))
        self.assertEqual(numbers, expected)

    def test_page_escapes(self):
        path = self.write('a<b>&.py', 'x = "</div><script>alert(1)</script>"\n')
        self.lltrace('--html', 'page.html', path)
        with open(self.path('page.html'), encoding='utf-8') as file:
            page = file.read()
        self.assertNotIn('<script', page)
        self.assertIn('a&lt;b&gt;&amp;.py', page)

    def test_names_of_several_files(self):
        """The page is called after the program or package, and names of functions include the module."""
        self.write('pkg/__init__.py', 'from pkg import one, two')
        self.write('pkg/one.py', 'def f(): pass\nf()')
        self.write('pkg/two.py', 'def f(): pass\nf()\ndef never(): pass')
        self.write('pkg/__main__.py', 'import other')
        self.write('other.py', '')
        self.write('a.py', 'import pkg, other')
        for arguments, title, functions in (
                (['a.py'], 'a.py, other, pkg', {'__main__:<module>', 'other:<module>', 'pkg:<module>', 'pkg.one:<module>',
                                                'pkg.one:f', 'pkg.two:<module>', 'pkg.two:f', 'pkg.two:never'}),
                (['--only', 'pkg', 'a.py'], 'pkg', {'pkg:<module>', 'pkg.one:<module>', 'pkg.one:f', 'pkg.two:<module>',
                                                    'pkg.two:f', 'pkg.two:never'}),
                (['--only', 'pkg.one', 'a.py'], 'pkg.one', {'<module>', 'f'}),
                (['--only', '__main__', 'a.py'], 'a.py', {'<module>'}),
                (['--only', '__main__', '-m', 'pkg'], 'pkg', {'<module>'}),
                (['--only', 'pkg', '--only', '__main__', '-m', 'pkg'], 'pkg', None),
                (['--only', 'nosuch', 'a.py'], 'nothing was executed', set())):
            with self.subTest(arguments):
                self.lltrace('--html', 'page.html', *arguments)
                with open(self.path('page.html')) as file:
                    page = file.read()
                self.assertEqual(re.search('<title>(.*) - lltrace</title>', page)[1], title)
                if functions is not None:
                    self.assertEqual({html.unescape(name) for name in re.findall('<a href[^>]*>(.*?)</a>', page)}, functions)
        done = self.lltrace('--graph', 'x.dot', '--function', '<module>', '--only', 'pkg', 'a.py')
        self.assertIn('--function: pkg:<module>:1, pkg.one:<module>:1, pkg.two:<module>:1\n', done.stderr)
        for name in 'pkg.two:<module>', 'pkg.two:<module>:1', 'pkg.one:f':
            self.assertEqual(self.lltrace('--graph', 'x.dot', '--function', name, 'a.py').stderr, '')

    def test_page_without_source(self):
        self.write('a.py', 'exec(compile("def f(): return 1\\nf()", "<made>", "exec"), {"__name__": "__main__"})\n')
        self.lltrace('--html', 'page.html', '--counts', 'a.py')
        with open(self.path('page.html')) as file:
            self.assertIn('&lt;made&gt;', file.read())

    def test_nothing_executed(self):
        path = self.write('a.py', 'x = 1')
        self.lltrace('--html', 'page.html', '--counts', '--only', 'nosuch', path)
        self.assertTrue(os.path.getsize(self.path('page.html')))


class PageParser(html.parser.HTMLParser):
    """Checks nesting, and collects the instructions of the page."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.targets, self.instructions = [], set(), set(), []
        self.attributes, self.open_tags = set(), set()

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.attributes.update(attributes)
        self.open_tags.add(tag)
        self.ids.add(attributes.get('id'))
        if 'href' in attributes:
            if not attributes['href'].startswith('#'):
                raise AssertionError(attributes)
            self.targets.add(attributes['href'][1:])
        if tag in ('meta', 'input'):
            return
        self.open.append(tag)
        if 'i' in attributes.get('class', '').split():
            self.instructions.append([])
            self.depth = len(self.open)

    def handle_endtag(self, tag):
        if self.open.pop() != tag:
            raise AssertionError(tag)

    def handle_data(self, data):
        if self.instructions and self.open and self.open[-1] == 'b' and len(self.open) == self.depth + 1:
            self.instructions[-1].append(data)


class GraphTest(ProgramTestCase):

    def setUp(self):
        super().setUp()
        self.script = self.write('a.py', '''
            def f(n):
                if n > 1 and n < 5:
                    return 'some'
                try:
                    return 1 / n
                except ZeroDivisionError:
                    return None
            def g(): pass
            class C:
                def g(self): pass
            for i in range(-1, 3): f(i)
            g(); C().g()
            ''')

    def edges(self, path):
        with open(path) as file:
            return [(source, int(target), attributes) for source, target, attributes in
                    re.findall(r'^  (\w+) -> (\d+) \[(.*)\]$', file.read(), re.MULTILINE)]

    def test_edges_are_the_events(self):
        self.lltrace('--graph', 'f.dot', '--function', 'f', self.script)
        with lltrace.count() as counts:
            runpy.run_path(self.script, run_name='__main__')
        one, = (one for one in counts.codes if one.code.co_name == 'f')
        taken = one.edges
        blocks = codeblocks.basic_blocks(one.code)
        expected = collections.Counter()
        for block in blocks:
            for edge in block.predecessors:
                source = next((b.start for b in blocks if b.start <= edge.source < b.end), 'entry')
                expected[str(source), edge.target] += taken.get(edge[:2], 0)
        found = collections.Counter()
        for source, target, attributes in self.edges(self.path('f.dot')):
            number = re.search(r'label="[^"]*?([\d,]+) "', attributes)
            found[source, target] += int(number[1].replace(',', '')) if number else 0
            self.assertEqual('dashed' in attributes, number is None)
        self.assertEqual(found, expected)
        self.assertEqual(sum(found.values()), sum(taken.values()))

    def test_choice(self):
        for name, message in {
            'nosuch': 'no function nosuch was executed, only <module>, C, C.g, f, g',
            'g': 'several functions are called g; choose with --function: g:9, C.g:11',
            None: 'choose one of several functions with --function: f, g, C, C.g',
        }.items():
            done = self.lltrace('--graph', 'x.dot', *(('--function', name) if name else ()), self.script)
            self.assertEqual(done.stderr, f'lltrace: error: {message}\n')
            self.assertFalse(os.path.exists(self.path('x.dot')))
        for name in 'C.g', 'g:9', 'C.g:11', '<module>':
            self.lltrace('--graph', 'x.gv', '--function', name, self.script)
            os.unlink(self.path('x.gv'))

    def test_choice_of_several_in_a_line(self):
        script = self.write('a.py', '(lambda: 1)(), (lambda x: x)(2)')
        done = self.lltrace('--graph', 'x.dot', script)
        names = re.findall('<lambda>[^ ,\n]*', done.stderr)
        self.assertEqual(names, ['<lambda>:1#1', '<lambda>:1#2'])
        graphs = []
        for name in names:
            self.lltrace('--graph', 'x.dot', '--function', name, script)
            with open(self.path('x.dot')) as file:
                graphs.append(file.read())
        self.assertIn('LOAD_CONST', graphs[0])
        self.assertIn('LOAD_FAST', graphs[1])
        self.assertIn('no function', self.lltrace('--graph', 'y.dot', '--function', '<lambda>:1#3', script).stderr)

    def test_without_graphviz(self):
        os.mkdir(self.path('empty'))
        done = self.lltrace('--graph', 'f.svg', '--function', 'f', self.script, status=2,
                            env=dict(os.environ, PATH=self.path('empty')))
        self.assertTrue(done.stderr.endswith("error: --graph: a .svg file needs Graphviz's program dot; "
                                             'install Graphviz or name a .dot file\n'), done.stderr)

    @unittest.skipUnless(shutil.which('dot'), 'needs Graphviz')
    def test_svg(self):
        self.write('b.py', 'def f(a):\n    return a == """<&>\\"\\\\ é""" or "\\0"\nf(1)\n')
        for script in self.script, 'b.py':
            self.lltrace('--graph', 'f.svg', '--function', 'f', script)
            tree = xml.etree.ElementTree.parse(self.path('f.svg'))
            self.assertIn('RETURN_VALUE', ''.join(tree.getroot().itertext()))


class ApiTest(BaseTestCase):

    def traced(self, function, **options):
        stream = io.StringIO()
        with lltrace.trace(stream, jsonl=True, only=[__name__, 'test.test_lltrace_module'], **options):
            function()
        return [json.loads(line) for line in stream.getvalue().splitlines()]

    def test_with(self):
        def target():
            return 5
        found = self.traced(target)
        own = [one['opname'] for one in found if one['function'].endswith('target') and one['event'] == 'instruction']
        self.assertEqual(own, ['RESUME', 'LOAD_CONST', 'RETURN_VALUE'])
        # the trace starts after the with statement was entered
        body = [one for one in found if one['function'].endswith('traced')]
        self.assertEqual(body[0]['depth'], 0)
        self.assertIn('CALL', [one['opname'] for one in body])
        self.assertEqual({one['depth'] for one in found if one['function'].endswith('target')}, {1})

    def test_start_and_stop(self):
        stream = io.StringIO()
        trace = lltrace.trace(stream, only=[__name__, 'test.test_lltrace_module'])
        def target(): pass
        target()
        trace.start()
        target()
        trace.stop()
        target()
        trace.stop()
        self.assertEqual(len(re.findall('target:.*RESUME', stream.getvalue())), 1)
        self.assertRaises(RuntimeError, trace.start)

    def test_state_is_restored(self):
        before = lambda *args: None
        sys.settracestate(before, trace_branches=True)
        threading.settracestate(before, trace_lines=False)
        self.addCleanup(threading.settracestate, None)
        frame = sys._getframe()
        frame.f_trace = before
        states = sys.gettracestate(), threading.gettracestate()
        try:
            with lltrace.trace(io.StringIO()):
                pass
            after = sys.gettracestate(), threading.gettracestate()
            local = frame.f_trace
        finally:
            del frame.f_trace
        self.assertEqual(after, states)
        self.assertIs(local, before)

    def test_started_in_a_function_that_returns(self):
        stream = io.StringIO()
        trace = lltrace.trace(stream, jsonl=True, only=[__name__, 'test.test_lltrace_module'])
        def begin():
            trace.start()
        def target(): pass
        begin()
        target()
        trace.stop()
        found = [json.loads(line) for line in stream.getvalue().splitlines()]
        self.assertEqual({one['depth'] for one in found if 'target' in one['function']}, {0})

    def test_exception_in_the_body(self):
        with self.assertRaises(ZeroDivisionError):
            with lltrace.trace(io.StringIO()):
                1 / 0
        self.assertIsNone(sys.gettracestate()['tracefunc'])

    def test_suspended_generator_after_the_end(self):
        def generator():
            yield 1
            yield 2
        stream = io.StringIO()
        with lltrace.trace(stream, only=[':*generator']):
            g = generator()
            next(g)
        length = len(stream.getvalue())
        seen = []
        sys.settracestate(lambda *args: seen.append(args), trace_instructions=True)
        next(g)
        sys.settracestate(None)
        self.assertEqual(len(stream.getvalue()), length)
        self.assertTrue(seen)

    def test_path(self):
        path = os_helper.TESTFN
        self.addCleanup(os_helper.unlink, path)
        with lltrace.trace(path, limit=3, only=[__name__, 'test.test_lltrace_module']):
            for i in range(10):
                pass
        with open(path) as file:
            self.assertEqual(len(file.readlines()), 4)

    def test_stream_that_fails(self):
        class Broken(io.StringIO):
            def write(self, text):
                raise ValueError('broken')
        trace = lltrace.trace(Broken(), only=[__name__, 'test.test_lltrace_module'])
        with trace:
            for i in range(1000):
                pass
        self.assertEqual(trace.error, 'cannot write the trace: broken')

    def test_errors(self):
        for options, error, message in (
                ({'limit': 0}, ValueError, 'limit must be at least 1, not 0'),
                ({'color': 'blue'}, ValueError, "color must be 'auto', 'always' or 'never', not 'blue'"),
                ({'opcodes': ['NOSUCH']}, ValueError, "there is no instruction 'NOSUCH'"),
                ({'opcodes': 'CALL'}, TypeError, 'opcodes must be a list of names, not a str'),
                ({'include': 'json'}, TypeError, 'include must be a list of patterns, not a str'),
                ({'exclude': ['']}, ValueError, 'empty pattern'),
                ({'limit': 1.5}, TypeError, 'limit must be an int, not float'),
                ({'limit': '5'}, TypeError, 'limit must be an int, not str'),
                ({'opcodes': [5]}, TypeError, 'opcodes must be a list of names, not of int'),
                ({'opcodes': 5}, TypeError, "'int' object is not iterable"),
                ({'only': [5]}, TypeError, 'a pattern must be a str, not int'),
                ({'only': b'json'}, TypeError, 'only must be a list of patterns, not a bytes'),
                ({'file': 5}, TypeError, 'file must be a text stream or a path, not int'),
                ({'file': io.BytesIO()}, TypeError, 'file must be a text stream or a path, not BytesIO'),
                ({'branches': True, 'opcodes': ['CALL']}, ValueError, 'cannot be combined'),
                ({'source': True, 'jsonl': True}, ValueError, 'source and jsonl cannot be combined')):
            with self.assertRaisesRegex(error, re.escape(message)):
                lltrace.trace(**options)
        self.assertRaises(TypeError, lltrace.count, only='json')
        with self.assertRaises(OSError):
            lltrace.trace('/nosuch/file')

    def test_graph_and_page_of_counts(self):
        with lltrace.count(only=[f'{__name__}:branching', 'test.test_lltrace_module:branching']) as counts:
            workload()
        path = os_helper.TESTFN + '.dot'
        self.addCleanup(os_helper.unlink, path)
        counts.write_graph(path)
        with open(path) as file:
            self.assertTrue(file.read().startswith('digraph'))
        counts.write_html(path)
        with open(path) as file:
            self.assertTrue(file.read().startswith('<!DOCTYPE html>'))
        self.assertRaises(ValueError, counts.write_graph, 'x.png')
        for write in counts.write_graph, counts.write_html:
            os.unlink(path)
            write(pathlib.Path(path))
            self.assertTrue(os.path.exists(path))

    def test_all(self):
        support.check__all__(self, lltrace, ('lltrace',), {'Trace', 'Counts'}, {'make_trace', 'opcodes_named'})


if __name__ == '__main__':
    unittest.main()
