"""The command: condcov run, report, html, lcov, xml, json, combine and erase."""

import argparse
import os
import re
import sys

import condcov
from condcov import config as configuration
from condcov.errors import CondcovError

USAGE = 2       # the exit status for what is wrong with the command, the data or the coverage

# Reports that are written to a file or folder: the module, the default destination and the line of --help.
WRITERS = {
    'html': ('html', 'condcov-html', 'write a folder of pages with the source and its conditions'),
    'lcov': ('lcov', 'condcov.lcov', "write a tracefile for lcov's genhtml and the tools that read one"),
    'xml': ('cobertura', 'condcov.xml', 'write XML in the format of Cobertura'),
    'json': ('json', 'condcov.json', 'write everything as JSON'),
}


class Parser(argparse.ArgumentParser):
    """A parser that tells what is wrong in one line."""

    def __init__(self, *arguments, **keywords):
        super().__init__(*arguments, allow_abbrev=False, **keywords)

    def error(self, message):
        self.exit(USAGE, f'{self.prog}: {" ".join(message.split())}; see "{self.prog} --help"\n')


def level(text):
    """The (level, percent) of --fail-under."""
    name, equals, percent = text.rpartition('=')
    try:
        (item,) = configuration.percentages({name if equals else 'line': float(percent)}).items()
    except ValueError as error:
        reason = str(error) if str(error).startswith(('has', 'must')) else 'must be a number or LEVEL=NUMBER'
        raise argparse.ArgumentTypeError(f'{text!r} {reason}') from None
    return item


def regex(text):
    """A regular expression, which is checked."""
    try:
        re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f'{text!r} is no regular expression: {error}') from None
    return text


def names(text):
    """Names or patterns with commas between them."""
    return [name.strip() for name in text.split(',') if name.strip()]


def parser():
    """The parser of the command line."""
    top = Parser('condcov', description=condcov.__doc__.splitlines()[0])
    top.add_argument('--version', action='version', version=f'condcov {condcov.__version__}')
    commands = top.add_subparsers(dest='command', metavar='COMMAND', required=True)

    def command(name, help, usage=None):
        found = commands.add_parser(name, help=help, description=f'{help[0].upper()}{help[1:]}.', usage=usage)
        found.add_argument('--data-file', metavar='FILE', help=f'the data; the default is {configuration.DATA_FILE}')
        found.add_argument('--config', metavar='FILE',
                           help='a TOML file with [tool.condcov], or a configuration of coverage.py; '
                           'the default is what is in this folder')
        return found

    def selecting(found, what):
        found.add_argument('--include', type=names, action='extend', metavar='PATTERNS',
                           help=f'{what} only files that match one of these globs')
        found.add_argument('--omit', type=names, action='extend', metavar='PATTERNS',
                           help=f'{what} no file that matches one of these globs')

    run = command('run', 'run a program and record what it does',
                  usage='condcov run [option]... (PROGRAM | -m MODULE) [argument]...')
    run.add_argument('--source', type=names, action='extend', metavar='NAMES',
                     help='record these packages and modules, and all that is in these folders')
    selecting(run, 'record')
    run.add_argument('--context', metavar='NAME', help='the name under which the data has what is recorded')
    run.add_argument('--append', action='store_true', help='add to the data of earlier runs')
    run.add_argument('--counts', action='store_true', default=None,
                     help='count how often each path through a decision is taken')
    run.add_argument('--parallel', action='store_true',
                     help='leave a data file for each process, for "condcov combine"')
    run.add_argument('-m', dest='module', nargs=argparse.REMAINDER, metavar='MODULE',
                     help='run a module, with all the arguments after its name')
    run.add_argument('program', nargs=argparse.REMAINDER, help=argparse.SUPPRESS)

    def reporting(found):
        selecting(found, 'report')
        found.add_argument('--contexts', type=regex, metavar='REGEX',
                           help='report only what was seen in contexts in whose name this is found')
        found.add_argument('--fail-under', type=level, action='append', metavar='[LEVEL=]PERCENT',
                           help='exit with status 2 if the level (line, branch, condition or mcdc) has less')

    report = command('report', 'print the coverage and each gap')
    reporting(report)
    report.add_argument('--sort', choices=('name', *configuration.LEVELS), default='name',
                        help='the order of the files')
    report.add_argument('--skip-covered', action='store_true', help='leave out files that are covered wholly')
    report.add_argument('--no-gaps', dest='show_gaps', action='store_false', help='print only the percentages')
    for name, (_, destination, help) in WRITERS.items():
        found = command(name, help)
        reporting(found)
        found.add_argument('-o', '--output', default=destination, metavar='FOLDER' if name == 'html' else 'FILE',
                           help=f'the default is {destination}')
        if name == 'lcov':
            found.add_argument('--numbers', dest='names', action='store_false',
                               help='number the branches, for lcov 1.x, which passes over those with names')

    combine = command('combine', 'make one data file of those of several processes or runs')
    combine.add_argument('--append', action='store_true', help='add to the data that is there')
    combine.add_argument('--keep', action='store_true', help='leave the files that are combined')
    combine.add_argument('files', nargs='*', metavar='FILE',
                         help='a data file, or a folder with some; the default is those that this folder has')
    command('erase', 'remove the data')
    return top


