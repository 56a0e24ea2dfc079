"""Formats the reports: plain text of at most 100 columns."""

import textwrap
from itertools import groupby

from qa.process import last_line

WIDTH = 100


def fill(text, first='', rest=None):
    """Wrap the text; indent the first line by `first` and the others by `rest`."""
    return textwrap.fill(text, WIDTH, initial_indent=first, subsequent_indent=first if rest is None else rest,
                         break_long_words=False, break_on_hyphens=False)


def counted(number, what):
    return f'{number:,} {what}' + ('' if number == 1 else 's')


def fact(name, text, width=14):
    return fill(f'{name:{width}}{text}', '', ' ' * width)


def section(title, paragraphs):
    return [f'{title}:', *paragraphs, ''] if paragraphs else [f'{title}: none', '']


def sequence(kinds):
    """Outcomes in the order of the attempts, with repetitions counted: failed, passed x2."""
    runs = [(kind, len(list(group))) for kind, group in groupby(kinds)]
    return ', '.join(kind + (f' x{times}' if times > 1 else '') for kind, times in runs)


def named(item):
    return f'{item.file}: {item.test}' if item.test else item.file


def both(item):
    """An Item with its outcomes and the last reason on each side."""
    width = max(map(len, item.kinds)) + 1
    lines = [fill(named(item), '  ', '    ')]
    for side, kinds in item.kinds.items():
        lines.append(fill(f'{side + ":":{width}} {sequence(kinds)}', '    ', '      '))
        why = last_line(item.why(side))
        if why and not any(why in kind for kind in kinds):
            lines.append('      ' + textwrap.shorten(why, WIDTH - 6, placeholder=' ...'))
    return '\n'.join(lines)


def alike(item):
    """An Item that fails on both sides, with a reason."""
    sides = list(item.kinds)
    why = next(filter(None, map(item.why, sides)), 'no reason is known')
    return fill(f'{named(item)} ({sequence(item.kinds[sides[0]])}): {why}', '  ', '    ')


def judged_items(judgement):
    """The sections on differences, flaky results, and failures on both sides."""
    items = judgement.items
    return [*section('Differences', [both(item) for item in items if item.differs()]),
            *section('Flaky, but the same after retries', [both(item) for item in items if item.is_flaky()]),
            *section('Fails on both sides', [alike(item) for item in items if item.fails_alike()])]
