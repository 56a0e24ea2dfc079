"""The built fork, seen from outside; needs the builds that make test makes."""

import json
import re
import shutil
import subprocess

import pytest

from support.commands import output

ABOUT = '''
import json, sys, sysconfig, importlib.util
print(json.dumps([list(sys.version_info), sysconfig.get_config_var("SOABI"), importlib.util.MAGIC_NUMBER.hex(), sys.api_version, sys.hexversion,
                  sys.abiflags, sys.implementation.cache_tag]))'''


def test_it_says_that_it_is_the_fork(python, root):
    assert '(settracestate:' in output(python, '-VV')
    assert output(root / 'python', '-c', 'import sys; print(sys._git[:2])').startswith("('CPython', 'settracestate'")


def test_stock_does_not(stock_python):
    assert 'settracestate' not in output(stock_python, '-VV')
    assert output(stock_python, '-c', 'import sys; print(hasattr(sys, "settracestate"))') == 'False\n'


def test_it_is_binary_compatible(python, stock_python):
    about = json.loads(output(python, '-c', ABOUT))
    assert about == json.loads(output(stock_python, '-c', ABOUT))
    version, soabi, magic, *_ = about
    # the same in all of 3.11, whichever fixes are applied
    assert version[:2] == [3, 11] and soabi.startswith('cpython-311') and magic == 'a70d0d0a'


@pytest.fixture
def fixes(root):
    path = root / 'build/src/security-fixes'
    words, *entries = path.read_text().splitlines()
    if not entries:
        pytest.skip('the release was built without security fixes')
    return words, entries


def test_it_says_which_security_fixes_are_in(python, stock_python, fixes):
    words, entries = fixes
    version = words.split()[1].rstrip(':')
    taken = len([entry for entry in entries if entry.startswith('take ')])
    assert words.split(': ')[1].split('; ')[0] == f'{taken} fixes'
    missing = ''.join(f' missing:{part.split()[0]}' for part in words.split('; ')[1:])
    assert f' fixes:{version}{missing}, ' in output(python, '-VV')
    for which in python, stock_python:
        assert output(which, '-c', 'import sysconfig; print(sysconfig.get_config_var("SECURITY_FIXES"))') == f'{words}\n'


def test_security_fixes_are_at_work(python, stock_python, fixes):
    """The effects of a fix to the library (CVE-2025-0938) and of one to a C module that uses the core (CVE-2026-4224)."""
    names = {entry.split()[1].rstrip(':') for entry in fixes[1] if entry.startswith('take ')}
    assert any(name.startswith('CVE-') for name in names)
    for which in python, stock_python:
        if any('gh-105704' in name for name in names):
            output(which, '-c', 'import urllib.parse as p\ntry: p.urlsplit("s://prefix.[v6a.ip]/")\nexcept ValueError: pass\nelse: raise SystemExit("taken")')
        if 'CVE-2026-4224.patch' in names:
            output(which, '-m', 'unittest', 'test.test_pyexpat.ElementDeclHandlerTest')


def test_no_module_of_the_library_failed_to_build(python, builddir):
    log = (builddir / 'build.log').read_text()
    for words in 'Failed to build these modules', 'built successfully but were removed':
        assert words not in log


def test_the_librarys_own_modules_are_there(python):
    output(python, '-c', 'import ssl, sqlite3, ctypes, zlib, bz2, lzma, readline, curses, uuid, pyexpat, _elementtree, dbm.gnu, dbm.ndbm')


def test_environment_of_a_link(python, tmp_path):
    """./python is a link to the interpreter in the builddir."""
    (tmp_path / 'python').symlink_to(python)
    output(tmp_path / 'python', '-m', 'venv', '--without-pip', tmp_path / 'venv')
    assert output(tmp_path / 'venv/bin/python', '-c', 'import sys; print(sys.prefix)') == f'{tmp_path}/venv\n'


# Not two at a time, because they use the same build.
one_at_a_time = pytest.mark.xdist_group('make')


@one_at_a_time
def test_second_make_does_nothing(root, builddir):
    assert output('make', f'BUILDDIR=build/{builddir.name}', cwd=root).splitlines()[-1] == f'make: build/{builddir.name}/python is up to date'


