"""What tracing costs in the fork, compared with stock CPython.

    python -m qa.bench.tracing --fork PYTHON --stock PYTHON     measure both in turn, and print the table
    python -m qa.bench.tracing --show FILE                      print the table of earlier measurements
    python -m qa.bench.tracing --rst FILE                       print them as reStructuredText

`make bench` runs it on a build and the corresponding build of stock CPython, in a virtual environment with pyperf.

Each measurement is a pyperf worker, pinned to a processor, that runs one program in one interpreter, untraced and then
in every mode of tracing, a few values each.  The interpreters take turns, so that other work on the machine affects all
of them equally.  The table shows the median over all rounds of the ratio of two times, averaged over the programs
(geometric mean), and after ± the median absolute deviation.
"""

import argparse
import json
import re
import statistics
import textwrap
from dataclasses import dataclass
from pathlib import Path

from qa.bench.measure import FORMAT, collect
from qa.bench.report import (
    add_common,
    columns,
    filled,
    geometric_mean,
    list_table,
    options,
    positive,
    read,
    run,
    spread,
    write,
)

# --- Evaluating -------------------------------------------------------------------------

class Figures:
    """The measured times: one figure per round, the median of its values."""

    def __init__(self, data):
        self.data = data
        self.names = list(data['programs'])
        self.medians = {role: {key: [statistics.median(values) for values in rounds]
                               for key, rounds in samples.items()}
                        for role, samples in data['samples'].items()}

    def has(self, role, mode):
        return f'{self.names[0]}/{mode}' in self.medians[role]

    def whole(self, role, mode):
        """A function from the name of a program to the seconds that a run takes, for each round."""
        return lambda name: self.medians[role][f'{name}/{mode}']

    def event(self, role, mode, counted):
        """The same for the nanoseconds that an event takes."""
        def nanoseconds(name):
            events = self.data['programs'][name]['events'][role][counted]
            return [(traced - untraced) / events * 1e9
                    for traced, untraced in zip(self.whole(role, mode)(name), self.whole(role, 'off')(name))]
        return nanoseconds

    def mean(self, figure):
        programs = {name: figure(name) for name in self.names}
        result = spread([geometric_mean(values) for values in zip(*programs.values())])
        result['programs'] = {name: spread(values) for name, values in programs.items()}
        result['median'] = geometric_mean([one['median'] for one in result['programs'].values()])
        return result

    def ratio(self, one, other):
        return self.mean(lambda name: [a / b for a, b in zip(one(name), other(name))])


# (mode, what is counted as its events)
MODES = [('line', None), ('opcode', 'opcode'), ('opcode-c', 'opcode'), ('instruction', 'instruction'),
         ('instruction-c', 'instruction'), ('branch', 'branch'), ('filter', None), ('filter-all', 'instruction'),
         ('monitor-instruction', 'monitor-instruction'), ('monitor-branch', 'monitor-branch'),
         ('flight', None), ('edges', None), ('recorders', None)]


@dataclass
class Row:
    """A row of the table, with its required value and its goal.

    digits      to show, and to compare with the targets
    within      the tolerance on both sides of 'must'
    """

    key: str
    work: str
    must: float | None
    aim: float | None
    digits: int = 3
    within: float | None = None

    def target(self, value):
        """As text."""
        if value is None:
            return ''
        text = f'{value:.{3 if self.digits > 3 else 2}f}'
        return f'{text} ± {self.within}' if self.within and value is self.must else f'≤ {text}'

    def met(self, value, target):
        if target is None:
            return None
        value = round(value, self.digits)
        return abs(value - target) <= self.within if self.within and target is self.must else value <= target


ROWS = [
    Row('pyperformance', 'tracing off: pyperformance, geometric mean, fork / stock', 1.00, None, within=0.01),
    Row('instructions', 'tracing off: machine instructions of a fixed program, fork / stock', 1.001, 1.000, digits=5),
    Row('line', 'line tracing, Python function, fork / stock', 1.00, 0.9),
    Row('event', 'one event to a Python function: instruction / stock\'s opcode', 0.75, 0.6),
    Row('event-c', 'one event to a C function: instruction / stock\'s opcode', 0.5, 0.3),
    Row('branch', 'branch mode / instruction mode, whole program', 0.35, 0.25),
    Row('filter', 'a filter that lets one in twenty through / no filter, whole program', 0.2, 0.1),
    Row('filter-all', 'a filter that lets everything through / no filter, whole program', None, None),
    Row('flight', 'flightrecorder / untraced, whole program', 1.5, 1.25),
    Row('edges', 'EdgeRecorder that counts / untraced, whole program', 1.45, 1.2),
    Row('recorders', 'both recorders / untraced, whole program', 1.8, 1.4),
]
FOOTNOTE = ('An unused filter has no row of its own: its cost is part of every row of tracing but those with a filter. '
            'The last row of these is the cost of a filter without its savings.')


