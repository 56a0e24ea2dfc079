"""Debug a script with debugpy over the Debug Adapter Protocol, as an editor does."""

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading

import pytest

TIMEOUT = 30

SCRIPT = '''\
import threading

def inner(value):
    doubled = value * 2
    return doubled

def outer(numbers):
    total = 0
    for number in numbers:
        total += inner(number)
    return total

def careful():
    try:
        raise KeyError('caught')
    except KeyError:
        return 'done'

class Worker(threading.Thread):
    def run(self):
        self.seen = inner(21)

print('total', outer([1, 2, 3]))
print('careful', careful())
worker = Worker(name='worker')
worker.start()
worker.join()
print('worker', worker.seen)
'''


class Adapter:
    """A connection to a debug adapter."""

    def __init__(self, port):
        self.socket = socket.create_connection(('127.0.0.1', port), TIMEOUT)
        self.socket.settimeout(None)
        self.number = 0
        self.responses, self.events = queue.Queue(), queue.Queue()
        self.put_back = []
        threading.Thread(target=self.receive, daemon=True).start()

    def receive(self):
        try:
            with self.socket.makefile('rb') as file:
                while header := file.readline():
                    length = int(header.split(b':')[1])
                    file.readline()
                    message = json.loads(file.read(length))
                    (self.responses if message['type'] == 'response' else self.events).put(message)
        except OSError:             # the adapter has exited, as at the end of each test
            pass

    def send(self, command, **arguments):
        self.number += 1
        body = json.dumps({'seq': self.number, 'type': 'request', 'command': command, 'arguments': arguments}).encode()
        self.socket.sendall(b'Content-Length: %d\r\n\r\n%s' % (len(body), body))
        return self.number

    def response(self, number):
        while True:
            message = self.responses.get(timeout=TIMEOUT)
            if message['request_seq'] == number:
                assert message['success'], message
                return message.get('body', {})

    def ask(self, command, **arguments):
        return self.response(self.send(command, **arguments))

    def event(self, *names):
        """Return the next event with one of these names, and keep the others for later."""
        for message in self.put_back:
            if message['event'] in names:
                self.put_back.remove(message)
                return message['body'] if 'body' in message else {}
        while True:
            message = self.events.get(timeout=TIMEOUT)
            if message['event'] in names:
                return message.get('body', {})
            self.put_back.append(message)


class Session(Adapter):
    """A script that is debugged, stopped before its first line until begin()."""

    def __init__(self, folder, env, script=SCRIPT):
        self.script = folder / 'script.py'
        self.script.write_text(script)
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            port = free.getsockname()[1]
        self.output = folder / 'output'
        with open(self.output, 'w') as file:
            self.process = subprocess.Popen(
                [sys.executable, '-X', 'frozen_modules=off', '-m', 'debugpy', '--listen', str(port),
                 '--wait-for-client', str(self.script)],
                env=os.environ | env, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True)
        for _ in range(TIMEOUT * 10):
            try:
                super().__init__(port)
                break
            except ConnectionRefusedError:
                assert self.process.poll() is None, self.output.read_text()
                threading.Event().wait(0.1)
        self.ask('initialize', adapterID='test', pathFormat='path', linesStartAt1=True, columnsStartAt1=True)
        self.attached = self.send('attach', justMyCode=True)
        self.event('initialized')

    def breakpoints(self, *points):
        """Set them, each a line or the arguments of a SourceBreakpoint."""
        points = [{'line': point} if isinstance(point, int) else point for point in points]
        return self.ask('setBreakpoints', source={'path': str(self.script)}, breakpoints=points)['breakpoints']

    def begin(self):
        self.ask('configurationDone')
        self.response(self.attached)

    def stopped(self, reason, line):
        """Wait until the script stops; check why and where."""
        event = self.event('stopped', 'terminated')
        self.thread = event['threadId']
        self.frames = self.ask('stackTrace', threadId=self.thread)['stackFrames']
        assert (event['reason'], self.frames[0]['line']) == (reason, line)
        return event

    def go(self, command='continue'):
        self.ask(command, threadId=self.thread)

    def variables(self, scope='Locals', frame=0):
        scopes = self.ask('scopes', frameId=self.frames[frame]['id'])['scopes']
        (reference,) = [found['variablesReference'] for found in scopes if found['name'] == scope]
        self.reference = reference
        found = self.ask('variables', variablesReference=reference)['variables']
        return {one['name']: one['value'] for one in found}

    def evaluate(self, expression, frame=0):
        return self.ask('evaluate', expression=expression, frameId=self.frames[frame]['id'], context='repl')['result']

    def end(self):
        """Let the script run to its end, and return its output."""
        self.leave()
        assert self.process.returncode == 0, self.output.read_text()
        return self.output.read_text().splitlines()

    def leave(self):
        self.event('terminated')
        self.ask('disconnect')          # the script waits for this
        self.process.wait(TIMEOUT)


