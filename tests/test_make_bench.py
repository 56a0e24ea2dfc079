"""make bench, make bench-pyperformance, make bench-condcov and make bench-fuzzing: what they run."""

import pytest

from support.fake_python import PYTHON
from support.fake_release import Checkout


@pytest.fixture
def built(ready: Checkout):
    ready.make()
    ready.make('stock')
    ready.write('build/release/python', PYTHON)
    return ready


def calls(checkout):
    return [call for call in checkout.read('build/bench-venv/bin/calls').splitlines() if call.startswith('-m qa.')]


def test_make_bench(built):
    done = built.make('bench', 'FAST=1', 'CPU=1')
    assert calls(built) == ['-m qa.bench.tracing --fork build/release/python --stock build/stock/python --fast --cpu=1 '
                            '--output build/bench/bench.json --pyperf build/bench '
                            '--pyperformance build/bench/pyperformance.json']
    assert 'build/bench/bench.json' in done.stdout
    built.make('bench-pyperformance')
    assert calls(built)[1:] == ['-m qa.bench.benchmark_set --fork build/release/python --stock build/stock/python '
                                '--folder build/bench']


@pytest.mark.parametrize('target', ['bench', 'bench-pyperformance', 'bench-condcov', 'bench-fuzzing'])
def test_debug_builds_are_refused(ready, target):
    ready.configure('--builddir=build/debug', '--with-pydebug')
    line = ready.fails('make', target, 'BUILDDIR=build/debug')
    assert 'build/debug is a --with-pydebug build' in line and 'FORCE=1' in line
    assert not ready.exists('build/debug/python')


def test_make_bench_fuzzing(ready):
    ready.make()
    ready.write('build/release/python', PYTHON)
    ready.make('bench-fuzzing', 'FAST=1')
    calls = ready.read('build/bench-fuzzing/bin/calls').splitlines()
    assert calls[-1] == '-m qa.bench.fuzzing --fast' and not ready.exists('build/stock')


def test_make_bench_condcov(ready):
    ready.write('condcov/README.rst', '')
    ready.make()
    ready.write('build/release/python', PYTHON)
    done = ready.make('bench-condcov', 'FAST=1', 'CPU=1', 'PYENV_ROOT=/nowhere')
    calls = ready.read('build/bench-condcov/bin/calls').splitlines()
    assert calls[1].startswith('-m pip install') and calls[1].endswith(' ./condcov')
    assert calls[2] == ('-m qa.bench.coverages --fast --cpu=1 --folder build/bench/coverages '
                        '--output build/bench/coverages.json')
    assert 'there is no CPython 3.13 on PATH or in pyenv, so only the fork is measured' in done.stdout + done.stderr
    assert 'build/bench/coverages.json' in done.stdout and not ready.exists('build/stock')


def test_make_bench_condcov_measures_stock_cpython(ready):
    ready.write('condcov/README.rst', '')
    ready.make()
    ready.write('build/release/python', PYTHON)
    ready.write('pyenv/versions/3.13.9/bin/python', PYTHON).chmod(0o755)
    ready.make('bench-condcov', f'PYENV_ROOT={ready.path}/pyenv')
    calls = ready.read('build/bench-condcov/bin/calls').splitlines()
    assert calls[-1] == ('-m qa.bench.coverages --stock=build/bench-condcov-3.13/bin/python '
                         '--folder build/bench/coverages --output build/bench/coverages.json')
    assert any(call.endswith(' ./condcov') for call in ready.read('build/bench-condcov-3.13/bin/calls').splitlines())
