"""condcov in the interpreter that make builds: its installation, with a fake pip, and its use in the real build."""

import json
import shutil
import subprocess

import pytest

from support.commands import output

# A fake python with nothing but pip. It has a package index if there is a file named index next to it, and each package
# that it installs is one file.
PYTHON = '''#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
echo "$*" >> "$here/calls"
case $2 in *BINDIR*) echo /nowhere/bin; exit ;; *VERSION*) echo 3.11; exit ;; *LIBDEST*) echo /nowhere/lib; exit ;; esac
[ "$1" = -s ] && [ -f "${2%/pip}" ] || exit 9
shift 2
from= to=
for a do
    case $before in --find-links) from=$a ;; -w | --target | --root) to=$a ;; esac
    before=$a
done
case $* in
*requirements/condcov.txt)
    if [ -n "$PIP_NO_INDEX" ]; then [ -f "$from/coverage-1-py3.whl" ]; else [ -f "$here/index" ] && [ "$PIP_RETRIES" = 1 ]; fi || {
        echo "ERROR: No matching distribution found for coverage==1"; echo "a hint"; exit 1
    }
    mkdir -p "$to" && echo wheel > "$to/coverage-1-py3.whl" ;;
wheel*) echo wheel > "$to/condcov-0.1-py3.whl" ;;
install*)
    [ -f "$from/condcov-0.1-py3.whl" ] && [ -f "$from/coverage-1-py3.whl" ] || exit 8
    case $* in *--root*)
        site=$to/nowhere/lib/site-packages
        mkdir -p "$to/nowhere/bin" "$site/coverage-1.dist-info" && echo '#!/nowhere/bin/python' > "$to/nowhere/bin/condcov"
        touch "$to/nowhere/bin/coverage"
        printf '%s,,\\n' ../../bin/coverage coverage/__init__.py > "$site/coverage-1.dist-info/RECORD"; exit ;;
    esac
    mkdir -p "$to/bin" && echo 1 > "$to/condcov.py" && touch "$to/bin/condcov" "$to/a1_condcov.pth"
    [ ! -f "$here/full" ] || { echo "ERROR: No space left on device"; exit 1; } ;;
esac
'''

HERE = 'build/release/condcov'
START = 'build/release/build/lib/sitecustomize.py'
UP_TO_DATE = 'make: build/release/python is up to date'


@pytest.fixture
def pretended(ready):
    """A fake build whose python pretends to have pip, in a repository that has condcov."""
    ready.fork('Lib/ensurepip/_bundled').mkdir(parents=True)
    ready.fork('Lib/ensurepip/_bundled/pip-1-py3-none-any.whl').write_text('pip')
    ready.make()
    ready.write('build/release/python', PYTHON)
    ready.write('build/release/pybuilddir.txt', 'build/lib')
    (ready.path / 'build/release/build/lib').mkdir(parents=True)
    ready.write('condcov/pyproject.toml', '')
    ready.write('condcov/src/condcov/__init__.py', '')
    return ready


def made(checkout):
    """The files of condcov in the builddir."""
    there = checkout.path / HERE
    return sorted(str(path.relative_to(there)) for path in there.rglob('*') if path.is_file()) + [START] * checkout.exists(START)


IN = ['.made', 'site/condcov.py', 'wheels/condcov-0.1-py3.whl', 'wheels/coverage-1-py3.whl', START]


def test_put_in_once(pretended):
    pretended.write('build/release/index', '')
    assert 'make: build/release/python -m condcov is ready' in pretended.make().stdout
    assert made(pretended) == IN
    calls = pretended.read('build/release/calls')
    assert pretended.make().stdout == f'{UP_TO_DATE}\n'
    assert pretended.read('build/release/calls') == calls
    (pretended.path / START).unlink()       # as CPython's make clean does
    assert pretended.make().stdout == f'{UP_TO_DATE}\n'
    assert made(pretended) == IN


def test_without_an_index(pretended):
    told, = [line for line in pretended.make().stdout.splitlines() if 'condcov is not' in line]
    assert told.startswith('make: condcov is not in build/release/python (ERROR: No matching distribution found for coverage==1); ')
    assert told.endswith('; make condcov tries again')
    assert made(pretended) == []
    calls = pretended.read('build/release/calls')
    assert pretended.make().stdout == f'{UP_TO_DATE}\n'         # tried once
    assert pretended.read('build/release/calls') == calls
    assert told.split('make: ')[1] in pretended.fails('make', 'condcov')
    assert pretended.make().stdout == f'{UP_TO_DATE}\n'
    pretended.write('build/release/index', '')
    pretended.make('condcov')
    assert made(pretended) == IN


def test_what_was_fetched_serves_again(pretended):
    pretended.write('build/release/index', '')
    pretended.make()
    (pretended.path / 'build/release/index').unlink()
    pretended.write('condcov/src/condcov/__init__.py', 'changed = 1\n')
    assert 'is ready' in pretended.make().stdout
    pretended.write('condcov/tests/test_it.py', '')
    assert pretended.make().stdout == f'{UP_TO_DATE}\n'
    shutil.rmtree(pretended.path / 'build/downloads/wheels')
    pretended.write('condcov/src/condcov/__init__.py', 'changed = 2\n')
    assert 'condcov in build/release/python is unchanged (ERROR: ' in pretended.make().stdout
    assert made(pretended) == IN
    (pretended.path / START).unlink()
    assert pretended.make().stdout == f'{UP_TO_DATE}\n'
    assert made(pretended) == IN


