#!/usr/bin/env python3
"""What tracing costs in the fork, compared with stock CPython.

    bench.py --fork PYTHON --stock PYTHON     measure both side by side, print the table, write it as JSON
    bench.py --show FILE [--verbose]          print the table of a JSON file again
    bench.py --rst FILE                       print it as a page of the documentation

`make bench` runs it on a build and its stock twin, in a virtual environment with pyperf.

Each measurement is a pyperf worker process, pinned to a processor, that runs one program in one interpreter, untraced and
in every mode of tracing, a few values each.  Both interpreters take turns, so that what else the machine does hits both.
A ratio is taken of each such pair and averaged (geometric mean) over the programs; what the table shows is the median over
all rounds, and after ± the median absolute deviation from it.
"""

import argparse
import datetime
import importlib.util
import itertools
import json
import math
import os
import platform
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORKER = HERE / 'worker.py'
FORMAT = 1

sys.path.insert(0, str(HERE))
import programs  # noqa: E402
sys.path.pop(0)


class BenchError(Exception):
    """Told to the user in one line."""


# --- Interpreters -----------------------------------------------------------------

class Interpreter:
    """One of those that are compared."""

    def __init__(self, role, python, modes):
        self.role = role
        self.python = str(python)
        self.modes = modes
        try:
            done = subprocess.run([self.python, WORKER, '--about'], capture_output=True, text=True, timeout=60)
        except OSError as error:
            raise BenchError(f'cannot run {python}: {error.strerror}') from None
        except subprocess.TimeoutExpired:
            raise BenchError(f'{python} does not answer') from None
        try:
            self.about = json.loads(done.stdout)
        except ValueError:
            raise BenchError(f'{python} is not a CPython that can be measured: {last_line(done.stderr)}') from None
        optimized = self.about['config_args']
        self.about['optimized'] = '--enable-optimizations' in optimized and '--with-lto' in optimized

    def events(self, mode, program):
        """How often the trace function is called in a run of the program."""
        return sum(self.counts[program][mode].values())


def last_line(text):
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else 'no reason given'


def find_peers():
    """The newest CPython of each version from 3.12 on, on PATH or installed by pyenv."""
    found = [shutil.which(f'python3.{minor}') for minor in range(12, 20)]
    if shutil.which('pyenv'):
        root = subprocess.run(['pyenv', 'root'], capture_output=True, text=True).stdout.strip()
        if root:
            found += Path(root, 'versions').glob('3.*/bin/python')
    newest = {}
    for python in found:
        if not python:
            continue
        try:
            peer = Interpreter('peer', python, ['off', 'monitor-instruction', 'monitor-branch'])
        except BenchError:
            continue            # such as a shim of pyenv for a version that is not active
        version = tuple(map(int, re.findall(r'\d+', peer.about['version'])[:3]))
        if peer.about['monitoring'] and not peer.about['debug'] and version > newest.get(version[:2], ((),))[0]:
            newest[version[:2]] = version, peer
    return [peer for _, (_, peer) in sorted(newest.items())]


def compile_stocktrace(stock, folder):
    """The C trace function for stock CPython, for import from 'folder'."""
    script = ('import json, sysconfig; v = sysconfig.get_config_vars(); p = sysconfig.get_paths();'
              'print(json.dumps([v["CC"], v["CFLAGS"], v["CCSHARED"], v["EXT_SUFFIX"], p["include"], p["platinclude"],'
              ' v.get("srcdir"), v.get("projectbase")]))')
    done = subprocess.run([stock.python, '-c', script], capture_output=True, text=True, check=True)
    cc, cflags, ccshared, suffix, *includes = json.loads(done.stdout)
    includes = [flag for path in includes if path
                for place in (path, os.path.join(path, 'Include'), os.path.join(path, 'Include', 'internal'),
                              os.path.join(path, 'internal'))
                if os.path.isdir(place) for flag in ('-I', place)]
    target = Path(folder, 'stocktrace' + suffix)
    # an LTO build of the module would need the very compiler of the interpreter
    flags = [flag for flag in shlex.split(cflags) if 'lto' not in flag and 'profile' not in flag]
    command = [*shlex.split(cc), *flags, *shlex.split(ccshared), '-shared', *includes,
               HERE / 'stocktrace.c', '-o', target]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if 'error' in line]
        raise BenchError(f'cannot compile stocktrace.c: {last_line(os.linesep.join(errors) or done.stderr)}')


