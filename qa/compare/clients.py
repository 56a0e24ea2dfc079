"""The tests of packages that use tracing, each on one side after the other.

Both sides use the same wheels from the package index, the same tests and the same options, in the same folder;
qa/clients/clients.toml lists them.  Tests with different outcomes are run again on both sides.

The sides are the fork and stock CPython, or the fork twice, with both recorders running in each process and without.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from itertools import zip_longest

from qa import ROOT, process
from qa.compare.judge import PASSED, SIDES, Outcome, Result, judged
from qa.compare.report import counted, fact, judged_items, section
from qa.process import Trouble, last_line

HERE = ROOT / 'qa/clients'
WITH_RECORDERS = 'recorded', 'fork'     # the sides, instead of SIDES
RETRIES = 2
LIMIT = 3600            # seconds for the tests of one client on one side


# --- What to run ----------------------------------------------------------


@dataclass
class Client:
    """One section of clients.toml.

    about       which part of the package is tested
    tests       files and folders, for pytest
    package     defaults to the name of the section
    sdist       checksum of the source distribution that contains the tests
    without     folders to remove from it, because they would hide the installed package
    installed   whether the tests are in the installed package
    ours        tests in qa/clients to run instead
    prepare     arguments of the interpreter, to run first
    options     of pytest
    proof       a program, and a pattern that its output must match
    deselect    tests to leave out, each with the reason
    """

    name: str
    about: str
    tests: list[str]
    package: str = ''
    sdist: str = ''
    without: list[str] = field(default_factory=list)
    installed: bool = False
    ours: list[str] = field(default_factory=list)
    prepare: list[list[str]] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    proof: list[str] = field(default_factory=list)
    deselect: dict[str, str] = field(default_factory=dict)

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
    """The clients with these names or with packages of these names; all if there are no names."""
    known = dict.fromkeys(name for client in clients.values() for name in (client.package, client.name))
    for name in names:
        if name not in known:
            raise Trouble(f'CLIENTS has {name!r}, which is not one of: {" ".join(known)}')
    return [client for client in clients.values() if not names or {client.name, client.package} & set(names)]


# --- Outcomes -------------------------------------------------------------------


def read(path):
    """{test: Outcome} of a file of outcomes_plugin.py."""
    words, why = {}, {}
    for line in path.read_text(encoding='utf-8').splitlines() if path.exists() else ():
        try:
            entry = json.loads(line)
        except ValueError:              # cut off in the middle
            continue
        words.setdefault(entry['test'], set()).add(entry['outcome'])
        if entry['why']:
            why.setdefault(entry['test'], entry['why'])
    outcomes = {}
    for test, found in words.items():
        word = next((word for word in ('failed', 'passed', 'skipped') if word in found), None)
        outcomes[test] = Outcome(word, why.get(test, '')) if word else Outcome('failed', 'did not finish')
    return outcomes


# --- Running --------------------------------------------------------------------


def fetch(folder, package, version, checksum, python):
    """The source distribution with this checksum, downloaded by the interpreter's pip unless the folder has it."""
    path = folder / f'{package.replace("-", "_")}-{version}.tar.gz'
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        process.ask(f'cannot get {path.name} from the package index', python, '-m', 'pip', 'download', '-q',
                    '--no-deps', '--no-binary', package, '-d', folder, f'{package}=={version}')
    if not path.exists():
        raise Trouble(f'the package index has no {path.name}')
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != checksum:
        raise Trouble(f'{path} has the checksum {found}, and should have {checksum}; '
                      'delete the file, or correct the checksum')
    return path


