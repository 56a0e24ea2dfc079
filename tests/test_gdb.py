"""gdb shows the Python frames of a thread that is traced or recorded."""

import shutil
import subprocess

import pytest

PROGRAM = '''\
import sys

def inner(x):
    return id(x)

def outer(x):
    return inner(x)

def trace(frame, event, arg):
    return trace

def main():
    if sys.argv[1] == 'traced':
        sys.settracestate(trace, trace_instructions=True)
    else:
        import codeblocks
        codeblocks.EdgeRecorder().start()
    outer(1)
    list(map(outer, [2]))

main()
'''


@pytest.mark.skipif(shutil.which('gdb') is None, reason='needs gdb')
@pytest.mark.parametrize('how', ['traced', 'recorded'])
def test_backtrace_shows_each_frame_once(tmp_path, root, builddir, how):
    script = tmp_path / 'traced.py'
    script.write_text(PROGRAM)
    result = subprocess.run(
        ['gdb', '-nx', '-batch', '-ex', 'set breakpoint pending yes', '-ex', 'break builtin_id', '-ex', 'run',
         '-ex', f'source {root}/build/src/fork/Tools/gdb/libpython.py', '-ex', 'py-bt', '-ex', 'continue', '-ex', 'py-bt',
         '--args', builddir / 'python', '-S', script, how],
        stdin=subprocess.DEVNULL, capture_output=True, text=True)
    lines = [line.strip() for line in result.stdout.splitlines()]
    if any('ptrace' in line for line in result.stderr.splitlines()):
        pytest.skip('gdb may not trace processes here')
    if 'optimized out' in result.stdout or 'Unable to read' in result.stdout:
        pytest.skip('the build is optimized, so that gdb does not find the frames')
    stacks, stack = [], None
    for line in lines:
        if line.startswith('Traceback (most recent call first)'):
            stacks.append(stack := [])
        elif stack is not None and line.startswith('File '):
            stack.append(line.rsplit(maxsplit=1)[-1])
    assert stacks == [['inner', 'outer', 'main', '<module>']] * 2, result.stdout