# --- Measuring ----------------------------------------------------------------------

# Loops per value, so that no value is much shorter than 20 ms.
LOOPS = {'off': 6, 'line': 2, 'opcode-c': 2, 'instruction-c': 3, 'filter': 2, 'branch': 2}


class Session:
    """Rounds of measurements of all programs in all interpreters."""

    def __init__(self, folder, names, values, cpu, say):
        import pyperf
        self.pyperf = pyperf
        self.folder = Path(folder)
        self.names = names
        self.values = values
        self.cpu = cpu
        self.say = say
        self.filters = {}
        self.suites = {}
        self.environ = {
            'PATH': os.environ.get('PATH', os.defpath),
            'LC_ALL': 'C.UTF-8',
            'PYTHONPATH': os.pathsep.join([str(self.folder), str(Path(pyperf.__file__).parent.parent)]),
            'PYTHONPYCACHEPREFIX': str(self.folder / 'pycache'),
        }

    def run(self, interpreter, *arguments):
        done = subprocess.run([interpreter.python, WORKER, *map(str, arguments)], env=self.environ,
                              capture_output=True, text=True)
        if done.returncode:
            raise BenchError(f'{interpreter.python} {arguments[0]}: {last_line(done.stderr or done.stdout)}')
        return done.stdout

    def count(self, interpreter):
        interpreter.counts = {name: json.loads(self.run(interpreter, '--count', name)) for name in self.names}

    def measure(self, interpreter, name, number):
        output = self.folder / 'run.json'
        output.unlink(missing_ok=True)
        self.environ['PYTHONHASHSEED'] = str(number)
        modes = [f'{mode}:{LOOPS.get(mode, 1)}' for mode in interpreter.modes]
        self.run(interpreter, '--worker', '--quiet', f'--affinity={self.cpu}', '-l1', '-w1', f'-n{self.values}',
                 '-o', output, '--opcodes', ','.join(map(str, self.filters.get(name, []))), name, *modes)
        suite = self.pyperf.BenchmarkSuite.load(str(output))
        if interpreter.role in self.suites:
            self.suites[interpreter.role].add_runs(suite)
        else:
            self.suites[interpreter.role] = suite

    def samples(self, interpreter):
        """{'PROGRAM/MODE': [[value, ...] of each round]}"""
        suite = self.suites[interpreter.role]
        return {bench.get_name(): [list(run.values) for run in bench.get_runs()]
                for bench in suite.get_benchmarks()}


def twentieth(opcodes):
    """The set of at most four opcodes that make up 5 % of what is executed, as nearly as can be, and its share."""
    total = sum(opcodes.values())
    shares = {opcode: number / total for opcode, number in opcodes.items() if number / total < 0.06}
    candidates = sorted(shares, key=lambda opcode: (-shares[opcode], opcode))[:24]
    best = min((subset for size in range(1, 5) for subset in itertools.combinations(candidates, size)),
               key=lambda subset: (abs(sum(map(shares.get, subset)) - 0.05), len(subset), subset))
    return sorted(map(int, best)), sum(map(shares.get, best))


