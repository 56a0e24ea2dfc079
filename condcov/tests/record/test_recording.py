"""Programs are recorded, and behave as they do without condcov."""

import gc
import importlib.util
import py_compile
import signal
import subprocess
import sys
import time
import zipfile

import pytest

from condcov import config, model
from condcov.record import planner, recording
from condcov.record.plan import Plan

fork = pytest.mark.skipif(not importlib.util.find_spec('codeprobes'), reason='only the fork has code probes')

# Programs whose output and exit status must be the same as without condcov. The line "done = 1" is executed.
PROGRAMS = {
    'normal': 'import sys; print(sys.argv); print("x", file=sys.stderr)',
    'status': 'import sys; print("out"); sys.exit(3)',
    'message': 'import sys; sys.exit("bye")',
    'exit none': 'raise SystemExit',
    'error': 'def f(): 1 / 0\nf()',
    'chained': 'try: 1 / 0\nexcept ZeroDivisionError as error: raise ValueError("x") from error',
    'interrupt': 'raise KeyboardInterrupt',
    'sigint': 'import os, signal; os.kill(os.getpid(), signal.SIGINT); print("no")',
    'sigterm': 'import os, signal; os.kill(os.getpid(), signal.SIGTERM); print("no")',
    'os._exit': 'import os; print("buffered", flush=True); os._exit(7)',
    'abort': 'import os, resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); os.abort()',
    'excepthook': 'import sys; sys.excepthook = lambda *a: print("hook", a[0])\n1 / 0',
    'thread error': 'import threading; t = threading.Thread(target=lambda: 1 / 0, name="t"); t.start(); t.join()',
    'atexit': 'import atexit; atexit.register(print, "at exit"); print("end")',
    'main': 'import sys, __main__; print(__name__, __main__.__file__ == __file__, __spec__ and __spec__.name, '
            '__package__, __doc__, sys.modules["__main__"] is __main__, __cached__, type(__loader__).__name__)',
    'globals': 'print(sorted(globals()))',
    'path': 'import sys; print(sys.path)',
    'trace': 'import sys; print(sys.gettrace(), sys.getprofile(), sys.getrecursionlimit())',
    'threads': 'import threading; print(threading.active_count(), *(t.name for t in threading.enumerate()))',
    'collector': 'import gc; print(gc.isenabled()); gc.disable()\ndef f(): print(gc.isenabled())\nf()',
    'closed': 'import os; os.closerange(3, 100); print("closed")',
    'no stderr': 'import sys; sys.stderr = None; sys.stdout.write("x\\n"); sys.exit(4)',
    'recursion': 'def f(): return f()\ntry: f()\nexcept RecursionError: print("deep")',
    'stack': 'import inspect, traceback; traceback.print_stack(inspect.stack()[0].frame, limit=1)',
}


def test_functions_that_ran_before(folder):
    """The library is imported, and partly executed, before the program begins."""
    folder.write('prog.py', 'import json; json.dumps({})\n')
    folder.condcov('run', '--source=json', 'prog.py')
    (seen,) = [seen for path, (_, seen) in folder.data().read().items() if path.endswith('json/__init__.py')]
    assert any('T' in path or 'F' in path for paths in seen.paths.values() for path in paths)


def test_as_many_conditions_as_the_recorder_allows(folder):
    most = model.MOST_CONDITIONS
    if importlib.util.find_spec('codeprobes'):
        import codeprobes
        assert most == codeprobes.MAX_CONDITIONS
    folder.write('prog.py', f'o = 1\nif {" and ".join(["o"] * most)}:\n    pass\n')
    folder.condcov('run', 'prog.py')
    ((_, seen),) = folder.data().read().values()
    assert list(map(set, seen.paths.values())) == [{'T' * most}]


@pytest.mark.parametrize('name', PROGRAMS)
@pytest.mark.parametrize('as_module', [False, True])
def test_streams_and_status_are_those_of_the_program(folder, name, as_module):
    folder.write('prog.py', f'done = 1\n{PROGRAMS[name]}\n')
    command = ['-m', 'prog', 'a', '-b'] if as_module else ['prog.py', 'a', '-b']
    plain = folder.python(*command)
    recorded = folder.python('-m', 'condcov', 'run', *command)
    status = plain.returncode
    if sys.version_info >= (3, 14) and status == -signal.SIGINT:
        status = 128 + signal.SIGINT        # see end_with_sigint()
    assert (recorded.returncode, recorded.stdout, recorded.stderr) == (status, plain.stdout, plain.stderr)
    assert 'done = 1' in folder.lines('prog.py')
    assert folder.files() == ['.condcov']


