"""Fixtures: the real builds of this repository, and what the tests of several programs need."""

import subprocess
import sys

import pytest

from qa import ROOT
from support.builds import builddir, python, root, stock_python  # noqa: F401


@pytest.fixture
def pretend(tmp_path):
    """Make an interpreter that runs a shell script instead."""
    def make(script, name='python'):
        (tmp_path / name).write_text(f'#!/bin/sh\n{script}\n')
        (tmp_path / name).chmod(0o755)
        return tmp_path / name
    return make


@pytest.fixture
def error():
    """Run a module that must fail; return its message, one line."""
    def run(module, *arguments, status=1):
        done = subprocess.run([sys.executable, '-m', module, *map(str, arguments)], cwd=ROOT, text=True,
                              capture_output=True)
        (line,) = done.stderr.splitlines()
        assert done.returncode == status and ': error: ' in line
        return line.partition(': error: ')[2]
    return run