def collect(args, say):
    """Measure; return all that the JSON file holds."""
    if importlib.util.find_spec('pyperf') is None:
        raise BenchError(f'there is no pyperf here: run make bench, or pip install -r {HERE.name}/requirements.txt')
    fork = Interpreter('fork', args.fork, ['off', 'line', 'instruction', 'instruction-c'])
    stock = Interpreter('stock', args.stock, ['off', 'line', 'opcode', 'opcode-c'])
    if not fork.about['settracestate']:
        raise BenchError(f'{args.fork} has no sys.settracestate: it is not the fork')
    if stock.about['settracestate'] or stock.about['monitoring']:
        raise BenchError(f'{args.stock} is not stock CPython 3.11')
    for interpreter in fork, stock:
        if interpreter.about['debug'] and not args.force:
            raise BenchError(f'{interpreter.python} is a --with-pydebug build, whose times tell nothing; '
                             'name another with BUILDDIR=build/NAME, or insist with FORCE=1')
    if fork.about['branches']:
        fork.modes += ['branch', 'filter', 'filter-all']
    peers = [] if args.no_peers else find_peers()
    for peer in peers:
        peer.role = 'python' + peer.about['version']

    names = args.programs.split(',') if args.programs else list(programs.NAMES)
    for name in names:
        if name not in programs.NAMES:
            raise BenchError(f'there is no program {name}; there are {", ".join(programs.NAMES)}')
    rounds = args.rounds or (5 if args.fast else 20)

    with tempfile.TemporaryDirectory(prefix='bench-') as folder:
        session = Session(folder, names, args.values, args.cpu, say)
        compile_stocktrace(stock, folder)
        everyone = [fork, stock, *peers]
        for interpreter in everyone:
            session.count(interpreter)
        shares = {}
        for name in names:
            session.filters[name], shares[name] = twentieth(stock.counts[name]['opcodes'])
        say(f'{rounds} rounds of {len(names)} programs in {len(everyone)} interpreters on processor {args.cpu}')
        begun = time.monotonic()
        for number in range(rounds):
            # first one, then the other leads
            order = everyone if number % 2 else everyone[::-1]
            for name in names:
                for interpreter in order:
                    session.measure(interpreter, name, number)
            if number == 0:
                say(f'about {(time.monotonic() - begun) * rounds / 60:.1f} minutes')
        samples = {interpreter.role: session.samples(interpreter) for interpreter in everyone}
        if args.suites:
            for role, suite in session.suites.items():
                suite.dump(str(Path(args.suites, f'{role}.json')), replace=True)

    return {
        'format': FORMAT,
        'date': datetime.date.today().isoformat(),
        'machine': describe_machine(args.cpu),
        'interpreters': {interpreter.role: interpreter.about for interpreter in everyone},
        'rounds': rounds,
        'programs': {name: {
            'events': {interpreter.role: {mode: interpreter.events(mode, name)
                                          for mode in interpreter.counts[name] if mode != 'opcodes'}
                       for interpreter in everyone},
            'filter': [opcode_name(opcode) for opcode in session.filters[name]],
            'share': shares[name],
        } for name in names},
        'samples': samples,
    }


def opcode_name(opcode):
    """Of CPython 3.11, whatever runs this."""
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


# --- Evaluating ------------------------------------------------------------------------

class Figures:
    """The times of a measurement, as medians of each round."""

    def __init__(self, data):
        self.data = data
        self.rounds = range(data['rounds'])
        self.names = list(data['programs'])
        self.medians = {role: {key: [statistics.median(values) for values in rounds]
                               for key, rounds in samples.items()}
                        for role, samples in data['samples'].items()}

    def has(self, role, mode):
        return f'{self.names[0]}/{mode}' in self.medians[role]

    def time(self, role, mode, name):
        """Seconds for a run of the program, of each round."""
        return self.medians[role][f'{name}/{mode}']

    def event(self, role, mode, name, counted=None):
        """Nanoseconds for an event, of each round."""
        events = self.data['programs'][name]['events'][role][counted or mode]
        return [(traced - untraced) / events * 1e9
                for traced, untraced in zip(self.time(role, mode, name), self.time(role, 'off', name))]

    def mean(self, figure):
        """figure(NAME) for every program, as geometric mean over the programs, median over the rounds, deviation."""
        by_program = {name: figure(name) for name in self.names}
        means = [geometric_mean([by_program[name][number] for name in self.names]) for number in self.rounds]
        result = spread(means)
        result['programs'] = {name: spread(values) for name, values in by_program.items()}
        return result

    def ratio(self, one, other):
        return self.mean(lambda name: [a / b for a, b in zip(one(name), other(name))])