@pytest.mark.parametrize('command', [['no.py'], ['-m', 'no'], ['bad.py'], ['empty'], ['package'], ['-m', 'package'],
                                     ['archive.zip']])
def test_programs_that_cannot_run_and_folders(folder, command):
    folder.write('bad.py', 'x = (\n')
    folder.write('empty/x.txt', '')
    folder.write('package/__init__.py', 'x = 1\n')
    folder.write('package/__main__.py', 'import sys; print(__name__, __package__, sys.argv, sys.path[0])\n')
    with zipfile.ZipFile('archive.zip', 'w') as archive:
        archive.write('package/__main__.py', '__main__.py')
    plain = folder.python(*command)
    recorded = folder.python('-m', 'condcov', 'run', *command)
    errors = recorded.stderr.removesuffix('condcov: no data was collected: no code of the selected files was executed\n')
    assert (recorded.returncode, recorded.stdout, errors) == (plain.returncode, plain.stdout, plain.stderr)


def test_a_program_with_modules_that_are_named_like_those_of_the_library(folder):
    folder.write('sqlite3.py', 'mine = 1\n')
    folder.write('coverage_of.py', 'mine = 2\n')
    folder.write('prog.py', 'import sqlite3, coverage_of; print(sqlite3.mine, coverage_of.mine)\n')
    assert folder.condcov('run', 'prog.py').stdout == '1 2\n'
    assert folder.lines('sqlite3.py') == {'mine = 1'}


def test_data_stays_where_the_program_began(folder):
    folder.write('prog.py', 'import os\nos.mkdir("x")\nos.chdir("x")\nos.rmdir("../x")\ndone = 1\n')
    folder.condcov('run', 'prog.py')
    assert 'done = 1' in folder.lines('prog.py')
    assert folder.files() == ['.condcov']


def test_only_what_is_selected(folder):
    folder.write('src/pkg/__init__.py', 'one = 1\n')
    folder.write('src/pkg/never.py', 'two = 2\n')
    folder.write('prog.py', 'import sys; sys.path.insert(0, "src"); import pkg\n')
    folder.condcov('run', '--source=src', 'prog.py')
    found = folder.data().read()
    assert sorted(found) == [str(folder.path / 'src/pkg' / name) for name in ('__init__.py', 'never.py')]
    assert folder.lines('src/pkg/__init__.py') == {'one = 1'}
    assert folder.lines('src/pkg/never.py') == set()
    folder.condcov('run', '--include=*/pkg/*', '--omit=*/never.py', 'prog.py')
    assert sorted(folder.data().read()) == [str(folder.path / 'src/pkg/__init__.py')]


def test_a_package_by_name(folder):
    folder.write('pkg/__init__.py', 'one = 1\n')
    folder.write('pkg/sub/__init__.py', 'two = 2\n')
    folder.write('other.py', 'three = 3\n')
    folder.write('prog.py', 'import pkg.sub, other\n')
    folder.condcov('run', '--source=pkg.sub', 'prog.py')
    assert sorted(folder.data().read()) == [str(folder.path / 'pkg/sub/__init__.py')]


CHILD = """
def work(number):
    double = number * 2
    return double
"""

MULTIPROCESSING = """
import multiprocessing, sys
from child import work
if __name__ == '__main__':
    context = multiprocessing.get_context(sys.argv[1])
    {}
"""

WAYS = {
    'Process': 'process = context.Process(target=work, args=(1,)); process.start(); process.join()',
    'Pool': 'with context.Pool(2) as pool: assert pool.map(work, range(5)) == [0, 2, 4, 6, 8]',
    'executor': 'import concurrent.futures\n'
                '    with concurrent.futures.ProcessPoolExecutor(2, context) as pool: pool.submit(work, 2).result()',
}


@pytest.mark.slow
@pytest.mark.parametrize('method', ['fork', 'spawn', 'forkserver'])
@pytest.mark.parametrize('way', WAYS)
def test_multiprocessing(folder, method, way):
    folder.write('child.py', CHILD)
    folder.write('prog.py', MULTIPROCESSING.format(WAYS[way]))
    assert folder.condcov('run', 'prog.py', method).stderr == ''
    assert 'double = number * 2' in folder.lines('child.py')


@pytest.mark.parametrize('end', ['os._exit(0)', 'sys.exit()', 'os.kill(os.getpid(), 15)', 'raise SystemExit(1)',
                                 'os.execv(sys.executable, [sys.executable, "-c", ""])',
                                 'os.execle(sys.executable, "python", "-c", "", os.environ)'])
