"""Formats the reports: plain text of at most 100 columns."""

import textwrap
from itertools import groupby

WIDTH = 100


def fill(text, first='', rest=None):
    """Wrap the text; indent the first line by `first` and the others by `rest`."""
    return textwrap.fill(text, WIDTH, initial_indent=first, subsequent_indent=first if rest is None else rest,
                         break_long_words=False, break_on_hyphens=False)


def counted(number, what):
    return f'{number:,} {what}' + ('' if number == 1 else 's')


def fact(name, text, width=10):
    return fill(f'{name:{width}}{text}', '', ' ' * width)


def sequence(kinds):
    """Outcomes in the order of the attempts, with repetitions counted: failed, passed x2."""
    runs = [(kind, len(list(group))) for kind, group in groupby(kinds)]
    return ', '.join(kind + (f' x{times}' if times > 1 else '') for kind, times in runs)


def named(item):
    return f'{item.file}: {item.test}' if item.test else item.file


def both(item):
    """An Item with its outcomes on each side."""
    width = max(map(len, item.kinds)) + 1
    return '\n'.join([fill(named(item), '  ', '    '),
                      *(fill(f'{side + ":":{width}} {sequence(kinds)}', '    ', '      ')
                        for side, kinds in item.kinds.items())])


def section(title, lines, nothing='none'):
    return [f'{title}:', *lines, ''] if lines else [f'{title}: {nothing}', '']
