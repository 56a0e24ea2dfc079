"""Measures the cost of tracing: the interpreters, the rounds, and the measurements in bench.json."""

import datetime
import importlib.util
import itertools
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from qa import process
from qa.bench import instructions, programs
from qa.process import Trouble, last_line

HERE = Path(__file__).resolve().parent
WORKER = HERE / 'worker.py'
FORMAT = 1
NO_REASON = 'it gave no reason'

# Runs of the program per value, so that none is much shorter than 10 ms.
LOOPS = {'off': 6, 'line': 2, 'opcode-c': 2, 'instruction-c': 3, 'filter': 3, 'branch': 2, 'monitor-branch': 3,
         'flight': 5, 'edges': 5, 'recorders': 5}


class Interpreter:
    """An interpreter to compare."""

    def __init__(self, role, python, modes=()):
        self.role = role
        self.python = os.path.abspath(python)
        self.modes = list(modes)
        self.counts = {}
        said = process.ask(f'cannot run {python}', self.python, WORKER, '--about', timeout=60)
        try:
            self.about = json.loads(said)
        except ValueError:
            raise Trouble(f'{python} cannot be measured') from None
        options = self.about['config_args']
        self.about['optimized'] = '--enable-optimizations' in options and '--with-lto' in options


def the_two(args):
    """The fork and stock CPython; raise Trouble if they cannot be compared."""
    fork = Interpreter('fork', args.fork,
                       ['off', 'line', 'instruction', 'instruction-c', 'branch', 'filter', 'filter-all',
                        'flight', 'edges', 'recorders'])
    stock = Interpreter('stock', args.stock, ['off', 'line', 'opcode', 'opcode-c'])
    if not fork.about['settracestate']:
        raise Trouble(f'{args.fork} has no sys.settracestate: it is not the fork')
    if stock.about['settracestate'] or stock.about['version'] != fork.about['version']:
        raise Trouble(f'{args.stock} is not stock CPython {fork.about["version"]}')
    for one in fork, stock:
        if one.about['debug'] and not args.force:
            raise Trouble(f'{one.python} is a --with-pydebug build, whose times are meaningless; '
                             'name another builddir with BUILDDIR=build/NAME, or insist with FORCE=1')
    return fork, stock


def find_peers():
    """The newest CPython of each version from 3.12 on, on PATH or installed by pyenv."""
    found = [shutil.which(f'python3.{minor}') for minor in range(12, 20)]
    if shutil.which('pyenv'):
        root = subprocess.run(['pyenv', 'root'], capture_output=True, text=True).stdout.strip()
        if root:
            found += sorted(Path(root, 'versions').glob('3.*/bin/python'))
    newest = {}
    for python in filter(None, found):
        try:
            peer = Interpreter('peer', python, ['off', 'monitor-instruction', 'monitor-branch'])
        except Trouble:
            continue            # such as pyenv's shim for a version that is not active
        version = tuple(map(int, re.findall(r'\d+', peer.about['version'])[:3]))
        peer.role = peer.about['version']
        if (peer.about['monitoring'] and not peer.about['debug'] and not peer.about['free_threaded']
                and version > newest.get(version[:2], ((),))[0]):
            newest[version[:2]] = version, peer
    return [peer for _, (_, peer) in sorted(newest.items())]


def compile_stocktrace(stock, folder):
    """Compile the C trace function for stock CPython into 'folder'."""
    script = ('import json, sysconfig; v = sysconfig.get_config_vars(); p = sysconfig.get_paths();'
              'print(json.dumps([v["CC"], v["CFLAGS"], v["CCSHARED"], v["EXT_SUFFIX"], p["include"], p["platinclude"],'
              ' v.get("srcdir"), v.get("projectbase")]))')
    found = process.ask(f'cannot run {stock.python}', stock.python, '-c', script)
    cc, cflags, ccshared, suffix, *places = json.loads(found)
    # The headers are in different places for an installed interpreter and for one in its builddir.
    folders = [os.path.join(place, *below) for place in filter(None, places)
               for below in [(), ('Include',), ('internal',), ('Include', 'internal')]]
    flags = [flag for flag in shlex.split(cflags) if 'lto' not in flag and 'profile' not in flag]
    command = [*shlex.split(cc), *flags, *shlex.split(ccshared), '-shared',
               *(f'-I{folder}' for folder in folders if os.path.isdir(folder)),
               HERE / 'stocktrace.c', '-o', Path(folder, 'stocktrace' + suffix)]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise Trouble(f'cannot compile stocktrace.c with {cc}: {error.strerror}') from None
    if done.returncode:
        errors = '\n'.join(line for line in done.stderr.splitlines() if 'error' in line)
        raise Trouble(f'cannot compile stocktrace.c: {last_line(errors or done.stderr, NO_REASON)}')


