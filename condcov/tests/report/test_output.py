"""Reports are written completely or not at all, and do not overwrite anything else."""

import errno
import os
import stat

import pytest

from condcov.errors import CondcovError
from condcov.report import output


def test_a_new_file_has_what_was_written_and_ordinary_permissions(tmp_path):
    path = tmp_path / 'new' / 'report.txt'
    with output.new_file(path) as stream:
        stream.write('é\n')
        assert not path.exists()
    assert path.read_bytes() == 'é\n'.encode()
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask
    assert os.listdir(path.parent) == ['report.txt']


def test_an_error_on_the_way_leaves_the_old_file(tmp_path):
    path = tmp_path / 'report.txt'
    path.write_text('old')
    with pytest.raises(ZeroDivisionError):
        with output.new_file(path) as stream:
            stream.write('half')
            raise ZeroDivisionError
    assert path.read_text() == 'old'
    assert os.listdir(tmp_path) == ['report.txt']


def test_a_full_disk_leaves_the_old_file_and_is_one_line(tmp_path):
    path = tmp_path / 'report.txt'
    path.write_text('old')
    with pytest.raises(CondcovError, match=r'^cannot write .*report\.txt: No space left on device$'):
        with output.new_file(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert path.read_text() == 'old'
    assert os.listdir(tmp_path) == ['report.txt']


def test_a_file_through_a_symbolic_link_replaces_what_it_points_at(tmp_path):
    (tmp_path / 'real').write_text('old')
    (tmp_path / 'link').symlink_to('real')
    with output.new_file(tmp_path / 'link') as stream:
        stream.write('new')
    assert (tmp_path / 'link').is_symlink()
    assert (tmp_path / 'real').read_text() == 'new'


def test_a_device_is_written_to_and_not_replaced():
    with output.new_file('/dev/null') as stream:
        stream.write('nothing')
    assert stat.S_ISCHR(os.stat('/dev/null').st_mode)


@pytest.mark.parametrize('name', ['folder', 'file/below'])
def test_what_cannot_be_a_file_is_one_line(tmp_path, name):
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'file').write_text('')
    with pytest.raises(CondcovError) as raised:
        with output.new_file(tmp_path / name):
            pytest.fail('there is nothing to write to')
    assert str(raised.value) in (f'cannot write {tmp_path}/folder: it is a folder',
                                 f'cannot write {tmp_path}/file/below: {tmp_path}/file is not a folder')


def test_a_folder_is_replaced_by_the_next_report_and_by_no_half_of_one(tmp_path):
    path = tmp_path / 'html'
    with output.new_folder(path) as folder:
        (folder / 'one').write_text('1')
        assert not path.exists()
    with pytest.raises(ZeroDivisionError):
        with output.new_folder(path) as folder:
            (folder / 'half').write_text('')
            raise ZeroDivisionError
    assert sorted(os.listdir(path)) == [output.MARK, 'one']
    with output.new_folder(path) as folder:
        (folder / 'two').write_text('2')
    assert sorted(os.listdir(path)) == [output.MARK, 'two']
    assert os.listdir(tmp_path) == ['html']


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / 'html').mkdir()
    with output.new_folder(tmp_path / 'html') as folder:
        (folder / 'one').write_text('1')
    assert (tmp_path / 'html' / 'one').exists()


@pytest.mark.parametrize('mark', [None, '*\n'])
def test_a_folder_with_something_else_is_refused_and_left(tmp_path, mark):
    (tmp_path / 'thesis.tex').write_text('years of work')
    if mark is not None:
        (tmp_path / output.MARK).write_text(mark)
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(CondcovError, match='is not a condcov report; remove it, or choose another folder$'):
        with output.new_folder(tmp_path):
            pytest.fail('it is not a condcov report')
    assert sorted(os.listdir(tmp_path)) == before


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(CondcovError, match='is not a condcov report'):
        with output.new_folder(tmp_path / 'file'):
            pytest.fail('it is a file')
    with pytest.raises(CondcovError, match='^cannot write .*/file is not a folder$'):
        with output.new_folder(tmp_path / 'file' / 'below'):
            pytest.fail('it is below a file')
