"""Doc/howto/save-trace-function.rst: its code works on the fork and on stock CPython, and its message is the real one."""

import re

import pytest

from support.commands import output
from test_howto import blocks

PAGE = 'Doc/howto/save-trace-function.rst'
PROGRAM = '''
def tracer(frame, event, arg):
    if frame.f_code is traced.__code__:
        events.append(event)
        return tracer

def traced(a):
    return a or 1

def pause():
    saved = get_state()
    sys.settrace(None)
    try:
        assert get_state()['tracefunc'] is None
        traced(0)
    finally:
        set_state(**saved)

def run(set_trace, **flags):
    """The events of the function before the pause and after it."""
    found = []
    set_trace(tracer, **flags)
    try:
        for action in lambda: None, pause:
            action()
            assert get_state()['tracefunc'] is tracer
            events.clear()
            traced(0)
            found.append(events[:])
    finally:
        sys.settrace(None)
    return found

events = []
pause()
assert get_state()['tracefunc'] is None
before, after = run(sys.settrace)
assert before == after == ['call', 'line', 'return'], (before, after)
if hasattr(sys, 'settracestate'):
    before, after = run(sys.settracestate, trace_lines=False, trace_branches=True)
    assert before == after and before.count('branch') == 3, (before, after)
    before, after = run(sys.settracestate, trace_instructions=True, instruction_filter=[100])
    assert before == after and before.count('instruction') == 1, (before, after)
print('done')
'''
MESSAGE = '''
import sys, types
app = types.ModuleType('app')
exec('def tracer(*args): pass', app.__dict__)
sys.settracestate(app.tracer, trace_branches=True)
sys.gettrace()
'''


@pytest.fixture(scope='module')
def page(root):
    return (root / PAGE).read_text()


@pytest.mark.parametrize('interpreter', ['python', 'stock_python'])
def test_the_helper(page, interpreter, request):
    helper, = [content for kind, _, content in blocks(page) if kind == 'python']
    assert len(helper.splitlines()) == 3
    assert output(request.getfixturevalue(interpreter), '-c', helper + PROGRAM) == 'done\n'


def test_the_message(page, python):
    shown, = [content for kind, _, content in blocks(page) if kind == 'none']
    program = f'try:\n{MESSAGE.replace(chr(10), chr(10) + "    ")}\nexcept RuntimeError as e:\n    print("RuntimeError:", e)'
    assert output(python, '-c', program).split() == shown.split()


def test_the_changes_only_use_the_helper(page):
    changes = [content.splitlines() for kind, _, content in blocks(page) if kind == 'diff']
    assert len(changes) == 8
    for lines in changes:
        for old, new in zip(lines[::2], lines[1::2], strict=True):
            assert old[0] == '-' and new[0] == '+'
            assert re.search(r'settrace\(|gettrace\(|f_trace = ', old)
            assert re.search(r"get_state\(\)|set_state\(\*\*|\['tracefunc'\]", new)
            assert not re.search(r'settrace\(|gettrace\(', new)
