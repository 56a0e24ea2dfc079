"""Fixtures: a checkout with a fake release, and the real builds of this repository."""

import shutil

import pytest

from support.builds import ROOT, builddir, python, root, stock_python  # noqa: F401  (fixtures)
from support.fake_release import Checkout, make_archive, make_fixes


@pytest.fixture(scope='session')
def release(tmp_path_factory):
    """The archive of a fake CPython that builds very quickly."""
    return make_archive(tmp_path_factory.mktemp('release'))


@pytest.fixture
def fixes(tmp_path):
    """The archive of the fake Debian security fixes."""
    return make_fixes(tmp_path / 'fixes')


@pytest.fixture
def checkout(tmp_path, release):
    """The build scripts of this repository, in a separate git repository whose UPSTREAM names the fake release."""
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