class Session:
    """Rounds of measurements of some programs in some interpreters."""

    def __init__(self, folder, names, values, cpu):
        import pyperf
        self.pyperf = pyperf
        self.folder = Path(folder)
        self.names = names
        self.values = values
        self.cpu = cpu
        self.filters = {}
        self.measured = {}       # {role: pyperf.BenchmarkSuite}
        self.environ = {
            'PATH': os.environ.get('PATH', os.defpath),
            'LC_ALL': 'C.UTF-8',
            'PYTHONPATH': os.pathsep.join([str(self.folder), str(Path(pyperf.__file__).parent.parent)]),
            'PYTHONPYCACHEPREFIX': str(self.folder / 'pycache'),
        }
        if 'LD_LIBRARY_PATH' in os.environ:
            self.environ['LD_LIBRARY_PATH'] = os.environ['LD_LIBRARY_PATH']

    def run(self, interpreter, *arguments):
        return process.ask(f'{interpreter.python} {arguments[0]}', interpreter.python, WORKER, *arguments,
                           env=self.environ)

    def count(self, interpreter):
        interpreter.counts = {name: json.loads(self.run(interpreter, '--count', name)) for name in self.names}

    def measure(self, interpreter, name, number):
        """Measure the program in all modes, in a separate process."""
        output = self.folder / 'run.json'
        output.unlink(missing_ok=True)
        self.environ['PYTHONHASHSEED'] = str(number)    # the same for all in a round
        modes = [f'{mode}:{LOOPS.get(mode, 1)}' for mode in interpreter.modes]
        self.run(interpreter, '--worker', '--quiet', f'--affinity={self.cpu}', '-l1', '-w1', f'-n{self.values}',
                 '-o', output, '--opcodes', ','.join(map(str, self.filters.get(name, []))), name, *modes)
        found = self.pyperf.BenchmarkSuite.load(str(output))
        if interpreter.role in self.measured:
            self.measured[interpreter.role].add_runs(found)
        else:
            self.measured[interpreter.role] = found

    def samples(self, interpreter):
        """{'PROGRAM/MODE': [[value, ...] of each round]}"""
        return {bench.get_name(): [list(run.values) for run in bench.get_runs()]
                for bench in self.measured[interpreter.role].get_benchmarks()}


def twentieth(opcodes):
    """Up to four opcodes that make up as close to 5 % of the executed instructions as possible, and their share."""
    total = sum(opcodes.values())
    shares = {opcode: number / total for opcode, number in opcodes.items() if number / total < 0.06}
    candidates = sorted(shares, key=lambda opcode: (-shares[opcode], opcode))[:24]
    best = min((subset for size in range(1, 5) for subset in itertools.combinations(candidates, size)),
               key=lambda subset: (abs(sum(map(shares.get, subset)) - 0.05), len(subset), subset))
    return sorted(map(int, best)), sum(map(shares.get, best))


def collect(args, say):
    """Measure.  Return the content of bench.json, except for the rows of the table."""
    if importlib.util.find_spec('pyperf') is None:
        raise Trouble('pyperf is not installed here; make bench has it in a virtual environment of its own')
    fork, stock = the_two(args)
    names = args.programs.split(',') if args.programs else list(programs.NAMES)
    for name in names:
        if name not in programs.NAMES:
            raise Trouble(f'there is no program {name}; the programs are {", ".join(programs.NAMES)}')
    if args.cpu not in os.sched_getaffinity(0):
        raise Trouble(f'there is no processor {args.cpu} for this process')
    peers = [] if args.no_peers else find_peers()
    rounds = args.rounds or (5 if args.fast else 20)
    everyone = [stock, fork, *peers]
    missing = {}

    with tempfile.TemporaryDirectory(prefix='bench-') as folder:
        counted = None
        if args.no_instructions:
            missing['instructions'] = 'not asked for'
        else:
            say('machine instructions of the fixed program, with valgrind')
            try:
                counted = instructions.compare(fork.python, stock.python, folder, 2 if args.fast else 5)
            except instructions.Unavailable as error:
                missing['instructions'] = str(error)

        session = Session(folder, names, args.values, args.cpu)
        compile_stocktrace(stock, folder)
        for interpreter in everyone:
            session.count(interpreter)
        shares = {}
        for name in names:
            session.filters[name], shares[name] = twentieth(stock.counts[name]['opcodes'])
        begun = time.monotonic()
        for number in range(rounds):
            order = everyone if number % 2 else everyone[::-1]      # rotate: each interpreter goes first in turn
            for name in names:
                for interpreter in order:
                    session.measure(interpreter, name, number)
            if number == 0:
                minutes = (time.monotonic() - begun) * rounds / 60
                say(f'{rounds} rounds of {len(names)} programs in {len(everyone)} interpreters, '
                    f'on processor {args.cpu}: about {minutes:.1f} minutes')
        samples = {interpreter.role: session.samples(interpreter) for interpreter in everyone}
        if args.pyperf:
            for role, measured in session.measured.items():
                measured.dump(str(Path(args.pyperf, f'pyperf-{role}.json')), replace=True)

    data = {
        'format': FORMAT,
        'date': datetime.date.today().isoformat(),
        'machine': describe_machine(args.cpu),
        'interpreters': {interpreter.role: interpreter.about for interpreter in everyone},
        'rounds': rounds,
        'programs': {name: {
            'events': {interpreter.role: {mode: sum(events.values())
                                          for mode, events in interpreter.counts[name].items() if mode != 'opcodes'}
                       for interpreter in everyone},
            'filter': [opcode_name(opcode) for opcode in session.filters[name]],
            'share': shares[name],
        } for name in names},
        'samples': samples,
        'missing': missing,
    }
    if counted:
        data['instructions'] = counted
    return data


def opcode_name(opcode):
    """As CPython 3.11 has it, whichever runs this."""
    if sys.version_info[:2] == (3, 11):
        import dis
        return dis.opname[opcode]
    return str(opcode)


def describe_machine(cpu):
    model = platform.processor() or platform.machine()
    try:
        model = re.search(r'^model name\s*:\s*(.*)', Path('/proc/cpuinfo').read_text(), re.M)[1]
    except (OSError, TypeError):
        pass
    return {
        'cpu': model,
        'cores': os.cpu_count(),
        'pinned_to': cpu,
        'kernel': f'{platform.system()} {platform.release()}',
        'architecture': platform.machine(),
        'libc': ' '.join(platform.libc_ver()),
        'load': round(os.getloadavg()[0], 2),
    }
