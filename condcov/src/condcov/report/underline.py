"""Underlines parts of source lines in a terminal.

Handles tabs, wide and combining characters, and lines that are longer than the width of the terminal. Positions are in
cells, the columns of a terminal: a wide East Asian character takes two, a combining mark none.
"""

from collections.abc import Sequence

import rich.cells

TAB = 8
_JOINERS = '\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}'
REPLACEMENT = '\N{REPLACEMENT CHARACTER}'
ELLIPSIS = '\N{HORIZONTAL ELLIPSIS}'


class Line:
    """A line of text and the cells that each of its characters takes.

    Control characters, which a terminal would obey, and characters that the encoding does not have are replaced.
    """

    def __init__(self, text: str, encoding: str = 'utf-8') -> None:
        self.ellipsis = ELLIPSIS if _encodes(ELLIPSIS, encoding) else '...'
        self.characters: list[str] = []
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

    def __str__(self) -> str:
        return ''.join(self.characters)

    @property
    def width(self) -> int:
        """Cells of the whole line."""
        return self.starts[-1]

    @property
    def indentation(self) -> int:
        """Cells of white space before the first other character; all cells of a blank line."""
        for character, start in zip(self.characters, self.starts):
            if not character.isspace():
                return start
        return self.width

    def dedent(self, cells: int) -> None:
        """Remove this many cells of white space, but not more than the indentation, from the start."""
        blank = [character for character, start in zip(self.characters, self.starts) if start < self.indentation]
        rest = self.characters[len(blank):]
        kept = ''.join(blank)[cells:]
        # There is still one entry for each character of the source, so columns do not change.
        self.characters = [''] * len(blank) + rest
        self.starts = [max(start - cells, 0) for start in self.starts]
        if blank:
            self.characters[0] = kept

    def excerpt(self, parts: Sequence[tuple[int, int]], width: int | None = None) -> tuple[str, str]:
        """Return (text, underline): what fits in `width` cells of the line, and spaces and '^' to print below it.

        parts are (start, end) columns in characters; each gets at least one mark. If the line does not fit, its ends
        are replaced by an ellipsis.
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

    def _window(self, part: tuple[int, int], width: int) -> tuple[int, int]:
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


def printable(text: str, encoding: str = 'utf-8') -> str:
    """Return the text on one line, without control characters and characters that the encoding does not have."""
    return str(Line(text.expandtabs(1), encoding))


def shorten(text: str, width: int, ellipsis: str = ELLIPSIS) -> str:
    """Return the text in at most `width` cells, shortened in the middle, with more of the end, where paths differ."""
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


def _printable(character: str, encoding: str) -> str:
    if character.isspace():
        return ' '
    if (character.isprintable() or character in _JOINERS) and _encodes(character, encoding):
        return character
    return REPLACEMENT if _encodes(REPLACEMENT, encoding) else '?'


def _encodes(character: str, encoding: str) -> bool:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
