"""The configuration: [tool.condcov] in pyproject.toml, and the configuration of coverage.py."""

from __future__ import annotations

import os
from marshal import dumps as _dumps
from marshal import loads as _loads

from condcov.errors import CondcovError

TYPE_CHECKING = False       # typing.TYPE_CHECKING; each run imports this module, and typing takes time
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Self

    from coverage.config import CoverageConfig

DATA_FILE = '.condcov'


class _Values:
    """Named values that do not change, with defaults; a dataclass would import inspect in each run."""

    def __init__(self, **values: Any) -> None:
        for name in values:
            if not hasattr(type(self), name):
                raise TypeError(f'{type(self).__name__} has no {name!r}')
        vars(self).update({name: getattr(self, name) for name in self.names()} | values)

    @classmethod
    def names(cls) -> list[str]:
        """Return the names, in order."""
        return [name for name, value in vars(cls).items() if name[0] != '_' and not hasattr(value, '__get__')]

    def replace(self, **values: Any) -> Self:
        """Return a copy with other values."""
        return type(self)(**vars(self) | values)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f'{name!r} cannot be changed')

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __repr__(self) -> str:
        return f'{type(self).__name__}({", ".join(f"{name}={value!r}" for name, value in vars(self).items())})'


class Config(_Values):
    """What to record and how to judge it. All paths are absolute; lists are as in coverage.py under the same name.

    source              folders, and names of packages and modules; None for all but the library and installed packages
    exclude, partial    regular expressions of lines to exclude, and of lines whose branches are excluded
    report_include, report_omit     glob patterns of files to report, and not to report
    paths               lists of folders that hold the same source; the first is the local one
    fail_under          the required percentage for some of the levels, or for 'total', lines and branches together
    counts              whether to count how often each path through a decision is taken
    context             the name of the context to record
    accept              conditions that cannot be tested: dictionaries with the keys condition, level and reason, and
                        file, a glob pattern
    parallel            whether to leave the data files of single processes for "condcov combine"
    namespaces          whether folders without __init__.py are searched for files that nothing executed
    command_line        what to run if the command line does not say so
    """

    data_file: str = DATA_FILE
    source: tuple[str, ...] | None = None
    source_pkgs: tuple[str, ...] = ()
    source_dirs: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    omit: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    partial: tuple[str, ...] = ()
    report_include: tuple[str, ...] = ()
    report_omit: tuple[str, ...] = ()
    paths: dict[str, list[str]] = {}
    fail_under: dict[str, float] = {}
    counts: bool = False
    context: str = ''
    cover_pylib: bool = False
    accept: tuple[dict[str, str], ...] = ()
    parallel: bool = False
    namespaces: bool = False
    command_line: tuple[str, ...] = ()

    def dumps(self) -> str:
        """Return the configuration as text, for the processes that the program starts."""
        return as_text(vars(self))

    @classmethod
    def loads(cls, text: str) -> Config:
        """Return the configuration from the text of dumps()."""
        return cls(**from_text(text))


def as_text(values: dict[str, Any]) -> str:
    """Return values as text that any version of Python can read; json would import re in each run."""
    return _dumps(values, 2).hex()


def from_text(text: str) -> dict[str, Any]:
    """Return the values from the text of as_text()."""
    return _loads(bytes.fromhex(text))


class Reporting(_Values):
    """How to report, by the configuration of coverage.py.

    outputs         the file or folder of a kind of report: {'html': 'htmlcov'}, of those that are configured
    format          'text', 'markdown' or 'total', of the report in the terminal
    precision       digits after the decimal point of a percentage; None for as many as the report has by default
    fail_digits     to how many digits percentages are rounded before they are compared with fail_under; None for all
    sort            what to sort the files by; with a minus sign before it, in the other order
    contexts        regular expressions: report only what was recorded in contexts whose names match one
    pretty_print    whether the JSON report has line breaks and indentation
    ignored         the settings that have no effect, as '[run] plugins'
    """

    outputs: dict[str, str] = {}
    format: str = 'text'
    precision: int | None = None
    fail_digits: int | None = None
    sort: str = 'name'
    contexts: tuple[str, ...] = ()
    ignore_errors: bool = False
    skip_covered: bool = False
    skip_empty: bool = False
    html_skip_covered: bool | None = None
    html_skip_empty: bool | None = None
    title: str | None = None
    show_contexts: bool = False
    json_show_contexts: bool = False
    pretty_print: bool = False
    package_depth: int = 99
    show_missing: bool = False
    test_contexts: bool = False
    ignored: tuple[str, ...] = ()


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise ValueError('must be a list of strings')


