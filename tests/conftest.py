"""Fixtures: a checkout with a fake release, and the real builds of this repository."""

import os
import shutil
from pathlib import Path

import pytest

from support.fake_release import Checkout, make_archive, make_fixes

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope='session')
def release(tmp_path_factory):
    """The archive of a fake CPython that builds in no time."""
    return make_archive(tmp_path_factory.mktemp('release'))


@pytest.fixture
def fixes(tmp_path):
    """The archive of a fake Debian's security fixes."""
    return make_fixes(tmp_path / 'fixes')


@pytest.fixture
def checkout(tmp_path, release):
    """The build scripts of this repository, in a git repository of their own whose UPSTREAM names the fake release."""
    return Checkout(ROOT, tmp_path / 'checkout', release)


@pytest.fixture
def ready(checkout):
    """The same after ./configure, with a small overlay: a patch, a file of ours, and a patch to a top-level file."""
    checkout.cached()
    checkout.write('Python/ours.c', 'int ours;\n')
    checkout.write('Include/ours.h', '#define OURS 1\n')
    checkout.write('Python/ceval.c.patch',
               '--- a/Python/ceval.c\n+++ b/Python/ceval.c\n@@ -4,2 +4,3 @@\n line 4\n+our hook\n line 5\n')
    if shutil.which('git'):
        checkout.git('add', '.')
        checkout.git('commit', '-qm', 'overlay')
    checkout.configure()
    return checkout


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
    """The interpreter of the same release and options without the overlay."""
    name = 'stock' if builddir.name == 'release' else f'stock-{builddir.name}'
    path = root / 'build' / name / 'python'
    if not path.exists():
        pytest.skip('stock CPython is not built; run make stock')
    return path
