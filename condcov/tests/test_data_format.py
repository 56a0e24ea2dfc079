"""docs/data-format.rst describes the data files, and other interpreters write the same.

CONDCOV_PEERS names the others, see record/test_interpreters.py.
"""

import os
import pathlib
import re
import sqlite3
import subprocess
import sys
import textwrap

import pytest

import condcov
from condcov import data as data_module
from condcov.data import Data
from condcov.errors import CondcovError
from condcov.model import Seen

PAGE = pathlib.Path(__file__).parents[1] / 'docs/data-format.rst'
PEERS = [name for name in os.environ.get('CONDCOV_PEERS', '').split(':') if name and 'pyodide' not in name]

pytestmark = pytest.mark.skipif(not PAGE.exists(), reason='the documentation is not here')

KINDS = {'if', 'while', 'assert', 'ternary', 'comprehension', 'boolean', 'comparison', 'case', 'for', 'except'}

# Source with every kind of decision, with every character of a path, an exit, contexts and a problem.
PROGRAM = """
    def f(a, b):
        if a and b: pass
        while a: a = 0
        assert a or b
        x = 1 if b else 2
        [y for y in (1, 2) if y > x]
        z = a or b
        z = 1 < x < 3
        match a:
            case 0 if b: pass
        try:
            if a or 1 / a: pass
        except KeyError: pass
    try:
        f(1, 1)
    except ZeroDivisionError: pass
"""


def documented():
    """{table: {column: type}}."""
    tables = {}
    for name, body in re.findall(r'\n``(\w+)``\n~+\n\n(.*?)(?=\n\n[A-Z`]|\Z)', PAGE.read_text('utf-8'), re.DOTALL):
        rule = body.splitlines()[0]
        width = rule.index(' ')
        kind = slice(width + 2, rule.index(' ', width + 2))
        tables[name] = {line[:width].strip(): line[kind].strip() for line in body.splitlines()[3:]
                        if line[0] not in ' ='}
    return tables


