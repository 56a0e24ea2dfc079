"""Compare the outcomes of tests; `python -m qa.compare --help` lists the comparisons.

The exit status is 0 if nothing differs, 1 if something does, 2 if nothing could be compared.
"""

import argparse
import os
import signal
import sys

from qa.compare import clients, flags, suite
from qa.compare.judge import Differs
from qa.process import Trouble

COMMANDS = {'suite': suite, 'flags': flags, 'clients': clients}


def main():
    chooser = argparse.ArgumentParser(
        prog='python -m qa.compare', formatter_class=argparse.RawDescriptionHelpFormatter,
        description='\n'.join(f'{name:9}{module.__doc__.partition(chr(10))[0]}' for name, module in COMMANDS.items()))
    chooser.add_argument('command', choices=COMMANDS)
    module = COMMANDS[chooser.parse_args(sys.argv[1:2]).command]
    parser = argparse.ArgumentParser(prog=f'{chooser.prog} {sys.argv[1]}',
                                     description=module.__doc__.partition('\n')[0])
    module.add_arguments(parser)
    options = parser.parse_intermixed_args(sys.argv[2:])
    module.check(parser, options)
    who = os.environ.get('FORK_AS', chooser.prog)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))     # so that running tests are killed too
    try:
        module.main(options, lambda text: print(f'{who}: {text}', flush=True))
    except Differs as difference:
        print(f'{who}: error: {difference}', file=sys.stderr)
        return 1
    except Trouble as trouble:
        print(f'{who}: error: {trouble}', file=sys.stderr)
        return 2
    except OSError as error:
        print(f'{who}: error: {error.filename}: {error.strerror}; is the disk full, or the folder somebody else\'s?',
              file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