def test_nothing_half_made_is_left(pretended):
    pretended.write('build/release/index', '')
    pretended.write('build/release/full', '')
    assert 'condcov is not in build/release/python (ERROR: No space left on device)' in pretended.make().stdout
    assert made(pretended) == [] and not pretended.exists(f'{HERE}.new')


def test_settings_of_the_user(pretended):
    pretended.write('build/release/index', '')
    told = pretended.make(env={'PIP_NO_INDEX': '1'}).stdout
    assert 'condcov is not in' in told
    pretended.make('condcov', env={'PIP_TARGET': '/elsewhere', 'PIP_REQUIRE_VIRTUALENV': '1'})
    assert made(pretended) == IN


def test_left_out(pretended):
    pretended.write('build/release/index', '')
    pretended.make()
    pretended.configure('--without-condcov')
    pretended.make()
    assert made(pretended) == []
    assert '--without-condcov' in pretended.fails('make', 'condcov')
    pretended.configure()
    pretended.make()
    assert made(pretended) == IN
    assert '--without-condcov' in pretended.fails('./configure', '--without-condco')


def test_install(pretended, tmp_path):
    assert 'make: condcov is not installed, because it is not in build/release/python; make condcov puts it there' in pretended.make(
        'install', f'DESTDIR={tmp_path}/bare').stdout
    pretended.write('build/release/index', '')
    pretended.make('condcov')
    pretended.make('install', f'DESTDIR={tmp_path}/dest')
    assert (tmp_path / 'dest/nowhere/bin/condcov').read_text() == '#!/nowhere/bin/python3.11\n'
    # but not the commands of its dependencies
    assert [path.name for path in (tmp_path / 'dest/nowhere/bin').iterdir()] == ['condcov']
    record = tmp_path / 'dest/nowhere/lib/site-packages/coverage-1.dist-info/RECORD'
    assert record.read_text() == 'coverage/__init__.py,,\n'
    assert made(pretended) == IN
    (pretended.path / HERE / 'wheels/condcov-0.1-py3.whl').unlink()
    assert 'make: condcov is not installed (' in pretended.make('install', f'DESTDIR={tmp_path}/none').stdout


# The real build.

@pytest.fixture
def condcov(builddir):
    if not (builddir / 'condcov/.made').exists():
        pytest.skip('condcov is not in the interpreter; run make condcov')
    return builddir / 'condcov'


def test_it_records_a_program_and_its_child(python, condcov, tmp_path):
    (tmp_path / 'program.py').write_text('import subprocess, sys, rich.text\n'
                                         'subprocess.run([sys.executable, "child.py"], check=True)\n')
    (tmp_path / 'child.py').write_text('def f(a, b):\n    return a and b\nf(1, 0)\n')
    output(python, '-m', 'condcov', 'run', 'program.py', cwd=tmp_path)
    output(python, '-m', 'condcov', 'json', '-o', 'report.json', cwd=tmp_path)
    report = json.loads((tmp_path / 'report.json').read_text())
    assert sorted(file['path'] for file in report['files']) == ['child.py', 'program.py']        # no files of the build
    assert '`a` was never false' in output(python, '-m', 'condcov', 'report', cwd=tmp_path)


def test_it_is_found_as_if_it_were_installed(python, condcov):
    program = 'import importlib.metadata as m; print(m.version("condcov"), [e.name for e in m.entry_points(group="pytest11")])'
    assert output(python, '-I', '-c', program) == "0.1 ['condcov']\n"
    assert not list((condcov / 'site').glob('*.pth'))
    assert output(python, '-S', '-c', 'import sys; print([p for p in sys.path if "condcov" in p])') == '[]\n'


def test_it_has_nothing_imported_at_the_start(python, condcov, tmp_path):
    modules = 'import sys; print(sorted(sys.modules))'
    (tmp_path / 'sitecustomize.py').write_text('')      # comes before the build's
    assert output(python, '-c', modules) == output(python, '-c', modules, env={'PYTHONPATH': str(tmp_path)})


@pytest.mark.slow
def test_a_virtual_environment_does_not_see_it(python, condcov, tmp_path):
    output(python, '-m', 'venv', tmp_path / 'venv')
    inside = tmp_path / 'venv/bin/python'
    for name in 'condcov', 'coverage':
        # -I: not the folder condcov of the repository
        done = subprocess.run([inside, '-I', '-c', f'import {name}'], text=True, capture_output=True)
        assert f"No module named '{name}'" in done.stderr
    packages = json.loads(output(inside, '-m', 'pip', 'list', '--format=json', '--disable-pip-version-check'))
    assert sorted(package['name'] for package in packages) == ['pip', 'setuptools']
    # The build's sitecustomize does not hide the environment's.
    (folder,) = (tmp_path / 'venv/lib').glob('python*/site-packages')
    (folder / 'sitecustomize.py').write_text('its = __file__\n')
    program = 'import sitecustomize; print(sitecustomize.its, sitecustomize.__file__)'
    assert output(inside, '-c', program) == f'{folder}/sitecustomize.py {folder}/sitecustomize.py\n'