def test_the_tables(tmp_path):
    Data(tmp_path / 'data').add('', {})
    database = sqlite3.connect(tmp_path / 'data')
    tables = [name for name, in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY rowid")]
    assert documented() == {table: {name: kind for _, name, kind, *_ in database.execute(f'PRAGMA table_info({table})')}
                            for table in tables}
    assert list(documented()) == tables


def test_the_numbers():
    text = PAGE.read_text('utf-8')
    assert f'``application_id`` is {data_module.APPLICATION} ' in ' '.join(text.split())
    assert f'version {data_module.VERSION} of the files' in text and f'(0x636F6E64, {data_module.VERSION})' in text
    assert 0x636F6E64 == data_module.APPLICATION


def test_the_schema_belongs_to_the_version():
    """If this fails, VERSION must be higher, unless programs that read the old format read the new one rightly."""
    schema = ' '.join(data_module.SCHEMA.split())
    assert (data_module.VERSION, schema) == (1, ' '.join("""
        CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
        CREATE TABLE file (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, sha256 TEXT NOT NULL);
        CREATE TABLE context (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
        CREATE TABLE line (file INTEGER NOT NULL REFERENCES file, context INTEGER NOT NULL REFERENCES context,
            line INTEGER NOT NULL, PRIMARY KEY (file, context, line)) WITHOUT ROWID;
        CREATE TABLE arc (file INTEGER NOT NULL REFERENCES file, context INTEGER NOT NULL REFERENCES context,
            origin INTEGER NOT NULL, target INTEGER NOT NULL, PRIMARY KEY (file, context, origin, target)) WITHOUT ROWID;
        CREATE TABLE decision (id INTEGER PRIMARY KEY, file INTEGER NOT NULL REFERENCES file, line INTEGER NOT NULL,
            column INTEGER NOT NULL, end_line INTEGER NOT NULL, end_column INTEGER NOT NULL, kind TEXT NOT NULL,
            UNIQUE (file, line, column, end_line, end_column, kind));
        CREATE TABLE path (decision INTEGER NOT NULL REFERENCES decision, context INTEGER NOT NULL REFERENCES context,
            path TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (decision, context, path)) WITHOUT ROWID;
        CREATE TABLE problem (path TEXT NOT NULL, message TEXT NOT NULL, PRIMARY KEY (path, message)) WITHOUT ROWID;
    """.split()))


@pytest.mark.parametrize('version', [0, 2, 99])
def test_other_versions_are_refused(tmp_path, version):
    for name in 'other', 'data':
        Data(tmp_path / name).add('', {'/a.py': ('0' * 64, Seen({1}))})
    with sqlite3.connect(tmp_path / 'other') as database:
        database.execute(f'PRAGMA user_version = {version}')
    for function in Data(tmp_path / 'other').read, lambda: Data(tmp_path / 'data').combine([tmp_path / 'other']):
        with pytest.raises(CondcovError, match=f'has data format {version}, but this condcov reads format 1: run again'):
            function()
    assert list(Data(tmp_path / 'data').read()) == ['/a.py'] and (tmp_path / 'other').exists()


def test_more_tables_and_keys_do_no_harm(tmp_path):
    data = Data(tmp_path / 'data')
    data.add('', {'/a.py': ('0' * 64, Seen({1}))}, counts=True)
    with sqlite3.connect(data.path) as database:
        database.execute("INSERT INTO meta VALUES ('new', 1)")
        database.execute('CREATE TABLE new (x)')
    before = data.read()
    Data(tmp_path / 'all').combine([data.path])
    assert Data(tmp_path / 'all').read() == before


def test_what_a_run_writes(folder):
    """The kinds and the characters of the page, and the example of a program that reads them."""
    path = folder.write('prog.py', PROGRAM)
    folder.condcov('run', '--counts', '--context=one', 'prog.py')
    database = sqlite3.connect(folder.path / '.condcov')
    assert {kind for kind, in database.execute('SELECT kind FROM decision')} == KINDS
    kinds = re.findall(r'``(\w+)``', PAGE.read_text('utf-8').split('\nkind  ')[1].split('=====')[0])
    assert set(kinds) - {'and', 'or'} == KINDS
    paths = {taken for taken, in database.execute('SELECT path FROM path')}
    marks = re.findall(r'^``(.)``', PAGE.read_text('utf-8').split('Character  Meaning')[1], re.MULTILINE)
    assert set(''.join(paths)) == {*marks}
    assert database.execute('SELECT path, length(sha256) FROM file').fetchall() == [(path, 64)]
    assert database.execute('SELECT name FROM context').fetchall() == [('one',)]
    assert database.execute('SELECT * FROM meta').fetchall() == [('counts', 1)]
    assert database.execute('SELECT min(target) < 0 FROM arc').fetchone() == (1,)
    example = PAGE.read_text('utf-8').split('together::\n')[1].split('\n\nA process')[0]
    done = folder.python('-c', textwrap.dedent(example))
    assert f'{path} 3 while T 1\n{path} 3 while F 1\n' in done.stdout or f'{path} 3 while F 1\n' in done.stdout, done


@pytest.mark.skipif(not PEERS, reason='CONDCOV_PEERS names no interpreter')
@pytest.mark.parametrize('peer', PEERS)
def test_files_of_different_interpreters_combine(folder, peer):
    """The sum of two runs, whoever records them and whoever combines; each reads what the other wrote."""
    folder.write('prog.py', PROGRAM.replace('f(1, 1)', 'import sys; f(int(sys.argv[1]), 1)'))
    ours = os.path.dirname(os.path.dirname(condcov.__file__))
    environment = {**folder.environment, 'PYTHONPATH': ours}

    def run(python, *words):
        done = subprocess.run([python, '-m', 'condcov', *words], capture_output=True, text=True, cwd=folder.path,
                              env=environment)
        assert done.returncode == 0, done
        return done.stdout

    found = {}
    for first in sys.executable, peer:
        for second in sys.executable, peer:
            for python, value in (first, 0), (second, 1):
                run(python, 'run', '--counts', f'--data-file=data{value}', 'prog.py', str(value))
            run(second, 'combine', '--data-file=both', 'data0', 'data1')
            (seen,) = [seen for _, seen in folder.data('both').read().values()]
            # The arcs are those of this interpreter's coverage.py; reports leave out those that they do not know.
            found[first, second] = seen.lines, seen.paths, run(sys.executable, 'report', '--data-file=both')
            assert 'Total' in run(peer, 'report', '--data-file=both')
            os.unlink('both')
    expected = found[sys.executable, sys.executable]
    assert len(expected[1]) > 10
    assert all(each == expected for each in found.values())
