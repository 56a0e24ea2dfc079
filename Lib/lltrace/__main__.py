"""The command line: python -m lltrace."""

import sys

if not sys.flags.safe_path:
    del sys.path[0]     # it is for this module; runner adds the program's folder, which must not shadow our imports

import argparse
import atexit
import builtins
import os

import lltrace
from _ownmodules import __builtins__
from lltrace import _counts, _graph, _html, _output, _report, _select, _signals, runner

EPILOG = """\
A PATTERN is a module or package (json, json.*), a function (MODULE:FUNCTION, or :FUNCTION of any module), or a file
or folder if it has a slash. Patterns can contain wildcards. Options that take a PATTERN can be repeated.
"""


MOST_STEPS = 200_000                        # of a replay, without --limit


def parse(arguments):
    parser = argparse.ArgumentParser(
        'python -m lltrace', allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter,
        usage='python -m lltrace [option]... (PROGRAM | -m MODULE | -) [argument]...',
        description='Run a program and show each instruction that it executes.', epilog=EPILOG)
    runner.add_arguments(parser)
    shown = parser.add_argument_group('code to show')
    shown.add_argument('--include', action='append', default=[], metavar='PATTERN',
                       help='show this code in addition to the program')
    shown.add_argument('--exclude', action='append', default=[], metavar='PATTERN', help='do not show this code')
    shown.add_argument('--only', action='append', default=[], metavar='PATTERN',
                       help='show only this code instead of the program')
    shown.add_argument('--opcodes', metavar='NAMES',
                       help='show only these instructions: names or globs, such as LOAD_*, separated by commas')
    shown.add_argument('--branches', action='store_true', help='show only entries into basic blocks')
    shown.add_argument('--limit', type=int, metavar='N', help='stop tracing after N lines, or N steps of a replay; the '
                       'program continues')
    lines = parser.add_argument_group('output')
    lines.add_argument('--stack', action='store_true', help='show the value stack before each instruction')
    lines.add_argument('--source', action='store_true', help='show each source line above its instructions')
    lines.add_argument('--jsonl', action='store_true', help='write each line as a JSON object')
    lines.add_argument('--color', nargs='?', choices=('auto', 'always', 'never'), const='always', default='auto',
                       help='auto, the default, colors output to a terminal; --color alone means always')
    lines.add_argument('-o', '--output', metavar='FILE', help='write to FILE, or to standard output if it is -; '
                       'the default is standard error')
    lines.add_argument('--flush', action='store_true',
                       help='write each line immediately, so that none is lost in a crash')
    counts = parser.add_argument_group('counts instead of lines')
    counts.add_argument('--counts', action='store_true',
                        help='print how often each instruction was executed, when the program ends')
    counts.add_argument('--html', metavar='FILE', help='write an HTML page with source, bytecode and counts')
    counts.add_argument('--graph', metavar='FILE',
                        help='draw the control-flow graph of a function with edge counts (.svg, .dot or .gv)')
    counts.add_argument('--function', metavar='NAME', help='the function to draw with --graph')
    replay = parser.add_argument_group('a page instead of lines')
    replay.add_argument('--replay', metavar='FILE',
                        help='write an HTML page that steps through the run, forwards and backwards')
    options = parser.parse_args(with_values(parser, arguments))
    options.argv = runner.argv_of(parser, options)
    counting = [name for name in ('--counts', '--html', '--graph') if getattr(options, name[2:])]
    if counting:
        for name in ('--opcodes', '--branches', '--limit', '--stack', '--source', '--jsonl', '--flush'):
            if getattr(options, name[2:]) not in (None, False):
                parser.error(f'{name} cannot be combined with {counting[0]}')
    if options.replay is not None:
        for name in ('--opcodes', '--branches', '--stack', '--source', '--jsonl', '--flush', '--output', '--counts',
                     '--html', '--graph'):
            if getattr(options, name[2:]) not in (None, False):
                parser.error(f'{name} cannot be combined with --replay')
        # Here, because a trace needs none of these modules, and before the program's folder is on sys.path.
        from lltrace._replay import page, recorder
        options.recorder, options.write_page = recorder.Recorder, page.write
    if options.branches and options.opcodes is not None:
        parser.error('--branches and --opcodes cannot be combined')
    if options.source and options.jsonl:
        parser.error('--source and --jsonl cannot be combined')
    if options.limit is not None and options.limit < 1:
        parser.error(f'--limit must be at least 1, not {options.limit}')
    if options.function is not None and options.graph is None:
        parser.error('--function requires --graph')
    if options.graph is not None:
        try:
            _graph.check(options.graph)
        except ValueError as error:
            parser.error(f'--graph: {error}')
    try:
        options.numbers = None
        if options.opcodes is not None:
            options.numbers = _select.opcodes_named(name.strip() for name in options.opcodes.split(','))
        options.selection = _select.Selection(options.only, options.include, options.exclude)
    except ValueError as error:
        parser.error(str(error))
    return options


def with_values(parser, arguments):
    """Replace --color by --color=always, because argparse would take the program for its value."""
    takes_value = {name for action in parser._actions if action.nargs is None for name in action.option_strings}
    found = list(arguments)
    words = iter(enumerate(found))
    for i, word in words:
        if word in takes_value:
            next(words, None)
        elif word == '--color':
            found[i] = '--color=always'
        elif not word.startswith('-') or word in ('-', '--', '-m'):
            break
    return found


