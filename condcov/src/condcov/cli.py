"""The command: condcov run, report, html, lcov, xml, json, combine and erase."""

import argparse
import os
import re
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import condcov
from condcov import config as configuration
from condcov.errors import CondcovError
from condcov.model import LEVELS

if TYPE_CHECKING:
    from condcov.analysis.results import Result
    from condcov.config import Config

USAGE = 2       # the exit status for errors in the command or the data, and for too little coverage

# Reports that are written to a file or folder: the module, the default destination and the help text.
WRITERS = {
    'html': ('html', 'condcov-html', 'write an HTML report'),
    'lcov': ('lcov', 'condcov.lcov', 'write an LCOV tracefile'),
    'xml': ('cobertura', 'condcov.xml', 'write a Cobertura XML report'),
    'json': ('json', 'condcov.json', 'write a JSON report'),
}


class Parser(argparse.ArgumentParser):
    """A parser that reports an error on one line."""

    def __init__(self, prog: str, **keywords: Any) -> None:
        super().__init__(prog, allow_abbrev=False, **keywords)

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f'{self.prog}: {" ".join(message.split())}; see "{self.prog} --help"\n')


def level(text: str) -> tuple[str, float]:
    """Return the (level, percent) of --fail-under."""
    name, equals, percent = text.rpartition('=')
    try:
        (item,) = configuration.percentages({name if equals else 'line': float(percent)}).items()
    except ValueError as error:
        reason = str(error) if str(error).startswith(('has', 'must')) else 'must be a number or LEVEL=NUMBER'
        raise argparse.ArgumentTypeError(f'{text!r} {reason}') from None
    return item


def regex(text: str) -> str:
    """Return the text if it is a regular expression."""
    try:
        re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f'{text!r} is not a regular expression: {error}') from None
    return text


def names(text: str) -> list[str]:
    """Return the names or patterns in a list separated by commas."""
    return [name.strip() for name in text.split(',') if name.strip()]


def parser() -> Parser:
    """Return the parser of the command line."""
    top = Parser('condcov', description=condcov.__doc__.splitlines()[0])
    top.add_argument('--version', action='version', version=f'condcov {condcov.__version__}')
    commands = top.add_subparsers(dest='command', metavar='COMMAND', required=True)

    def command(name: str, help: str, usage: str | None = None) -> argparse.ArgumentParser:
        found = commands.add_parser(name, help=help, description=f'{help[0].upper()}{help[1:]}.', usage=usage)
        found.add_argument('--data-file', metavar='FILE', help=f'the data file (default: {configuration.DATA_FILE})')
        found.add_argument('--config', metavar='FILE',
                           help='a TOML file with [tool.condcov], or a configuration file of coverage.py '
                           '(default: those in the current folder)')
        return found

    def selecting(found: argparse.ArgumentParser, what: str) -> None:
        found.add_argument('--include', type=names, action='extend', metavar='PATTERNS',
                           help=f'{what} only files that match one of these comma-separated patterns')
        found.add_argument('--omit', type=names, action='extend', metavar='PATTERNS',
                           help=f'do not {what} files that match one of these patterns')

    run = command('run', 'run a program and record its coverage',
                  usage='condcov run [option]... (PROGRAM | -m MODULE) [argument]...')
    run.add_argument('--source', type=names, action='extend', metavar='NAMES',
                     help='record only these packages, modules and folders (comma-separated)')
    selecting(run, 'record')
    run.add_argument('--context', metavar='NAME', help='the name of the context to record in')
    run.add_argument('--append', action='store_true', help='add to the data of earlier runs')
    run.add_argument('--counts', action='store_true', default=None,
                     help='count how often each path through a decision is taken')
    run.add_argument('--parallel', action='store_true',
                     help='write a separate data file for each process, for "condcov combine"')
    run.add_argument('-m', dest='module', nargs=argparse.REMAINDER, metavar='MODULE',
                     help='run this module; the arguments after it are passed to it')
    run.add_argument('program', nargs=argparse.REMAINDER, help=argparse.SUPPRESS)

    def reporting(found: argparse.ArgumentParser) -> None:
        selecting(found, 'report')
        found.add_argument('--contexts', type=regex, metavar='REGEX',
                           help='report only what was recorded in contexts whose names match')
        found.add_argument('--fail-under', type=level, action='append', metavar='[LEVEL=]PERCENT',
                           help='exit with status 2 if the coverage is lower; LEVEL is line (the default), branch, '
                                'condition or mcdc')

    report = command('report', 'print the coverage and the gaps')
    reporting(report)
    report.add_argument('--sort', choices=('name', *LEVELS), default='name',
                        help='sort the files by name, or by a level with the lowest first (default: name)')
    report.add_argument('--skip-covered', action='store_true', help='skip files with complete coverage')
    report.add_argument('--no-gaps', dest='show_gaps', action='store_false', help='print only the percentages')
    for name, (_, destination, help) in WRITERS.items():
        found = command(name, help)
        reporting(found)
        found.add_argument('-o', '--output', default=destination, metavar='FOLDER' if name == 'html' else 'FILE',
                           help=f'where to write the report (default: {destination})')
        if name == 'lcov':
            found.add_argument('--numbers', dest='names', action='store_false',
                               help='number the branches instead of naming them, for lcov 1.x')

    combine = command('combine', 'combine the data files of several processes or runs')
    combine.add_argument('--append', action='store_true', help='keep the existing data and add to it')
    combine.add_argument('--keep', action='store_true', help='keep the original data files')
    combine.add_argument('files', nargs='*', metavar='FILE',
                         help='a data file, or a folder with data files (default: the folder of the data file)')
    command('erase', 'delete the data files')
    return top


