"""The command line: python -m condcov."""

import sys

if not sys.flags.safe_path:
    del sys.path[0]     # set for this module; files there may hide modules that are imported here

from condcov import cli

if __name__ == '__main__':
    sys.exit(cli.main())