def say(message):
    print(f'lltrace: {message}', file=sys.__stderr__ or sys.stderr, flush=True)


def refuse(message, status=2):
    say(f'error: {message}')
    sys.exit(status)


def sink_of(options):
    if options.output in (None, '-'):
        stream = sys.stderr if options.output is None else sys.stdout
        try:
            return _output.Descriptor.of_stream(stream)
        except (AttributeError, OSError, ValueError):
            refuse(f'standard {"error" if options.output is None else "output"} is closed; name a file with --output')
    try:
        return _output.Descriptor.of_path(options.output)
    except OSError as error:
        refuse(f'cannot write {options.output}: {error.strerror}')


def check_writable(path):
    """Exit with an error, before the program runs, if the file cannot be written."""
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.isdir(os.path.abspath(path)):
        refuse(f'cannot write {path}: Is a directory')
    if not os.path.isdir(folder):
        refuse(f'cannot write {path}: No such file or directory')
    if not os.access(path if os.path.exists(path) else folder, os.W_OK):
        refuse(f'cannot write {path}: Permission denied')


class Lines:
    """A trace in progress."""

    noun = 'the trace'

    def __init__(self, options):
        self.limit = options.limit
        self.tracing = lltrace.make_trace(
            sink_of(options), options.selection, stack=options.stack, source=options.source, branches=options.branches,
            opcodes=options.numbers, limit=options.limit, color=options.color, jsonl=options.jsonl,
            at_once=options.flush)

    def finish(self):
        if self.tracing.error:
            say(self.tracing.error)
        elif self.tracing.limited:
            say(f'the trace ended at the limit of {_report.plural(self.limit, "line")}')


class Report:
    """Counts in progress, and the reports to write at the end."""

    noun = 'the count'

    def __init__(self, options):
        for name in 'html', 'graph':
            path = getattr(options, name)
            if path is not None:
                check_writable(path)
                setattr(options, name, os.path.abspath(path))       # the program may change directory
        self.options = options
        self.sink = sink_of(options) if options.counts else None
        self.tracing = _counts.Counts(options.selection, instructions=bool(options.counts or options.html))

    def finish(self):
        options, counts = self.options, self.tracing
        path = 'the counts'
        try:
            if options.counts:
                try:
                    self.sink.write(_report.text(counts))
                except BrokenPipeError:
                    pass
                self.sink.close()
            if options.html is not None:
                path = options.html
                _html.write(counts, path)
            if options.graph is not None:
                path = options.graph
                _graph.write(counts, path, options.function)
        except OSError as error:
            say(f'error: cannot write {path}: {error.strerror}')
        except ValueError as error:
            say(f'error: {error}')


class Replay:
    """A recording in progress, and the page to write at the end."""

    noun = 'the recording'

    def __init__(self, options):
        check_writable(options.replay)
        self.path = os.path.abspath(options.replay)
        self.title = os.path.basename(options.argv[0])
        self.write, self.options = options.write_page, options
        self.lost = None                    # why the recording ended early
        self.tracing = options.recorder(options.selection, options.limit or MOST_STEPS)

    def finish(self):
        try:
            self.write(self.tracing, self.title, self.lost, self.options.syntax_error, self.path)
        except OSError as error:
            say(f'error: cannot write {self.path}: {error.strerror}')
        except Exception as error:          # such as one of a library function that the program has replaced
            say(f'error: cannot write {self.path}: {type(error).__name__}')
        if self.tracing.limited:
            say(f'the recording ended at the limit of {_report.plural(self.tracing.limit, "step")}')


def start(options, filename):
    """Start tracing; filename is the program's, or None."""
    options.selection.main = filename
    if options.replay is not None:
        what = Replay(options)
    else:
        what = Report(options) if options.counts or options.html or options.graph else Lines(options)
    parent = os.getpid()
    children = []
    os.register_at_fork(after_in_parent=lambda: children.append(True))

    def finish():
        """Finish after the threads and exit functions of the program."""
        # The modules that reports use need the usual builtins.
        replaced = vars(builtins).copy()
        vars(builtins).update(__builtins__)
        lost = what.tracing.lost()
        ended = what.tracing.ended
        what.tracing.stop()
        if lost is not None:
            say(f'{what.noun} ended before the program: {lost}')
            what.lost = lost
        # A forked child has its own counts and must not overwrite the parent's reports.
        if os.getpid() == parent:
            what.finish()
            # Code that a child or the rest of the program executes can match too.
            if not (children or lost or ended):
                for message in options.selection.unmatched():
                    say(message)
        vars(builtins).update(replaced)

    atexit.register(finish)
    _signals.handle(what.tracing, finish)
    what.tracing._start()


def main():
    options = parse(sys.argv[1:])
    options.syntax_error = None

    def failed(error):
        if type(error) in (SyntaxError, IndentationError, TabError):
            filename = error.filename or options.selection.main or ''
            options.syntax_error = (f'{type(error).__name__}: {error.msg}', filename, error.lineno, error.offset,
                                    error.end_lineno, error.end_offset)

    runner.run(options.argv, is_module=options.module is not None, start=lambda filename: start(options, filename),
               failed=failed)


if __name__ == '__main__':
    main()