def test_fork(folder, end):
    folder.write('prog.py', f"""
        import os, sys
        def child():
            mine = 1
            {end}
        before = 1
        pid = os.fork()
        if not pid:
            child()
        os.waitpid(pid, 0)
        parent = 2
    """)
    folder.condcov('run', 'prog.py')
    assert {'before = 1', 'mine = 1', 'parent = 2', end} <= folder.lines('prog.py')
    assert folder.files() == ['.condcov']


def test_a_program_that_becomes_another(folder):
    folder.write('other.py', 'other = 1\n')
    folder.write('prog.py', 'import os, sys\nos.execv(sys.executable, [sys.executable, "other.py"])\n')
    folder.condcov('run', 'prog.py')
    assert folder.files() == ['.condcov']
    assert 'import os, sys' in folder.lines('prog.py') and folder.lines('other.py') == {'other = 1'}


def test_counts_of_a_fork_are_added_once(folder):
    folder.write('prog.py', """
        import os
        def test(x):
            if x:
                pass
        test(1)
        pid = os.fork()
        test(0)
        if pid:
            os.waitpid(pid, 0)
    """)
    folder.condcov('run', '--counts', 'prog.py')
    _, seen = folder.data().read()[str(folder.path / 'prog.py')]
    assert {'T': 1, 'F': 2} in seen.paths.values()


def test_a_child_that_is_terminated_when_it_has_just_begun(folder):
    """The interpreter loses signals that arrive at the very start of a child, and a pool waits for their effect."""
    folder.write('prog.py', """
        import os, signal, time
        for number in range(30):
            pid = os.fork()
            if not pid:
                time.sleep(900)
                os._exit(77)
            os.kill(pid, signal.SIGTERM)
            _, status = os.waitpid(pid, 0)
            assert os.waitstatus_to_exitcode(status) == -signal.SIGTERM, (number, status)
    """)
    assert folder.condcov('run', 'prog.py').stderr == ''


def test_a_thread_forks_while_others_save(folder):
    folder.write('prog.py', """
        import os, threading, time, warnings
        from condcov.record import recording
        warnings.simplefilter('ignore')     # the program has several threads itself
        stop = []
        def save():
            while not stop:
                recording.current().save()
        threads = [threading.Thread(target=save) for _ in range(3)]
        for thread in threads:
            thread.start()
        for number in range(10):
            pid = os.fork()
            if not pid:
                exec(compile('\\n' * 30 + f'child{number} = 1', __file__, 'exec'))
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
        stop.append(1)
        for thread in threads:
            thread.join()
    """)
    assert folder.condcov('run', 'prog.py').stderr == ''
    assert folder.files() == ['.condcov']


def test_a_fork_does_not_wait_for_ever(folder):
    """The thread that saves may wait for a lock that the forking thread holds."""
    folder.write('prog.py', """
        import os, threading
        from condcov.record import recording
        recording.LONGEST = 0.2
        begun, theirs = threading.Event(), threading.Lock()
        def save():
            with recording.current()._uninterrupted():
                begun.set()
                theirs.acquire()
        with theirs:
            thread = threading.Thread(target=save)
            thread.start()
            begun.wait()
            child = os.fork()
            if not child:
                here = 1
                os._exit(0)
            print(os.waitpid(child, 0)[1])
        thread.join()
    """)
    assert folder.condcov('run', 'prog.py').stdout == '0\n'
    assert 'here = 1' in folder.lines('prog.py')


def test_a_fork_while_a_fork_waits(folder):
    folder.write('prog.py', """
        import os, signal, threading, time
        from condcov.record import recording
        def handler(signum, frame):
            child = os.fork()
            if not child:
                os._exit(0)
            os.waitpid(child, 0)
            print('handled')
        signal.signal(signal.SIGALRM, handler)
        begun = threading.Event()
        def save():
            with recording.current()._uninterrupted():
                begun.set()
                time.sleep(1)
        thread = threading.Thread(target=save)
        thread.start()
        begun.wait()
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)
        thread.join()
        print(signal.pthread_sigmask(signal.SIG_BLOCK, ()), recording._held_back,
              recording.current()._lock.acquire(blocking=False), recording.current()._lock._is_owned())
        recording.current()._lock.release()
        print(recording.current()._lock._is_owned())
    """)
    assert folder.condcov('run', 'prog.py').stdout == 'handled\nset() {} True True\nFalse\n'