def geometric_mean(values):
    # Noise can make what costs nothing come out below nothing.
    return math.exp(sum(math.log(max(value, 1e-9)) for value in values) / len(values))


def spread(values):
    middle = statistics.median(values)
    return {
        'median': middle,
        'mad': statistics.median(abs(value - middle) for value in values),
        'min': min(values),
        'max': max(values),
    }


class Row:
    def __init__(self, key, work, must, aim, digits=2, band=None):
        self.key = key
        self.work = work
        self.must = must
        self.aim = aim
        self.digits = digits
        self.band = band        # allowed on both sides of 'must'

    def met(self, value, target):
        if target is None:
            return None
        value = round(value, self.digits)
        if self.band is not None:
            return abs(value - target) <= (self.band if target is self.must else 0.5 * 10 ** -self.digits)
        return value <= target


ROWS = [
    Row('pyperformance', 'tracing off: pyperformance, geometric mean, fork / stock', 1.00, None, 3, band=0.01),
    Row('instructions', 'tracing off: machine instructions of a fixed program, fork / stock', 1.001, 1.000, 4),
    Row('line', 'line tracing with a Python function, fork / stock', 1.00, 0.9),
    Row('event', 'one event to a Python function: instruction / opcode of stock', 0.75, 0.6),
    Row('event-c', 'one event to a C function: instruction / opcode of stock', 0.5, 0.3),
    Row('branch', 'branch mode / instruction mode, whole program', 0.35, 0.25),
    Row('filter-all', 'a filter that lets everything through / none, whole program', 1.01, None),
    Row('filter', 'a filter that lets one in twenty through / none, whole program', 0.2, 0.1),
]


def evaluate(data):
    """Add the rows of the table to the data."""
    figures = Figures(data)
    rows = {}

    def whole(role, mode):
        return lambda name: figures.time(role, mode, name)

    def event(role, mode, counted=None):
        return lambda name: figures.event(role, mode, name, counted)

    rows['line'] = figures.ratio(whole('fork', 'line'), whole('stock', 'line'))
    rows['event'] = figures.ratio(event('fork', 'instruction'), event('stock', 'opcode'))
    rows['event']['fork_ns'] = figures.mean(event('fork', 'instruction'))
    rows['event']['stock_ns'] = figures.mean(event('stock', 'opcode'))
    rows['event-c'] = figures.ratio(event('fork', 'instruction-c', 'instruction'),
                                    event('stock', 'opcode-c', 'opcode'))
    rows['event-c']['fork_ns'] = figures.mean(event('fork', 'instruction-c', 'instruction'))
    rows['event-c']['stock_ns'] = figures.mean(event('stock', 'opcode-c', 'opcode'))
    for mode in 'branch', 'filter-all', 'filter':
        if figures.has('fork', mode):
            rows[mode] = figures.ratio(whole('fork', mode), whole('fork', 'instruction'))
    if figures.has('fork', 'branch'):
        rows['branch']['fork_ns'] = figures.mean(event('fork', 'branch'))

    for row in ROWS:
        if row.key in rows:
            rows[row.key]['met'] = row.met(rows[row.key]['median'], row.must)
            rows[row.key]['aim_met'] = row.met(rows[row.key]['median'], row.aim)

    peers = {}
    for role in figures.medians:
        times = peers[role] = {'off': figures.mean(whole(role, 'off'))}
        for mode, counted in [('line', None), ('opcode', 'opcode'), ('opcode-c', 'opcode'),
                              ('instruction', 'instruction'), ('instruction-c', 'instruction'),
                              ('branch', 'branch'), ('filter', None), ('filter-all', 'instruction'),
                              ('monitor-instruction',) * 2, ('monitor-branch',) * 2]:
            if figures.has(role, mode):
                times[mode] = figures.mean(whole(role, mode))
                if counted:
                    times[mode]['ns'] = figures.mean(event(role, mode, counted))['median']
    data['rows'] = rows
    data['times'] = peers


