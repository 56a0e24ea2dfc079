"""Lines and branches of the tests of real packages of the package index, by condcov and by coverage.py.

The same interpreter runs the tests of a package twice, in the same place and with nothing else different. The records
of both are compared file for file, including those of the tests themselves.
"""

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

from qa.compare import clients

# What is said of a package comes from here and not from its own configuration, for both tools.
CONFIGURATION = '[run]\nbranch = True\n[report]\nexclude_also =\n    if TYPE_CHECKING:\n    @overload\n'

KINDS = 'executed', 'missing', 'taken', 'untaken'       # lines and lines, arcs and arcs


@dataclasses.dataclass
class Package(clients.Client):
    """A package whose source distribution has its tests.

    version     of the source distribution whose checksum is `sdist`
    source      folders that are recorded, from the top of the source distribution
    """

    version: str = ''
    source: tuple[str, ...] = ()


class Recorded(dict):
    """For the name of each file: for each of KINDS, the lines or arcs.

    tests   how many tests passed, were skipped and so on, in pytest's words
    gaps    of condcov, for file and line: the sentences there
    """


class TestBed(clients.TestBed):
    """Where packages are fetched to and their tests run."""

    def __init__(self, folder):
        super().__init__(folder, {}, 1, print)

    def environment(self, package, python):
        """What the tests have for an environment: no settings of the user for condcov, either."""
        env = super().environment(package, python)
        return {name: value for name, value in env.items() if not name.startswith('CONDCOV')}

    def record(self, package, tool):
        """What the tool, 'condcov' or 'coverage', has Recorded of the tests of a package."""
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
        recorded = READERS[tool](json.loads((self.work / 'report.json').read_text('utf-8')), tests)
        recorded.tests = re.search(r'^(\d+ passed.*) in [\d.]+', said, re.MULTILINE)[1]
        return recorded

    def pytest_options(self, package):
        """How the tests of a package are run, for pytest."""
        return ['-q', '-p', 'no:cacheprovider', '-o', 'addopts=', '-o', 'filterwarnings=', '--rootdir', '.',
                '--basetemp', self.work / 'tmp/pytest', *package.options, *package.tests]


def read_coverage(report, folder):
    """What a JSON report of coverage.py has Recorded."""
    return Recorded((name, {
        'executed': set(file['executed_lines']), 'missing': set(file['missing_lines']),
        'taken': set(map(tuple, file['executed_branches'])), 'untaken': set(map(tuple, file['missing_branches'])),
    }) for name, file in report['files'].items())


def read_condcov(report, folder):
    """What a JSON report of condcov has Recorded."""
    files = {str(Path(folder, file['path']).relative_to(folder)): file for file in report['files']}
    recorded = Recorded((name, {
        'executed': set(file['lines']['executed']), 'missing': set(file['lines']['missing']),
        'taken': set(map(tuple, file['arcs']['taken'])), 'untaken': set(map(tuple, file['arcs']['missing'])),
    }) for name, file in files.items())
    recorded.gaps = {}
    for name, file in files.items():
        for gap in file['gaps']:
            recorded.gaps.setdefault((name, gap['line']), []).append(gap['sentence'])
    return recorded


READERS = {'coverage': read_coverage, 'condcov': read_condcov}


def differences(ours, theirs):
    """What only one of two Recorded has: a set of (file, kind, line or arc, 'condcov' or 'coverage')."""
    found = set()
    for name in ours.keys() | theirs.keys():
        for kind in KINDS:
            mine, other = (side.get(name, {}).get(kind, set()) for side in (ours, theirs))
            found |= {(name, kind, place, 'condcov') for place in mine - other}
            found |= {(name, kind, place, 'coverage') for place in other - mine}
    return found
