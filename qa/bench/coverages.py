"""Measure the cost of coverage: programs and test suites under condcov, coverage.py and SlipCover.

    python -m qa.bench.coverages --folder FOLDER --output FILE     measure, and print the table
    python -m qa.bench.coverages --show FILE                       print the table of earlier measurements
    python -m qa.bench.coverages --rst FILE                        print them as reStructuredText

`make bench-condcov` runs it, in a virtual environment of the fork with the tools; coverages.toml lists the programs.

Each run is a separate process, from the start of the interpreter until the data is written. The tools take turns in
each round, so that other work on the machine affects all of them equally. A ratio compares a run with the run without
coverage in the same round; the table has the median over the rounds, and after ± the median absolute deviation. Times
are processor times, of the user and of the system together.
"""

import argparse
import datetime
import importlib.util
import json
import os
import re
import shutil
import sys
import tarfile
import tempfile
import time
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from qa import process
from qa.bench.measure import Interpreter, describe_machine
from qa.bench.report import add_common, columns, filled, geometric_mean, list_table, options, read, run, spread, write
from qa.compare.clients import fetch
from qa.process import Trouble, last_line

HERE = Path(__file__).resolve().parent

SETTINGS = HERE / 'coverages.toml'
FORMAT = 'coverages-1'
MUST = 2.5              # times the time without coverage; it must also be less than with coverage.py
AIM = 1.10
STOCK_MEAN_MUST = 2.0       # likewise on stock CPython: the geometric mean
STOCK_MEAN_AIM = 1.3
FAST = 3                # with --fast, the programs run a third as often
FIRST = 'condcov, first run'     # with an empty cache
STARTUP = 'start-up'    # the row of a program that does nothing
LIMIT = 900             # seconds for one run


# --- The tools --------------------------------------------------------------------------

def condcov(*options):
    """The arguments of the interpreter for condcov run."""
    return lambda source, data, config: ['-m', 'condcov', 'run', *options, f'--source={source}',
                                         f'--data-file={data}', f'--config={config}']


def condcov_lines(data):
    """The number of lines in a data file of condcov."""
    from condcov.data import Data
    return sum(len(seen.lines) for _, seen in Data(data).read().values())


def coverage_lines(data):
    """The same for coverage.py."""
    from coverage import CoverageData
    found = CoverageData(data)
    found.read()
    if not found.has_arcs():
        raise Trouble('coverage.py has recorded no branches')
    return sum(len(found.lines(name)) for name in found.measured_files())


def slipcover_lines(data):
    """The same for SlipCover."""
    files = json.loads(Path(data).read_text())['files'].values()
    if not all('executed_branches' in file for file in files):
        raise Trouble('SlipCover has recorded no branches')
    return sum(len(file['executed_lines']) for file in files)


# {name: (the interpreter's arguments before the program, a function that counts the recorded lines)}
TOOLS = {
    'without': (lambda source, data, config: [], None),
    FIRST: (condcov(), condcov_lines),
    'condcov': (condcov(), condcov_lines),
    'condcov --counts': (condcov('--counts'), condcov_lines),
    'coverage.py': (lambda source, data, config: ['-m', 'coverage', 'run', '--branch', f'--source={source}',
                                                  f'--data-file={data}', f'--rcfile={config}'], coverage_lines),
    'SlipCover': (lambda source, data, config: ['-m', 'slipcover', '--branch', '--json', '--out', data,
                                                '--source', source], slipcover_lines),
}
PLAIN = next(iter(TOOLS))

# Likewise on stock CPython, where condcov and coverage.py have two ways to record.
STOCK_TOOLS = {
    PLAIN: TOOLS[PLAIN],
    'condcov': TOOLS['condcov'],
    'condcov, in Python': TOOLS['condcov'],
    'coverage.py': TOOLS['coverage.py'],
    'coverage.py, sysmon': TOOLS['coverage.py'],
    'SlipCover': TOOLS['SlipCover'],
}
VARIABLES = {'condcov, in Python': {'CONDCOV_CORE': 'python'}, 'coverage.py, sysmon': {'COVERAGE_CORE': 'sysmon'}}


