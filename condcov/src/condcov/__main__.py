"""The command line: python -m condcov, or the installed command."""

import sys

if not sys.flags.safe_path:
    del sys.path[0]     # set for this module or the command; files there may hide modules that are imported here

from condcov import command


def script() -> int:
    """Execute the command line, and return the exit status.  "run" does not return if the program exits."""
    options = command.usual_options(sys.argv[1:])
    if options is not None:
        return command.execute(command.run, options)
    from condcov import cli
    return cli.main()


if __name__ == '__main__':
    sys.exit(script())
