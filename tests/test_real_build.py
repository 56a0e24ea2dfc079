"""What the built fork is, seen from outside; needs the builds that make test makes."""

import json
import os
import shutil
import subprocess


import pytest

ABOUT = '''
import json, sys, sysconfig, importlib.util
print(json.dumps([list(sys.version_info), sysconfig.get_config_var("SOABI"), importlib.util.MAGIC_NUMBER.hex(), sys.api_version, sys.hexversion,
                  sys.abiflags, sys.implementation.cache_tag]))'''


def output(*command, **how):
    __tracebackhide__ = True
    environment = {name: value for name, value in os.environ.items() if name not in ('MAKEFLAGS', 'MFLAGS', 'MAKELEVEL', 'V')}
    done = subprocess.run([str(part) for part in command], text=True, capture_output=True, stdin=subprocess.DEVNULL,
                          env={**environment, **how.pop('env', {})}, **how)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_says_that_it_is_the_fork(python, root):
    assert '(settracestate:' in output(python, '-VV')
    assert output(root / 'python', '-c', 'import sys; print(sys._git[:2])').startswith("('CPython', 'settracestate'")


def test_stock_does_not(stock_python):
    assert 'settracestate' not in output(stock_python, '-VV')
    assert output(stock_python, '-c', 'import sys; print(hasattr(sys, "settracestate"))') == 'False\n'


def test_it_is_binary_compatible(python, stock_python):
    assert json.loads(output(python, '-c', ABOUT)) == json.loads(output(stock_python, '-c', ABOUT))


def test_the_librarys_own_modules_are_there(python):
    output(python, '-c', 'import ssl, sqlite3, ctypes, zlib, bz2, lzma, readline, curses, uuid, dbm.gnu, dbm.ndbm')


def test_second_make_does_nothing(root, builddir):
    assert output('make', f'BUILDDIR=build/{builddir.name}', cwd=root).splitlines()[-1] == f'make: build/{builddir.name}/python is up to date'


@pytest.mark.skipif(shutil.which('git') is None, reason='git is not installed')
def test_make_patches_changes_nothing(root):
    before = output('git', 'status', '--porcelain', cwd=root) + output('git', 'diff', cwd=root)
    assert output('make', 'patches', cwd=root) == ''
    assert before == output('git', 'status', '--porcelain', cwd=root) + output('git', 'diff', cwd=root)


def test_patch_file_turns_the_release_into_the_fork(root, builddir, tmp_path):
    patch = root / output('make', 'patch-file', cwd=root).split()[-1]
    shutil.copytree(root / 'build/src/stock', tmp_path / 'tree', ignore=shutil.ignore_patterns('__pycache__'))
    assert output('patch', '-s', '-p1', '-i', patch, cwd=tmp_path / 'tree') == ''
    laid = [line.split()[0] for line in (root / 'build/src/.laid').read_text().splitlines()]
    assert laid
    for target in laid:
        assert (tmp_path / 'tree' / target).read_bytes() == (root / 'build/src/fork' / target).read_bytes(), target
        (tmp_path / 'tree' / target).unlink()
    rest = subprocess.run(['diff', '-r', '-x', '__pycache__', '-x', '*.pickle', tmp_path / 'tree', root / 'build/src/stock'],
                          text=True, capture_output=True).stdout
    assert all(line.startswith('Only in ') for line in rest.splitlines()), rest


def test_installed_interpreter_and_wheels(root, builddir, tmp_path):
    """make install DESTDIR=..., then a virtual environment of what was installed, with ordinary cp311 wheels in it."""
    output('make', f'BUILDDIR=build/{builddir.name}', 'install', f'DESTDIR={tmp_path}', cwd=root)
    installed, = tmp_path.glob('**/bin/python3.11')
    clean = {'PYTHONHOME': '', 'PYTHONPATH': ''}
    assert '(settracestate:' in output(installed, '-VV', env=clean)
    output(installed, '-m', 'venv', tmp_path / 'venv', env=clean)
    output(tmp_path / 'venv/bin/python', '-m', 'pip', 'install', '-q', '--only-binary', ':all:', 'numpy', 'greenlet', 'coverage')
    assert output(tmp_path / 'venv/bin/python', '-c', 'import numpy, greenlet, coverage.tracer; print(numpy.arange(4).sum())') == '6\n'
