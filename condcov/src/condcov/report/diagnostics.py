"""What "condcov debug" prints: facts for reports of errors."""

import importlib.metadata
import os
import platform
import sqlite3
import sys
from collections.abc import Iterator
from typing import Any, TextIO

import condcov
from condcov.config import Config, Reporting
from condcov.data import Data, parts
from condcov.errors import CondcovError
from condcov.seen import ASSERTS


def write(topic: str, config: Config, reporting: Reporting, stream: TextIO) -> None:
    """Write about a topic: 'sys', 'data' or 'config'.  Raises CondcovError if the data cannot be read."""
    facts = {'sys': lambda: _system(config), 'data': lambda: _data(config),
             'config': lambda: _configuration(config, reporting)}[topic]()
    stream.write(f'-- {topic} {"-" * (57 - len(topic))}\n')
    for name, value in facts:
        values = [str(item) for item in value] if isinstance(value, (list, tuple)) else [str(value)]
        for number, text in enumerate(values or ['-none-']):
            stream.write(f'{name if not number else "":>24}{":" if not number else " "} {text}\n')


def _system(config: Config) -> Iterator[tuple[str, Any]]:
    yield 'condcov_version', condcov.__version__
    yield 'condcov_module', condcov.__file__
    yield 'coverage_version', importlib.metadata.version('coverage')
    yield 'records', _records()
    yield 'data_file', config.data_file
    yield 'python', sys.version.replace('\n', '')
    yield 'executable', sys.executable
    yield 'platform', platform.platform()
    yield 'sqlite', sqlite3.sqlite_version
    yield 'optimize', sys.flags.optimize
    yield 'cwd', os.getcwd()
    yield 'path', sys.path
    yield 'environment', [f'{name}={value}' for name, value in sorted(os.environ.items())
                          if name.startswith(('CONDCOV', 'COVERAGE', 'PYTHON', 'VIRTUAL_ENV'))]


def _records() -> str:
    """The source of the facts, or why there is none."""
    try:
        from condcov.record import interpreter
    except CondcovError as error:
        return f'no: {error}'
    return f'with {interpreter.FACTS}'


def _data(config: Config) -> Iterator[tuple[str, Any]]:
    data = Data(config.data_file)
    yield 'path', data.path
    if not os.path.exists(data.path):
        yield 'exists', 'no'
    else:
        yield 'size', f'{os.path.getsize(data.path)} bytes'
        yield 'contexts', [name or '(without a name)' for name in data.contexts()]
        yield 'files', [f'{path}: {len(seen.lines)} lines, {len(seen.paths.keys() - {ASSERTS})} decisions'
                        for path, (_, seen) in data.read().items()]
        yield 'not recorded', [f'{path}: {message}' for path, message in data.problems()]
    if os.path.isdir(os.path.dirname(data.path)):
        yield 'of single processes', parts(data.path)


def _configuration(config: Config, reporting: Reporting) -> Iterator[tuple[str, Any]]:
    yield from vars(config).items()
    for name, value in vars(reporting).items():
        yield f'report: {name}', value
