"""The configuration: [tool.condcov] of pyproject.toml, and what a configuration of coverage.py says beside it."""

import dataclasses
import json
import os
import re
import tomllib

from condcov.errors import CondcovError

LEVELS = 'line', 'branch', 'condition', 'mcdc'
DATA_FILE = '.condcov'


@dataclasses.dataclass(frozen=True)
class Config:
    """What is recorded and how it is judged. All paths are absolute; lists are those of coverage.py of the same name.

    source              folders, and names of packages and modules; None: all but the library and installed packages
    exclude, partial    regular expressions of lines that are left out, and of lines whose branches are
    report_include, report_omit     glob patterns of files that reports have, and have not
    paths               lists of folders that hold the same source; the first is where it is here
    fail_under          for some levels the percentage that is enough
    counts              whether it is counted how often each path of a decision is taken
    context             the name of the context that is recorded
    """

    data_file: str
    source: tuple[str, ...] | None = None
    source_pkgs: tuple[str, ...] = ()
    source_dirs: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    omit: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    partial: tuple[str, ...] = ()
    report_include: tuple[str, ...] = ()
    report_omit: tuple[str, ...] = ()
    paths: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    fail_under: dict[str, float] = dataclasses.field(default_factory=dict)
    counts: bool = False
    context: str = ''
    cover_pylib: bool = False

    def dumps(self):
        """The configuration as text, for the processes that the program starts."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def loads(cls, text):
        """The configuration of dumps()."""
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(text).items()}
        return cls(**values)


def _texts(value):
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise ValueError('must be a list of strings')


def _text(value):
    if isinstance(value, str) and value:
        return value
    raise ValueError('must be a string')


def _regexes(value):
    for text in _texts(value):
        try:
            re.compile(text)
        except re.error as error:
            raise ValueError(f'has {text!r}, which is no regular expression: {error}') from None
    return _texts(value)


def _flag(value):
    if isinstance(value, bool):
        return value
    raise ValueError('must be true or false')


def _folders(value):
    if isinstance(value, dict):
        return {name: list(_texts(folders)) for name, folders in value.items()}
    raise ValueError('must be a table of lists of folders')


def percentages(value):
    """{level: percent} of a number, which is for lines, or of a table.  Raises ValueError."""
    if not isinstance(value, dict):
        value = {'line': value}
    for level, percent in value.items():
        if level not in LEVELS:
            raise ValueError(f'has the level {level!r}; the levels are {", ".join(LEVELS)}')
        if isinstance(percent, bool) or not isinstance(percent, (int, float)) or not 0 <= percent <= 100:
            raise ValueError(f'must be a percentage from 0 to 100, not {percent!r}')
    return {level: float(percent) for level, percent in value.items()}


# The keys of [tool.condcov], and what checks and converts their value.
KEYS = {
    'counts': _flag,
    'cover_pylib': _flag,
    'data_file': _text,
    'exclude_also': _regexes,
    'exclude_lines': _regexes,
    'fail_under': percentages,
    'include': _texts,
    'omit': _texts,
    'partial_also': _regexes,
    'partial_branches': _regexes,
    'paths': _folders,
    'report_include': _texts,
    'report_omit': _texts,
    'source': _texts,
    'source_dirs': _texts,
    'source_pkgs': _texts,
}


def read(rcfile=None, **options):
    """The configuration of this folder, or of the file of that name, with options of the command line in their place.

    rcfile may be a TOML file with [tool.condcov], or any configuration file of coverage.py. options are fields of
    Config, of which None means that it was not given. Raises CondcovError for what is wrong in a file.
    """
    try:
        os.getcwd()
    except OSError:
        raise CondcovError('the current folder does not exist any more: change to another one') from None
    own = _own(rcfile)
    theirs = _coverage(rcfile)

    def chosen(name):
        return own[name] if name in own else tuple(getattr(theirs, name, None) or ())

    exclude = own.get('exclude_lines', theirs.exclude_list)
    partial = own.get('partial_branches', theirs.partial_list)
    values = {
        'data_file': os.environ.get('CONDCOV_FILE') or own.get('data_file', DATA_FILE),
        'source': own['source'] if 'source' in own else None if theirs.source is None else tuple(theirs.source),
        'source_pkgs': chosen('source_pkgs'),
        'source_dirs': chosen('source_dirs'),
        'include': own.get('include', tuple(theirs.run_include or ())),
        'omit': own.get('omit', tuple(theirs.run_omit or ())),
        'exclude': (*exclude, *own.get('exclude_also', ())),
        'partial': (*partial, *own.get('partial_also', ()), *theirs.partial_always_list),
        'report_include': chosen('report_include'),
        'report_omit': chosen('report_omit'),
        'paths': own.get('paths', theirs.paths),
        'fail_under': own.get('fail_under', {}),
        'counts': own.get('counts', False),
        'cover_pylib': own.get('cover_pylib', theirs.cover_pylib),
    }
    values.update((name, value) for name, value in options.items() if value is not None)
    return _absolute(Config(**values))


def _own(rcfile):
    """The checked content of [tool.condcov]."""
    filename = rcfile if rcfile is not None and rcfile.endswith('.toml') else 'pyproject.toml'
    if rcfile is not None and filename != rcfile:
        return {}
    try:
        with open(filename, 'rb') as file:
            table = tomllib.load(file).get('tool', {}).get('condcov', {})
    except FileNotFoundError:
        if rcfile is None:
            return {}
        raise CondcovError(f'cannot read {filename}: No such file or directory') from None
    except OSError as error:
        raise CondcovError(f'cannot read {filename}: {error.strerror}') from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CondcovError(f'{filename} is no TOML: {error}') from error
    except AttributeError:
        raise CondcovError(f'{filename}: [tool] must be a table') from None
    if not isinstance(table, dict):
        raise CondcovError(f'{filename}: [tool.condcov] must be a table')
    found = {}
    for key, value in table.items():
        if key not in KEYS:
            raise CondcovError(f'{filename}: [tool.condcov] has an unknown key {key!r}; '
                               f'the keys are {", ".join(KEYS)}')
        try:
            found[key] = KEYS[key](value)
        except ValueError as error:
            raise CondcovError(f'{filename}: {key} of [tool.condcov] {error}') from None
    return found


def _coverage(rcfile):
    """The configuration of coverage.py."""
    from coverage.config import read_coverage_config
    from coverage.exceptions import ConfigError
    try:
        # An unknown option there is for coverage.py to complain about.
        return read_coverage_config(True if rcfile is None else rcfile, warn=lambda message: None)
    except ConfigError as error:
        raise CondcovError(' '.join(str(error).split())) from error
    except (OSError, UnicodeDecodeError) as error:
        raise CondcovError(f'cannot read the configuration of coverage.py: {error}') from error


def _absolute(config):
    """The configuration with every path absolute, since the program and its children may run elsewhere."""
    from coverage.files import prep_patterns
    return dataclasses.replace(
        config, data_file=os.path.abspath(os.path.expanduser(config.data_file)),
        source=None if config.source is None else tuple(
            os.path.abspath(item) if os.path.isdir(item) else item for item in config.source),
        source_dirs=tuple(map(os.path.abspath, config.source_dirs)),
        **{name: tuple(pattern for pattern in prep_patterns(getattr(config, name))
                       if '/' not in pattern or pattern.startswith(('/', '*', '?')))
           for name in ('include', 'omit', 'report_include', 'report_omit')})
