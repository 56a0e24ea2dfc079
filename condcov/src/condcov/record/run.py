"""Runs a program as python does, and records it."""

import sys

from lltrace import _run

from condcov.record.recording import Recording


def run(config, argv, *, is_module=False, append=False, parallel=False):
    """Run a script, or a module with is_module, whose name is argv[0], with the other arguments, and record it.

    The process then is the program's: it ends as the program ends, with SystemExit or on return. sys.path[0] must have
    been taken away before; see condcov.cli. Raises CondcovError where the program cannot be recorded.
    """
    recording = Recording(config, append=append, parallel=parallel)
    try:
        program = _run.program(argv[0], is_module)
    except _run.CannotRun as error:
        print(f'{sys.orig_argv[0]}: {error}', file=sys.stderr)
        sys.exit(error.status)
    recording.start()
    _run.run(program, ['-m', *argv[1:]] if is_module else argv)
