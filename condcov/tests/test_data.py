"""Data files: data is kept, many processes can write, and bad files are reported in one line."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading

import pytest

from condcov import data as data_module
from condcov.data import Data, parts
from condcov.errors import CondcovError
from condcov.model import ASSERTS, UNKNOWN, Seen

KEY = (3, 4, 3, 11, 'if')
SHA = '0' * 64


def seen(lines=(1, 2), arcs=((1, 2), (2, -1)), paths=None):
    return Seen(set(lines), set(arcs), {KEY: dict(paths or {'TF': 2})})


@pytest.fixture
def data(tmp_path):
    return Data(tmp_path / '.condcov')


def refused(function, *arguments):
    """The one-line error for bad input."""
    with pytest.raises(CondcovError) as caught:
        function(*arguments)
    assert '\n' not in str(caught.value)
    return str(caught.value)


def test_what_goes_in_comes_out(data):
    data.add('', {'/a.py': (SHA, seen())}, counts=True)
    assert data.read() == {'/a.py': (SHA, seen())}


def test_a_file_of_which_nothing_was_seen(data):
    data.add('', {'/a.py': (SHA, Seen())})
    assert data.read() == {'/a.py': (SHA, Seen())}


def test_adding_again_is_a_union_with_sums(data):
    data.add('', {'/a.py': (SHA, seen())}, counts=True)
    data.add('', {'/a.py': (SHA, seen([7], [(7, 8)], {'TF': 5, 'F-': 1}))}, counts=True)
    assert data.read() == {'/a.py': (SHA, seen([1, 2, 7], [(1, 2), (2, -1), (7, 8)], {'TF': 7, 'F-': 1}))}


def test_counts_that_nobody_asked_for_are_one(data):
    for _ in range(3):
        data.add('', {'/a.py': (SHA, seen(paths={'TF': 1}))})
    assert data.read()['/a.py'][1].paths == {KEY: {'TF': 1}}


def test_counts_are_one_if_they_are_missing_from_one_run(data):
    data.add('', {'/a.py': (SHA, seen())}, counts=True)
    data.add('', {'/a.py': (SHA, seen())})
    assert data.read()['/a.py'][1].paths == {KEY: {'TF': 1}}


def test_decisions_with_one_start_are_kept_apart(data):
    one = Seen(paths={(1, 0, 1, 5, 'boolean'): {'T-': 1}, (1, 0, 1, 5, 'if'): {'FT': 1}, (1, 0, 1, 9, 'if'): {'F': 1}})
    data.add('', {'/a.py': (SHA, one)})
    assert data.read()['/a.py'][1] == one


def test_contexts(data):
    data.add('test_a|call', {'/a.py': (SHA, seen([1], [], {'TF': 1}))}, counts=True)
    data.add('test_b|call', {'/a.py': (SHA, seen([2], [], {'TF': 2}))}, counts=True)
    assert data.contexts() == ['test_a|call', 'test_b|call']
    assert data.read()['/a.py'][1] == seen([1, 2], [], {'TF': 3})
    assert data.read('test_b')['/a.py'][1] == seen([2], [], {'TF': 2})
    assert data.read('test_c') == {'/a.py': (SHA, Seen())}


def test_asserts_are_rewritten_in_all_contexts(data):
    data.add('test_a', {'/a.py': (SHA, Seen(paths={ASSERTS: {UNKNOWN: 1}}))})
    data.add('test_b', {'/a.py': (SHA, seen())})
    assert data.read('test_b')['/a.py'][1].paths == {KEY: {'TF': 1}, ASSERTS: {UNKNOWN: 1}}


def test_arcs(data):
    arcs = {(1, 2), (2, 1), (-1, 2), (2, -1), (-3, -3), (10 ** 9, -10 ** 9), (-10 ** 9, 10 ** 9)}
    data.add('', {'/a.py': (SHA, Seen(arcs=arcs)), '/b.py': (SHA, Seen())})
    data.add('', {'/a.py': (SHA, Seen(arcs={(1, 2), (3, 4)}))})
    assert data.read()['/a.py'][1].arcs == {*arcs, (3, 4)} and data.read()['/b.py'][1].arcs == set()


def test_names_with_surrogates(data):
    data.add('test[\udcff]', {'/\udcff.py': (SHA, seen())})
    assert data.contexts() == ['test[\\udcff]']


def test_source_that_changed_within_a_run_replaces_the_old(data):
    data.add('', {'/a.py': (SHA, seen()), '/b.py': (SHA, seen())})
    data.add('', {'/a.py': ('1' * 64, Seen({9}))})
    assert data.read() == {'/a.py': ('1' * 64, Seen({9})), '/b.py': (SHA, seen(paths={'TF': 1}))}


def test_combine(data, tmp_path):
    one, two = Data(tmp_path / 'one'), Data(tmp_path / 'two')
    one.add('x', {'/a.py': (SHA, seen())}, counts=True)
    two.add('x', {'/b.py': (SHA, seen([5]))}, counts=True)
    two.add('y', {'/a.py': (SHA, seen([9], [], {'TF': 1, 'F-': 4}))}, counts=True)
    two.add_problems([('/c.py', 'cannot be read')])
    data.combine([one.path, two.path])
    assert data.read() == {'/a.py': (SHA, seen([1, 2, 9], paths={'TF': 3, 'F-': 4})), '/b.py': (SHA, seen([5]))}
    assert data.read('y')['/a.py'][1] == seen([9], [], {'TF': 1, 'F-': 4})
    assert data.problems() == [('/c.py', 'cannot be read')]
    assert sorted(os.listdir(tmp_path)) == ['.condcov']


def test_combine_adds_counts_of_one_context_and_keeps(data, tmp_path):
    for name in 'one', 'two', '.condcov':
        Data(tmp_path / name).add('', {'/a.py': (SHA, seen())}, counts=True)
    data.combine([tmp_path / 'one', tmp_path / 'two'], keep=True)
    assert data.read()['/a.py'][1].paths == {KEY: {'TF': 6}}
    data.combine([tmp_path / 'one'], append=False)
    assert data.read()['/a.py'][1].paths == {KEY: {'TF': 2}}
    assert sorted(os.listdir(tmp_path)) == ['.condcov', 'two']


def test_combine_maps_folders(data, tmp_path):
    here = tmp_path / 'here' / 'a.py'
    here.parent.mkdir()
    here.touch()
    Data(tmp_path / 'one').add('', {'/there/a.py': (SHA, seen([1], [], {'TF': 1}))})
    Data(tmp_path / 'two').add('', {str(here): (SHA, seen([2], [], {'F-': 1}))})
    data.combine([tmp_path / 'one', tmp_path / 'two'], {'source': [str(here.parent), '/there'], 'none': []})
    assert data.read() == {str(here): (SHA, seen([1, 2], [], {'TF': 1, 'F-': 1}))}


def test_combine_refuses_different_source_and_changes_nothing(data, tmp_path):
    data.add('', {'/x.py': (SHA, seen())})
    Data(tmp_path / 'one').add('', {'/a.py': (SHA, seen())})
    Data(tmp_path / 'two').add('', {'/a.py': ('1' * 64, seen())})
    message = refused(data.combine, [tmp_path / 'one', tmp_path / 'two'])
    assert message.startswith('/a.py differs between') and 'one' in message and 'two' in message
    assert list(data.read()) == ['/x.py']
    assert sorted(os.listdir(tmp_path)) == ['.condcov', 'one', 'two']


def test_parts_are_those_of_single_processes(tmp_path):
    names = ['.condcov.host.12.abcd1234ef', '.condcov.my.host.13.99990000ff']
    for name in [*names, '.condcov', '.condcov.toml', '.condcov.host.x.ab', '.condcov.host.12.abcd1234ef-journal']:
        (tmp_path / name).write_text('')
    assert parts(tmp_path / '.condcov') == [str(tmp_path / name) for name in names]
    assert parts(tmp_path / '.condcov', 'abcd1234') == [str(tmp_path / names[0])]
    assert 'cannot read' in refused(parts, tmp_path / 'no' / '.condcov')


def test_no_data(data):
    assert refused(data.read).startswith(f'no data at {data.path}: ')
    assert not os.path.exists(data.path)


@pytest.mark.parametrize('content', [b'x' * 4096, b'short', b'SQLite format 3\0' + b'x' * 1000])
def test_no_sqlite(data, content):
    with open(data.path, 'wb') as file:
        file.write(content)
    assert data.path in refused(data.read)
    assert data.path in refused(data.add, '', {})
    with open(data.path, 'rb') as file:
        assert file.read() == content


def test_an_empty_file(data):
    open(data.path, 'w').close()
    assert refused(data.read) == f'{data.path} is empty: its run recorded nothing'


def test_sqlite_of_somebody_else(data):
    with sqlite3.connect(data.path) as database:
        database.execute('CREATE TABLE file (path)')
    assert refused(data.read) == f'{data.path} is not a condcov data file'
    assert refused(data.add, '', {}) == f'{data.path} is not a condcov data file'


def test_another_version(data, monkeypatch):
    data.add('', {})
    monkeypatch.setattr(data_module, 'VERSION', 99)
    assert refused(data.read) == f'{data.path} has data format 1, but this condcov reads format 99: run again'


def test_damaged_data(data):
    data.add('', {f'/{number}.py': (SHA, seen(range(200))) for number in range(50)})
    with open(data.path, 'r+b') as file:
        file.seek(4096)
        file.write(b'\xff' * 40000)
    assert refused(data.read).startswith(f'cannot read {data.path}: ')


def test_a_folder(tmp_path):
    assert refused(Data(tmp_path).read) == f'{tmp_path} is a folder, not a condcov data file'
    message = refused(Data(tmp_path / 'no' / 'file').add, '', {})
    assert message == f'cannot write {tmp_path}/no/file: No such file or directory'


@pytest.mark.skipif(os.geteuid() == 0, reason='root may read everything')
def test_unreadable(data):
    data.add('', {})
    os.chmod(data.path, 0)
    assert refused(data.read) == f'cannot read {data.path}: Permission denied'


def test_many_writers_of_one_file(data):
    """Threads simulate processes: each write uses a separate connection."""
    def write(number):
        for step in range(20):
            data.add(f'context {step % 3}', {'/a.py': (SHA, Seen({number * 100 + step}, set(), {KEY: {'TF': 1}}))},
                     counts=True)
    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _, result = data.read()['/a.py']
    assert len(result.lines) == 160 and result.paths == {KEY: {'TF': 160}}


KILLED = """
import sys
from condcov.data import Data
from condcov.model import Seen
for number in range(10**9):
    Data(sys.argv[1]).add('', {'/a.py': ('0' * 64, Seen(set(range(number * 500, number * 500 + 500))))})
    print(number, flush=True)
"""


def test_a_killed_writer_leaves_what_it_wrote(data):
    for _ in range(3):
        data.remove()
        process = subprocess.Popen([sys.executable, '-c', KILLED, data.path], stdout=subprocess.PIPE, text=True)
        for line in process.stdout:
            if int(line) == 5:
                break
        process.send_signal(signal.SIGKILL)
        last = int(([line, *process.stdout])[-1])
        process.wait()
        process.stdout.close()
        lines = data.read()['/a.py'][1].lines
        assert len(lines) % 500 == 0 and set(range(last * 500 + 500)) <= lines