def _text(value: object) -> str:
    if isinstance(value, str) and value:
        return value
    raise ValueError('must be a string')


def _regexes(value: object) -> tuple[str, ...]:
    import re
    for text in _texts(value):
        try:
            re.compile(text)
        except re.error as error:
            raise ValueError(f'has {text!r}, which is not a regular expression: {error}') from None
    return _texts(value)


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError('must be true or false')


def _folders(value: object) -> dict[str, list[str]]:
    if isinstance(value, dict):
        return {name: list(_texts(folders)) for name, folders in value.items()}
    raise ValueError('must be a table of lists of folders')


def percentages(value: object) -> dict[str, float]:
    """Return {level: percent} from a number, which is for lines, or from a table.  Raises ValueError."""
    from condcov.model import LEVELS
    found = {}
    for level, percent in value.items() if isinstance(value, dict) else [('line', value)]:
        if level not in (*LEVELS, 'total'):
            raise ValueError(f'has the unknown level {level!r}; the levels are {", ".join(LEVELS)} and total')
        if isinstance(percent, bool) or not isinstance(percent, (int, float)) or not 0 <= percent <= 100:
            raise ValueError(f'must be a percentage from 0 to 100, not {percent!r}')
        found[level] = float(percent)
    return found


def _accepted(value: object) -> tuple[dict[str, str], ...]:
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise ValueError('must be a list of tables')
    found = []
    for entry in value:
        entry = {'file': '*', 'level': 'condition', **entry}
        for key in 'condition', 'reason':
            if key not in entry:
                raise ValueError(f'needs {key!r} in each entry')
        for key, text in entry.items():
            if key not in ('condition', 'reason', 'file', 'level'):
                raise ValueError(f'has the unknown key {key!r}; the keys are condition, reason, file and level')
            if not isinstance(text, str) or not text.strip():
                raise ValueError(f'has a {key} that is not a string with text')
        if entry['level'] not in ('condition', 'mcdc'):
            raise ValueError(f'has the unknown level {entry["level"]!r}; the levels are condition and mcdc')
        found.append(entry)
    return tuple(found)


