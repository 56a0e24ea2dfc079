"""The sdist and the wheel that hatchling makes; the wheel is made of the sdist, as pip makes it."""

import pathlib
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest

pytest.importorskip('hatchling', reason='hatchling builds condcov')

ROOT = pathlib.Path(__file__).parents[1]
NEEDED = {'condcov/record/runner.py', 'condcov/record/monitoring.py', 'condcov/report/templates/file.html',
          'condcov/report/schema.json', 'a1_condcov.pth'}

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not (ROOT.parent / 'Lib/lltrace').exists(),
                                                   reason='this is not a checkout of the repository')]


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    """The path of a wheel that was made of an sdist."""
    folder = tmp_path_factory.mktemp('dist')
    subprocess.run([sys.executable, '-m', 'hatchling', 'build', '-t', 'sdist', '-d', folder], cwd=ROOT, check=True,
                   capture_output=True)
    (sdist,) = folder.glob('*.tar.gz')
    with tarfile.open(sdist) as archive:
        assert not [member.name for member in archive.getmembers() if member.issym()]
    shutil.unpack_archive(sdist, folder)
    (source,) = [path for path in folder.iterdir() if path.is_dir()]
    subprocess.run([sys.executable, '-m', 'hatchling', 'build', '-t', 'wheel', '-d', folder], cwd=source, check=True,
                   capture_output=True)
    (found,) = folder.glob('*.whl')
    return found


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
