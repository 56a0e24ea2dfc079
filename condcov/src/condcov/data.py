"""The data files: SQLite databases, one for each process while a program runs, and one at the end.

A file is opened for each write and closed after it, and a write is one transaction. So a killed process leaves what it
wrote before, forks share nothing, and it does no harm if the program closes all file descriptors.
"""

from __future__ import annotations

import contextlib
import sqlite3
import stat

from condcov import late
from condcov.errors import CondcovError
from condcov.isolated import os
from condcov.seen import ASSERTS, Seen

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os as _os
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

_connect = sqlite3.connect

APPLICATION = 0x636F6E64    # 'cond', the application id of the database
HEADER = 72                 # bytes at the start of an SQLite file, of which the last four are that id
VERSION = 1                 # of the schema; other versions are refused
WAIT = 60                   # seconds to wait for another process that writes the same file

SCHEMA = """
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
"""

# Adds the content of another file. The tables file and context in temp map its numbers to ours.
MERGE = """
INSERT OR IGNORE INTO main.line SELECT f.new, c.new, line FROM other.line
    JOIN temp.file f ON f.old = file JOIN temp.context c ON c.old = context;
INSERT OR IGNORE INTO main.arc SELECT f.new, c.new, origin, target FROM other.arc
    JOIN temp.file f ON f.old = file JOIN temp.context c ON c.old = context;
INSERT OR IGNORE INTO main.decision (file, line, column, end_line, end_column, kind)
    SELECT f.new, line, column, end_line, end_column, kind FROM other.decision JOIN temp.file f ON f.old = file;
INSERT INTO main.path SELECT mine.id, c.new, p.path, p.count FROM other.path p
    JOIN temp.context c ON c.old = p.context JOIN other.decision d ON d.id = p.decision
    JOIN temp.file f ON f.old = d.file JOIN main.decision mine ON mine.file = f.new AND mine.line = d.line
        AND mine.column = d.column AND mine.end_line = d.end_line AND mine.end_column = d.end_column
        AND mine.kind = d.kind
    WHERE true ON CONFLICT DO UPDATE SET count = count + excluded.count;
INSERT OR IGNORE INTO main.problem SELECT path, message FROM other.problem;
INSERT INTO main.meta SELECT key, value FROM other.meta WHERE key = 'counts'
    ON CONFLICT DO UPDATE SET value = min(value, excluded.value);
"""


class EmptyData(CondcovError):
    """A data file to which nothing was ever written."""


