"""Run the benchmarks of pyperformance in the fork and in stock CPython, with tracing off.

    python -m qa.bench.benchmark_set --fork PYTHON --stock PYTHON --folder FOLDER

`make bench-pyperformance` runs it.  pyperformance itself runs all benchmarks in one interpreter, and an hour later all
in the other.  Here, the interpreters take turns at each benchmark, in several rounds of a few processes each, so that
other work on the machine affects both equally.  The processes are those of pyperformance and pyperf.

Times are processor times of the process and its children.  The ratio of a round is the ratio of the shortest times,
because other work on the machine can only make them longer.  The result is the median over the rounds, averaged over
the benchmarks (geometric mean).
"""

import argparse
import contextlib
import datetime
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from qa import ROOT, process
from qa.bench.measure import NO_REASON, describe_machine, the_two
from qa.bench.report import geometric_mean, positive, run, spread
from qa.process import Trouble, last_line

PINS = ROOT / 'build-aux/requirements/shared.txt'

# The sitecustomize.py of the virtual environments, which replaces the clock of pyperf and of the benchmarks.
PROCESSOR_TIME = '''\
import time

def perf_counter():
    from resource import RUSAGE_CHILDREN, getrusage
    children = getrusage(RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime

time.perf_counter = perf_counter
'''

# For --fast: benchmarks of every kind that need no other package and take less than half a second.
FAST = ('chaos comprehensions coroutines deepcopy deltablue fannkuch float generators go hexiom json_dumps json_loads '
        'logging nbody nqueens pathlib pickle_pure_python pidigits raytrace regex_compile regex_v8 richards '
        'richards_super scimark spectral_norm sqlite_synth telco typing_runtime_protocols unpack_sequence '
        'unpickle_pure_python xml_etree').split()


def select(args):
    """The benchmarks to run."""
    try:
        from pyperformance import _benchmark_selections, _manifest
    except ImportError:
        raise Trouble('pyperformance is not installed here; '
                         'make bench-pyperformance has it in a virtual environment of its own') from None
    manifest = _manifest.load_manifest(None)
    names = args.benchmarks.split(',') if args.benchmarks else FAST if args.fast else []
    known = {benchmark.name: benchmark for benchmark in manifest.benchmarks}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise Trouble(f'pyperformance has no benchmark {", ".join(unknown)}')
    if names:
        return [known[name] for name in names]
    return sorted(_benchmark_selections.iter_selections(manifest, []), key=lambda benchmark: benchmark.name)


def requirements(benchmark):
    file = benchmark.requirements_lockfile
    if not file or not os.path.exists(file):
        return []
    lines = [line.partition('#')[0].strip() for line in Path(file).read_text().splitlines()]
    return [line for line in lines if line]


def environment(interpreter, folder, benchmarks, say):
    """Make a virtual environment for the benchmarks; return its Python, and {benchmark: why it cannot be run}."""
    venv = Path(folder, f'venv-{interpreter.role}')
    python = venv / 'bin' / 'python'
    made = venv / '.made'
    want = f'{interpreter.python}\n{PINS.read_text()}'
    pinned = [line for line in want.splitlines() if line.startswith(('pyperf==', 'psutil=='))]
    install = [python, '-m', 'pip', 'install', '-q', '--disable-pip-version-check']
    if not made.exists() or made.read_text() != want:
        shutil.rmtree(venv, ignore_errors=True)
        process.ask(f'cannot make {venv}', interpreter.python, '-m', 'venv', venv)
        process.ask(f'cannot make {venv}', *install, *pinned)
        made.write_text(want)
    site = next(venv.glob('lib/python3*/site-packages'))
    (site / 'sitecustomize.py').write_text(PROCESSOR_TIME)
    failed = {}
    have = venv / '.have'       # the benchmarks whose requirements are installed
    ready = set(have.read_text().split()) if have.exists() else set()
    needed = [benchmark for benchmark in benchmarks if requirements(benchmark) and benchmark.name not in ready]
    if needed:
        say(f'{venv}: installing the requirements of {len(needed)} benchmarks')
    for benchmark in needed:
        done = subprocess.run([*install, *pinned, *requirements(benchmark)], capture_output=True, text=True)
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if line.startswith('ERROR')]
            failed[benchmark.name] = last_line('\n'.join(errors) or done.stderr, NO_REASON)
        else:
            ready.add(benchmark.name)
            have.write_text('\n'.join(ready))
    return str(python), failed


@contextlib.contextmanager
def output_to(log):
    """Redirect the output of this process and its children to the file."""
    with open(log, 'a') as file:
        saved = [(number, os.dup(number)) for number in (1, 2)]
        try:
            for number, _ in saved:
                os.dup2(file.fileno(), number)
            yield
        finally:
            sys.stdout.flush()
            for number, copy in saved:
                os.dup2(copy, number)
                os.close(copy)


