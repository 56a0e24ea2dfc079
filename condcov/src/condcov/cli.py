"""The command: condcov run, report, html, lcov, xml, json, annotate, combine, erase, debug and help."""

import argparse
import gc
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import condcov
from condcov import command
from condcov import config as configuration
from condcov.errors import CondcovError

if TYPE_CHECKING:
    from condcov.analysis.results import Result
    from condcov.config import Config

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
        self.exit(command.USAGE, f'{self.prog}: {" ".join(message.split())}; see "{self.prog} --help"\n')


def level(text: str) -> tuple[str, float]:
    """Return the (level, percent) of --fail-under."""
    name, equals, percent = text.rpartition('=')
    try:
        (item,) = configuration.percentages({name if equals else 'line': float(percent)}).items()
    except ValueError as error:
        reason = str(error) if str(error).startswith(('has', 'must')) else 'must be a number or LEVEL=NUMBER'
        raise argparse.ArgumentTypeError(f'{text!r} {reason}') from None
    return item


def regexes(text: str) -> str:
    """Return one regular expression for a list of them that is separated by commas."""
    for part in command.names(text):
        try:
            re.compile(part)
        except re.error as error:
            raise argparse.ArgumentTypeError(f'{part!r} is not a regular expression: {error}') from None
    return either(command.names(text))


def either(regexes: Sequence[str]) -> str:
    """Return a regular expression that matches what one of several matches."""
    return regexes[0] if len(regexes) == 1 else '|'.join(f'(?:{regex})' for regex in regexes)