@one_at_a_time
@pytest.mark.skipif(shutil.which('git') is None, reason='git is not installed')
def test_make_patches_changes_nothing(root):
    before = output('git', 'status', '--porcelain', cwd=root) + output('git', 'diff', cwd=root)
    assert output('make', 'patches', cwd=root) == ''
    assert before == output('git', 'status', '--porcelain', cwd=root) + output('git', 'diff', cwd=root)


@pytest.mark.slow
@one_at_a_time
def test_patch_file_turns_the_release_into_the_fork(root, builddir, tmp_path):
    patch = root / output('make', 'patch-file', cwd=root).split()[-1]
    src = root / 'build/src'
    shutil.copytree(src / 'stock', tmp_path / 'release', ignore=shutil.ignore_patterns('__pycache__'))
    fixed = (src / '.fixed').read_text().splitlines() if (src / '.fixed').exists() else []
    for name in fixed:      # as published
        (tmp_path / 'release' / name).unlink(missing_ok=True)
        if (src / 'bare' / name).exists():
            shutil.copy(src / 'bare' / name, tmp_path / 'release' / name)
    shutil.copytree(tmp_path / 'release', tmp_path / 'tree')
    said = output('patch', '-p1', '-i', patch, cwd=tmp_path / 'tree')
    assert not re.search(r'with fuzz|offset -?\d', said)
    laid = [line.split()[0] for line in (src / '.laid').read_text().splitlines()]
    laid = [target for target in laid if not target.endswith('.png')]       # the patch file leaves out pictures
    assert laid

    def edits(old, new, target):
        done = subprocess.run(['diff', old / target, new / target], text=True, capture_output=True)
        return [line for line in done.stdout.splitlines() if line[0] in '<>']
    for target in laid:
        if target in fixed:     # the same edits next to the fixes
            assert edits(tmp_path / 'release', tmp_path / 'tree', target) == edits(src / 'stock', src / 'fork', target) != []
        else:
            assert (tmp_path / 'tree' / target).read_bytes() == (src / 'fork' / target).read_bytes(), target
        (tmp_path / 'tree' / target).unlink()
    rest = subprocess.run(['diff', '-r', '-x', '__pycache__', '-x', '*.pickle', tmp_path / 'tree', tmp_path / 'release'],
                          text=True, capture_output=True).stdout
    assert all(line.startswith('Only in ') for line in rest.splitlines()), rest


@pytest.mark.slow
@one_at_a_time
def test_installed_interpreter_and_wheels(root, builddir, tmp_path):
    """make altinstall DESTDIR=..., condcov in it, then a virtual environment of it, with ordinary cp311 wheels."""
    output('make', f'BUILDDIR=build/{builddir.name}', 'altinstall', f'DESTDIR={tmp_path}', cwd=root)
    installed, = tmp_path.glob('**/bin/python3.11')
    clean = {'PYTHONHOME': '', 'PYTHONPATH': ''}
    assert '(settracestate:' in output(installed, '-VV', env=clean)
    assert not list(tmp_path.glob('**/sitecustomize.py'))
    # only files with the version in their names, and our command
    assert {path.name for path in installed.parent.iterdir() if '3.11' not in path.name} <= {'condcov'}
    if (builddir / 'condcov/.made').exists():
        command = installed.parent / 'condcov'
        interpreter = command.read_text().splitlines()[0].removeprefix('#!')
        assert f'{tmp_path}{interpreter}' == str(installed)
        assert installed.parent.parent.joinpath('lib/python3.11/site-packages/a1_condcov.pth').exists()
        (tmp_path / 'parent.py').write_text('import subprocess, sys\nsubprocess.run([sys.executable, "child.py"], check=True)\n')
        (tmp_path / 'child.py').write_text('def f(a, b):\n    return a and b\nf(1, 0)\n')
        output(installed, command, 'run', 'parent.py', env=clean, cwd=tmp_path)
        assert '`a` was never false' in output(installed, command, 'report', env=clean, cwd=tmp_path)
    output(installed, '-m', 'venv', tmp_path / 'venv', env=clean)
    output(tmp_path / 'venv/bin/python', '-m', 'pip', 'install', '-q', '--only-binary', ':all:', 'numpy', 'greenlet', 'coverage')
    assert output(tmp_path / 'venv/bin/python', '-c', 'import numpy, greenlet, coverage.tracer; print(numpy.arange(4).sum())') == '6\n'
