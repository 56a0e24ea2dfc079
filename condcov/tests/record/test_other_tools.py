"""condcov records the same next to other tools, and these work as without condcov."""

import importlib.util
import json
import os
import pathlib
import queue
import re
import socket
import subprocess
import sys
import threading

import pytest

import condcov
from support.decision_programs import collected

BESIDE = pathlib.Path(__file__).parents[1] / 'support/beside_tools.py'
EXAMPLES = int(os.environ.get('BESIDE_PROGRAMS') or 1)

monitoring = pytest.mark.skipif(not hasattr(sys, 'monitoring'), reason='there is no sys.monitoring')

# part(0), part(1) and part(2) take different ways.
LIB = """
    import asyncio

    def f(a, b):
        if a and not b:
            return 1
        return 2 if a or b else 3

    def loop(items):
        for item in items:
            if item: continue
            while item == 0:
                item -= 1
                if item < 0: break
        return [x for x in items if x and x > 1]

    def generate(n):
        for x in range(n):
            try:
                yield x and n
            finally:
                if x == 1 or n == 2: pass

    async def items(n):
        for x in range(n):
            await asyncio.sleep(0)
            yield x

    async def consume(n):
        return [x async for x in items(n) if x or n]

    def catch(function):
        with open(__file__):
            try:
                return function()
            except (ValueError, TypeError):
                return 'caught'
            except KeyError:
                return None

    def match(value):
        match value:
            case [x, y] if x and y:
                return 'two'
            case {'a': 1}:
                return 'one'
        assert value is None or value, value

    def part(n):
        print('part', n)
        f(n, n == 1), f(0, n)
        loop([n - 1, n])
        sum(generate(n))
        asyncio.run(consume(n))
        catch([int, lambda: int('x'), lambda: {}[0]][n])
        match([[0, 1], {'a': 1}, [1, 1]][n])
        match(n + 1)
"""
PLAIN = """
    import lib
    for n in range(3):
        lib.part(n)
"""
# The function between(n) is called before the part n, and at the end.
TOOL = """
        import lib
        for n in range(3):
            between(n)
            lib.part(n)
        between(3)
"""


def seen_in_lib(folder, *command, options=(), **how):
    """(what condcov has Seen of lib.py, the process) of a run."""
    done = folder.condcov('run', '--include=lib.py', *options, *command, **how)
    ((_, seen),) = folder.data().read().values()
    return seen, done


@pytest.fixture
def plain(folder):
    """What condcov sees without another tool."""
    folder.write('lib.py', LIB)
    folder.write('plain.py', PLAIN)
    seen, done = seen_in_lib(folder, 'plain.py')
    assert len(seen.paths) > 15 and done.stdout == 'part 0\npart 1\npart 2\n'
    return seen