def main(arguments=None):
    """Do what the command line says, and return the exit status.  "run" does not return if the program exits."""
    options = parser().parse_args(arguments)
    try:
        return COMMANDS[options.command](options)
    except CondcovError as error:
        print(f'condcov: {" ".join(str(error).split())}', file=sys.stderr)
        return USAGE
    except BrokenPipeError:
        # Whoever read the report has seen enough of it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def script():
    """The command that is installed as "condcov"."""
    if not sys.flags.safe_path:
        del sys.path[0]         # the folder of the command, which is not the program's
    return main()


def _run(options):
    argv = options.module if options.module is not None else \
        options.program[1:] if options.program[:1] == ['--'] else options.program
    if not argv:
        raise CondcovError('-m needs the name of a module' if options.module is not None else
                           'a program is needed: a file, or -m MODULE')
    config = configuration.read(options.config, data_file=options.data_file, source=_tuple(options.source),
                                include=_tuple(options.include), omit=_tuple(options.omit), context=options.context,
                                counts=options.counts)
    from condcov.record import run
    run.run(config, argv, is_module=options.module is not None, append=options.append, parallel=options.parallel)
    return 0


def _judge(options):
    config = configuration.read(options.config, data_file=options.data_file, report_include=_tuple(options.include),
                                report_omit=_tuple(options.omit),
                                fail_under=dict(options.fail_under) if options.fail_under else None)
    from condcov.analysis import load
    return config, load.judge(config, options.contexts)


def _fallen_short(config, result):
    """The exit status, when the levels that fall short have been told."""
    from condcov.analysis import results
    sentences = results.fail_under(result, config.fail_under)
    for sentence in sentences:
        print(f'condcov: {sentence}', file=sys.stderr)
    return USAGE if sentences else 0


def _report(options):
    from condcov.report import text
    config, result = _judge(options)
    text.write(result, sys.stdout, sort=options.sort, skip_covered=options.skip_covered, show_gaps=options.show_gaps)
    sys.stdout.flush()
    return _fallen_short(config, result)


def _write(options):
    import importlib
    config, result = _judge(options)
    how = {'names': options.names} if options.command == 'lcov' else {}
    importlib.import_module(f'condcov.report.{WRITERS[options.command][0]}').write(result, options.output, **how)
    return _fallen_short(config, result)


def _combine(options):
    config = configuration.read(options.config, data_file=options.data_file)
    from condcov.data import Data, parts
    from condcov.record.recording import combine
    files = []
    for name in options.files or [os.path.dirname(config.data_file)]:
        if os.path.isdir(name):
            files += parts(os.path.join(name, os.path.basename(config.data_file)))
        else:
            files.append(os.path.abspath(name))
    files = [name for name in dict.fromkeys(files) if name != config.data_file]
    if not files:
        raise CondcovError(f'there is nothing to combine: no data of single processes beside {config.data_file}')
    combine(config, files, append=options.append, keep=options.keep)
    for path, message in Data(config.data_file).problems():
        print(f'condcov: {path} was not recorded: {message}', file=sys.stderr)
    return 0


def _erase(options):
    config = configuration.read(options.config, data_file=options.data_file)
    from condcov.data import Data, parts
    for path in [config.data_file, *parts(config.data_file)]:
        Data(path).remove()
    return 0


def _tuple(items):
    return None if items is None else tuple(items)


COMMANDS = {'run': _run, 'report': _report, 'combine': _combine, 'erase': _erase, **dict.fromkeys(WRITERS, _write)}
