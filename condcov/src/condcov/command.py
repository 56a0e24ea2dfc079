"""The command "condcov run", and what it shares with the other commands, which are in cli.py.

Importing argparse takes longer than starting the interpreter, so usual command lines of "condcov run" do not need it.
"""

from __future__ import annotations

import os
import sys
import types

from condcov.errors import CondcovError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

USAGE = 2       # the exit status for errors in the command or the data, and for too little coverage

# The options of run, as in cli.py: those with a value, and those without one.
_VALUES = {'--config': 'config', '--rcfile': 'config', '--data-file': 'data_file', '--context': 'context',
           '--concurrency': 'concurrency'}
_LISTS = {'--source': 'source', '--include': 'include', '--omit': 'omit'}
_FLAGS = {'-L': 'pylib', '--pylib': 'pylib', '-a': 'append', '--append': 'append', '--counts': 'counts',
          '-p': 'parallel', '--parallel-mode': 'parallel', '--parallel': 'parallel', '--branch': 'branch',
          '--timid': 'timid'}


def usual_options(arguments: Sequence[str]) -> types.SimpleNamespace | None:
    """Return the options of a usual "run", or None if argparse must look at the arguments."""
    if arguments[:1] != ['run']:
        return None
    values: dict[str, Any] = dict.fromkeys([*_VALUES.values(), *_LISTS.values(), *_FLAGS.values()])
    values.update(append=False, branch=False, timid=False, command='run', module=None, program=[])
    rest = list(arguments[:0:-1])
    while rest:
        option, equals, value = rest.pop().partition('=')
        if option in _VALUES or option in _LISTS:
            if not equals:
                if not rest or rest[-1].startswith('-'):
                    return None
                value = rest.pop()
            if option in _VALUES:
                values[_VALUES[option]] = value
            else:
                values[_LISTS[option]] = [*(values[_LISTS[option]] or ()), *names(value)]
        elif option in _FLAGS and not equals:
            values[_FLAGS[option]] = True
        elif option == '-m' and not equals and rest and '--' not in rest:
            return types.SimpleNamespace(**values | {'module': rest[::-1]})
        elif option and not option.startswith('-'):
            return types.SimpleNamespace(**values | {'program': [option + equals + value, *rest[::-1]]})
        else:
            return None
    return None


def names(text: str) -> list[str]:
    """Return the names or patterns in a list separated by commas."""
    return [name.strip() for name in text.split(',') if name.strip()]


def tuple_or_none(items: list[str] | None) -> tuple[str, ...] | None:
    """Return the items as a tuple, or None if there is no list."""
    return None if items is None else tuple(items)


def execute(function: Callable[[Any], int], options: Any) -> int:
    """Execute the function of a command, and return the exit status."""
    try:
        return function(options)
    except CondcovError as error:
        print(f'condcov: {" ".join(str(error).split())}', file=sys.stderr)
        return USAGE
    except BrokenPipeError:
        # The reader of the report has closed the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0


def run(options: Any) -> int:
    """Run a program as the options of the command line say, and return the exit status."""
    from condcov import config as configuration
    config, ignored = configuration.read_for_run(
        options.config, data_file=options.data_file, source=tuple_or_none(options.source),
        include=tuple_or_none(options.include), omit=tuple_or_none(options.omit), context=options.context,
        counts=options.counts, cover_pylib=options.pylib, parallel=options.parallel)
    argv = options.module if options.module is not None else \
        options.program[1:] if options.program[:1] == ['--'] else options.program
    is_module = options.module is not None
    if not argv and not is_module and config.command_line:
        is_module = config.command_line[0] in ('-m', '--module')
        argv = list(config.command_line[is_module:])
    if not argv:
        raise CondcovError(('-m needs the name of a module' if is_module else
                            'nothing to run: give a program, or -m MODULE') + '; see "condcov run --help"')
    say(_foreign_environment(), *without_effect(ignored, '[run]'))
    from condcov.record import run
    run.run(config, argv, is_module=is_module, append=options.append, parallel=config.parallel)
    return 0


def say(*messages: str) -> None:
    """Print lines for the user, of those that are not empty."""
    for message in filter(None, messages):
        print(f'condcov: {message}', file=sys.stderr, flush=True)


def _foreign_environment() -> str:
    """A sentence if a virtual environment is active, and this is the condcov of another interpreter; or ''."""
    active = os.environ.get('VIRTUAL_ENV')
    if not active or not os.path.isdir(active) or os.path.realpath(active) == os.path.realpath(sys.prefix):
        return ''
    return (f'this condcov belongs to {sys.prefix}, and does not see the packages of the active virtual environment '
            f'{active}; install condcov there, with {os.path.join(active, "bin", "python")} -m pip')


def without_effect(settings: Iterable[str], *sections: str) -> list[str]:
    """A sentence about those of the settings without effect that are in these sections, if there are any."""
    found = [name for name in settings if name.startswith(sections)]
    return [f'settings of coverage.py without effect: {", ".join(found)}'] if found else []