class TestBed:
    """Runs the clients.

    pythons     {side: interpreter}; the first side is under test, the second is the reference
    work        the folder of the tests, the same for both sides, because a test may depend on the length of its path
    """

    def __init__(self, folder, pythons, jobs, say):
        self.folder, self.pythons, self.jobs, self.say = folder, pythons, jobs, say
        self.sdists = folder / 'sdists'
        self.work = folder / 'work'

    def venv(self, side, client):
        """Make the virtual environment with the client, and return its interpreter."""
        (self.folder / side).mkdir(parents=True, exist_ok=True)     # for the logs
        # the same for the fork with and without recorders
        place = self.folder / ('fork' if side == 'recorded' else side) / client.package
        name = place.relative_to(ROOT / 'build')
        requirements = client.requirements.relative_to(ROOT)
        done = subprocess.run(['sh', ROOT / 'build-aux/venv.sh', name, requirements, self.pythons[side]],
                              cwd=ROOT, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise Trouble(last_line(done.stderr).partition(': error: ')[2] or f'cannot make {place}')
        for name in 'outcomes_plugin.py', 'recorders.pth', 'recorders.py':
            shutil.copy(HERE / name, next(place.glob('lib/python*/site-packages')))
        return place / 'bin/python'

    def same_files(self, client, pythons):
        """Raise Trouble unless both sides have the same files of the package."""
        def files(python):
            about = f'{client.package}-{client.version}.dist-info'
            (record,) = python.parent.parent.glob(f'lib/python*/site-packages/{about}/RECORD')
            # scripts begin with the path of the interpreter, and compiled files contain the path of the folder
            return {line for line in record.read_text().splitlines()
                    if not line.startswith('../') and '.pyc,' not in line and '.dist-info/' not in line}
        tested, reference = map(files, pythons.values())
        if tested != reference:
            raise Trouble(f'{client.package} {client.version} is not the same on both sides; '
                          f'delete {self.folder} and run it again')

    def archive(self, client, python):
        """The source distribution of the client."""
        return fetch(self.sdists, client.package, client.version, client.sdist, python)

    def lay_out(self, client, python, archive):
        """Empty the work folder, and return the folder with the tests in it."""
        shutil.rmtree(self.work, ignore_errors=True)
        (self.work / 'tmp').mkdir(parents=True)
        if client.installed:
            return next(python.parent.parent.glob('lib/python*/site-packages'))
        tests = self.work / client.package
        if archive:
            with tarfile.open(archive) as tar:
                tar.extractall(self.work)       # safe: its checksum is known
            (self.work / archive.name.removesuffix('.tar.gz')).rename(tests)
        tests.mkdir(exist_ok=True)
        for name in client.ours:
            shutil.copy(HERE / name, tests)
        return tests

    def environment(self, client, side, python):
        """The environment of the tests on one side, without the user's settings for Python or for the tests."""
        env = process.environment(
            'PYTEST', 'COVERAGE', 'HYPOTHESIS', 'VIRTUAL_ENV', 'PY_COLORS', 'NO_COLOR', 'FORCE_COLOR', 'LC_ALL', 'CI',
            'BUILD_NUMBER', 'MAKE', 'MFLAGS', 'COLUMNS', 'LINES', 'TMPDIR', 'TERM')
        env |= {'PATH': f'{python.parent}{os.pathsep}{env["PATH"]}', 'TMPDIR': str(self.work / 'tmp'), 'TERM': 'dumb',
                'LC_ALL': 'C.UTF-8'}
        if side == 'recorded':
            env['FORK_RECORDERS'] = '1'         # for recorders.pth
        return env | {name: value.format(version=client.version, folder=self.work / client.package)
                      for name, value in client.env.items()}

    def command(self, client, python, outcomes, only=None):
        """The command that runs all tests, or only these, and writes their outcomes to the file 'outcomes'."""
        # Not --option VALUE: a worker of pytest-xdist takes VALUE for a test, and looks for the configuration there.
        command = [python, '-m', 'pytest', '-p', 'outcomes_plugin', f'--outcomes={outcomes}', '-p', 'no:cacheprovider',
                   '-o', 'addopts=', '--rootdir=.', f'--basetemp={self.work / "tmp/pytest"}',
                   *(word.format(jobs=self.jobs) for word in client.options)]
        command += [f'--deselect={test}' for test in client.deselect]
        if not client.sdist:        # or pytest would find the configuration of this repository, in a folder above
            (self.work / 'empty.ini').write_text('[pytest]\n')
            command.append(f'-c{self.work / "empty.ini"}')
        if only:
            (self.work / 'only').write_text('\n'.join(only))
            command.append(f'--only={self.work / "only"}')
        return command

    def run(self, side, client, python, archive, only, attempt):
        """Run all tests, or only these; return the Result."""
        tests = self.lay_out(client, python, archive)
        env = self.environment(client, side, python)
        log = self.folder / side / f'{client.name}-{attempt}.log'
        outcomes = log.with_suffix('.outcomes')
        outcomes.unlink(missing_ok=True)
        with open(log, 'w') as file:
            for words in client.prepare:
                if process.run([python, *words], file, LIMIT, cwd=tests, env=env).status != 0:
                    why = last_line(log.read_text(errors='replace'))
                    raise Trouble(f'{client.name}: {" ".join(words)} failed on {side}: {why} (see {log})')
            for name in client.without:     # only now, because the preparation may need it
                shutil.rmtree(tests / name)
            command = self.command(client, python, outcomes, only)
            ended = process.run([*command, *client.tests], file, LIMIT, cwd=tests, env=env)
        # pytest's statuses for tests that passed, tests that failed, and no tests
        whole = PASSED if ended.status in (0, 1, 5) else Outcome('crashed', str(ended))
        return Result(whole, read(outcomes), frozenset(only) if only else None, ended.wall)

    def check(self, client, side, python):
        """Check that the right part of the package runs; return the line of output that proves it."""
        if not client.proof:
            return ''
        program, pattern = client.proof
        said = process.ask(f'{client.name}: this is not {client.about}', python, '-c', program, cwd=self.folder,
                           env=self.environment(client, side, python))
        found = re.search(pattern, said, re.MULTILINE)
        if not found:
            raise Trouble(f'{client.name}: this is not {client.about}: {last_line(said)!r} not {pattern!r}')
        return found[0]

    def compare(self, client):
        """The Judgement on a client, and lines on it for the report."""
        pythons = {side: self.venv(side, client) for side in self.pythons}
        _, reference = pythons
        self.same_files(client, pythons)
        archive = self.archive(client, pythons[reference]) if client.sdist else None
        proofs = sorted({self.check(client, *side) for side in pythons.items()} - {''})
        about = [f'{client.name}: {client.about}' + (f' ({", ".join(proofs)})' if proofs else '')]
        about += [f'{client.name}: {test} is left out on both sides: {why}' for test, why in client.deselect.items()]

        def attempt(number, items):
            only = sorted({item.test for item in items if item.test})
            results = {}
            for side in pythons:
                result = self.run(side, client, pythons[side], archive, only, number)
                results[side] = {client.name: result}
                ended = '' if result.outcome == PASSED else f', {result.outcome.why}'
                if ended:
                    about.append(f'{client.name}: a run on {side} did not finish{ended}')
                self.say(f'{client.name} {client.version} on {side}: {counted(len(result.tests), "test")} '
                         f'in {result.seconds:.0f} s{" once more" if number else ""}{ended}')
            if not number and not any(results[side][client.name].tests for side in pythons):
                raise Trouble(f'{client.name}: no test runs, on either side; '
                              f'see {self.folder}/{reference}/{client.name}-0.log')
            return results

        return judged(attempt, RETRIES), about


# --- The report -----------------------------------------------------------------


def columns(sides):
    """The titles of the columns that count tests."""
    return {'passed': 'passed\non both', 'both': 'fail\non both', 'skipped': 'skipped\non both',
            **{side: f'fail on\n{side} only' for side in sides}}


def column_of(item):
    """The column that counts a test."""
    if item.differs():
        return item.worse_side()
    return 'both' if item.fails_alike() else 'passed' if item.passes(item.tested) else 'skipped'


def table(judgements, sides):
    """A row for each (client, Judgement) of how many tests had which outcome."""
    titles = columns(sides)
    rows = [['client', 'version', 'tests', *titles.values(), 'flaky']]
    for client, judgement in judgements:
        tests = [item for item in judgement.items if item.test]
        numbers = Counter(map(column_of, tests))
        rows.append([client.name, client.version,
                     *map(str, [len(tests), *(numbers[column] for column in titles),
                                sum(item.is_flaky() for item in tests)])])
    lines = [words for row in rows for words in zip_longest(*(cell.split('\n') for cell in row), fillvalue='')]
    widths = [max(map(len, column)) for column in zip(*lines)]
    for line in lines:
        yield '  '.join(word.ljust(width) if place < 2 else word.rjust(width)
                        for place, (word, width) in enumerate(zip(line, widths))).rstrip()


def report(judgements, about, facts, sides=SIDES):
    """The report on each (client, Judgement), with lines about them."""
    how = 'on the fork with and without recorders' if sides == WITH_RECORDERS else 'on the fork and on stock CPython'
    lines = [f'The tests of packages that use tracing, {how}, compared test by test', '',
             *(fact(name, text) for name, text in facts.items()), '', *table(judgements, sides), '',
             *section('What ran', [f'  {line}' for line in about])]
    for client, judgement in judgements:
        lines += [client.name, '', *judged_items(judgement)]
    return '\n'.join(lines)


def compare(options, say):
    """Yield the report and what fails on the fork only, in a line, after each client: one may not run at all."""
    sides = WITH_RECORDERS if options.recorded else SIDES
    pythons = {side: options.pythons['fork' if side == 'recorded' else side] for side in sides}
    bed = TestBed(ROOT / 'build/clients', pythons, options.jobs, say)
    where = 'with recorders and not without' if options.recorded else 'on the fork and not on stock CPython'
    judgements, about, worse = [], [], 0
    for client in choose(load(), options.names):
        judgement, lines = bed.compare(client)
        judgements.append((client, judgement))
        about += lines
        worse += sum(item.worse_side() == sides[0] for item in judgement.differences())
        yield report(judgements, about, options.about, sides), worse and (
            f'{counted(worse, "test")} of the clients {"fails" if worse == 1 else "fail"} {where}; '
            f'see {options.report} and the logs in {bed.folder}/{sides[0]}')