@monitoring
@pytest.mark.slow
@pytest.mark.skipif(sys.platform == 'emscripten', reason='there are no processes')
def test_another_user_of_monitoring(tmp_path):
    """Random programs, and one that needs the event INSTRUCTION at an instruction that does not begin a line."""
    found = [("""\
def main():
    for item in [c(), c()]:
        if item: continue
        n()
    while n():
        if c(): continue
        if c(): break
""", [1, 1, 1, 0, 0, 0])]

    found += collected(EXAMPLES)
    (tmp_path / 'programs.json').write_text(json.dumps(found))
    environment = {**os.environ, 'PYTHONPATH': os.path.dirname(os.path.dirname(condcov.__file__))}
    done = subprocess.run([sys.executable, BESIDE, tmp_path / 'programs.json'], capture_output=True, text=True,
                          env=environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


@monitoring
@pytest.mark.parametrize('events', ['LINE', 'INSTRUCTION', 'BRANCH', 'PY_START', 'JUMP'])
@pytest.mark.parametrize('first', [0, 1])
def test_a_tool_that_disables_its_events(folder, plain, first, events):
    folder.write('prog.py', f"""
        import sys
        m = sys.monitoring
        seen = []
        def between(n):
            if n == {first}:
                m.use_tool_id(4, 'mine')
                m.register_callback(4, m.events.{events}, lambda *arguments: seen.append(arguments) or m.DISABLE)
                m.set_events(4, m.events.{events})
            elif n == {first} + 1:
                m.restart_events()
            elif n == 3:
                m.set_events(4, 0)
                m.free_tool_id(4)
    """ + TOOL + "        assert [arguments for arguments in seen if arguments[0] is lib.loop.__code__]\n")
    seen, done = seen_in_lib(folder, 'prog.py')
    assert seen == plain and done.stderr == ''


@monitoring
def test_a_program_that_takes_ids(folder, plain):
    """Those that condcov does not have are free, before and after; those that it has are refused."""
    folder.write('prog.py', """
        import sys
        m = sys.monitoring
        mine = []
        def between(n):
            for number in range(6):
                try:
                    m.use_tool_id(number, f'tool {number}')
                except ValueError as error:
                    assert 'in use' in str(error) and (number in mine or m.get_tool(number) == 'condcov')
                else:
                    mine.append(number)
            if n == 1:
                for number in mine:
                    m.free_tool_id(number)
                mine.clear()
            if n == 3:
                print(*sorted(mine))
    """ + TOOL)
    seen, done = seen_in_lib(folder, 'prog.py')
    assert seen == plain and done.stdout.endswith('\n0 1 2 4\n') and done.stderr == ''
    folder.write('before.py', """
        import sys
        for number in 0, 3, 5:
            sys.monitoring.use_tool_id(number, 'earlier tool')
        from condcov import cli
        sys.exit(cli.main(['run', '--include=lib.py', 'plain.py']))
    """)
    assert folder.python('before.py').returncode == 0
    ((_, seen),) = folder.data().read().values()
    assert seen == plain


@monitoring
def test_a_process_whose_ids_are_taken(folder):
    folder.write('lib.py', 'pass')
    folder.write('prog.py', """
        import subprocess, sys
        import lib
        subprocess.run([sys.executable, '-S', 'child.py'], check=True)
    """)
    folder.write('child.py', """
        import sys
        for number in 1, 3, 4:
            sys.monitoring.use_tool_id(number, f'tool {number}')
        import site
        site.main()
        import lib
    """)
    done = folder.condcov('run', '--include=lib.py', 'prog.py')
    assert done.stderr.startswith('condcov: a process (') and len(done.stderr.splitlines()) == 1
    assert 'child.py) was not recorded: cannot record: ' in done.stderr and 'tool 4' in done.stderr


@pytest.mark.parametrize('core', ['ctrace', 'sysmon', 'pytrace'])
@pytest.mark.parametrize('order', ['inside', 'outside', 'between'])
def test_coverage_py(folder, plain, core, order):
    if core == 'sysmon' and not hasattr(sys, 'monitoring'):
        pytest.skip('there is no sys.monitoring')
    environment = {**folder.environment, 'COVERAGE_CORE': core}
    folder.write('prog.py', """
        import coverage
        def between(n):
            global theirs
            if n == 0:
                theirs = coverage.Coverage(branch=True, include=['lib.py'])
            if n == 1:
                theirs.start()
            if n == 3:
                theirs.stop()
                theirs.save()
    """ + TOOL)
    coverage = ['-m', 'coverage', 'run', '--branch', '--include=lib.py']

    def report():
        folder.python('-m', 'coverage', 'json', '-q')
        ((_, found),) = json.loads((folder.path / 'coverage.json').read_text())['files'].items()
        return {key: found[key] for key in ('executed_lines', 'executed_branches', 'missing_branches')}

    run = ['prog.py'] if order == 'between' else [*coverage, 'plain.py']
    assert folder.python(*run, env=environment).returncode == 0
    alone = report()
    (folder.path / '.coverage').unlink()
    if order == 'outside':
        done = folder.python(*coverage, '-m', 'condcov', 'run', '--include=lib.py', 'plain.py', env=environment)
        assert done.returncode == 0
    else:
        errors = folder.condcov('run', '--include=lib.py', *run, env=environment).stderr
        assert not errors or 'CoverageWarning: Can\'t use core=sysmon' in errors and 'condcov' not in errors
    ((_, seen),) = folder.data().read().values()
    assert seen == plain
    assert report() == alone


def test_cprofile(folder, plain):
    """The whole program, and a part of it."""
    folder.write('prog.py', """
        import cProfile, io, pstats
        profile = cProfile.Profile()
        def between(n):
            if n == 1:
                profile.enable()
            if n == 2:
                profile.disable()
            if n == 3:
                print(sorted((key[1:], value[:2]) for key, value in pstats.Stats(profile).stats.items()
                             if key[0] == lib.__file__))
    """ + TOOL)
    alone = folder.python('prog.py').stdout
    seen, done = seen_in_lib(folder, 'prog.py')
    assert seen == plain and (done.stdout, done.stderr) == (alone, '') and 'generate' in alone
    seen, done = seen_in_lib(folder, '-m', 'cProfile', '-s', 'name', 'plain.py')
    assert seen == plain and done.stdout.startswith('part 0\n') and '(catch)' in done.stdout


def test_a_profile_does_not_show_condcov(folder):
    """Nor does the thread that writes what was seen disturb it."""
    folder.write('prog.py', """
        import cProfile, glob, pstats, time
        def f(n):
            while n and not glob.glob('.condcov.*'):
                time.sleep(0.1)
        profile = cProfile.Profile()
        profile.enable()
        f(1), f(0)
        profile.disable()
        stats = pstats.Stats(profile).stats
        print([value[:2] for key, value in stats.items() if key[2] == 'f'], [key for key in stats if 'condcov' in key[0]])
    """)
    assert folder.condcov('run', 'prog.py').stdout == '[(2, 2)] []\n'


SESSION = """
    break lib.f
    break lib:12, items[0] == 0
    continue
    print('a and b are', a, b)
    step
    step
    next
    clear 1
    continue
    p items
    next
    until 16
    return
    continue
    continue
"""


@pytest.mark.parametrize('start', ['pdb', 'breakpoint'])
def test_pdb(folder, plain, start):
    folder.write('prog.py', """
        def between(n):
            if n == 1:
                breakpoint()
    """ + TOOL)
    command = ['-m', 'pdb', 'plain.py'] if start == 'pdb' else ['prog.py']
    session = SESSION.replace('    ', '') + 'q\n'

    def run(*words):
        done = folder.python(*words, *command, input=session, stdin=None)
        # What the pdb of CPython 3.14 may print at the end of the process, when threading has no functions any more.
        late = re.fullmatch(r"(Exception ignored while calling weakref callback [^\n]*\nTraceback [^\n]*\n"
                            r"(  [^\n]*\n)+AttributeError: 'NoneType' object has no attribute 'current_thread'\n)+",
                            done.stderr)
        assert not done.stderr or sys.version_info >= (3, 14) and late, done
        return done.stdout.replace(str(folder.path), '')

    alone = run()
    assert 'a and b are' in alone and 'part 2' in alone, alone
    assert run('-m', 'condcov', 'run', '--include=lib.py') == alone
    ((_, seen),) = folder.data().read().values()
    assert seen == plain


def test_the_jump_of_pdb(folder):
    """Only what was executed is recorded, also of lines that the debugger's jump leads to or leaves out."""
    folder.write('lib.py', """
        def f(a, b):
            x = 0
            if a and b:
                x = 1
            if a or b:
                x += 2
            elif b:
                x += 4
            return x
    """)
    folder.write('prog.py', """
        import lib
        breakpoint()
        print(lib.f(1, 1), lib.f(0, 0))
        print(lib.f(0, 1))
    """)
    session = ['b lib:3', 'c', 'jump 8', 'c', 'n', 'jump 4', 'n', 'n', 'clear 1', 'c', 'q']

    def run(*words):
        done = folder.python(*words, 'prog.py', input='\n'.join(session) + '\n', stdin=None)
        assert done.stderr == '', done
        return done.stdout
    alone = run()
    assert '4 1\n2\n' in alone, alone
    assert run('-m', 'condcov', 'run', '--include=lib.py') == alone
    ((_, seen),) = folder.data().read().values()
    assert seen.lines == set(range(1, 10))
    by_line = {key[0]: set(paths) for key, paths in seen.paths.items()}
    assert by_line == {3: {'F-'}, 5: {'FF', 'FT'}, 7: {'F'}}


class Adapter:
    """A connection to debugpy."""

    def __init__(self, port):
        self.stream = socket.create_connection(('127.0.0.1', port), 60).makefile('rwb')
        self.number = 0
        self.messages = queue.Queue()
        threading.Thread(target=self.receive, daemon=True).start()

    def receive(self):
        try:
            while header := self.stream.readline():
                self.stream.readline()
                self.messages.put(json.loads(self.stream.read(int(header.split(b':')[1]))))
        except OSError:             # debugpy has ended
            pass

    def send(self, command, **arguments):
        self.number += 1
        body = json.dumps({'seq': self.number, 'type': 'request', 'command': command, 'arguments': arguments}).encode()
        self.stream.write(b'Content-Length: %d\r\n\r\n%s' % (len(body), body))
        self.stream.flush()
        return self.number

    def wait(self, **expected):
        """The next message with these values."""
        while True:
            message = self.messages.get(timeout=120)
            if expected.items() <= message.items():
                return message

    def ask(self, command, **arguments):
        return self.wait(type='response', request_seq=self.send(command, **arguments)).get('body')


@pytest.mark.skipif(not importlib.util.find_spec('debugpy'), reason='debugpy is not installed')
def test_debugpy(folder, plain):
    """A program that an editor attaches to, with a breakpoint, and steps."""
    folder.write('prog.py', """
        import debugpy, sys
        def between(n):
            if n == 0:
                print(debugpy.listen(('127.0.0.1', 0))[1], flush=True)
                debugpy.wait_for_client()
    """ + TOOL)
    line = LIB.splitlines().index('        if a and not b:')
    found = []
    for words in [], ['-m', 'condcov', 'run', '--include=lib.py']:
        process = subprocess.Popen([sys.executable, '-Xfrozen_modules=off', *words, 'prog.py'], cwd=folder.path,
                                   env=folder.environment, stdout=subprocess.PIPE, text=True, stderr=subprocess.PIPE)
        try:
            adapter = Adapter(int(process.stdout.readline()))
            adapter.ask('initialize', adapterID='test', pathFormat='path', linesStartAt1=True)
            adapter.send('attach', justMyCode=False)
            adapter.wait(type='event', event='initialized')
            adapter.ask('setBreakpoints', source={'path': str(folder.path / 'lib.py')}, breakpoints=[{'line': line}])
            adapter.ask('configurationDone')
            stops = []
            for command in 'next', 'next', 'stepIn', 'continue', 'stepOut', 'continue':
                stop = adapter.wait(type='event', event='stopped')['body']
                frame = adapter.ask('stackTrace', threadId=stop['threadId'])['stackFrames'][0]
                stops.append((stop['reason'], frame['name'], frame['line']))
                if len(stops) == 6:
                    adapter.ask('setBreakpoints', source={'path': str(folder.path / 'lib.py')}, breakpoints=[])
                adapter.ask(command, threadId=stop['threadId'])
            adapter.wait(type='event', event='terminated')
            adapter.send('disconnect')
            output, errors = process.communicate(timeout=120)
        finally:
            process.kill()
        assert process.returncode == 0, errors
        found.append((stops, output))
    assert found[0] == found[1] and found[0][0][0] == ('breakpoint', 'f', line)
    ((_, seen),) = folder.data().read().values()
    assert seen == plain