class Runs:
    """The runs of one interpreter."""

    def __init__(self, role, python, file):
        self.role = role
        self.python = python
        self.file = file
        self.found = None
        self.rounds = {}        # {NAME: [shortest time of each round]}

    def run(self, benchmark, options):
        """Run a round of a benchmark script; return its loops if it has only one benchmark."""
        found = benchmark.run(self.python, f'bench-{self.role}', options)
        for one in found.get_benchmarks():
            self.rounds.setdefault(one.get_name(), []).append(min(one.get_values()))
        if self.found is None:
            self.found = found
        else:
            self.found.add_runs(found)
        only = found.get_benchmarks()
        return only[0].get_loops() if len(only) == 1 else None

    def save(self):
        if self.found is not None:
            self.found.dump(str(self.file), replace=True)


def result(fork, stock):
    """The ratios of the benchmarks that ran in both interpreters."""
    ratios = {name: [a / b for a, b in zip(times, stock.rounds[name])]
              for name, times in fork.rounds.items() if name in stock.rounds}
    complete = max(map(len, ratios.values()), default=0)
    ratios = {name: values for name, values in ratios.items() if len(values) == complete}
    if not ratios:
        raise Trouble('no benchmark ran in both interpreters')
    found = spread([geometric_mean(values) for values in zip(*ratios.values())])
    benchmarks = {name: spread(values) for name, values in sorted(ratios.items())}
    found['median'] = geometric_mean([one['median'] for one in benchmarks.values()])
    found['benchmarks'] = benchmarks
    found['rounds'] = complete
    return found


def main(say, argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--fork', metavar='PYTHON', required=True)
    parser.add_argument('--stock', metavar='PYTHON', required=True)
    parser.add_argument('--folder', required=True, help='folder for results and virtual environments')
    parser.add_argument('--fast', action='store_true', help='a third of the benchmarks, and fewer processes')
    parser.add_argument('--benchmarks', help='names of benchmarks, separated by commas (default: all)')
    parser.add_argument('--rounds', type=positive, help='5, with --fast 3')
    parser.add_argument('--processes', type=positive, help='per benchmark and round (default: 4, with --fast 2)')
    parser.add_argument('--cpu', type=int, default=max(os.sched_getaffinity(0)), help='the processor to run on')
    parser.add_argument('--force', action='store_true', help='measure even debug builds')
    args = parser.parse_args(argv)

    interpreters = the_two(args)
    benchmarks = select(args)
    folder = Path(args.folder)
    failed = {}
    both = []
    for interpreter in interpreters:
        python, missing = environment(interpreter, folder, benchmarks, say)
        failed.update(missing)
        both.append(Runs(interpreter.role, python, folder / f'pyperformance-{interpreter.role}.json'))
    fork, stock = both
    rounds = args.rounds or (3 if args.fast else 5)
    processes = args.processes or (2 if args.fast else 4)
    log = folder / 'pyperformance.log'
    log.unlink(missing_ok=True)
    say(f'{len(benchmarks)} benchmarks, {rounds} rounds, on processor {args.cpu} (log: {log})')
    common = [f'--affinity={args.cpu}', '--quiet', f'--processes={processes}']
    loops = {}
    begun = time.monotonic()
    for number in range(rounds):
        # The first round begins with stock CPython, which determines the number of loops for both.
        order = [fork, stock] if number % 2 else [stock, fork]
        for place, benchmark in enumerate(benchmarks, 1):
            if benchmark.name in failed:
                continue
            for runs in order:
                options = common + ([f'--loops={loops[benchmark.name]}'] if loops.get(benchmark.name) else [])
                try:
                    with output_to(log):
                        loops.setdefault(benchmark.name, runs.run(benchmark, options))
                except (RuntimeError, TimeoutError) as error:
                    failed[benchmark.name] = f'{error} ({runs.role})'
                    break
            if place % 10 == 0 or place == len(benchmarks):
                share = (number + place / len(benchmarks)) / rounds
                gone = (time.monotonic() - begun) / 60
                say(f'round {number + 1} of {rounds}, benchmark {place} of {len(benchmarks)}; '
                    f'{gone:.0f} minutes gone, about {gone / share - gone:.0f} to go')
        for runs in both:
            runs.save()

    found = result(fork, stock)
    found.update(date=datetime.date.today().isoformat(), fast=args.fast, failed=failed, processes=processes,
                 machine=describe_machine(args.cpu),
                 interpreters={interpreter.role: interpreter.about for interpreter in interpreters})
    (folder / 'pyperformance.json').write_text(json.dumps(found, indent=1) + '\n')
    subprocess.run([sys.executable, '-m', 'pyperf', 'compare_to', '--table', stock.file, fork.file])
    print()
    for name, why in sorted(failed.items()):
        print(f'not run: {name}: {why}')
    print(f'geometric mean of {len(found["benchmarks"])} benchmarks, fork / stock: {found["median"]:.3f} '
          f'±{found["mad"]:.3f} (of the shortest times; pyperf compares means)')


if __name__ == '__main__':
    run(main)