def test_asynchronous_loops(folder):
    folder.write('prog.py', """
        import asyncio
        async def items(number):
            for item in range(number):
                yield item
        async def main():
            async for one in items(0): pass
            async for two in items(2):
                break
            async for three in items(2): pass
            print([four async for four in items(1) if four], [five async for five in items(0)])
            try:
                async for six in 1: pass
            except TypeError:
                pass
        asyncio.run(main())
    """)
    assert folder.condcov('run', '--counts', 'prog.py').stderr == ''
    (seen,) = folder.data().read().values()
    text = (folder.path / 'prog.py').read_text().splitlines()
    found = {text[line - 1].encode()[start:end].decode(): paths
             for (line, start, _, end, kind), paths in seen[1].paths.items() if kind == 'for'}
    assert found == {
        'item in range(number)': {'T': 4, 'F': 4}, 'one in items(0)': {'F': 1}, 'two in items(2)': {'T': 1},
        'three in items(2)': {'T': 2, 'F': 1}, 'four in items(1)': {'T': 1, 'F': 1}, 'five in items(0)': {'F': 1}}
    report = folder.condcov('report').stdout
    assert 'the loop `one in items(0)` was never entered' in report
    assert 'the loop `six in 1` was never' in report


@pytest.mark.slow
def test_pools_end(folder):
    """Workers get a SIGTERM when they have just started, some of them just before they wait for a semaphore."""
    folder.write('prog.py', """
        import multiprocessing

        def square(number):
            return number ** 2

        if __name__ == '__main__':
            for _ in range(40):
                with multiprocessing.get_context('fork').Pool(4) as pool:
                    pool.map(square, range(20))
    """)
    assert folder.condcov('run', 'prog.py').stderr == ''
    assert 'return number ** 2' in folder.lines('prog.py')


def test_a_signal_that_does_not_interrupt_a_system_call(folder):
    """Python calls handlers in the main thread, which waits. Without condcov, SIGTERM would end the process at once."""
    folder.write('prog.py', """
        import os, signal, sys, threading
        if 'child' in sys.argv and os.fork():
            sys.exit(os.waitstatus_to_exitcode(os.wait()[1]) + 128)
        receiver, sender = os.pipe()
        def terminate():
            os.read(receiver, 1)
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        threading.Thread(target=terminate).start()
        os.write(sender, b'.')
        os.read(os.pipe()[0], 1)
        print('not reached')
    """)
    for arguments, status in ((), -signal.SIGTERM), (('child',), 128 - signal.SIGTERM):
        done = folder.condcov('run', 'prog.py', *arguments, status=status)
        assert (done.stdout, done.stderr) == ('', '')
        assert 'threading.Thread(target=terminate).start()' in folder.lines('prog.py')


def test_a_forked_child_that_cannot_make_a_pipe(folder):
    """It has no use for its parent's, so no signal is repeated."""
    folder.write('prog.py', """
        import os, resource, signal, sys
        from condcov.record import late_signals
        signal.signal(signal.SIGTERM, lambda *_: print('called'))
        late_signals.arm(signal.SIGTERM, 0.01)
        if not os.fork():
            resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
            late_signals.arm(signal.SIGTERM, 0.01)
            late_signals.repeat()
            os._exit(0)
        print(os.wait()[1])
        signal.raise_signal(signal.SIGTERM)
        late_signals.repeat()
        late_signals.disarm()
        late_signals.repeat()
    """)
    done = folder.python('prog.py')
    assert (done.stdout, done.stderr) == ('0\ncalled\ncalled\n', '')


@pytest.mark.slow
def test_a_fork_waits_for_a_thread_that_saves(folder):
    """SQLite has its own locks, which nobody would release in the child."""
    folder.write('prog.py', """
        import os, threading, time
        from condcov.record import recording
        begun, saved = threading.Event(), []
        add = recording.Data.add
        def slow(*arguments, **keywords):
            begun.set()
            time.sleep(1)
            add(*arguments, **keywords)
            saved.append(1)
        recording.Data.add = slow
        thread = threading.Thread(target=recording.current().save)
        thread.start()
        begun.wait()
        child = os.fork()
        if not child:
            os._exit(len(saved))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        thread.join()
    """)
    assert folder.condcov('run', 'prog.py').stdout == '1\n'


def test_a_thread_forks_while_another_analyses(folder):
    """The garbage collector, which is off during an analysis, is on in the child."""
    folder.write('prog.py', """
        import gc, os
        from condcov.record import recording
        with recording._no_collection():
            print(gc.isenabled(), flush=True)
            child = os.fork()
            if not child:
                os._exit(not gc.isenabled())
        print(os.waitpid(child, 0)[1], gc.isenabled())
        """)
    assert folder.condcov('run', 'prog.py').stdout == 'False\n0 True\n'


