"""The sdist and the wheel that hatchling makes; the wheel is made of the sdist, as pip makes it."""

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
NEEDED = {'condcov/record/runner.py', 'condcov/record/monitoring.py', 'condcov/record/monitoring_core.py', 'condcov/report/templates/file.html',
          'condcov/report/schema.json', 'a1_condcov.pth'}
COMPILES = hasattr(sys, 'monitoring') and shutil.which('cc') is not None

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not (ROOT.parent / 'Lib/lltrace').exists(),
                                                   reason='this is not a checkout of the repository')]


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


def test_what_the_wheel_contains(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = [archive.read(name).decode() for name in names if name.endswith('.dist-info/METADATA')]
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