def main(arguments: list[str] | None = None) -> int:
    """Execute the command line, and return the exit status.  "run" does not return if the program exits."""
    options = parser().parse_args(arguments)
    try:
        return COMMANDS[options.command](options)
    except CondcovError as error:
        print(f'condcov: {" ".join(str(error).split())}', file=sys.stderr)
        return USAGE
    except BrokenPipeError:
        # The reader of the report has closed the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def script() -> int:
    """The installed command "condcov"."""
    if not sys.flags.safe_path:
        del sys.path[0]         # the folder of the command, not of the program
    return main()


def _run(options: argparse.Namespace) -> int:
    argv = options.module if options.module is not None else \
        options.program[1:] if options.program[:1] == ['--'] else options.program
    if not argv:
        raise CondcovError('-m needs the name of a module' if options.module is not None else
                           'nothing to run: give a program, or -m MODULE')
    config = configuration.read(options.config, data_file=options.data_file, source=_tuple(options.source),
                                include=_tuple(options.include), omit=_tuple(options.omit), context=options.context,
                                counts=options.counts)
    from condcov.record import run
    run.run(config, argv, is_module=options.module is not None, append=options.append, parallel=options.parallel)
    return 0


def _load(options: argparse.Namespace) -> tuple['Config', 'Result']:
    config = configuration.read(options.config, data_file=options.data_file, report_include=_tuple(options.include),
                                report_omit=_tuple(options.omit),
                                fail_under=dict(options.fail_under) if options.fail_under else None)
    from condcov.analysis import loading
    return config, loading.load(config, options.contexts)


def _exit_status(config: 'Config', result: 'Result') -> int:
    """Print the levels that are below their minimum, and return the exit status."""
    from condcov.analysis import results
    from condcov.report import messages
    shortfalls = results.fail_under(result, config.fail_under)
    for shortfall in shortfalls:
        print(f'condcov: {messages.below_minimum(shortfall)}', file=sys.stderr)
    return USAGE if shortfalls else 0


def _report(options: argparse.Namespace) -> int:
    from condcov.report import text
    config, result = _load(options)
    text.write(result, sys.stdout, sort=options.sort, skip_covered=options.skip_covered, show_gaps=options.show_gaps)
    sys.stdout.flush()
    return _exit_status(config, result)


def _write(options: argparse.Namespace) -> int:
    import importlib
    config, result = _load(options)
    keywords = {'names': options.names} if options.command == 'lcov' else {}
    importlib.import_module(f'condcov.report.{WRITERS[options.command][0]}').write(result, options.output, **keywords)
    return _exit_status(config, result)


def _combine(options: argparse.Namespace) -> int:
    config = configuration.read(options.config, data_file=options.data_file)
    from condcov.data import Data, parts
    data = Data(config.data_file)
    files: list[str] = []
    for name in options.files or [os.path.dirname(config.data_file)]:
        if os.path.isdir(name):
            files += parts(os.path.join(name, os.path.basename(config.data_file)))
        else:
            files.append(os.path.abspath(name))
    files = [name for name in dict.fromkeys(files) if name != config.data_file]
    if not files:
        raise CondcovError(f'no per-process data files to combine next to {config.data_file}')
    data.combine(files, config.paths, append=options.append, keep=options.keep)
    for path, message in data.problems():
        print(f'condcov: {path} was not recorded: {message}', file=sys.stderr)
    return 0


def _erase(options: argparse.Namespace) -> int:
    config = configuration.read(options.config, data_file=options.data_file)
    from condcov.data import Data, parts
    for path in [config.data_file, *parts(config.data_file)]:
        Data(path).remove()
    return 0


def _tuple(items: list[str] | None) -> tuple[str, ...] | None:
    return None if items is None else tuple(items)


COMMANDS = {'run': _run, 'report': _report, 'combine': _combine, 'erase': _erase, **dict.fromkeys(WRITERS, _write)}