def test_subprocesses_and_theirs(folder):
    folder.write('child.py', 'import os, subprocess, sys\n'
                             'if len(sys.argv) == 1:\n    subprocess.run([sys.executable, "child.py", "x"])\n'
                             'else:\n    inner = 1\n')
    folder.write('prog.py', 'import os, subprocess, sys\nos.mkdir("gone"); os.chdir("gone"); os.rmdir("../gone")\n'
                            'subprocess.run([sys.executable, "../child.py"]) if 0 else None\n'
                            'os.chdir(os.path.dirname(__file__))\nsubprocess.run([sys.executable, "child.py"])\n')
    folder.condcov('run', 'prog.py')
    assert 'inner = 1' in folder.lines('child.py')
    assert folder.files() == ['.condcov']


def test_a_subprocess_in_a_folder_that_is_gone(folder):
    folder.write('child.py', 'inner = 1\n')
    folder.write('prog.py', """
        import os, subprocess, sys
        os.mkdir('gone')
        os.chdir('gone')
        os.rmdir('../gone')
        subprocess.run([sys.executable, os.path.join(os.path.dirname(__file__), 'child.py')], check=True)
    """)
    assert folder.condcov('run', 'prog.py').stderr == ''
    assert folder.lines('child.py') == {'inner = 1'}


def test_threads(folder):
    folder.write('prog.py', """
        import threading
        def one():
            in_thread = 1
        def two():
            event.wait()
            was_running = 1
        event = threading.Event()
        threads = [threading.Thread(target=function) for function in (one, two)]
        for thread in threads:
            thread.start()
        event.set()
    """)
    folder.condcov('run', 'prog.py')
    assert {'in_thread = 1', 'was_running = 1'} <= folder.lines('prog.py')


def test_what_runs_at_exit(folder):
    folder.write('prog.py', 'import atexit\n@atexit.register\ndef late():\n    very_late = 1\n')
    folder.condcov('run', 'prog.py')
    assert 'very_late = 1' in folder.lines('prog.py')


KILLED = """
import os, time
def one():
    first = 1
def two():
    second = 1
one()
time.sleep({})
two()
print('ready', flush=True)
time.sleep(900)
"""


def start(folder, *arguments):
    """A process that has printed that it is ready."""
    process = subprocess.Popen([sys.executable, '-m', 'condcov', 'run', *arguments], cwd=folder.path, text=True,
                               env=folder.environment, stdout=subprocess.PIPE)
    assert process.stdout.readline() == 'ready\n'
    return process


@pytest.mark.slow
def test_a_process_that_is_killed_leaves_what_it_wrote(folder):
    folder.write('prog.py', KILLED.format(recording.INTERVAL + 0.5))
    process = start(folder, 'prog.py')
    process.kill()
    process.communicate()
    (name,) = folder.files()
    folder.condcov('report')
    assert folder.files() == ['.condcov']
    assert 'first = 1' in folder.lines('prog.py')


def test_a_process_that_is_killed_leaves_what_old_code_did(folder):
    folder.write('prog.py', """
        import threading, time
        def f(x):
            if x:
                return 1
            return 2
        f(1)
        time.sleep(1)
        f(0)
        time.sleep(2.5)
        assert threading.enumerate() == [threading.main_thread()]
        print('ready', flush=True)
        time.sleep(600)
    """)
    process = start(folder, 'prog.py')
    process.kill()
    process.communicate()
    folder.condcov('combine')
    assert {'return 1', 'return 2'} <= folder.lines('prog.py')


def test_a_blocked_signal_is_the_programs_own(folder):
    folder.write('prog.py', """
        import os, signal, time
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGTERM])
        os.kill(os.getpid(), signal.SIGUSR1)
        print(signal.sigwait([signal.SIGUSR1]).name)
    """)
    assert folder.condcov('run', 'prog.py').stdout == 'SIGUSR1\n'


def test_terminated(folder):
    folder.write('prog.py', KILLED.format(0))
    process = start(folder, 'prog.py')
    process.terminate()
    process.communicate()
    assert process.returncode == -signal.SIGTERM
    assert folder.files() == ['.condcov']
    assert {'first = 1', 'second = 1'} <= folder.lines('prog.py')


def test_a_handler_of_the_program_for_sigterm(folder):
    folder.write('prog.py', """
        import os, signal, sys
        def handler(*_):
            handled = 1
            sys.exit(5)
        signal.signal(signal.SIGTERM, handler)
        os.kill(os.getpid(), signal.SIGTERM)
    """)
    folder.condcov('run', 'prog.py', status=5)
    assert 'handled = 1' in folder.lines('prog.py')
    assert folder.files() == ['.condcov']


