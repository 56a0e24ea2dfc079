"""Count the machine instructions of the fixed program in the fork and in stock CPython, with tracing off.

valgrind counts them exactly and reproducibly.  However, the work of malloc() depends on the lengths of the paths that
the interpreter stores, which can change the count by one instruction in two thousand.  Both interpreters therefore run
in the same folder, one after the other, and again in folders with paths of other lengths.
"""

import collections
import os
import re
import shutil
import subprocess
from pathlib import Path

from qa import process
from qa.process import Trouble, last_line

HERE = Path(__file__).resolve().parent


class Unavailable(Trouble):
    """The instructions could not be counted."""


def settle(python, place):
    """Make 'place' an installation of the interpreter, with links to where its files are."""
    script = ('import os, sys, math; version = "python%d.%d" % sys.version_info[:2];'
              'print(sys.executable, os.path.dirname(os.__file__), os.path.dirname(getattr(math, "__file__", "")), '
              'version, sep="\\n")')
    executable, library, extensions, version = process.ask(f'cannot run {python}', python, '-c', script).splitlines()
    shutil.rmtree(place, ignore_errors=True)
    for folder in 'bin', 'lib', f'exec/lib/{version}':
        os.makedirs(place / folder)
    shutil.copy2(os.path.realpath(executable), place / 'bin' / 'python')
    os.symlink(library, place / 'lib' / version)
    if extensions:
        os.symlink(extensions, place / 'exec' / 'lib' / version / 'lib-dynload')


def count(place, result=os.devnull):
    """Count the instructions of the interpreter that settle() put there; callgrind's details go to 'result'."""
    # -I would ignore PYTHONHASHSEED
    command = [place / 'bin' / 'python', '-s', '-S', HERE / 'fixed.py']
    environ = {
        'PYTHONHOME': f'{place}:{place / "exec"}',
        'PYTHONHASHSEED': '0',
        'PYTHONPYCACHEPREFIX': str(place / 'pycache'),
        'LD_LIBRARY_PATH': os.environ.get('LD_LIBRARY_PATH', ''),
    }
    process.ask(f'{command[0]} cannot run fixed.py', *command, env=environ)     # compile the imported modules
    done = subprocess.run([shutil.which('valgrind'), '--tool=callgrind', '--dump-line=no', '--compress-strings=no',
                           f'--callgrind-out-file={result}', *command], env=environ, capture_output=True, text=True)
    found = re.search(r'Collected : (\d+)', done.stderr)
    if done.returncode or not found:
        raise Unavailable(f'valgrind fails: {last_line(done.stderr, "it gave no reason")}')
    return int(found[1])


def compare(fork, stock, folder, times):
    """{'fork': [number, ...], 'stock': [...], 'ratios': [...], and 'eval_loop', of that function alone}"""
    if not shutil.which('valgrind'):
        raise Unavailable('needs valgrind')
    counts = {'fork': [], 'stock': []}
    eval_loop = {}
    result = Path(folder) / 'callgrind.out'
    for number in range(times):
        place = Path(folder) / ('place' + 'x' * 13 * number)
        for role, python in ('fork', fork), ('stock', stock):
            try:
                settle(python, place)
                counts[role].append(count(place, result))
                eval_loop[role] = by_function(result)['_PyEval_EvalFrameDefault']
            except (OSError, Trouble) as error:
                raise Unavailable(str(error)) from None
            finally:
                shutil.rmtree(place, ignore_errors=True)
    counts['ratios'] = [a / b for a, b in zip(counts['fork'], counts['stock'])]
    counts['eval_loop'] = eval_loop['fork'] / eval_loop['stock'] if all(eval_loop.values()) else None
    return counts


def by_function(result):
    """The instructions of each C function, without those that it calls, from callgrind's details."""
    costs = collections.Counter()
    function = None
    called = False
    for line in Path(result).read_text().splitlines():
        if line.startswith('fn='):
            function = line[3:].partition("'")[0]       # without the depth of a recursion
        elif line.startswith('calls='):
            called = True       # the next line has the cost of the called function
        elif re.match(r'[-+*\d]', line):
            if not called:
                costs[function] += int(line.split()[1])
            called = False
    return costs