# --- What to run ------------------------------------------------------------------------

@dataclass
class Work:
    """A program or a test suite.

    arguments   of the interpreter
    folder      the current folder of the process
    source      the folder to measure
    path        another folder to import from
    tests       whether it is a test suite, whose output contains durations
    """

    name: str
    arguments: list[str]
    folder: Path
    source: Path
    path: Path = None
    tests: bool = False

    def outcome(self, output):
        """The output that must be the same under each tool."""
        if not self.tests:
            return output
        found = re.search(r'^\d+ .*(?= in [\d.]+)', output, re.MULTILINE)
        if not found:
            raise Trouble(f'{self.name}: the tests have no result: {last_line(output)}')
        return found[0]


def works(settings, names, folder, fast, say):
    """The Works with these names, or all, with their packages in the folder."""
    known = [*settings['programs'], *settings['packages'], STARTUP]
    for name in names or ():
        if name not in known:
            raise Trouble(f'there is no program or package {name}; there are {", ".join(known)}')
    wanted = [name for name in known if name in (names or known)]
    found = []
    for name in wanted:
        if name == STARTUP:
            source = folder / 'empty'
            source.mkdir(exist_ok=True)
            (source / 'empty.py').write_text('')
            found.append(Work(name, ['empty.py'], source, source))
        elif name in settings['programs']:
            times = max(1, settings['programs'][name] // (FAST if fast else 1))
            found.append(Work(name, [str(HERE / 'repeat.py'), name, str(times)], folder, HERE / 'programs'))
        else:
            found.append(package(name, settings['packages'][name], folder, say))
    return found


def package(name, about, folder, say):
    """Unpack a package, and return its Work."""
    say(f'{name} {about["version"]}')
    archive = fetch(folder / 'sdists', name, about['version'], about['sdist'], sys.executable)
    place = folder / archive.name.removesuffix('.tar.gz')
    shutil.rmtree(place, ignore_errors=True)
    with tarfile.open(archive) as tar:
        tar.extractall(folder)      # safe: its checksum is known
    arguments = ['-m', 'pytest', '-q', '-p', 'no:cacheprovider', '-o', 'addopts=', '--rootdir=.', *about['tests']]
    return Work(name, arguments, place, place / about['source'], place / about['folder'], tests=True)


# --- Running ----------------------------------------------------------------------------

@dataclass
class Runner:
    """Runs the Works, with all files in one folder.

    tools       STOCK_TOOLS; default: TOOLS
    samples     for each Work and tool: processor and wall-clock seconds of each round
    lines       for each Work and tool: the number of recorded lines
    """

    folder: Path
    python: str = sys.executable
    samples: dict = field(default_factory=dict)
    lines: dict = field(default_factory=dict)
    outcomes: dict = field(default_factory=dict)
    tools: dict = None

    def __post_init__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config = self.folder / 'empty.cfg'     # without the settings of the packages: the same for each tool
        self.config.write_text('')

    def environment(self, work, seed, tool=PLAIN):
        env = process.environment('PYTEST', 'COVERAGE', 'CONDCOV', 'HYPOTHESIS', 'LC_ALL', 'COLUMNS')
        env |= {'LC_ALL': 'C.UTF-8', 'PYTHONHASHSEED': str(seed), 'PYTHONPYCACHEPREFIX': str(self.folder / 'pycache'),
                'PYTEST_DISABLE_PLUGIN_AUTOLOAD': '1', 'COVERAGE_CORE': 'ctrace'} | VARIABLES.get(tool, {})
        if work.path:
            env['PYTHONPATH'] = str(work.path)
        return env

    def run(self, work, tool, seed=0):
        """Run it once; return (processor seconds, wall-clock seconds)."""
        before, count = (self.tools or TOOLS)[tool]
        if tool == FIRST:
            for plans in (self.folder / 'pycache').glob('**/*.condcov'):
                plans.unlink()
        with tempfile.TemporaryDirectory(dir=self.folder, prefix='run-') as scratch:
            data = os.path.join(scratch, 'data')
            command = [self.python, *before(work.source, data, self.config), *work.arguments]
            said, errors = (open(os.path.join(scratch, name), 'w+') for name in ('stdout', 'stderr'))
            with said, errors:
                ended = process.run(command, said, LIMIT, errors, cwd=work.folder,
                                    env=self.environment(work, seed, tool))
                said.seek(0), errors.seek(0)
                outcome, complaint = said.read(), errors.read()
            if ended.status != 0:
                raise Trouble(f'{work.name} under {tool}: {ended}: {last_line(complaint or outcome)}')
            outcome = work.outcome(outcome)
            if self.outcomes.setdefault(work.name, outcome) != outcome:
                raise Trouble(f'{work.name} under {tool} has another result: {last_line(outcome)!r}, '
                                 f'not {last_line(self.outcomes[work.name])!r}')
            if count:
                self.check(work, tool, count, data, complaint)
        return ended.cpu, ended.wall

    def check(self, work, tool, count, data, complaint):
        """Check that the tool has measured something."""
        found = count(data) if os.path.exists(data) else 0
        if not found and work.name != STARTUP:      # an empty program has no lines
            raise Trouble(f'{tool} has recorded nothing of {work.name}: {last_line(complaint)}')
        self.lines.setdefault(work.name, {})[tool] = found

    def round(self, works, number):
        for work in works:
            for tool in self.tools or TOOLS:
                sample = self.run(work, tool, number)
                self.samples.setdefault(work.name, {}).setdefault(tool, []).append(sample)


def check_tools(runner):
    """Check that the tools are installed, and return their versions."""
    found = {'condcov': 'condcov', 'coverage': 'coverage.py', 'slipcover': 'SlipCover', 'pytest': 'pytest'}
    for module in found:
        if importlib.util.find_spec(module) is None:
            raise Trouble(f'{module} is not installed here; '
                             'make bench-condcov has it in a virtual environment of its own')
    if importlib.util.find_spec('codeprobes') is None:
        raise Trouble(f'{sys.executable} has no code probes: it is not the fork')
    tracer = process.ask('cannot run coverage.py', runner.python, '-c', 'import coverage; '
                         'c = coverage.Coverage(config_file=False); c.start(); print(c._collector.tracer_name())',
                         env=runner.environment(Work('', [], HERE, HERE), 0)).strip()
    if tracer != 'CTracer':
        raise Trouble(f'coverage.py\'s C tracer is unavailable (found {tracer or "none"})')
    from importlib.metadata import version
    return {title: version(module) for module, title in found.items()}


def check_stock(runner):
    """Check that the tools are installed in stock CPython."""
    facts = process.ask('cannot run condcov on stock CPython', runner.python, '-c',
                        'import coverage, slipcover, pytest\n'
                        'from condcov.record.interpreter import FACTS; print(FACTS)',
                        env=runner.environment(Work('', [], HERE, HERE), 0)).strip()
    if facts != 'sys.monitoring, in C':
        raise Trouble(f'{runner.python} does not record with the compiled recorder of condcov, but with {facts}')


def collect(args, say):
    """Measure; return the content of the output file, except for the rows of the table."""
    if args.cpu not in os.sched_getaffinity(0):
        raise Trouble(f'there is no processor {args.cpu} for this process')
    folder = Path(args.folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    runner = Runner(folder)
    versions = check_tools(runner)
    runners = [runner]
    if args.stock:
        # With a folder of its own, because a first run removes all plans.
        runners.append(Runner(folder / 'stock', os.path.abspath(args.stock), tools=STOCK_TOOLS))
        check_stock(runners[1])
    settings = tomllib.loads(SETTINGS.read_text())
    names = args.works.split(',') if args.works else None
    todo = works(settings, names, folder, args.fast, say)
    os.sched_setaffinity(0, {args.cpu})         # inherited by the processes
    load = []
    rounds = args.rounds or (3 if args.fast else 5)
    runs = sum(len(one.tools or TOOLS) for one in runners)
    say(f'{rounds} rounds of {len(todo)} programs, {runs} runs each, on processor {args.cpu}')
    (empty,) = works(settings, [STARTUP], folder, args.fast, say)
    for one in runners:
        for work, tool in [*((empty, tool) for tool in one.tools or TOOLS), *((work, PLAIN) for work in todo)]:
            one.run(work, tool)                 # compile the imported modules
    if args.stock:
        for work in todo:
            runners[1].run(work, 'condcov')     # plan
    for number in range(rounds):
        load.append(os.getloadavg()[0])
        begun = time.monotonic()
        for one in runners:
            one.round(todo, number)
        say(f'round {number + 1} of {rounds} took {time.monotonic() - begun:.0f} s')
    packages = {work.name: settings['packages'][work.name]['version'] for work in todo if work.tests}
    stock = {'interpreter': Interpreter('stock', args.stock).about, 'packages': packages,
             'samples': runners[1].samples, 'lines': runners[1].lines} if args.stock else None
    return {'format': FORMAT, 'date': datetime.date.today().isoformat(), 'rounds': rounds, 'fast': args.fast,
            'machine': describe_machine(args.cpu) | {'load': round(max(load), 1)},
            'interpreter': Interpreter('fork', sys.executable).about, 'versions': versions,
            'packages': packages, 'samples': runner.samples, 'lines': runner.lines, 'stock': stock}


# --- Evaluating -------------------------------------------------------------------------

def evaluate(data):
    """Add the rows of the tables: for each Work, the seconds without coverage, and the ratio for each tool."""
    evaluate_part(data)
    for row in data['rows'].values():
        if 'met' in row:
            ratio = round(row['cpu']['condcov']['median'], 2)
            row['met'] = row['met'] and ratio <= MUST
            row['aim_met'] = ratio <= AIM
    if data.get('stock'):
        evaluate_part(data['stock'])


def evaluate_part(data):
    """Likewise for the fork or for stock CPython; met: whether condcov takes less than coverage.py."""
    rows = data['rows'] = {}
    for name, samples in data['samples'].items():
        data['tools'] = list(samples)
        row = rows[name] = {}
        for place, clock in enumerate(('cpu', 'wall')):
            seconds = {tool: [sample[place] for sample in found] for tool, found in samples.items()}
            row[clock] = {PLAIN: spread(seconds[PLAIN])}
            for tool in data['tools'][1:]:
                row[clock][tool] = spread([one / other for one, other in zip(seconds[tool], seconds[PLAIN])])
        if name == STARTUP:
            row['seconds'] = {tool: spread([sample[0] for sample in found]) for tool, found in samples.items()}
        else:
            row['met'] = row['cpu']['condcov']['median'] < row['cpu']['coverage.py']['median']
    judged = [row for name, row in rows.items() if name != STARTUP]
    data['mean'] = {clock: {tool: geometric_mean([row[clock][tool]['median'] for row in judged])
                            for tool in data['tools'][1:]}
                    for clock in ('cpu', 'wall')} if judged else {}


# --- Showing ----------------------------------------------------------------------------

def notes(data):
    """Lines with the conditions under which the figures were measured."""
    fork, machine = data['interpreter'], data['machine']
    yield (f'{machine["cpu"]}, {machine["cores"]} cores, pinned to core {machine["pinned_to"]}; {machine["kernel"]}, '
           f'{fork["compiler"]}, load {machine["load"]}; {data["date"]}')
    yield f'fork {fork["commit"] or "of an unknown commit"}, built with: {options(fork) or "no options"}'
    yield ', '.join(f'{name} {version}' for name, version in data['versions'].items())
    if fork['debug']:
        yield 'NOTE: this is a debug build. The figures are meaningless.'
    if data['fast']:
        yield 'NOTE: the fast form: programs run a third as often, so start-up time has more weight.'


def ratio_text(found):
    return f'{found["median"]:.2f} ±{found["mad"]:.2f}'


def cells(data, clock='cpu', judged=False):
    """The rows of the table for one clock, titles first; judged: also whether processor times reach the targets."""
    stock = 'versions' not in data
    tools = data['tools'][1:]
    targets = []
    if judged:
        targets = (['must: less than coverage.py'] if stock else
                   [f'must: ≤ {MUST:.2f} and less than coverage.py', f'aim: ≤ {AIM:.2f}'])
    yield ['', PLAIN, *tools, *targets]
    for name, row in data['rows'].items():
        if name == STARTUP:
            continue
        label = f'{name} {data["packages"][name]}, tests' if name in data['packages'] else name
        verdicts = ['yes' if row['met'] else 'NO', 'yes' if row.get('aim_met') else 'no'][:len(targets)]
        yield [label, f'{row[clock][PLAIN]["median"]:.2f} s', *(ratio_text(row[clock][tool]) for tool in tools),
               *verdicts]
    if data['mean']:
        yield ['geometric mean', '', *(f'{data["mean"][clock][tool]:.2f}' for tool in tools), *([''] * len(targets))]


def startup(data):
    """Rows for the time of an empty program and for the number of recorded lines, with a column for each tool."""
    if STARTUP in data['rows']:
        found = data['rows'][STARTUP]['seconds']
        yield ['an empty program', *(f'{found[tool]["median"] * 1000:.0f} ms' for tool in data['tools'])]
    for name, lines in data['lines'].items():
        if name != STARTUP:
            yield [f'lines recorded: {name}', '', *(str(lines[tool]) for tool in data['tools'][1:])]


def table(data):
    """Lines of text."""
    yield from notes(data)
    yield ''
    yield f'Processor time, ratio to the run without coverage, rounds: {data["rounds"]}'
    yield from columns(list(cells(data, judged=True)))
    yield ''
    load = data['machine']['load']
    warning = f'; unreliable, because the machine was busy (load {load})' if load > 1.5 else ''
    yield f'Wall-clock time likewise{warning}'
    yield from columns(list(cells(data, 'wall')))
    yield ''
    yield from columns([['', *data['tools']], *startup(data)])
    if data.get('stock'):
        stock = data['stock']
        yield ''
        yield f'Stock CPython {stock["interpreter"]["version"]}: processor time, ratio likewise'
        yield from columns(list(cells(stock, judged=True)))
        if stock['mean']:
            mean = stock['mean']['cpu']['condcov']
            yield (f'geometric mean of condcov: must: ≤ {STOCK_MEAN_MUST:.1f} '
                   f'{"yes" if mean <= STOCK_MEAN_MUST else "NO"}; '
                   f'aim: ≤ {STOCK_MEAN_AIM:.1f} {"yes" if mean <= STOCK_MEAN_AIM else "no"}')
        yield ''
        yield from columns([['', *stock['tools']], *startup(stock)])


def page(data):
    """Lines of reStructuredText: coverages.rst with the measurements."""
    parts = {'notes': [f'* {note}' for note in notes(data)], 'table': list_table(list(cells(data))),
             'startup': list_table([['', *data['tools']], *startup(data)]), 'rounds': str(data['rounds'])}
    stock = data.get('stock')
    parts['stock'] = ([f'On stock CPython {stock["interpreter"]["version"]}, in the same rounds:', '',
                       *list_table(list(cells(stock)))] if stock else
                      ['In this run, there was no stock CPython to measure.'])
    return filled('coverages.rst', parts)


# --- Command line -----------------------------------------------------------------------

def main(say, argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--folder', help='folder for downloads and results')
    add_common(parser, rounds='5, with --fast 3', fast='fewer rounds, and shorter programs')
    parser.add_argument('--stock', metavar='PYTHON', help='stock CPython with the same tools, to measure too')
    parser.add_argument('--works', help='names of programs and packages, separated by commas (default: all)')
    args = parser.parse_args(argv)

    if args.show or args.rst:
        data = read(args.show or args.rst, FORMAT, 'coverages.py')
    elif not args.folder:
        parser.error('--folder is needed')
    else:
        data = collect(args, say)
        write(args.output, data)
    evaluate(data)
    print('\n'.join(page(data) if args.rst else table(data)))


if __name__ == '__main__':
    run(main)