def test_a_program_that_replaces_functions_that_recording_needs(folder):
    folder.write('other.py', '\ndef function():\n    late = 1\n')
    folder.write('prog.py', """
        import os, sqlite3, time
        from unittest import mock
        from condcov.record import recording
        def broken(*_, **__):
            raise AssertionError('not for you')
        def after():
            inside = 1
        with open('other.py') as file:
            function = {}
            exec(compile(file.read(), os.path.abspath('other.py'), 'exec'), function)
        names = ['os.path.exists', 'os.path.abspath', 'os.path.realpath', 'os.stat', 'os.getcwd', 'os.listdir',
                 'os.lstat', 'os.getpid', 'builtins.open', 'sqlite3.connect', 'time.monotonic', 'hashlib.sha256',
                 'os.open', 'os.read']
        patches = [mock.patch(name, broken) for name in names]
        save = recording.current().save
        for patch in patches:
            patch.start()
        after()
        save()
        function['function']()
        for patch in patches:
            patch.stop()
        function['function']()
    """)
    assert folder.condcov('run', 'prog.py').stderr == ''
    assert 'inside = 1' in folder.lines('prog.py')
    assert 'late = 1' in folder.lines('other.py')


def test_code_that_first_runs_at_the_recursion_limit(folder):
    folder.write('late.py', ''.join(f'def f{number}():\n    return {number}\n' for number in range(20)))
    folder.write('prog.py', """
        import sys, late
        def dive(number):
            try:
                return dive(number) + 1
            except RecursionError:
                return getattr(late, f'f{number}')()
        for number in range(20):
            try:
                dive(number)
            except RecursionError:
                pass
        print(sys.getrecursionlimit())
    """)
    done = folder.condcov('run', 'prog.py')
    assert (done.stdout, done.stderr) == ('1000\n', '')
    assert 'return 19' in folder.lines('late.py')


def test_a_file_that_is_no_python(folder):
    folder.write('bad.py', 'x = (\n')
    folder.write('page.html', '<p>\n')
    folder.write('prog.py', """
        for name in 'bad.py', 'page.html', 'no.py':
            exec(compile('x = 1', name, 'exec'))
        done = 1
    """)
    done = folder.condcov('run', 'prog.py')
    assert done.stderr.count('\n') == 2
    assert f'condcov: {folder.path}/bad.py was not recorded: ' in done.stderr
    assert f'condcov: {folder.path}/no.py was not recorded: No such file or directory' in done.stderr
    assert 'done = 1' in folder.lines('prog.py')


