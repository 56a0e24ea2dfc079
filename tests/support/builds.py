"""Fixtures: the real builds of this repository.  A conftest.py imports them."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='session')
def root():
    """The top of this repository."""
    return ROOT


@pytest.fixture(scope='session')
def builddir(root):
    """The builddir under test, which `make test` names."""
    path = root / os.environ.get('FORK_BUILDDIR', 'build/release')
    if not (path / 'python').exists():
        pytest.skip('the fork is not built; run ./configure && make')
    return path


@pytest.fixture(scope='session')
def python(builddir):
    """The fork's interpreter, built."""
    return builddir / 'python'


@pytest.fixture(scope='session')
def stock_python(root, builddir):
    """The interpreter of stock CPython, built from the same release with the same options."""
    name = 'stock' if builddir.name == 'release' else f'stock-{builddir.name}'
    path = root / 'build' / name / 'python'
    if not path.exists():
        pytest.skip('stock CPython is not built; run make stock')
    return path