def sorting(text: str) -> str:
    """Return the text if files can be sorted by it."""
    from condcov.analysis import results
    try:
        return results.check_sort(text.lower())
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def number(text: str) -> int:
    """Return a number from 0 on."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f'{text!r} is not a number')
    return int(text)


def number_or_all(text: str) -> int | None:
    """Return a number, or None for 'all'."""
    return None if text == 'all' else number(text)


def parser() -> Parser:
    """Return the parser of the command line."""
    return _parsers()[0]


def _parsers(only: str | None = None) -> tuple[Parser, dict[str, Parser]]:
    """The parser of the command line, and those of the subcommands, or of one subcommand: each takes time to make."""
    top = Parser('condcov', description=condcov.__doc__.splitlines()[0])
    top.add_argument('--version', action='version', version=f'condcov {condcov.__version__}')
    commands = top.add_subparsers(dest='command', metavar='COMMAND', required=True)
    for name in COMMANDS if only is None else [only]:
        help, usage, add = SUBPARSERS[name]
        found = commands.add_parser(name, help=help, description=f'{help[0].upper()}{help[1:]}.', usage=usage)
        found.add_argument('--data-file', metavar='FILE', help=f'the data file (default: {configuration.DATA_FILE})')
        found.add_argument('--config', '--rcfile', metavar='FILE',
                           help='a TOML file with [tool.condcov], or a configuration file of coverage.py '
                           '(default: those in the current folder)')
        if add is not None:
            add(found, name)
    if only is None:
        helping = commands.add_parser('help', help='print the help of a command',
                                      description='Print the help of a command.')
        helping.add_argument('topic', nargs='?', metavar='COMMAND', choices=[*commands.choices])
    return top, commands.choices


def _add_selecting(found: Parser, what: str) -> None:
    found.add_argument('--include', type=command.names, action='extend', metavar='PATTERNS',
                       help=f'{what} only files that match one of these comma-separated patterns')
    found.add_argument('--omit', type=command.names, action='extend', metavar='PATTERNS',
                       help=f'do not {what} files that match one of these patterns')


def _add_quiet(found: Parser) -> None:
    found.add_argument('-q', '--quiet', action='store_true', help='do not say what was written')


def _add_reporting(found: Parser, minimum: bool = True) -> None:
    _add_selecting(found, 'report')
    found.add_argument('files', nargs='*', metavar='FILE',
                       help='report only these files, folders and modules')
    found.add_argument('--contexts', type=regexes, metavar='REGEXES',
                       help='report only what was recorded in contexts whose names match one of these '
                            'comma-separated regular expressions')
    if minimum:
        found.add_argument('--fail-under', type=level, action='append', metavar='[LEVEL=]PERCENT',
                           help='exit with status 2 if the coverage is lower; LEVEL is line (the default), branch, '
                                'condition, mcdc, or total for lines and branches together')
    found.add_argument('-i', '--ignore-errors', action='store_true', default=None,
                       help='exit with status 0 although a file cannot be reported')
    found.add_argument('--keep-combined', action='store_true',
                       help='keep the data files of single processes if they are combined for this report')
    found.add_argument('--precision', type=number, metavar='N', help='digits after the decimal point (default: 1)')
    found.add_argument('--sort', type=sorting, metavar='COLUMN',
                       help='sort the files by name, line, branch, condition, mcdc or gaps, the lowest first, or '
                            'as by -mcdc the highest first; coverage.py\'s stmts, miss, brpart and cover also work '
                            '(default: name)')
    found.add_argument('--skip-covered', action=argparse.BooleanOptionalAction,
                       help='skip files with complete coverage')
    found.add_argument('--skip-empty', action='store_true', default=None, help='skip files without code')


def _add_run(run: Parser, name: str) -> None:
    run.add_argument('--source', type=command.names, action='extend', metavar='NAMES',
                     help='record only these packages, modules and folders (comma-separated)')
    _add_selecting(run, 'record')
    run.add_argument('-L', '--pylib', action='store_true', default=None, help='also record the standard library')
    run.add_argument('--context', metavar='NAME', help='the name of the context to record in')
    run.add_argument('-a', '--append', action='store_true', help='add to the data of earlier runs')
    run.add_argument('--counts', action='store_true', default=None,
                     help='count how often each path through a decision is taken')
    run.add_argument('-p', '--parallel-mode', '--parallel', dest='parallel', action='store_true', default=None,
                     help='write a separate data file for each process, for "condcov combine"')
    always = run.add_argument_group('options of coverage.py without effect')
    always.add_argument('--branch', action='store_true', help='branches are always recorded')
    always.add_argument('--concurrency', metavar='LIBS', help='threads and processes are always recorded')
    always.add_argument('--timid', action='store_true', help='condcov does not use a trace function')
    run.add_argument('-m', '--module', dest='module', nargs=argparse.REMAINDER, metavar='MODULE',
                     help='run this module; the arguments after it are passed to it')
    run.add_argument('program', nargs=argparse.REMAINDER, help=argparse.SUPPRESS)


def _add_report(report: Parser, name: str) -> None:
    _add_reporting(report)
    report.add_argument('--format', choices=('text', 'markdown', 'total'),
                        help='print text (the default), the table in Markdown, or only the percentage of lines and '
                             'branches together, as coverage.py does')
    report.add_argument('-m', '--show-missing', action='store_true',
                        help='name the lines and branches that are missing in the table')
    report.add_argument('--gaps', type=number_or_all, default=-1, metavar='N',
                        help='print at most N gaps, the most telling ones, or "all" (default: 50)')
    report.add_argument('--no-gaps', dest='gaps', action='store_const', const=0, help='print only the table')


def _add_writer(found: Parser, name: str) -> None:
    _add_reporting(found)
    destination = WRITERS[name][1]
    found.add_argument('-o', '--output', *(('-d', '--directory') if name == 'html' else ()),
                       metavar='FOLDER' if name == 'html' else 'FILE',
                       help=f'where to write the report{"" if name == "html" else "; - for standard output"} '
                            f'(default: {destination})')
    _add_quiet(found)
    if name in ('html', 'json'):
        found.add_argument('--show-contexts', action='store_true', default=None,
                           help='show which contexts saw each outcome of a condition')
    if name == 'html':
        found.add_argument('--title', metavar='TEXT', help='the title of the report')
    elif name == 'json':
        found.add_argument('--pretty-print', action='store_true', default=None,
                           help='break and indent the lines for human readers')
    elif name == 'lcov':
        found.add_argument('--mcdc', action='store_true',
                           help='write MCDC records and name the branches, for genhtml 2.2 and later; '
                                'many other readers reject them')
        found.add_argument('--numbers', dest='names', action='store_false', default=None,
                           help='number the branches even with --mcdc')


def _add_annotate(annotate: Parser, name: str) -> None:
    _add_reporting(annotate, minimum=False)
    annotate.add_argument('-d', '--directory', metavar='FOLDER',
                          help='where to write the copies (default: next to the files)')


def _add_combine(combine: Parser, name: str) -> None:
    combine.add_argument('-a', '--append', action='store_true', help='keep the existing data and add to it')
    combine.add_argument('--keep', action='store_true', help='keep the original data files')
    _add_quiet(combine)
    combine.add_argument('files', nargs='*', metavar='FILE',
                         help='a data file, or a folder with data files (default: the folder of the data file)')


def _add_debug(debug: Parser, name: str) -> None:
    debug.add_argument('topics', nargs='+', choices=('sys', 'data', 'config'), metavar='TOPIC',
                       help='sys, data or config')


def main(arguments: list[str] | None = None) -> int:
    """Execute the command line, and return the exit status.  "run" does not return if the program exits."""
    given = sys.argv[1:] if arguments is None else arguments
    top, commands = _parsers(given[0] if given and given[0] in COMMANDS else None)
    options, unknown = top.parse_known_args(arguments)
    if unknown:
        commands[options.command].error(f'unrecognized arguments: {" ".join(unknown)}')
    if options.command == 'help':
        (commands[options.topic] if options.topic else top).print_help()
        return 0
    return command.execute(COMMANDS[options.command], options)


def _patterns(files: list[str]) -> list[str]:
    """The patterns of the files, folders and modules that the command line names."""
    found = []
    for name in files:
        if os.path.isdir(name):
            found.append(os.path.join(name, '*'))
        elif os.path.exists(name) or name.endswith('.py') or os.sep in name:
            found.append(name)
        else:
            path = name.replace('.', os.sep)
            found += [f'*/{path}.py', f'*/{path}/__init__.py']
    return found


def _load(options: argparse.Namespace) -> tuple['Config', configuration.Reporting, 'Result']:
    config = configuration.read(
        options.config, data_file=options.data_file, report_include=command.tuple_or_none(options.include),
        report_omit=command.tuple_or_none(options.omit),
        fail_under=dict(options.fail_under) if getattr(options, 'fail_under', None) else None)
    reporting = configuration.reporting(options.config)
    if getattr(options, 'fail_under', None):
        reporting = reporting.replace(fail_digits=None)
    if options.files:
        only = configuration.read(options.config, report_include=tuple(_patterns(options.files))).report_include
        others = config.report_include if options.include else ()
        config = config.replace(report_include=(*others, *only))
    command.say(*command.without_effect(reporting.ignored, '[html]', '[lcov]'))
    contexts = options.contexts or either(reporting.contexts) or None
    is_html = options.command == 'html'
    show = _first(getattr(options, 'show_contexts', False), is_html and reporting.show_contexts or
                  options.command == 'json' and reporting.json_show_contexts)
    from condcov.analysis import loading
    loading.combine(config, keep=options.keep_combined)
    result = loading.load(config, contexts, show_contexts=show)
    gc.freeze()         # all of it is needed to the end of the process: the collector need not visit it
    command.say(*result.warnings, *result.problems)
    result = result.select(
        _first(options.sort, reporting.sort),
        _first(options.skip_covered, reporting.html_skip_covered if is_html else None, reporting.skip_covered),
        _first(options.skip_empty, reporting.html_skip_empty if is_html else None, reporting.skip_empty),
        _first(options.precision, reporting.precision))
    return config, reporting, result


def _first(*values: Any) -> Any:
    """The first value that is not None, or None."""
    return next((value for value in values if value is not None), None)


def _exit_status(config: 'Config', reporting: configuration.Reporting, result: 'Result',
                 options: argparse.Namespace) -> int:
    """Print the levels that are below their minimum, and return the exit status."""
    from condcov.analysis import results
    from condcov.report import messages
    shortfalls = results.fail_under(result, config.fail_under, reporting.fail_digits)
    command.say(*map(messages.below_minimum, shortfalls))
    bad = result.problems and not _first(options.ignore_errors, reporting.ignore_errors)
    return command.USAGE if shortfalls or bad else 0


def _report(options: argparse.Namespace) -> int:
    from condcov.report import text
    config, reporting, result = _load(options)
    format = options.format or reporting.format
    if format == 'total':
        text.write_total(result, sys.stdout)
    elif format == 'markdown':
        text.write_markdown(result, sys.stdout, show_missing=options.show_missing or reporting.show_missing)
    else:
        text.write(result, sys.stdout, show_gaps=options.gaps != 0,
                   most_gaps=text.MOST_GAPS if options.gaps == -1 else options.gaps,
                   show_missing=options.show_missing or reporting.show_missing)
    sys.stdout.flush()
    return _exit_status(config, reporting, result, options)


def _write(options: argparse.Namespace) -> int:
    config, reporting, result = _load(options)
    destination = write(result, options.command, options.output, reporting, vars(options))
    if not options.quiet and destination:
        print(destination, flush=True)
    return _exit_status(config, reporting, result, options)


def write(result: 'Result', kind: str, destination: str | None, reporting: configuration.Reporting,
          options: Mapping[str, Any]) -> str:
    """Write a report of one of the WRITERS, and return the sentence about where it is, or '' for standard output.

    destination     its file or folder; None for that of the configuration, or the default
    options         those of the command line
    """
    import importlib

    from condcov.report import output
    module, default, _ = WRITERS[kind]
    destination = destination or reporting.outputs.get(kind) or default
    keywords: dict[str, dict[str, Any]] = {
        'html': {'title': options.get('title') or reporting.title},
        'json': {'pretty': _first(options.get('pretty_print'), reporting.pretty_print)},
        'lcov': {'mcdc': options.get('mcdc', False), 'names': options.get('names')},
        'xml': {'depth': reporting.package_depth}}
    importlib.import_module(f'condcov.report.{module}').write(result, destination, **keywords.get(kind, {}))
    if output.descriptor(destination) is not None:
        return ''
    place = os.path.join(destination, 'index.html') if kind == 'html' else destination
    return f'Wrote {kind.upper()} report to {place}'


def _annotate(options: argparse.Namespace) -> int:
    from condcov.report import annotate
    config, reporting, result = _load(options)
    annotate.write(result, options.directory)
    return _exit_status(config.replace(fail_under={}), reporting, result, options)


def _debug(options: argparse.Namespace) -> int:
    from condcov.report import diagnostics
    config = configuration.read(options.config, data_file=options.data_file)
    reporting = configuration.reporting(options.config)
    for topic in options.topics:
        diagnostics.write(topic, config, reporting, sys.stdout)
    return 0


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
    if not options.quiet:
        print(f'Combined {len(files)} data {"file" if len(files) == 1 else "files"} into {data.path}')
    for path, message in data.problems():
        print(f'condcov: {path} was not recorded: {message}', file=sys.stderr)
    return 0


def _erase(options: argparse.Namespace) -> int:
    config = configuration.read(options.config, data_file=options.data_file)
    from condcov.data import Data, parts
    for path in [config.data_file, *parts(config.data_file)]:
        Data(path).remove()
    return 0


COMMANDS = {'run': command.run, 'report': _report, **dict.fromkeys(WRITERS, _write), 'annotate': _annotate,
            'combine': _combine, 'erase': _erase, 'debug': _debug}

# Of each command: the help text, the usage if argparse makes it wrong, and what adds its arguments.
SUBPARSERS: dict[str, tuple[str, str | None, Callable[[Parser, str], None] | None]] = {
    'run': ('run a program and record its coverage',
            'condcov run [option]... (PROGRAM | -m MODULE) [argument]...', _add_run),
    'report': ('print the gaps and the coverage', None, _add_report),
    **{name: (help, None, _add_writer) for name, (_, _, help) in WRITERS.items()},
    'annotate': ('write copies of the files with a mark before each line', None, _add_annotate),
    'combine': ('combine the data files of several processes or runs', None, _add_combine),
    'erase': ('delete the data files', None, None),
    'debug': ('print what condcov knows about its environment, its data or its configuration', None, _add_debug),
}
