"""The sdist and the wheel that hatchling makes; the wheel is made of the sdist, as pip makes it.

CONDCOV_PEERS names other interpreters, see record/test_interpreters.py. Only with it are packages fetched and installed,
into fresh environments of this interpreter and of the others.
"""

import email
import importlib.metadata
import io
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest

pytest.importorskip('hatchling', reason='hatchling builds condcov')

ROOT = pathlib.Path(__file__).parents[1]
NEEDED = {'condcov/record/runner.py', 'condcov/record/monitoring.py', 'condcov/record/monitoring_core.py',
          'condcov/report/templates/file.html', 'condcov/report/schema.json', 'a1_condcov.pth'}
PIP = tuple(map(int, importlib.metadata.version('pip').split('.')[:2]))
COMPILES = hasattr(sys, 'monitoring') and shutil.which('cc') is not None
PEERS = [name for name in os.environ.get('CONDCOV_PEERS', '').split(':') if name and 'pyodide' not in name]

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not (ROOT.parent / 'Lib/lltrace').exists(),
                                                   reason='this is not a checkout of the repository')]


def run(*command, folder, status=0, **environment):
    """What a command prints, with the environment of the user but for settings of Python and of condcov."""
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith(('CONDCOV', 'PYTHON'))} | environment
    done = subprocess.run(list(map(str, command)), cwd=folder, env=environment, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == status, done.stdout
    return done.stdout


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    """The folder of an unpacked sdist."""
    folder = tmp_path_factory.mktemp('dist')
    subprocess.run([sys.executable, '-m', 'hatchling', 'build', '-t', 'sdist', '-d', folder], cwd=ROOT, check=True,
                   capture_output=True)
    (sdist,) = folder.glob('*.tar.gz')
    with tarfile.open(sdist) as archive:
        assert not [member.name for member in archive.getmembers() if member.issym()]
    shutil.unpack_archive(sdist, folder)
    (found,) = [path for path in folder.iterdir() if path.is_dir()]
    return found


def built(source, folder, **environment):
    """(the path of a wheel that is made of the sdist, what that printed)."""
    environment = {name: value for name, value in os.environ.items() if name != 'CONDCOV_CORE'} | environment
    done = subprocess.run([sys.executable, '-m', 'hatchling', 'build', '-t', 'wheel', '-d', folder], cwd=source,
                          check=True, capture_output=True, text=True, env=environment)
    (found,) = folder.glob('*.whl')
    return found, done.stdout + done.stderr


@pytest.fixture(scope='module')
def wheel(source, tmp_path_factory):
    """The path of a wheel."""
    return built(source, tmp_path_factory.mktemp('wheel'))[0]


def metadata_of(wheel):
    """The text of a wheel's METADATA."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith('.dist-info/METADATA')]
        return archive.read(name).decode()


def test_what_the_wheel_contains(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    metadata = metadata_of(wheel)
    assert names >= NEEDED
    assert any(name.endswith('/licenses/LICENSE') for name in names)
    assert 'Requires-Python: <3.15,>=3.11\n' in metadata
    assert 'License-Expression: PSF-2.0\n' in metadata
    for version in '3.11', '3.12', '3.13', '3.14':
        assert f'Classifier: Programming Language :: Python :: {version}\n' in metadata


@pytest.mark.skipif(not COMPILES, reason='there is nothing to compile, or no compiler')
def test_the_recorder_is_compiled_if_possible(source, wheel, tmp_path):
    def compiled(wheel):
        with zipfile.ZipFile(wheel) as archive:
            return [name for name in archive.namelist() if name.startswith('condcov/record/_monitoring_core.')]

    assert [name.rpartition('.')[2] for name in compiled(wheel)] == ['so']
    assert not wheel.name.endswith('-none-any.whl')
    (tmp_path / 'without').mkdir()
    pure, _ = built(source, tmp_path / 'without', CONDCOV_CORE='python')
    assert not compiled(pure) and pure.name.endswith('-py3-none-any.whl')
    (tmp_path / 'failing').mkdir()
    pure, output = built(source, tmp_path / 'failing', CC='/no/such/compiler')
    assert not compiled(pure) and pure.name.endswith('-py3-none-any.whl')
    assert 'condcov will record with its form in Python, which is slower' in output
    with pytest.raises(subprocess.CalledProcessError):
        built(source, tmp_path / 'failing', CC='/no/such/compiler', CONDCOV_CORE='c')


def test_the_wheel_records_and_reports(folder, wheel):
    """In a folder of its own, with the dependencies of this environment."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall('installed')
    folder.write('prog.py', 'def f(a, b):\n    return a and b\nf(1, 0)\n')
    folder.environment['PYTHONPATH'] = str(folder.path / 'installed')
    where = folder.python('-c', 'import condcov; print(condcov.__file__)').stdout
    assert where.startswith(str(folder.path / 'installed'))
    folder.condcov('run', 'prog.py')
    assert '`a` was never false' in folder.condcov('report').stdout
    if COMPILES and not os.environ.get('CONDCOV_CORE'):
        assert 'records: with sys.monitoring, in C\n' in folder.condcov('debug', 'sys').stdout


def test_the_metadata(wheel, source):
    """As a package index checks it: the fields, and that the long description renders without a warning."""
    from packaging.metadata import Metadata
    rst = pytest.importorskip('readme_renderer.rst')
    text = metadata_of(wheel)
    Metadata.from_email(text, validate=True)
    found = email.message_from_string(text)
    assert found['Description-Content-Type'] == 'text/x-rst' and found.get_payload().startswith('condcov\n===')
    warnings = io.StringIO()
    assert rst.render(found.get_payload(), stream=warnings) and warnings.getvalue() == ''
    assert Metadata.from_email((source / 'PKG-INFO').read_text('utf-8'), validate=True).license_files == ['LICENSE']
    assert (source / 'LICENSE').read_text('utf-8') and (source / 'README.rst').exists()


@pytest.mark.skipif(PIP < (24, 2), reason='old versions of pip do not compare --python-version with a file')
@pytest.mark.parametrize('version', ['3.10', '3.15'])
def test_pip_refuses_other_versions(source, version, tmp_path):
    pure, _ = built(source, tmp_path, CONDCOV_CORE='python')
    said = run(sys.executable, '-m', 'pip', 'install', '--disable-pip-version-check', '--no-deps',
               '--only-binary=:all:', f'--python-version={version}', '--target=target', pure, folder=tmp_path, status=1)
    assert said.splitlines()[-1] == (
        f"ERROR: Package 'condcov' requires a different Python: {version}.0 not in '<3.15,>=3.11'")


@pytest.fixture(scope='module')
def distributions(tmp_path_factory):
    """(the sdist, the wheel) that `python -m build` makes."""
    pytest.importorskip('build')
    folder = tmp_path_factory.mktemp('build')
    run(sys.executable, '-m', 'build', '--outdir', folder, ROOT, folder=folder)
    (sdist,), (wheel,) = folder.glob('*.tar.gz'), folder.glob('*.whl')
    return sdist, wheel


def kind(python):
    """What an interpreter records with, if condcov finds a compiler."""
    code = 'import sys; print("sys.monitoring, in C" if hasattr(sys, "monitoring") else "code probes")'
    return run(python, '-c', code, folder=ROOT).strip()


@pytest.mark.skipif(not PEERS, reason='CONDCOV_PEERS names no interpreter')
@pytest.mark.parametrize('python', [sys.executable, *PEERS])
def test_a_fresh_environment(python, distributions, tmp_path):
    """With the package in each form that pip can get, condcov runs, reports and names the recorder."""
    sdist, wheel = distributions
    base = run(python, '-c', 'import sys; print(sys._base_executable)', folder=tmp_path).strip()
    run(base, '-m', 'venv', 'fresh', folder=tmp_path)
    (tmp_path / 'prog.py').write_text('def f(a, b):\n    return a and b\nf(1, 0)\n')
    pip = 'fresh/bin/python', '-m', 'pip', 'install', '--disable-pip-version-check'
    expected = kind(base)

    def check(records):
        run('fresh/bin/condcov', 'run', 'prog.py', folder=tmp_path)
        assert '`a` was never false' in run('fresh/bin/condcov', 'report', folder=tmp_path)
        assert f'records: with {records}\n' in run('fresh/bin/condcov', 'debug', 'sys', folder=tmp_path)

    run(*pip, sdist, folder=tmp_path)
    check(expected)
    again = *pip, '--no-deps', '--force-reinstall', '--no-cache-dir'
    run(*again, sdist, folder=tmp_path, CC='/no/such/compiler')
    check(expected.replace('in C', 'in Python'))
    if python == sys.executable:
        run(*again, wheel, folder=tmp_path)
        check(expected)
