"""Compare the outcomes of tests on the fork and on stock CPython, and write a report.

suite    CPython's test suite; NAME is a test file. The logs are in the folder of the report's name without its suffix
flags    the standard library's tests, traced under each combination of flags and untraced; NAME is a test file
clients  the tests of packages that use tracing; NAME is a section of clients.toml, or a package

The exit status is 0 if nothing differs, 1 if something does, 2 if nothing could be compared.
"""

import argparse
import os
import platform
import signal
import sys
from pathlib import Path

from qa import process
from qa.compare import clients, flags, suite
from qa.process import Trouble

ADAPTERS = {'suite': suite, 'flags': flags, 'clients': clients}
ABOUT = 'import sys; print(hasattr(sys, "settracestate"), *sys.version.split())'


def options_of(arguments):
    parser = argparse.ArgumentParser(prog='python -m qa.compare', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('what', choices=ADAPTERS)
    parser.add_argument('names', metavar='NAME', nargs='*', help='what to run (default: all)')
    parser.add_argument('--fork', metavar='PYTHON', required=True, help='the interpreter of the fork')
    parser.add_argument('--stock', metavar='PYTHON', required=True, help='the interpreter of stock CPython')
    parser.add_argument('--report', metavar='FILE', type=Path, required=True, help='write the report to this file')
    parser.add_argument('--ignore', metavar='PATTERN', help='suite: skip these tests on both sides')
    parser.add_argument('--recorded', action='store_true',
                        help='clients: compare the fork with both recorders running with the fork without')
    options = parser.parse_intermixed_args(arguments)
    if not options.report.suffix:
        parser.error('--report needs a name with a suffix; the logs go to the folder of the name without it')
    options.jobs = len(os.sched_getaffinity(0))
    # not resolved: the interpreter of a virtual environment is a link
    options.pythons = {side: os.path.abspath(getattr(options, side)) for side in ('fork', 'stock')}
    return options


def describe(python, fork):
    """The version of an interpreter; raise Trouble if it is the wrong one, fork or stock."""
    is_fork, _, version = process.ask(f'cannot run {python}', python, '-c', ABOUT).strip().partition(' ')
    if is_fork not in ('True', 'False'):
        raise Trouble(f'cannot determine the version of {python}')
    if is_fork != str(fork):
        raise Trouble(f'{python} is {"not " if fork else ""}the fork; '
                      'give the fork as --fork and stock CPython as --stock')
    return version


def main():
    options = options_of(sys.argv[1:])
    who = os.environ.get('FORK_AS', 'qa.compare')
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))     # so that running tests are killed too

    def say(text):
        print(f'{who}: {text}', flush=True)

    def fail(text):
        print(f'{who}: error: {text}', file=sys.stderr)

    try:
        options.about = {side: describe(python, side == 'fork') for side, python in options.pythons.items()}
        options.about['system'] = f'{platform.platform(aliased=True)} {sys.byteorder}-endian'
        # An adapter yields a report each time it knows more.
        for report in ADAPTERS[options.what].compare(options, say):
            text, difference = report
            options.report.write_text(text, 'utf-8')
    except Trouble as trouble:
        fail(trouble)
        return 2
    except OSError as error:
        fail(f'{error.filename}: {error.strerror}; is the disk full, or does the folder belong to another user?')
        return 2
    except KeyboardInterrupt:
        return 130
    print(text)
    if difference:
        fail(difference)
    return 1 if difference else 0


if __name__ == '__main__':
    sys.exit(main())
