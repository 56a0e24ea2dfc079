"""Source lines with parts of them underlined, as they stand in a terminal.

With tabs, wide and combining characters, and lines longer than the terminal is wide. Works in cells, the columns of a
terminal: a wide East Asian character takes two, a combining mark none.
"""

import rich.cells

TAB = 8
_JOINERS = '\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}'
REPLACEMENT = '\N{REPLACEMENT CHARACTER}'
ELLIPSIS = '\N{HORIZONTAL ELLIPSIS}'


class Line:
    """A line of text and the cells that each of its characters takes.

    Replaced are control characters, which a terminal would obey, and those that the encoding does not have.
    """

    def __init__(self, text, encoding='utf-8'):
        self.ellipsis = ELLIPSIS if _encodes(ELLIPSIS, encoding) else '...'
        self.characters = []
        self.starts = [0]
        for character in text:
            if character == '\t':
                character = ' ' * (TAB - self.starts[-1] % TAB)
                width = len(character)
            else:
                character = _printable(character, encoding)
                width = rich.cells.get_character_cell_size(character)
            self.characters.append(character)
            self.starts.append(self.starts[-1] + width)

    def __str__(self):
        return ''.join(self.characters)

    @property
    def width(self):
        """Cells of the whole line."""
        return self.starts[-1]

    @property
    def indentation(self):
        """Cells of white space before the first other character; all of an empty line."""
        for character, start in zip(self.characters, self.starts):
            if not character.isspace():
                return start
        return self.width

    def dedent(self, cells):
        """Take so many cells of white space, not more than the indentation, from the start."""
        blank = [character for character, start in zip(self.characters, self.starts) if start < self.indentation]
        rest = self.characters[len(blank):]
        kept = ''.join(blank)[cells:]
        # One character still stands for one of the source, so that columns stay what they were.
        self.characters = [''] * len(blank) + rest
        self.starts = [max(start - cells, 0) for start in self.starts]
        if blank:
            self.characters[0] = kept

    def excerpt(self, parts, width=None):
        """(text, underline): what of the line fits in `width` cells, and a string of spaces and '^' below the parts.

        parts are (start, end) columns in characters; each is underlined with at least one mark. What does not fit is
        cut off at the ends of the line, with an ellipsis.
        """
        ranges = [(self.starts[start], max(self.starts[end], self.starts[start] + 1)) for start, end in parts]
        first, last = 0, len(self.characters)
        if width is not None and self.width > width:
            first, last = self._window(min(ranges, default=(0, 0)), width)
        head = self.ellipsis if first else ''
        tail = self.ellipsis if last < len(self.characters) else ''
        text = head + ''.join(self.characters[first:last]) + tail
        left, right = self.starts[first], self.starts[last] + (not tail)
        marks = {cell - left + len(head) for start, end in ranges for cell in range(max(start, left), min(end, right))}
        return text, ''.join('^' if cell in marks else ' ' for cell in range(max(marks, default=-1) + 1))

    def _window(self, part, width):
        """(first, end) of the characters that fit: the start or end of the line if the part is there, or the part."""
        start, end = part
        cut = len(self.ellipsis)
        room = width - cut
        if end <= room:
            left = 0
        elif start >= self.width - room:
            left = self.width - room
        else:
            room -= cut
            left = start - max(room - (end - start), 0) // 2
        first = next(index for index, cell in enumerate(self.starts) if cell >= left)
        last = max(index for index, cell in enumerate(self.starts) if cell <= left + room)
        return first, last


def printable(text, encoding='utf-8'):
    """The text on one line, without control characters and what the encoding does not have."""
    return str(Line(text.expandtabs(1), encoding))


def shorten(text, width, ellipsis=ELLIPSIS):
    """The text in so many cells, shortened in the middle; a bit more is left of its end, where paths differ."""
    if rich.cells.cell_len(text) <= width:
        return text
    room = max(width - len(ellipsis), 2)
    head, tail = '', ''
    for character in text:
        if rich.cells.cell_len(head + character) > room * 2 // 5:
            break
        head += character
    for character in reversed(text):
        if rich.cells.cell_len(character + tail) > room - rich.cells.cell_len(head):
            break
        tail = character + tail
    return head + ellipsis + tail


def _printable(character, encoding):
    if character.isspace():
        return ' '
    if (character.isprintable() or character in _JOINERS) and _encodes(character, encoding):
        return character
    return REPLACEMENT if _encodes(REPLACEMENT, encoding) else '?'


def _encodes(character, encoding):
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