# --- Showing ------------------------------------------------------------------------------

def show_ratio(row, digits):
    return f'{row["median"]:.{digits}f} ±{row["mad"]:.{digits}f}'


def table(data, verbose):
    """Lines of text."""
    rows = data['rows']
    yield f'{"":68} {"measured":>13}  {"must reach":>14}  {"aim":>10}'
    for row in ROWS:
        found = rows.get(row.key)
        if found is None:
            yield f'{row.work:68} {data.get("missing", {}).get(row.key, "not measured")}'
            continue
        must = f'{"≤ " if row.band is None else ""}{row.must:g}{"" if row.band is None else f" ± {row.band:g}"}'
        must += ' yes' if found['met'] else ' NO'
        aim = '' if row.aim is None else f'{row.aim:g} {"yes" if found["aim_met"] else "no"}'
        yield f'{row.work:68} {show_ratio(found, row.digits + 1 if row.digits == 2 else row.digits):>13}  {must:>14}  {aim:>10}'
        if verbose:
            for name, one in found.get('programs', {}).items():
                yield f'    {name:64} {show_ratio(one, 3):>13}'
    yield ''
    yield f'{"":42} {"untraced":>10} {"traced":>10} {"":>8} {"an event":>10}'
    for role, times in data['times'].items():
        off = times['off']['median']
        for mode, found in times.items():
            if mode == 'off':
                continue
            ns = f'{found["ns"]:7.1f} ns' if 'ns' in found else ''
            yield (f'{role + ": " + mode:42} {off * 1e3:7.2f} ms {found["median"] * 1e3:7.2f} ms '
                   f'{found["median"] / off:7.1f}x {ns:>10}')
    if verbose:
        yield ''
        for name, program in data['programs'].items():
            share = program['share']
            yield f'{name}: the filter {", ".join(program["filter"])} lets {share:.2%} of the instructions through'


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--fork', metavar='PYTHON', help='the fork')
    parser.add_argument('--stock', metavar='PYTHON', help='stock CPython of the same version, built with the same options')
    parser.add_argument('--fast', action='store_true', help='fewer rounds')
    parser.add_argument('--rounds', type=int)
    parser.add_argument('--values', type=int, default=3, help='of each mode in a round')
    parser.add_argument('--programs', help='some of the programs, with commas between them')
    parser.add_argument('--cpu', type=int, default=max(os.sched_getaffinity(0)), help='the processor to run on')
    parser.add_argument('--no-peers', action='store_true', help='no sys.monitoring of a newer CPython')
    parser.add_argument('--force', action='store_true', help='measure debug builds too')
    parser.add_argument('--verbose', action='store_true', help='each program by itself')
    parser.add_argument('--output', metavar='FILE', help='write all that was measured as JSON')
    parser.add_argument('--suites', metavar='FOLDER', help='write the samples as files of pyperf')
    parser.add_argument('--show', metavar='FILE', help='print the table of such a file')
    args = parser.parse_args(argv)

    if args.show:
        data = json.loads(Path(args.show).read_text())
    else:
        if not args.fork or not args.stock:
            parser.error('--fork and --stock are needed')
        data = collect(args, lambda text: print(f'bench: {text}', file=sys.stderr, flush=True))
        evaluate(data)
        if args.output:
            Path(args.output).write_text(json.dumps(data, indent=1) + '\n')
    for line in table(data, args.verbose):
        print(line)


if __name__ == '__main__':
    try:
        main()
    except BenchError as error:
        sys.exit(f'bench: error: {error}')
