"""The lines and branches that condcov and coverage.py record for the tests of packages from the package index.

The same interpreter runs the tests of a package under each tool, in the same folder. The results are compared file by
file, including the files of the tests themselves. On stock CPython, the outcomes of tests with and without condcov are
compared instead.
"""

import collections
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from qa import process
from qa.compare import clients

# Used by both tools in place of the package's own configuration.
CONFIGURATION = '[run]\nbranch = True\n[report]\nexclude_also =\n    if TYPE_CHECKING:\n    @overload\n'

KINDS = 'executed', 'missing', 'taken', 'untaken'       # of lines, and of arcs


@dataclasses.dataclass
class Package(clients.Client):
    """A package whose source distribution includes its tests.

    version     of the source distribution whose checksum is `sdist`
    source      folders to record, relative to the top of the source distribution
    needs       other packages that it or its tests import, each as NAME==VERSION
    """

    version: str = ''
    source: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


class Recorded(dict):
    """{file: {kind: lines or arcs}} for each of KINDS.

    tests   pytest's summary of the tests
    gaps    with condcov, {(file, line): sentences}
    """


class TestBed(clients.TestBed):
    """Fetches packages, and runs their tests under a tool."""

    def __init__(self, folder):
        super().__init__(folder, {}, 1, print)

    def environment(self, package, python):
        """The environment of the tests, also without the user's settings for condcov."""
        env = super().environment(package, 'fork', python)
        if package.needs:
            env['PYTHONPATH'] += f'{os.pathsep}{self.needed(package, python)}'
        return {name: value for name, value in env.items() if not name.startswith('CONDCOV')}

    def needed(self, package, python):
        """The folder with the other packages that this one needs, installed by the interpreter's pip at first."""
        folder = self.folder / 'needs' / package.name
        made = folder / '.made'
        want = ' '.join((str(python), *package.needs))
        if not made.exists() or made.read_text() != want:
            shutil.rmtree(folder, ignore_errors=True)
            process.ask(f'cannot install what {package.name} needs', python, '-m', 'pip', 'install', '-q',
                        '--no-deps', '--only-binary', ':all:', '--target', folder, *package.needs)
            made.write_text(want)
        return folder

    def record(self, package, tool):
        """What the tool, 'condcov' or 'coverage', Recorded for the tests of a package."""
        tests = self.lay_out(package, sys.executable, self.archive(package, sys.executable))
        environment = self.environment(package, Path(sys.executable))
        configuration = self.work / 'configuration'
        configuration.write_text(CONFIGURATION)
        option = '--rcfile' if tool == 'coverage' else '--config'

        def run(*words):
            done = subprocess.run([sys.executable, '-m', tool, *words], cwd=tests, env=environment, text=True,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            assert done.returncode == 0, done.stdout[-5000:]
            return done.stdout

        said = run('run', f'{option}={configuration}', f'--source={",".join(package.source)}', '-m', 'pytest',
                   *self.pytest_options(package))
        run('json', f'{option}={configuration}', '-o', self.work / 'report.json')
        found = READERS[tool](json.loads((self.work / 'report.json').read_text('utf-8')), tests)
        found.tests = re.search(r'^(\d+ passed.*) in [\d.]+', said, re.MULTILINE)[1]
        return found

    def outcomes(self, package, python, tool=None):
        """{test: its outcomes} of the tests of a package with this interpreter, without a tool or with 'condcov'."""
        tests = self.lay_out(package, python, self.archive(package, sys.executable))
        file = self.work / 'outcomes'
        environment = self.environment(package, python)
        environment['PYTHONPATH'] += f'{os.pathsep}{clients.HERE}'      # outcomes_plugin
        words = ['-m', 'condcov', 'run', f'--source={",".join(package.source)}'] if tool else []
        done = subprocess.run([python, *words, '-m', 'pytest', '-p', 'outcomes_plugin', f'--outcomes={file}',
                               *self.pytest_options(package)], cwd=tests, env=environment, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode in (0, 1), done.stdout[-5000:]       # 1: a test failed
        found = collections.defaultdict(list)
        for line in file.read_text('utf-8').splitlines():
            report = json.loads(line)
            if report['outcome'] not in ('started', 'around'):
                found[report['test']].append(report['outcome'])
        return dict(found)

    def pytest_options(self, package):
        """The arguments of pytest for the tests of a package."""
        return ['-q', '-p', 'no:cacheprovider', '-o', 'addopts=', '-o', 'filterwarnings=', '--rootdir', '.',
                '--basetemp', self.work / 'tmp/pytest', *package.options,
                *(f'--deselect={test}' for test in package.deselect), *package.tests]


def read_coverage(report, folder):
    """The Recorded of a JSON report of coverage.py."""
    return Recorded((name, recorded(file['executed_lines'], file['missing_lines'], file['executed_branches'],
                                    file['missing_branches'])) for name, file in report['files'].items())


def read_condcov(report, folder):
    """The Recorded of a JSON report of condcov."""
    found = Recorded()
    found.gaps = collections.defaultdict(list)
    for file in report['files']:
        name = str(Path(folder, file['path']).relative_to(folder))
        lines, arcs = file['lines'], file['arcs']
        found[name] = recorded(lines['executed'], lines['missing'], arcs['taken'], arcs['missing'])
        for gap in file['gaps']:
            found.gaps[name, gap['line']].append(gap['sentence'])
    return found


def recorded(executed, missing, taken, untaken):
    return dict(zip(KINDS, (set(executed), set(missing), set(map(tuple, taken)), set(map(tuple, untaken)))))


READERS = {'coverage': read_coverage, 'condcov': read_condcov}


def differences(ours, theirs):
    """What only one of two Recorded contains: a set of (file, kind, line or arc, 'condcov' or 'coverage')."""
    def places(side):
        return {(name, kind, place) for name, file in side.items() for kind, found in file.items() for place in found}

    return ({(*place, 'condcov') for place in places(ours) - places(theirs)} |
            {(*place, 'coverage') for place in places(theirs) - places(ours)})