def test_a_module_whose_source_is_no_python_any_more(folder):
    folder.write('other.py', 'def one():\n    return 1\n\ndef two(x):\n    return x and 1\n')
    folder.write('prog.py', """
        import other
        other.one()
        other.two(1)
        other.two(2)
    """)
    py_compile.compile(str(folder.path / 'other.py'), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    folder.write('other.py', 'x = (\n')
    done = folder.condcov('run', 'prog.py')
    assert done.stderr.count('\n') == 1
    assert done.stderr.startswith(f'condcov: {folder.path}/other.py was not recorded: cannot parse')


def test_the_thread_that_saves_leaves_the_garbage_collector_on(folder, monkeypatch):
    path = folder.write('other.py', 'x = 1\n')
    seen = []
    real = Plan.seen
    monkeypatch.setattr(Plan, 'seen', lambda *arguments: seen.append(gc.isenabled()) or real(*arguments))
    started = recording.Recording(config.read(include=(path,)))
    started.start()
    try:
        exec(compile('x = 1', path, 'exec'), {})
        started.save()
        assert seen == [True]
    finally:
        started.finish()


def test_what_is_wrong_in_another_process_is_told_by_the_first(folder):
    folder.write('bad.py', 'x = (\n')
    folder.write('child.py', 'exec(compile("x = 1", "bad.py", "exec"))\n')
    folder.write('prog.py', 'import subprocess, sys\nsubprocess.run([sys.executable, "child.py"], check=True)\n')
    done = folder.condcov('run', 'prog.py')
    assert done.stderr.count('\n') == 1 and f'condcov: {folder.path}/bad.py was not recorded: ' in done.stderr


def test_source_that_is_no_python_and_never_executed(folder):
    folder.write('src/bad.py', 'print "two"\n')
    folder.write('src/good.py', 'x = "\\d"\n')
    folder.write('prog.py', 'done = 1\n')
    assert folder.condcov('run', '--source=src', 'prog.py').stderr == ''
    done = folder.condcov('report')
    assert done.stderr.count('\n') == 1 and done.stderr.startswith(
        'condcov: cannot parse src/bad.py as Python {}.{}: '.format(*sys.version_info))
    assert 'good.py' in done.stdout


def test_standard_error_that_is_closed(folder):
    folder.write('prog.py', 'import os, sys\nos.close(2)\nsys.exit(3)\n')
    folder.condcov('run', '--source=no_such', 'prog.py', status=3)


def test_a_module_that_changes_while_it_is_recorded(folder):
    folder.write('prog.py', """
        import importlib, os, sys
        sys.dont_write_bytecode = True
        def write(text):
            with open('other.py', 'w') as file:
                file.write(text)
        write('one = 1\\n')
        import other
        write('one = 1\\n\\ntwo = 2\\n')
        importlib.reload(other)
    """)
    folder.condcov('run', 'prog.py')
    assert folder.lines('other.py') == {'one = 1', 'two = 2'}


def test_append_context_and_erase(folder):
    folder.write('prog.py', 'import sys\nif sys.argv[1] == "x":\n    one = 1\nelse:\n    two = 2\n')
    folder.condcov('run', '--context=first', 'prog.py', 'x')
    folder.condcov('run', '--context=second', '--append', 'prog.py', 'y')
    assert folder.data().contexts() == ['first', 'second']
    assert {'one = 1', 'two = 2'} <= folder.lines('prog.py')
    assert 'one = 1' not in folder.lines('prog.py', 'second')
    folder.condcov('run', 'prog.py', 'y')
    assert 'one = 1' not in folder.lines('prog.py')
    folder.condcov('run', '--parallel', 'prog.py', 'y')
    assert len(folder.files()) == 2
    folder.condcov('erase')
    assert folder.files() == []


def test_parallel_and_combine(folder):
    folder.write('prog.py', 'import sys\nif sys.argv[1] == "x":\n    one = 1\nelse:\n    two = 2\n')
    for argument in 'x', 'y':
        folder.condcov('run', '--parallel', 'prog.py', argument)
    assert len(folder.files()) == 2 and '.condcov' not in folder.files()
    folder.condcov('combine', '--keep')
    assert len(folder.files()) == 3
    assert {'one = 1', 'two = 2'} <= folder.lines('prog.py')


def test_combine_with_paths(folder):
    for name in 'here', 'there':
        folder.write(f'{name}/prog.py', 'import sys\nif sys.argv[1] == "x":\n    one = 1\nelse:\n    two = 2\n')
    folder.write('pyproject.toml', f'[tool.condcov.paths]\nsource = ["{folder.path}/here", "*/there"]\n')
    folder.condcov('run', '--parallel', 'here/prog.py', 'x')
    folder.condcov('run', '--parallel', 'there/prog.py', 'y')
    folder.condcov('combine')
    assert {'one = 1', 'two = 2'} <= folder.lines('here/prog.py')
    assert list(folder.data().read()) == [f'{folder.path}/here/prog.py']


def test_a_run_within_a_run(folder):
    folder.write('inner.py', 'inner = 1\n')
    folder.write('prog.py', """
        import subprocess, sys
        subprocess.run([sys.executable, '-m', 'condcov', 'run', '--data-file=.condcov-inner', 'inner.py'], check=True)
    """)
    folder.condcov('run', 'prog.py')
    assert str(folder.path / 'inner.py') in folder.data('.condcov-inner').read()
    assert folder.files() == ['.condcov', '.condcov-inner']


@fork
@pytest.mark.parametrize('option', [[], ['--counts']])
def test_a_program_with_a_recorder_of_its_own(folder, option):
    """A fuzzer, for example: it sees what it sees without condcov, and condcov what it sees without the recorder."""
    folder.write('lib.py', """
        def f(a, b):
            if a and b:
                return 1
            for _ in range(3):
                pass
    """)
    program = """
        import {imported}
        recorder = Recorder(lambda code: conditional_jumps(code) if code.co_filename.endswith('lib.py') else None)
        recorder.start()
        import lib
        for args in (1, 0), (1, 0), (0, 0), (1, 1), (0, 1):
            lib.f(*args)
            print([found[1:] for found in recorder.harvest()])
    """
    folder.write('prog.py', program.replace('import {imported}', 'from codeprobes import Recorder, conditional_jumps'))
    folder.write('fake.py', """
        class Recorder:
            def __init__(self, select): pass
            def start(self): pass
            def harvest(self): return []
        conditional_jumps = None
    """)
    alone = folder.python('prog.py').stdout
    assert folder.condcov('run', *option, '--source=lib', 'prog.py').stdout == alone != ''
    with_recorder = folder.data().read()
    folder.write('prog.py', program.replace('import {imported}', 'from fake import Recorder, conditional_jumps'))
    folder.condcov('run', *option, '--source=lib', 'prog.py')
    assert with_recorder == folder.data().read()


# Errors before the program runs: one line, and the program does not run.

@fork
@pytest.mark.parametrize('module, reason', [
    ('raise ImportError("No module")', 'No module; condcov runs on '),
    ('class Recorder: pass', "cannot import name 'UNSUPPORTED_OPCODES' from 'codeprobes' "),
])
def test_an_interpreter_without_these_probes(folder, module, reason):
    folder.write('modules/codeprobes.py', module)
    folder.write('prog.py', 'print("ran")\n')
    folder.environment['PYTHONPATH'] = str(folder.path / 'modules')
    message = 'cannot record conditions: ' + reason
    assert message in folder.refused('run', 'prog.py')
    done = folder.python('-m', 'pytest', '--condcov', 'prog.py')
    assert done.returncode == 4 and len(done.stderr.strip().splitlines()) == 1 and message in done.stderr


def test_data_that_cannot_be_written(folder):
    folder.write('prog.py', 'print("ran")\n')
    folder.write('file/x', '')
    assert folder.refused('run', '--data-file=no/data', 'prog.py') == \
        f'condcov: cannot write {folder.path}/no/data: {folder.path}/no does not exist'
    assert folder.refused('run', '--data-file=file', 'prog.py') == \
        f'condcov: {folder.path}/file is a folder, not a condcov data file'
    folder.write('text', 'text that is no data\n' * 100)
    assert folder.refused('run', '--append', '--data-file=text', 'prog.py') == \
        f'condcov: {folder.path}/text is not a condcov data file'


def test_data_that_is_somebody_elses_is_not_removed(folder):
    folder.write('prog.py', 'print("ran")\n')
    folder.write('text', 'text that is no data\n' * 100)
    assert folder.refused('run', '--data-file=text', 'prog.py') == f'condcov: {folder.path}/text is not a condcov data file'
    assert (folder.path / 'text').exists()


def test_a_folder_that_is_gone(folder):
    folder.write('prog.py', 'print("ran")\n')
    gone = folder.path / 'gone'
    gone.mkdir()
    program = f'import os; os.chdir({str(gone)!r}); os.rmdir({str(gone)!r}); from condcov import cli; ' \
              f'raise SystemExit(cli.main(["run", {str(folder.path / "prog.py")!r}]))'
    done = folder.python('-c', program)
    assert done.returncode == 2 and done.stdout == ''
    assert done.stderr == 'condcov: the current folder does not exist: change to another one\n'


def test_what_a_signal_handler_raises_is_the_programs(folder, monkeypatch):
    """A signal handler may run while a code object is analysed."""
    class Timeout(Exception):
        pass

    def handler(signum, frame):
        raise Timeout

    started = recording.Recording(config.read(include=('*/other.py',)))
    code = compile('x = 1', folder.write('other.py', 'x = 1\n'), 'exec')
    real = planner.plan
    called = []

    def slow(*arguments):
        if not called:
            called.append(True)
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            time.sleep(1)
        return real(*arguments)

    before = signal.signal(signal.SIGALRM, handler)
    try:
        monkeypatch.setattr(planner, 'plan', slow)
        started.start()
        with pytest.raises(Timeout):
            exec(code)
    finally:
        signal.signal(signal.SIGALRM, before)
    monkeypatch.setattr(planner, 'plan', real)
    exec(code)
    started.finish()
    assert started.problems() == []
    assert folder.lines('other.py') == {'x = 1'}


@pytest.mark.parametrize('plan, message', [
    (None, "TypeError: 'NoneType' object is not callable"),
    (lambda *_: Plan.make(((10**6,), (), ()), {}, {}, {}, {}, (), ()), 'ValueError: <code object <module> at '),
])
def test_a_defect_of_the_analysis_is_told_and_not_raised(folder, monkeypatch, plan, message):
    path = folder.write('other.py', 'x = 1\n')
    started = recording.Recording(config.read(include=('*/other.py',)))
    monkeypatch.setattr(planner, 'plan', plan)
    code = compile('x = 1', path, 'exec')
    started.start()
    try:
        exec(code)
    finally:
        started.finish()
    (problem,) = started.problems()
    assert problem.startswith(f'{path} was not recorded: {message}')
