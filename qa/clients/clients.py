"""Run the tests of packages that trace, on the fork and on stock CPython, and compare them test for test.

Both sides have the same wheels of the package index, the same tests and the same options, in the same folder;
clients.toml says which. A test that does not end alike is run again on both sides.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import textwrap
import time
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SIDES = 'fork', 'stock'
RETRIES = 2
WIDTH = 100
LIMIT = 3600            # seconds for the tests of one client on one side


class Trouble(Exception):
    """What keeps the comparison from being made, in one line that says what to do."""


# --- What is to be run ----------------------------------------------------------


@dataclass
class Client:
    """One section of clients.toml."""

    name: str
    about: str                                      # what of the package is tested
    tests: list[str]                                # files and folders, as pytest takes them
    package: str = ''                               # the name of the section, if not given
    sdist: str = ''                                 # checksum of the source distribution that has the tests
    without: list[str] = field(default_factory=list)    # what of it would hide the installed package
    installed: bool = False                         # the package has the tests
    ours: list[str] = field(default_factory=list)   # tests of this folder instead
    prepare: list[list[str]] = field(default_factory=list)  # what to run first, arguments of the interpreter
    options: list[str] = field(default_factory=list)    # of pytest
    env: dict[str, str] = field(default_factory=dict)
    proof: list[str] = field(default_factory=list)  # a program, and a pattern that its output must have
    deselect: dict[str, str] = field(default_factory=dict)  # tests, each with the reason

    def __post_init__(self):
        self.package = self.package or self.name

    @property
    def requirements(self):
        return HERE / f'{self.package}.txt'

    @property
    def version(self):
        found = re.search(rf'^{re.escape(self.package)}==(\S+)', self.requirements.read_text(), re.MULTILINE)
        if not found:
            raise Trouble(f'{self.requirements.relative_to(ROOT)} has no line {self.package}==VERSION; add it')
        return found[1]


def load(path=HERE / 'clients.toml'):
    """The clients by name."""
    with open(path, 'rb') as file:
        return {name: Client(name, **section) for name, section in tomllib.load(file).items()}


def choose(clients, names):
    """Those with one of names, of their own or of their package; all if there is none."""
    known = dict.fromkeys(name for client in clients.values() for name in (client.package, client.name))
    for name in names:
        if name not in known:
            raise Trouble(f'CLIENTS has {name!r}, which is not one of: {" ".join(known)}')
    return [client for client in clients.values() if not names or {client.name, client.package} & set(names)]


# --- What became of it ----------------------------------------------------------


@dataclass
class Run:
    """The tests of a client on one side, once."""

    outcomes: dict[str, str]            # test: passed, failed or skipped
    why: dict[str, str]                 # of those that failed
    ended: str = ''                     # if not by itself, how


def read(path):
    """The outcomes and reasons in a file of outcomes.py."""
    said, why = {}, {}
    for line in path.read_text(encoding='utf-8').splitlines() if path.exists() else ():
        try:
            entry = json.loads(line)
        except ValueError:              # cut off in the middle
            continue
        said.setdefault(entry['test'], set()).add(entry['outcome'])
        if entry['why']:
            why.setdefault(entry['test'], entry['why'])
    outcomes = {}
    for test, outcome in said.items():
        outcomes[test] = next((word for word in ('failed', 'passed', 'skipped') if word in outcome), 'failed')
        if not outcome & {'failed', 'passed', 'skipped'}:
            why[test] = 'did not come to an end'
    return outcomes, why


def differ(fork, stock):
    """The tests whose outcome in one Run is not that in the other, sorted."""
    return sorted(test for test in fork.outcomes.keys() | stock.outcomes.keys()
                  if fork.outcomes.get(test) != stock.outcomes.get(test))


def judge(fork, stock):
    """Which column a test belongs to, by its outcomes on both sides, of as many runs as had it.

    Both sides are alike if both passed once, or neither did.
    """
    if 'passed' in fork and 'passed' in stock:
        return 'passed'
    if 'passed' in stock:
        return 'fork only'
    if 'passed' in fork:
        return 'stock only'
    if 'failed' in fork and 'failed' in stock:
        return 'both'
    # Skipping is no failure, so that one side alone fails where the other skips.
    if 'failed' in fork or 'failed' in stock:
        return 'fork only' if 'failed' in fork else 'stock only'
    return 'skipped'


COLUMNS = {'passed': 'passed\non both', 'both': 'fail\non both', 'skipped': 'skipped\non both',
           'fork only': 'fail on\nfork only', 'stock only': 'fail on\nstock only', 'flaky': 'flaky'}


@dataclass
class Result:
    """A client, and its runs on both sides."""

    client: Client
    version: str
    runs: dict[str, list[Run]]
    proof: str = ''

    def __post_init__(self):
        self.tests = {column: [] for column in COLUMNS}
        self.why = {}
        names = {test for side in SIDES for run in self.runs[side] for test in run.outcomes}
        for test in sorted(names):
            fork, stock = ([run.outcomes[test] for run in self.runs[side] if test in run.outcomes] for side in SIDES)
            self.tests[judge(fork, stock)].append(test)
            if len(set(fork)) > 1 or len(set(stock)) > 1:
                self.tests['flaky'].append(test)
            self.why[test] = next((run.why[test] for side in SIDES for run in self.runs[side] if test in run.why),
                                  'does not run')


# --- Running --------------------------------------------------------------------


def fetch(folder, package, version, checksum, python):
    """The source distribution with that checksum, got by the interpreter's pip unless the folder has it."""
    path = folder / f'{package.replace("-", "_")}-{version}.tar.gz'
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run([python, '-m', 'pip', 'download', '-q', '--no-deps', '--no-binary', package,
                               '-d', folder, f'{package}=={version}'], text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if done.returncode or not path.exists():
            raise Trouble(f'cannot get {path.name} from the package index: '
                          f'{last_line(done.stderr) or "it is not there"}')
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != checksum:
        raise Trouble(f'{path} has the checksum {found}, and should have {checksum}; '
                      'delete the file, or correct the checksum')
    return path


class Bench:
    """Where the clients are run."""

    def __init__(self, folder, pythons, jobs, say):
        self.folder = folder
        self.pythons = pythons
        self.jobs = jobs
        self.say = say
        self.sdists = folder / 'sdists'
        self.work = folder / 'work'     # the same for both sides, so that no test sees another length of its path

    def venv(self, side, client):
        """The interpreter of the virtual environment with the client."""
        place = self.folder / side / client.package
        name = place.relative_to(ROOT / 'build')
        requirements = client.requirements.relative_to(ROOT)
        done = subprocess.run(['sh', ROOT / 'build-aux/venv.sh', name, requirements, self.pythons[side]],
                              cwd=ROOT, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise Trouble(last_line(done.stderr).partition(': error: ')[2] or f'cannot make {place}')
        shutil.copy(HERE / 'outcomes.py', next(place.glob('lib/python*/site-packages')))
        return place / 'bin/python'

    def same_files(self, client, pythons):
        """Die unless both sides have the same files of the package."""
        def files(python):
            about = f'{client.package}-{client.version}.dist-info'
            (record,) = python.parent.parent.glob(f'lib/python*/site-packages/{about}/RECORD')
            # scripts begin with the name of the interpreter, and the compiled files are made in the place
            return {line for line in record.read_text().splitlines()
                    if not line.startswith('../') and '.pyc,' not in line and '.dist-info/' not in line}
        if files(pythons['fork']) != files(pythons['stock']):
            raise Trouble(f'{client.package} {client.version} is not the same on both sides; '
                          f'delete {self.folder} and run it again')

    def archive(self, client, python):
        """The source distribution of the client."""
        return fetch(self.sdists, client.package, client.version, client.sdist, python)

    def lay_out(self, client, python, archive):
        """The folder with the tests; the work folder has nothing from before."""
        shutil.rmtree(self.work, ignore_errors=True)
        (self.work / 'tmp').mkdir(parents=True)
        if client.installed:
            return next(python.parent.parent.glob('lib/python*/site-packages'))
        tests = self.work / client.package
        if archive:
            with tarfile.open(archive) as tar:
                tar.extractall(self.work)       # whose checksum is known
            (self.work / archive.name.removesuffix('.tar.gz')).rename(tests)
        tests.mkdir(exist_ok=True)
        for name in client.ours:
            shutil.copy(HERE / name, tests)
        return tests

    def environment(self, client, python):
        """What the tests have for an environment: no settings of the user for Python or for the tests."""
        ours = ('PYTHON', 'PYTEST', 'COVERAGE', 'HYPOTHESIS', 'VIRTUAL_ENV', 'PY_COLORS', 'NO_COLOR', 'FORCE_COLOR',
                'LC_ALL', 'CI', 'BUILD_NUMBER', 'MAKE', 'MFLAGS', 'COLUMNS', 'LINES', 'TMPDIR', 'TERM')
        env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        env |= {'PATH': f'{python.parent}{os.pathsep}{env["PATH"]}', 'TMPDIR': str(self.work / 'tmp'), 'TERM': 'dumb',
                'LC_ALL': 'C.UTF-8'}
        words = {'version': client.version, 'folder': self.work / client.package}
        return env | {name: value.format(**words) for name, value in client.env.items()}

    def command(self, client, python, outcomes, only=None):
        """The command that runs the tests, or only those, and writes what becomes of them to 'outcomes'."""
        # With a value apart, a worker of pytest-xdist takes it for a test, and looks for the configuration there.
        command = [python, '-m', 'pytest', '-p', 'outcomes', f'--outcomes={outcomes}', '-p', 'no:cacheprovider',
                   '-o', 'addopts=', '--rootdir=.', f'--basetemp={self.work / "tmp/pytest"}',
                   *(word.format(jobs=self.jobs) for word in client.options)]
        for test in client.deselect:
            command.append(f'--deselect={test}')
        if only:
            list_of_them = self.work / 'only'
            list_of_them.write_text('\n'.join(only))
            command.append(f'--only={list_of_them}')
        return command

    def run(self, side, client, python, archive, only=None, attempt=0):
        """Run the tests, or only those, and return the Run."""
        tests = self.lay_out(client, python, archive)
        env = self.environment(client, python)
        log = self.folder / side / f'{client.name}-{attempt}.log'
        outcomes = log.with_suffix('.outcomes')
        outcomes.unlink(missing_ok=True)
        command = self.command(client, python, outcomes, only)
        with open(log, 'w') as file:
            for words in client.prepare:
                done = subprocess.run([python, *words], cwd=tests, env=env,
                                      stdin=subprocess.DEVNULL, stdout=file, stderr=file)
                if done.returncode:
                    why = last_line(log.read_text(errors='replace'))
                    raise Trouble(f'{client.name}: {" ".join(words)} failed on {side}: {why} (see {log})')
            for name in client.without:     # only now, since preparing may need it
                shutil.rmtree(tests / name)
            ended = finish([*command, *client.tests], tests, env, file)
        return Run(*read(outcomes), ended)

    def check(self, client, python):
        """Show that what is to be tested is what runs; the line that says so."""
        if not client.proof:
            return ''
        program, pattern = client.proof
        done = subprocess.run([python, '-c', program], cwd=self.folder, env=self.environment(client, python),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        found = re.search(pattern, done.stdout, re.MULTILINE)
        if not found:
            raise Trouble(f'{client.name}: this is not {client.about}: {last_line(done.stdout)!r} not {pattern!r}')
        return found[0]

    def compare(self, client):
        """Run the client on both sides, and again what does not end alike."""
        pythons = {side: self.venv(side, client) for side in SIDES}
        self.same_files(client, pythons)
        archive = self.archive(client, pythons['stock']) if client.sdist else None
        proofs = {self.check(client, pythons[side]) for side in SIDES}
        runs = {side: [] for side in SIDES}
        only = None
        for attempt in range(1 + RETRIES):
            for side in SIDES:
                start = time.monotonic()
                run = self.run(side, client, pythons[side], archive, only, attempt)
                runs[side].append(run)
                took = time.monotonic() - start
                self.say(f'{client.name} {client.version} on {side}: {len(run.outcomes)} tests in {took:.0f} s'
                         f'{" once more" if attempt else ""}{", " + run.ended if run.ended else ""}')
            if not attempt and not any(run.outcomes for side in SIDES for run in runs[side]):
                raise Trouble(f'{client.name}: no test runs, on either side; '
                              f'see {self.folder}/stock/{client.name}-0.log')
            only = differ(runs['fork'][-1], runs['stock'][-1])
            if not only:
                break
        return Result(client, client.version, runs, ', '.join(sorted(proofs)))


def finish(command, cwd, env, file):
    """Run it to its end, or to that of the time; how it ended, if not with a verdict on the tests."""
    with subprocess.Popen(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                          start_new_session=True) as process:
        try:
            status = process.wait(LIMIT)
        except BaseException as problem:
            os.killpg(process.pid, signal.SIGKILL)
            if isinstance(problem, subprocess.TimeoutExpired):
                return f'stopped after {LIMIT} s'
            raise
    if status < 0:
        return f'killed by {signal.Signals(-status).name}'
    return '' if status in (0, 1, 5) else f'ended with status {status}'


def last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ''


# --- Telling --------------------------------------------------------------------


def table(results):
    """One line for each client."""
    rows = [['client', 'version', 'tests', *COLUMNS.values()]]
    for result in results:
        total = sum(len(tests) for column, tests in result.tests.items() if column != 'flaky')
        numbers = [total, *map(len, result.tests.values())]
        rows.append([result.client.name, result.version, *map(str, numbers)])
    widths = [max(len(line) for row in rows for line in row[column].split('\n')) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.split('\n') for cell in row]
        for number in range(max(map(len, cells))):
            words = [cell[number] if number < len(cell) else '' for cell in cells]
            lines.append('  '.join([*(word.ljust(width) for word, width in zip(words[:2], widths)),
                                    *(word.rjust(width) for word, width in zip(words[2:], widths[2:]))]).rstrip())
    return lines


def listing(title, results, column):
    """The tests of a column, with the reason for each."""
    lines = []
    for result in results:
        for test in result.tests[column]:
            lines.append(textwrap.shorten(f'{result.client.name}: {test}', 2 * WIDTH, placeholder=' ...'))
            lines.append(textwrap.indent(textwrap.shorten(result.why[test], WIDTH - 6, placeholder=' ...'), '      '))
    return ['', f'{title}:', *(f'  {line}' for line in lines)] if lines else []


def report(results, about):
    """The whole report, as lines."""
    lines = [f'{side}: {text}' for side, text in about.items()] + ['', *table(results), '']
    lines += [f'{result.client.name}: {result.client.about}' + (f' ({result.proof})' if result.proof else '')
              for result in results]
    ended = [f'  {result.client.name} on {side}: {run.ended}' for result in results for side in SIDES
             for run in result.runs[side] if run.ended]
    lines += ['', 'Runs that did not come to their end:', *ended] if ended else []
    lines += listing('Fail on the fork only', results, 'fork only')
    lines += listing('Fail on stock CPython only', results, 'stock only')
    lines += listing('Flaky, not alike each time on one side', results, 'flaky')
    lines += listing('Fail on both sides alike', results, 'both')
    left_out = [f'  {result.client.name}: {test}: {why}' for result in results
                for test, why in result.client.deselect.items()]
    lines += ['', 'Left out on both sides:', *left_out] if left_out else []
    return lines


def describe(python, fork):
    """The version line of an interpreter, which must be the fork, or must not be."""
    program = ('import sys, sysconfig; print(hasattr(sys, "settracestate")); print(sys.version.replace("\\n", " "));'
               'print(sysconfig.get_config_var("CONFIG_ARGS"))')
    try:
        done = subprocess.run([python, '-c', program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    except OSError as problem:
        raise Trouble(f'cannot run {python}: {problem.strerror}') from None
    lines = done.stdout.splitlines()
    if done.returncode or len(lines) != 3:
        raise Trouble(f'{python} does not say what it is: {last_line(done.stdout)}')
    if lines[0] != str(fork):
        raise Trouble(f'{python} is {"not " if fork else ""}the fork; '
                      'give the fork as --fork and stock CPython as --stock')
    return lines[1]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--fork', required=True, help='the interpreter of the fork')
    parser.add_argument('--stock', required=True, help='that of the same release without the overlay')
    parser.add_argument('--folder', type=Path, default=ROOT / 'build/clients', help='where environments and results go')
    parser.add_argument('--report', type=Path, required=True, help='the file for the report')
    parser.add_argument('--jobs', type=int, default=os.cpu_count(),
                        help='how many tests at once, where a client allows it')
    parser.add_argument('clients', nargs='*', metavar='CLIENT')
    options = parser.parse_args(arguments)
    who = os.environ.get('FORK_AS', Path(__file__).name)

    def say(text):
        print(f'{who}: {text}', flush=True)

    try:
        clients = choose(load(), options.clients)
        about = {side: describe(getattr(options, side), side == 'fork') for side in SIDES}
        pythons = {side: os.path.abspath(getattr(options, side)) for side in SIDES}
        bench = Bench(options.folder.resolve(), pythons, options.jobs, say)
        results = []
        for client in clients:
            results.append(bench.compare(client))
            lines = report(results, about)
            # what is known is not lost if a later one cannot be run
            options.report.write_text('\n'.join(lines) + '\n')
        print('\n'.join(lines))
        alone = sum(len(result.tests['fork only']) for result in results)
        if alone:
            raise Trouble(f'{alone} test{"s" * (alone > 1)} of the clients fail on the fork and not on stock CPython; '
                          f'see {options.report} and the logs in {options.folder}/fork')
    except Trouble as problem:
        sys.exit(f'{who}: error: {problem}')
    except OSError as problem:
        sys.exit(f'{who}: error: {problem.filename}: {problem.strerror}; '
                 'is the disk full, or the folder somebody else\'s?')


if __name__ == '__main__':
    main()