@pytest.fixture(params=['YES', 'NO'], ids=['cython', 'python'])
def start(request, tmp_path):
    """A Session with the tracer compiled by Cython, and one with the tracer in Python."""
    sessions = []

    def begin(script=SCRIPT):
        session = Session(tmp_path, {'PYDEVD_USE_CYTHON': request.param, 'DEBUGPY_LOG_DIR': str(tmp_path)}, script)
        sessions.append(session)
        return session
    yield begin
    for session in sessions:
        try:            # the adapter is a separate process
            os.killpg(session.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        session.process.wait()
        session.socket.close()


ALL = ['total 12', 'careful done', 'worker 42']


def test_tracer(start, request):
    """The tracer is really the one that the tests are run with."""
    session = start('import sys\nprint("_pydevd_bundle.pydevd_cython" in sys.modules)\n')
    session.begin()
    assert session.end() == [str('cython' in request.node.callspec.id)]


def test_without_breakpoints(start):
    session = start()
    session.begin()
    assert session.end() == ALL


def test_breakpoint_and_variables(start):
    session = start()
    (found,) = session.breakpoints(4)
    assert found['verified'] and found['line'] == 4
    session.begin()
    for value, total in (1, 0), (2, 2), (3, 6):
        session.stopped('breakpoint', 4)
        assert [frame['name'] for frame in session.frames] == ['inner', 'outer', '<module>']
        assert session.variables() == {'value': str(value)}
        assert session.variables(frame=1)['total'] == str(total)
        assert session.evaluate('number + total', frame=1) == str(value + total)
        if value == 3:
            session.breakpoints()
        session.go()
    assert session.end() == ALL


def test_stepping(start):
    session = start()
    session.breakpoints(10)
    session.begin()
    session.stopped('breakpoint', 10)
    session.breakpoints()
    for command, line, name in (('stepIn', 4, 'inner'), ('next', 5, 'inner'), ('stepOut', 10, 'outer'),
                                ('next', 9, 'outer'), ('next', 10, 'outer'), ('next', 9, 'outer')):
        session.go(command)
        session.stopped('step', line)
        assert session.frames[0]['name'] == name
    assert session.variables()['total'] == '6'
    session.go()
    assert session.end() == ALL


def test_conditions_counts_and_log_points(start):
    session = start()
    session.breakpoints({'line': 4, 'condition': 'value == 2'}, {'line': 5, 'hitCondition': '3'},
                        {'line': 11, 'logMessage': 'total is {total}'})
    session.begin()
    session.stopped('breakpoint', 4)
    assert session.variables() == {'value': '2'}
    session.go()
    session.stopped('breakpoint', 5)
    assert session.variables() == {'doubled': '6', 'value': '3'}
    session.go()
    while 'total is' not in (said := session.event('output', 'terminated')['output']):
        pass
    assert said.strip() == 'total is 12'
    assert session.end() == ALL


def test_setting_a_variable(start):
    session = start()
    session.breakpoints({'line': 5, 'condition': 'value == 3'})
    session.begin()
    session.stopped('breakpoint', 5)
    session.variables()
    session.ask('setVariable', variablesReference=session.reference, name='doubled', value='100')
    session.go()
    assert session.end() == ['total 106', *ALL[1:]]


def test_jumping(start):
    """Setting frame.f_lineno changes the next line to run."""
    session = start()
    session.breakpoints({'line': 4, 'condition': 'value == 3'})
    session.begin()
    session.stopped('breakpoint', 4)
    session.evaluate('doubled = -6')
    (target,) = session.ask('gotoTargets', source={'path': str(session.script)}, line=5)['targets']
    session.ask('goto', threadId=session.thread, targetId=target['id'])
    session.stopped('goto', 5)
    session.go()
    assert session.end() == ['total 0', *ALL[1:]]


def test_raised_exception(start):
    session = start()
    session.ask('setExceptionBreakpoints', filters=['raised'])
    session.begin()
    session.stopped('exception', 15)
    about = session.ask('exceptionInfo', threadId=session.thread)
    assert (about['exceptionId'], about['description'], about['breakMode']) == ('KeyError', "'caught'", 'always')
    session.go()
    assert session.end() == ALL


def test_uncaught_exception(start):
    session = start('def f():\n    return 1 / 0\nf()\n')
    session.ask('setExceptionBreakpoints', filters=['uncaught'])
    session.begin()
    session.stopped('exception', 2)
    assert session.ask('exceptionInfo', threadId=session.thread)['exceptionId'] == 'ZeroDivisionError'
    session.go()
    session.leave()
    assert session.process.returncode == 1 and 'ZeroDivisionError' in session.output.read_text()


def test_threads(start):
    session = start()
    session.breakpoints(21)
    session.begin()
    session.stopped('breakpoint', 21)
    names = {thread['id']: thread['name'] for thread in session.ask('threads')['threads']}
    assert sorted(names.values()) == ['MainThread', 'worker'] and names[session.thread] == 'worker'
    session.go('stepIn')
    session.stopped('step', 4)
    session.go('stepOut')
    session.stopped('step', 21)
    session.go()
    assert session.end() == ALL


def test_generators(start):
    session = start("""\
def count():
    for number in range(3):
        yield number

for number in count():
    print(number)
""")
    session.breakpoints(3)
    session.begin()
    for number in range(3):
        session.stopped('breakpoint', 3)
        assert session.variables() == {'number': str(number)}
        session.go('next')
        session.stopped('step', 2)          # in the generator again, not in its caller
        session.go()
    assert session.end() == ['0', '1', '2']


def test_breakpoint_set_while_running(start):
    session = start("""\
import time
turn = 0
while turn != 'over':
    time.sleep(0.01)
print(turn)
""")
    session.begin()
    session.event('process')
    session.breakpoints(4)
    session.stopped('breakpoint', 4)
    session.evaluate("turn = 'over'")
    session.breakpoints()
    session.go()
    assert session.end() == ['over']