def evaluate(data):
    """Add the rows of the table, and the times shown below it."""
    figures = Figures(data)
    whole, event = figures.whole, figures.event
    rows = data['rows'] = {}
    if 'pyperformance' in data:
        rows['pyperformance'] = data['pyperformance']
    if 'instructions' in data:
        rows['instructions'] = spread(data['instructions']['ratios'])
        rows['instructions']['parts'] = {'in the eval loop itself': data['instructions']['eval_loop']}
    rows['line'] = figures.ratio(whole('fork', 'line'), whole('stock', 'line'))
    for key, suffix in ('event', ''), ('event-c', '-c'):
        rows[key] = figures.ratio(event('fork', 'instruction' + suffix, 'instruction'),
                                  event('stock', 'opcode' + suffix, 'opcode'))
    for mode in 'branch', 'filter-all', 'filter':
        rows[mode] = figures.ratio(whole('fork', mode), whole('fork', 'instruction'))
    for mode in 'flight', 'edges', 'recorders':
        rows[mode] = figures.ratio(whole('fork', mode), whole('fork', 'off'))
    for row in ROWS:
        if row.key in rows:
            rows[row.key]['met'] = row.met(rows[row.key]['median'], row.must)
            rows[row.key]['aim_met'] = row.met(rows[row.key]['median'], row.aim)

    data['times'] = {}
    for role in figures.medians:
        times = data['times'][role] = {'off': {'ms': figures.mean(whole(role, 'off'))['median'] * 1e3}}
        for mode, counted in MODES:
            if figures.has(role, mode):
                times[mode] = {'ms': figures.mean(whole(role, mode))['median'] * 1e3}
                if counted:
                    times[mode]['ns'] = figures.mean(event(role, mode, counted))['median']


# --- pyperformance ----------------------------------------------------------------------

def add_pyperformance(data, file):
    """The results of `make bench-pyperformance`, if they are for the same build."""
    row = 'pyperformance'
    if not file or not Path(file).exists():
        data['missing'][row] = 'not measured: make bench-pyperformance'
        return
    found = json.loads(Path(file).read_text())
    for role in 'fork', 'stock':
        for fact in 'config_args', 'compiler':
            if found['interpreters'][role][fact] != data['interpreters'][role][fact]:
                data['missing'][row] = 'measured for another build: make bench-pyperformance'
                return
    data[row] = {key: found[key]
                 for key in ('median', 'mad', 'min', 'max', 'rounds', 'benchmarks', 'date', 'fast')}
    data[row]['commit'] = found['interpreters']['fork']['commit']


# --- Showing ----------------------------------------------------------------------------

def notes(data):
    """Lines with the conditions under which the figures were measured."""
    fork = data['interpreters']['fork']
    machine = data['machine']
    load = f', load {machine["load"]}' if machine.get('load') else ''
    yield (f'{machine["cpu"]}, {machine["cores"]} cores, pinned to core {machine["pinned_to"]}; {machine["kernel"]}, '
           f'{fork["compiler"]}{load}')
    yield (f'fork {fork["commit"] or "of an unknown commit"} and CPython {fork["version"]}, '
           f'both built with: {options(fork) or "no options"}')
    if options(fork) != options(data['interpreters']['stock']):
        yield f'NOTE: stock CPython is built with other options: {options(data["interpreters"]["stock"]) or "none"}'
    if fork['debug']:
        yield 'NOTE: this is a debug build. The figures are meaningless.'
    elif not fork['optimized']:
        yield 'NOTE: not an optimized build. Publish only figures of --enable-optimizations --with-lto'
    if 'pyperformance' in data and data['pyperformance']['commit'] != fork['commit']:
        yield f'NOTE: pyperformance was measured with the fork\'s commit {data["pyperformance"]["commit"]}.'


def ratio_text(found, digits):
    return f'{found["median"]:.{digits}f} ±{found["mad"]:.{digits}f}'


def cells(data):
    """(row, figure, target, met?, aim, met?) for each row; without a figure, the reason."""
    for row in ROWS:
        found = data['rows'].get(row.key)
        must, aim = row.target(row.must), row.target(row.aim)
        if found is None:
            yield row, data['missing'].get(row.key, 'not measured'), must, '', aim, ''
        else:
            yield (row, ratio_text(found, row.digits), must, {True: 'yes', False: 'NO', None: ''}[found['met']],
                   aim, {True: 'yes', False: 'no', None: ''}[found['aim_met']])


TIMES = [
    ('untraced', ['off']),
    ('every line', ['line']),
    ('every instruction', ['instruction', 'opcode', 'monitor-instruction']),
    ('... to a C function', ['instruction-c', 'opcode-c']),
    ('... one in twenty', ['filter']),
    ('every branch', ['branch', 'monitor-branch']),
    ('recorded by flightrecorder', ['flight']),
    ('recorded by EdgeRecorder', ['edges']),
    ('recorded by both', ['recorders']),
]


