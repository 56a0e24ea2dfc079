"""Fixtures: programs that run in a temporary folder, with and without condcov."""

import os
import subprocess
import sys
import textwrap

import pytest

from condcov.data import Data

# Seconds after which a program hangs. It is not a measure of speed: a busy machine takes its time.
TIMEOUT = 900

CORE = 'CONDCOV_CORE'       # which form of the recorder to test; see condcov.record.monitoring


class Folder:
    """A folder with programs, which can be run in it."""

    def __init__(self, path):
        self.path = path
        self.environment = {name: value for name, value in os.environ.items()
                            if not name.startswith(('CONDCOV', 'COV', 'PYTEST', 'PYTHON')) or name == CORE}

    def write(self, name, text):
        """Write a file with the text, dedented, and return its path."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).removeprefix('\n'))
        return str(path)

    def python(self, *arguments, **options):
        """Run python with these arguments, and return the finished process."""
        options = {'cwd': self.path, 'env': self.environment, 'stdin': subprocess.DEVNULL, **options}
        return subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, timeout=TIMEOUT,
                              **options)

    def condcov(self, *arguments, status=0, **options):
        """Run condcov with these arguments; check the exit status, and return the finished process."""
        done = self.python('-m', 'condcov', *arguments, **options)
        assert done.returncode == status, done
        return done

    def refused(self, *arguments, **options):
        """The one-line error of condcov for these arguments."""
        done = self.condcov(*arguments, status=2, **options)
        assert done.stdout == '' and done.stderr.count('\n') == 1, done
        assert done.stderr.startswith('condcov'), done
        return done.stderr.rstrip()

    def data(self, name='.condcov'):
        """The data file."""
        return Data(self.path / name)

    def lines(self, name, contexts=None):
        """The text of the lines of a file that were executed, each stripped."""
        _, seen = self.data().read(contexts)[str(self.path / name)]
        text = (self.path / name).read_text().splitlines()
        return {text[line - 1].strip() for line in seen.lines}

    def files(self):
        """The names of the data files."""
        return sorted(name for name in os.listdir(self.path) if name.startswith('.condcov'))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty Folder, which is the current folder of the test."""
    if sys.platform == 'emscripten':
        pytest.skip('there are no processes')
    for name in [name for name in os.environ if name.startswith(('CONDCOV', 'COV')) and name != CORE]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return Folder(tmp_path)