class Data:
    """A data file, which is created when something is added."""

    def __init__(self, path: str | _os.PathLike[str]) -> None:
        self.path = os.path.abspath(path)

    def add(self, context: str, files: Mapping[str, tuple[str, Seen]], *, counts: bool = False) -> None:
        """Add {path: (sha256, Seen)}, seen in the named context; `counts` says whether its numbers are counts.

        Existing data of a file with another checksum is removed. Raises CondcovError if the file cannot be written.
        """
        with self._open(write=True) as database:
            database.execute("INSERT INTO meta VALUES ('counts', ?) "
                             'ON CONFLICT DO UPDATE SET value = min(value, excluded.value)', (int(counts),))
            row = _storable(context),
            database.execute('INSERT OR IGNORE INTO context (name) VALUES (?)', row)
            (number,), = database.execute('SELECT id FROM context WHERE name = ?', row)
            for path, (sha256, seen) in files.items():
                file = self._file(database, _storable(path), sha256)
                # As JSON, which costs less than a statement for each. The two lines of an arc are in one number.
                database.execute('INSERT OR IGNORE INTO line SELECT ?, ?, value FROM json_each(?)',
                                 (file, number, str(sorted(seen.lines))))
                arcs = [(origin << 32) + target + 0x80000000 for origin, target in sorted(seen.arcs)]
                database.execute('INSERT OR IGNORE INTO arc SELECT ?, ?, value >> 32, (value & 0xffffffff) - 0x80000000'
                                 ' FROM json_each(?)', (file, number, str(arcs)))
                database.executemany(
                    'INSERT OR IGNORE INTO decision (file, line, column, end_line, end_column, kind) '
                    'VALUES (?, ?, ?, ?, ?, ?)', ((file, *key) for key in seen.paths))
                database.executemany(
                    'INSERT INTO path SELECT id, ?, ?, ? FROM decision WHERE file = ? AND line = ? AND column = ? '
                    'AND end_line = ? AND end_column = ? AND kind = ? '
                    'ON CONFLICT DO UPDATE SET count = count + excluded.count',
                    ((number, taken, count, file, *key)
                     for key, paths in seen.paths.items() for taken, count in paths.items()))

    def add_problems(self, problems: Iterable[tuple[str, str]]) -> None:
        """Add (path, message) pairs: files that could not be recorded, and why."""
        with self._open(write=True) as database:
            database.executemany('INSERT OR IGNORE INTO problem VALUES (?, ?)',
                                 [(_storable(path), _storable(message)) for path, message in problems])

    def read(self, contexts: str | None = None) -> dict[str, tuple[str, Seen]]:
        """Return {path: (sha256, Seen)}.

        contexts    a regular expression: only what was seen in contexts whose name matches somewhere, and ASSERTS

        A file of which nothing was seen has an empty Seen. All counts are 1 if none were recorded.
        """
        import re
        with self._open() as database:
            names = dict(database.execute('SELECT id, name FROM context'))
            wanted = [number for number, name in names.items() if contexts is None or re.search(contexts, name)]
            database.execute('CREATE TEMP TABLE wanted AS SELECT value AS context FROM json_each(?)', (str(wanted),))
            files = {number: (path, sha256, Seen())
                     for number, path, sha256 in database.execute('SELECT id, path, sha256 FROM file ORDER BY path')}
            for file, line in database.execute(
                    'SELECT DISTINCT file, line FROM line JOIN temp.wanted USING (context)'):
                files[file][2].lines.add(line)
            for file, *arc in database.execute(
                    'SELECT DISTINCT file, origin, target FROM arc JOIN temp.wanted USING (context)'):
                files[file][2].arcs.add((arc[0], arc[1]))
            counted = database.execute("SELECT value FROM meta WHERE key = 'counts'").fetchone() == (1,)
            for file, path, count, *key in database.execute(
                    'SELECT file, path, sum(count), line, column, end_line, end_column, kind FROM path '
                    'JOIN decision ON decision.id = path.decision '
                    'WHERE context IN (SELECT context FROM temp.wanted) OR line = ? GROUP BY decision.id, path',
                    ASSERTS[:1]):
                files[file][2].paths.setdefault(tuple(key), {})[path] = count if counted else 1
            return {path: (sha256, seen) for path, sha256, seen in files.values()}

    def by_context(self, contexts: str | None = None) -> dict[str, dict[str, Seen]]:
        """Return {path: {name of a context: Seen}}, without arcs; `contexts` is as in read()."""
        import re
        with self._open() as database:
            names = {number: name for number, name in database.execute('SELECT id, name FROM context')
                     if contexts is None or re.search(contexts, name)}
            paths = dict(database.execute('SELECT id, path FROM file'))
            found: dict[str, dict[str, Seen]] = {}

            def seen(file: int, context: int) -> Seen:
                return found.setdefault(paths[file], {}).setdefault(names[context], Seen())

            for file, context, line in database.execute('SELECT file, context, line FROM line'):
                if context in names:
                    seen(file, context).lines.add(line)
            for file, context, path, count, *key in database.execute(
                    'SELECT file, context, path, count, line, column, end_line, end_column, kind FROM path '
                    'JOIN decision ON decision.id = path.decision'):
                if context in names:
                    seen(file, context).paths.setdefault(tuple(key), {})[path] = count
            return found

    def contexts(self) -> list[str]:
        """Return the names of the contexts, in order."""
        with self._open() as database:
            return [name for name, in database.execute('SELECT name FROM context ORDER BY name')]

    def problems(self) -> list[tuple[str, str]]:
        """Return (path, message) pairs of the files that could not be recorded."""
        with self._open() as database:
            return database.execute('SELECT path, message FROM problem ORDER BY path, message').fetchall()

    def combine(self, others: Iterable[str], paths: Mapping[str, Sequence[str]] | None = None, *,
                append: bool = True, keep: bool = False) -> None:
        """Add the content of other data files, and remove them unless `keep` is true.

        paths   lists of folders that hold the same source, as in Config: files get the path in the first folder
        append  whether to keep the data that is here already

        Raises CondcovError, and changes nothing, if one of them is not a data file, or if two have different source
        for one path.
        """
        rename: Callable[[str], str] = str
        if paths:
            aliases = late.module('coverage.files').PathAliases()
            for folders in paths.values():
                for folder in folders[1:]:
                    aliases.add(folder, folders[0])
            rename = aliases.map
        found = [data for data in map(Data, others) if not data._is_empty()]
        known: dict[str, tuple[str, str]] = {}
        if append and os.path.exists(self.path):
            known = {path: (sha256, self.path) for path, (sha256, _) in self._files().items()}
        for other in found:
            for path, (sha256, _) in other._files().items():
                path = rename(path)
                before, where = known.setdefault(path, (sha256, other.path))
                if before != sha256:
                    raise CondcovError(f'{path} differs between {where} and {other.path}: '
                                       'run again, or combine without one of them')
        if not append:
            self.remove()
        if found and not (keep or paths or os.path.exists(self.path)) and found[0]._move(self.path):
            del found[0]
        for other in found:
            self._merge(other, rename)
            if not keep:
                other.remove()

    def check(self) -> None:
        """Raise CondcovError if the file exists and is not a data file of any version."""
        try:
            if os.path.isdir(self.path):
                raise CondcovError(f'{self.path} is a folder, not a condcov data file')
            with contextlib.suppress(FileNotFoundError):
                descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    header = os.read(descriptor, HEADER)
                finally:
                    os.close(descriptor)
                if header and header[-4:] != APPLICATION.to_bytes(4, 'big'):
                    raise CondcovError(f'{self.path} is not a condcov data file')
        except OSError as error:
            raise CondcovError(f'cannot read {self.path}: {error.strerror}') from error

    def remove(self) -> None:
        """Remove the file, if it exists, and SQLite's files next to it.  Raises CondcovError if it is not ours."""
        self.check()
        try:
            for suffix in '-journal', '-wal', '-shm', '':
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self.path + suffix)
        except OSError as error:
            raise CondcovError(f'cannot remove {self.path}: {error.strerror}') from error

    def _is_empty(self) -> bool:
        """Whether a process was killed before it wrote anything to this file; if so, remove it."""
        try:
            self.contexts()
        except EmptyData:
            self.remove()
            return True
        return False

    def _files(self) -> dict[str, tuple[str, int]]:
        with self._open() as database:
            return {path: (sha256, number)
                    for number, path, sha256 in database.execute('SELECT id, path, sha256 FROM file')}

    def _move(self, path: str) -> bool:
        """Rename the file, which takes less time than to copy its content; return False if it is on another disk."""
        with self._open(write=True):        # while no other process writes it
            try:
                os.rename(self.path, path)
            except OSError:
                return False
        return True

    def _merge(self, other: Data, rename: Callable[[str], str]) -> None:
        files = other._files()
        with other._open():
            pass                # roll back an interrupted transaction before attaching the file
        with self._open(write=True, attach=other.path) as database:
            for table in 'file', 'context':
                database.execute(f'CREATE TEMP TABLE {table} (old INTEGER PRIMARY KEY, new INTEGER NOT NULL)')
            database.executemany('INSERT INTO temp.file VALUES (?, ?)', [
                (number, self._file(database, rename(path), sha256)) for path, (sha256, number) in files.items()])
            database.execute('INSERT OR IGNORE INTO main.context (name) SELECT name FROM other.context')
            database.execute('INSERT INTO temp.context SELECT theirs.id, ours.id FROM other.context theirs '
                             'JOIN main.context ours USING (name)')
            for statement in MERGE.split(';\n'):
                database.execute(statement)

    @staticmethod
    def _file(database: sqlite3.Connection, path: str, sha256: str) -> int:
        """The number of a source file; data that belongs to another checksum is removed."""
        row = database.execute('SELECT id, sha256 FROM main.file WHERE path = ?', (path,)).fetchone()
        if row is None:
            database.execute('INSERT INTO main.file (path, sha256) VALUES (?, ?)', (path, sha256))
            return database.execute('SELECT last_insert_rowid()').fetchone()[0]
        number, before = row
        if before != sha256:
            database.execute('DELETE FROM main.path WHERE decision IN (SELECT id FROM main.decision WHERE file = ?)',
                             (number,))
            for table in 'line', 'arc', 'decision':
                database.execute(f'DELETE FROM main.{table} WHERE file = ?', (number,))
            database.execute('UPDATE main.file SET sha256 = ? WHERE id = ?', (sha256, number))
        return number

    @contextlib.contextmanager
    def _open(self, write: bool = False, attach: str | None = None) -> Iterator[sqlite3.Connection]:
        """A connection in a transaction, which is committed at the end of the block unless there was an error."""
        mode = _mode(self.path)
        if mode is None and not write:
            raise CondcovError(f'no data at {self.path}: run a program with "condcov run" first')
        if mode is not None and stat.S_ISDIR(mode):
            raise CondcovError(f'{self.path} is a folder, not a condcov data file')
        database = None
        try:
            database = _connect(self.path, timeout=WAIT, isolation_level=None)
            database.execute('PRAGMA synchronous = OFF')        # enough for a killed process
            if attach is not None:
                database.execute('ATTACH ? AS other', (attach,))
            database.execute('BEGIN IMMEDIATE' if write else 'BEGIN')
            self._check(database, write)
            yield database
            database.execute('COMMIT')
        except sqlite3.DatabaseError as error:
            raise CondcovError(self._reason(error, write)) from error
        finally:
            if database is not None:
                database.close()

    def _check(self, database: sqlite3.Connection, write: bool) -> None:
        (application,), = database.execute('PRAGMA main.application_id')
        (version,), = database.execute('PRAGMA main.user_version')
        (empty,), = database.execute('SELECT count(*) = 0 FROM main.sqlite_master')
        if empty and not application:
            if not write:
                raise EmptyData(f'{self.path} is empty: its run recorded nothing')
            for statement in SCHEMA.split(';\n'):
                database.execute(statement)
            database.execute(f'PRAGMA main.application_id = {APPLICATION}')
            database.execute(f'PRAGMA main.user_version = {VERSION}')
        elif application != APPLICATION:
            raise CondcovError(f'{self.path} is not a condcov data file')
        elif version != VERSION:
            raise CondcovError(f'{self.path} has data format {version}, but this condcov reads format {VERSION}: '
                               'run again')

    def _reason(self, error: sqlite3.DatabaseError, write: bool) -> str:
        """What is wrong with the file, on one line."""
        if str(error) == 'file is not a database':
            return f'{self.path} is not a condcov data file'
        if str(error) == 'unable to open database file' or 'readonly' in str(error):
            folder = os.path.dirname(self.path)
            if not os.path.isdir(folder):
                return f'cannot {"write" if write else "read"} {self.path}: No such file or directory'
            return f'cannot {"write" if write else "read"} {self.path}: Permission denied'
        return f'cannot {"write" if write else "read"} {self.path}: {error}'


def _mode(path: str) -> int | None:
    """The mode of a file, or None if it does not exist; os.path would call functions that a program has replaced."""
    try:
        return os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def _storable(text: str) -> str:
    """The text without surrogates, which names may have and UTF-8 cannot encode."""
    return text.encode('utf-8', 'backslashreplace').decode()


def parts(path: str, run: str = '') -> list[str]:
    """Return the data files that single processes wrote next to a data file, all or those of one run, in order."""
    folder, name = os.path.split(os.path.abspath(path))
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise CondcovError(f'cannot read {folder}: {error.strerror}') from error
    return sorted(os.path.join(folder, part) for part in names if part.startswith(f'{name}.')
                  and _is_part(part.removeprefix(f'{name}.'), run))


def _is_part(suffix: str, run: str) -> bool:
    """Whether this is HOST.PID.RANDOM, and RANDOM begins with the number of a run."""
    try:
        host, process, number = suffix.rsplit('.', 2)
    except ValueError:
        return False
    rest = number.removeprefix(run)
    return bool(host and process.isdecimal() and number.startswith(run) and rest) and not rest.strip('0123456789abcdef')