def times_table(data):
    """Rows of text: the time of a run and of an event in each interpreter."""
    yield ['a run, and an event', *('fork' if role == 'fork' else f'CPython {about["version"]}'
                                    for role, about in data['interpreters'].items())]
    for label, modes in TIMES:
        line = [label]
        for times in data['times'].values():
            found = next((times[mode] for mode in modes if mode in times), None)
            text = '' if found is None else f'{found["ms"]:.2f} ms'
            if found and 'ns' in found:
                text += f'  {found["ns"]:.1f} ns'
            line.append(text)
        yield line


def table(data, verbose=False):
    """Lines of text."""
    yield from notes(data)
    yield ''
    lines = [['', 'measured', 'must reach', '', 'aim', '']]
    for row, figure, must, met, aim, aim_met in cells(data):
        known = row.key in data['rows']
        lines.append([row.work, figure if known else '-', must, met, aim, aim_met])
        if verbose and known:
            lines += [[f'    {name}', ratio_text(one, row.digits), '', '', '', '']
                      for name, one in data['rows'][row.key].get('programs', {}).items()]
            lines += [[f'    {name}', f'{one:.{row.digits}f}', '', '', '', '']
                      for name, one in data['rows'][row.key].get('parts', {}).items() if one]
    yield from columns(lines)
    for row, why, *_ in cells(data):
        if row.key not in data['rows']:
            yield f'- {row.work}: {why}'
    yield FOOTNOTE
    yield ''
    yield from columns(list(times_table(data)))
    if verbose:
        yield ''
        for name, program in data['programs'].items():
            yield (f'{name}: the filter {", ".join(program["filter"])} lets '
                   f'{program["share"]:.2%} of the instructions through')


# --- The page in reStructuredText ------------------------------------------------------

def about_pyperformance(data):
    found = data.get('pyperformance')
    if not found:
        return ''
    ratios = sorted((one['median'], name) for name, one in found['benchmarks'].items())
    return (f'pyperformance: {len(ratios)} benchmarks{" (the fast form)" if found["fast"] else ""}, '
            f'in {found["rounds"]} rounds, on {found["date"]}; of each round the shortest '
            'processor time counts.  '
            f'The ratios go from {ratios[0][0]:.3f} (``{ratios[0][1]}``) to {ratios[-1][0]:.3f} (``{ratios[-1][1]}``).')


def page(data):
    """Lines of reStructuredText: tracing.rst with the measurements."""
    lines = [['', 'Measured', 'Must reach', 'Aim']]
    for row, figure, must, met, aim, aim_met in cells(data):
        lines.append([row.work[0].upper() + row.work[1:], figure,
                      f'{must}: {met.lower()}' if met else must, f'{aim}: {aim_met}' if aim_met else aim])
    times = list(times_table(data))
    times[0][0] = ''
    parts = {
        'notes': ['* ' + re.sub(r'--\S+(?: --\S+)*', r'``\g<0>``', note) for note in notes(data)],
        'table': list_table(lines, '52 24 14 10'),
        'rounds': data['rounds'],
        'programs': len(data['programs']),
        'footnote': textwrap.wrap(FOOTNOTE, 80),
        'pyperformance': textwrap.wrap(about_pyperformance(data), 80),
        'times': list_table([cell.replace('  ', ', ') for cell in line] for line in times),
        'filters': list_table([['Program', 'Events', 'Filter', 'Lets through']] + [
            [f'``{name}``', f'{program["events"]["stock"]["opcode"]:,}', ', '.join(program['filter']),
             f'{program["share"]:.2%}']
            for name, program in data['programs'].items()]),
    }
    return filled('tracing.rst', parts)


# --- Command line -----------------------------------------------------------------------

def main(say, argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--fork', metavar='PYTHON', help='the fork')
    parser.add_argument('--stock', metavar='PYTHON',
                        help='stock CPython of the same version, built with the same options')
    add_common(parser, rounds='20, with --fast 5', fast='fewer rounds')
    parser.add_argument('--values', type=positive, default=3, help='values per mode and round (default: 3)')
    parser.add_argument('--programs', help='programs, separated by commas (default: all)')
    parser.add_argument('--no-peers', action='store_true', help='without sys.monitoring in newer versions')
    parser.add_argument('--no-instructions', action='store_true', help='do not count machine instructions')
    parser.add_argument('--pyperformance', metavar='FILE', help='the output of benchmark_set.py')
    parser.add_argument('--force', action='store_true', help='measure even debug builds')
    parser.add_argument('--verbose', action='store_true', help='also show each program separately')
    parser.add_argument('--pyperf', metavar='FOLDER', help='write the values as pyperf files')
    args = parser.parse_args(argv)

    if args.show or args.rst:
        data = read(args.show or args.rst, FORMAT, 'tracing.py', 'rows')
    elif not args.fork or not args.stock:
        parser.error('--fork and --stock are needed')
    else:
        data = collect(args, say)
        add_pyperformance(data, args.pyperformance)
        evaluate(data)
        write(args.output, data)
    print('\n'.join(page(data) if args.rst else table(data, args.verbose)))


if __name__ == '__main__':
    run(main)