# The keys of [tool.condcov], and the functions that check and convert their values.
KEYS: dict[str, Callable[[object], Any]] = {
    'accept': _accepted,
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


def read(rcfile: str | None = None, **options: Any) -> Config:
    """Return the configuration in this folder, or in the named file, overridden by options of the command line.

    rcfile may be a TOML file with [tool.condcov], or any configuration file of coverage.py. options are fields of
    Config, or None for an option that was not given. Raises CondcovError for an error in a file.
    """
    _check_folder()
    own = _own_table(rcfile)
    theirs = _coverage_config(rcfile)

    def chosen(name: str) -> tuple[str, ...]:
        return own[name] if name in own else tuple(getattr(theirs, name, None) or ())

    exclude = own.get('exclude_lines', theirs.exclude_list)
    partial = own.get('partial_branches', theirs.partial_list)
    values: dict[str, Any] = {
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
        'fail_under': own.get('fail_under', _their_minimum(theirs)),
        'context': theirs.context or '',
        'parallel': theirs.parallel,
        'namespaces': theirs.include_namespace_packages,
        'command_line': _words(theirs.command_line),
        'counts': own.get('counts', False),
        'cover_pylib': own.get('cover_pylib', theirs.cover_pylib),
        'accept': own.get('accept', ()),
    }
    return _configured(values, options)


def _configured(values: dict[str, Any], options: dict[str, Any]) -> Config:
    values.update((name, value) for name, value in options.items() if value is not None)
    return _absolute(Config(**values))


def _check_folder() -> None:
    try:
        os.getcwd()
    except OSError:
        raise CondcovError('the current folder does not exist: change to another one') from None


def read_for_run(rcfile: str | None = None, **options: Any) -> tuple[Config, tuple[str, ...]]:
    """Return the same for a run, and the settings of coverage.py that have no effect; see Reporting.ignored.

    If nothing is configured, this does not import coverage.py, and leaves out what only reports need.
    """
    _check_folder()
    if _is_configured(rcfile):
        return read(rcfile, **options), reporting(rcfile).ignored
    return _configured({'data_file': os.environ.get('CONDCOV_FILE') or DATA_FILE}, options), ()


def _is_configured(rcfile: str | None) -> bool:
    """Whether a file or an environment variable may configure something; true if only reading it will tell."""
    if any(name.startswith('COVERAGE_') and name != 'COVERAGE_CORE' for name in os.environ):
        return True
    try:
        if rcfile is not None:
            return bool(_content(rcfile).strip())
        for name in os.listdir():
            if name.startswith('.coveragerc') or name.endswith(_SHARED) and b'cov' in _content(name):
                return True
    except OSError:
        return True
    return False


_SHARED = '.cfg', '.ini', '.toml'       # the ends of the names of files with the configuration of several tools


def _content(filename: str) -> bytes:
    with open(filename, 'rb') as file:
        return file.read()




# Settings of coverage.py without effect here. Others are always true of condcov: it measures branches, threads and
# other processes, and writes its data when a process gets SIGTERM or is replaced.
_IGNORED = {
    'core': 'run', 'data_file': 'run', 'debug': 'run', 'debug_file': 'run', 'disable_warnings': 'run',
    'dynamic_context': 'run', 'plugins': 'run', 'relative_files': 'run', 'timid': 'run', 'extra_css': 'html',
    'lcov_line_checksums': 'lcov'}
# The variables that set some of them are for coverage.py, which may run at the same time.
_VARIABLES = {'core': 'COVERAGE_CORE', 'data_file': 'COVERAGE_FILE', 'debug': 'COVERAGE_DEBUG'}
_OUTPUTS = {'html': 'html_dir', 'xml': 'xml_output', 'json': 'json_output', 'lcov': 'lcov_output'}
_FORMATS = ('text', 'markdown', 'total')


def reporting(rcfile: str | None = None) -> Reporting:
    """Return how to report, by the same files as read().  Raises CondcovError for an error in a file."""
    from coverage.config import CoverageConfig
    theirs, default = _coverage_config(rcfile), CoverageConfig()
    changed = {name for name in vars(default) if getattr(theirs, name) != getattr(default, name)}
    precise = 'precision' in changed or _is_set(theirs, 'report:precision')
    if theirs.format not in (None, *_FORMATS):
        raise CondcovError(f'[report] format in the configuration must be {", ".join(_FORMATS)}, not {theirs.format}')
    return Reporting(
        outputs={kind: getattr(theirs, name) for kind, name in _OUTPUTS.items() if name in changed},
        format=theirs.format or 'text', precision=theirs.precision if precise else None,
        fail_digits=None if 'fail_under' in _own_table(rcfile) else theirs.precision,
        sort=(theirs.sort or 'name').lower(), contexts=tuple(theirs.report_contexts or ()),
        ignore_errors=theirs.ignore_errors, skip_covered=theirs.skip_covered, skip_empty=theirs.skip_empty,
        html_skip_covered=theirs.html_skip_covered, html_skip_empty=theirs.html_skip_empty,
        title=theirs.html_title if 'html_title' in changed else None, show_contexts=theirs.show_contexts,
        json_show_contexts=theirs.json_show_contexts, pretty_print=theirs.json_pretty_print,
        package_depth=theirs.xml_package_depth, show_missing=theirs.show_missing,
        test_contexts=theirs.dynamic_context == 'test_function',
        ignored=(*(f'[{section}] {name.removeprefix(f"{section}_")}' for name, section in _IGNORED.items()
                   if name in changed and _VARIABLES.get(name, '') not in os.environ),
                 *(f'[run] concurrency = {name}' for name in theirs.concurrency
                   if name not in ('thread', 'multiprocessing'))))


def _is_set(theirs: CoverageConfig, where: str) -> bool:
    """Whether an option, such as 'report:precision', is in the configuration file, even with its default value."""
    from coverage.config import HandyConfigParser, TomlConfigParser
    if theirs.config_file is None:
        return False
    shared = os.path.basename(theirs.config_file) in ('setup.cfg', 'tox.ini', 'pyproject.toml')
    parser = (TomlConfigParser if theirs.config_file.endswith('.toml') else HandyConfigParser)(not shared)
    parser.read(theirs.config_file)
    return parser.has_option(*where.split(':'))


def _their_minimum(theirs: CoverageConfig) -> dict[str, float]:
    """The fail_under of coverage.py, which is for lines, or for lines and branches together if it measures branches."""
    if not theirs.fail_under:
        return {}
    try:
        return percentages({'total' if theirs.branch else 'line': float(theirs.fail_under)})
    except ValueError as error:
        raise CondcovError(f'[report] fail_under in the configuration {error}') from None


def _own_table(rcfile: str | None) -> dict[str, Any]:
    """The checked content of [tool.condcov]."""
    filename = rcfile if rcfile is not None and rcfile.endswith('.toml') else 'pyproject.toml'
    if rcfile is not None and filename != rcfile:
        return {}
    import tomllib
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
        raise CondcovError(f'{filename} is not valid TOML: {error}') from error
    except AttributeError:
        raise CondcovError(f'{filename}: [tool] must be a table') from None
    if not isinstance(table, dict):
        raise CondcovError(f'{filename}: [tool.condcov] must be a table')
    found = {}
    for key, value in table.items():
        if key not in KEYS:
            raise CondcovError(f'{filename}: [tool.condcov] has the unknown key {key!r}; '
                               f'the keys are {", ".join(KEYS)}')
        try:
            found[key] = KEYS[key](value)
        except ValueError as error:
            raise CondcovError(f'{filename}: {key} of [tool.condcov] {error}') from None
    return found


def _coverage_config(rcfile: str | None) -> CoverageConfig:
    """The configuration of coverage.py."""
    from coverage.config import read_coverage_config
    from coverage.exceptions import ConfigError
    try:
        # coverage.py itself warns about unknown options.
        return read_coverage_config(True if rcfile is None else rcfile, warn=lambda message: None)
    except ConfigError as error:
        raise CondcovError(' '.join(str(error).split())) from error
    except (OSError, UnicodeDecodeError) as error:
        raise CondcovError(f'cannot read the configuration of coverage.py: {error}') from error


def _words(line: str | None) -> tuple[str, ...]:
    if not line:
        return ()
    import shlex
    return tuple(shlex.split(line))


def _absolute(config: Config) -> Config:
    """The configuration with absolute paths, because the program and its children may change the folder."""
    patterns = {name: _absolute_patterns(getattr(config, name))
                for name in ('include', 'omit', 'report_include', 'report_omit')}
    return config.replace(
        data_file=os.path.abspath(os.path.expanduser(config.data_file)),
        source=None if config.source is None else tuple(
            os.path.abspath(item) if os.path.isdir(item) else item for item in config.source),
        source_dirs=tuple(map(os.path.abspath, config.source_dirs)), **patterns)


def _absolute_patterns(patterns: Iterable[str]) -> tuple[str, ...]:
    if not patterns:
        return ()
    from coverage.files import prep_patterns
    return tuple(pattern for pattern in prep_patterns(patterns)
                 if '/' not in pattern or pattern.startswith(('/', '*', '?')))
