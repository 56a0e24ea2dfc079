"""lltrace writes enough lines per second of processor time, which does not depend on other work on the machine."""

import resource
import subprocess

import pytest

pytestmark = pytest.mark.slow

LINES_A_SECOND = 300_000

PROGRAM = '''
def add(a, b):
    return a + b

def work(n):
    total = 0
    for i in range(n):
        if i % 3 and i % 5 or i > 1000:
            total += i
        total = add(total, i)

work(40_000)
'''


def processor_time():
    """The processor time of the child processes so far, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@pytest.mark.parametrize('options', ([], ['--jsonl']), ids=['text', 'jsonl'])
def test_lines_a_second(python, tmp_path, options):
    debug = subprocess.run([python, '-c', 'import sys; print(hasattr(sys, "gettotalrefcount"))'], capture_output=True, text=True,
                           check=True).stdout
    if debug == 'True\n':
        pytest.skip('a build for debugging')
    (tmp_path / 'program.py').write_text(PROGRAM)
    best = 0
    for _ in range(3):
        before = processor_time()
        subprocess.run([python, '-m', 'lltrace', *options, '-o', tmp_path / 'trace', tmp_path / 'program.py'], check=True)
        seconds = processor_time() - before
        with open(tmp_path / 'trace', 'rb') as file:
            best = max(best, sum(1 for _ in file) / seconds)
    assert best >= LINES_A_SECOND
