"""Code that the benchmarks share: averages, tables, files and options."""

import json
import math
import os
import re
import statistics
import sys
from pathlib import Path

from qa.process import Trouble

HERE = Path(__file__).resolve().parent


def geometric_mean(values):
    # A cost close to zero can be measured as negative.
    return math.exp(statistics.fmean(math.log(max(value, 1e-6)) for value in values))


def spread(values):
    middle = statistics.median(values)
    return {'median': middle, 'mad': statistics.median(abs(value - middle) for value in values),
            'min': min(values), 'max': max(values)}


def options(about):
    """The options of CPython's configure, without folders and without the option that the build adds."""
    words = about['config_args'].replace("'", '').split()
    return ' '.join(word for word in words if '/' not in word and word != '--enable-option-checking=fatal')


def columns(lines):
    widths = [max(map(len, column)) for column in zip(*lines)]
    for line in lines:
        yield '  '.join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip()


def list_table(lines, widths=None):
    """A table with a header row."""
    yield '.. list-table::'
    yield '   :header-rows: 1'
    if widths:
        yield f'   :widths: {widths}'
    yield ''
    for line in lines:
        for place, cell in enumerate(line):
            yield f'   {"* -" if place == 0 else "  -"} {cell}'.rstrip()


def filled(name, parts):
    """The lines of a file in this folder, with parts in place of @name@; a part alone on a line is a list of lines."""
    for line in (HERE / name).read_text().splitlines():
        whole = re.fullmatch(r'@(\w+)@', line)
        if whole:
            yield from parts[whole[1]]
        else:
            yield re.sub(r'@(\w+)@', lambda match: str(parts[match[1]]), line)


def read(file, format_, program, *keys):
    """The measurements that a program wrote in this format, with these keys. Raises Trouble for anything else."""
    try:
        data = json.loads(Path(file).read_text())
    except OSError as error:
        raise Trouble(f'cannot read {file}: {error.strerror}') from None
    except ValueError:
        data = None
    if not isinstance(data, dict) or data.get('format') != format_ or not all(key in data for key in keys):
        raise Trouble(f'{file} is not what this {program} wrote')
    return data


def positive(text):
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def write(file, data):
    """Write the measurements to the file, if one is given."""
    if file:
        try:
            Path(file).write_text(json.dumps(data, indent=1) + '\n')
        except OSError as error:
            raise Trouble(f'cannot write {file}: {error.strerror}') from None


def add_common(parser, rounds, fast):
    """The options that all benchmarks share."""
    parser.add_argument('--fast', action='store_true', help=fast)
    parser.add_argument('--rounds', type=positive, help=rounds)
    parser.add_argument('--cpu', type=int, default=max(os.sched_getaffinity(0)), help='the processor to run on')
    parser.add_argument('--output', metavar='FILE', help='write all measurements as JSON')
    parser.add_argument('--show', metavar='FILE', help='print the table of such a file')
    parser.add_argument('--rst', metavar='FILE', help='print the table of such a file as reStructuredText')


def run(main):
    """Call main() with a function that prints progress; turn exceptions into a message and an exit status."""
    who = os.environ.get('FORK_AS', 'bench')
    try:
        main(lambda text: print(f'{who}: {text}', file=sys.stderr, flush=True))
    except Trouble as trouble:
        sys.exit(f'{who}: error: {trouble}')
    except KeyboardInterrupt:
        sys.exit(130)
