"""Splits source lines into the pieces that a page colours: tokens of one kind, in one condition and one line."""

import dataclasses
import functools
import itertools
from collections.abc import Sequence

import pygments
import pygments.lexers
import pygments.token

from condcov.code import source_text
from condcov.model import Span

# The kinds of token that have a colour, the most specific first; the others have the colour of text.
COLOURS = (
    (pygments.token.Comment, 'tc'),
    (pygments.token.String, 'ts'),
    (pygments.token.Number, 'tm'),
    (pygments.token.Name.Decorator, 'td'),
    (pygments.token.Name.Function, 'tf'),
    (pygments.token.Name.Class, 'tf'),
    (pygments.token.Keyword, 'tk'),
    (pygments.token.Operator.Word, 'tk'),
)


_Tokens = list[tuple[str, str]]     # the class for the colour or '', and the text


@dataclasses.dataclass
class Piece:
    """Adjacent tokens of one line that belong to the same condition, or to none.

    owner   index into the spans that Painter.paint() was given, or None
    tokens  list of (class for the colour or '', text)
    first   whether it is the owner's first piece; last likewise
    """

    owner: int | None
    tokens: list[tuple[str, str]]
    first: bool = False
    last: bool = False


class Painter:
    """The lines of a source text, from source_text.source_lines(), with their tokens."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.tokens = _tokens(lines)
        # The column in characters where the comment of a line starts, or the line ends.
        self.ends = [sum(len(text) for _, text in itertools.takewhile(lambda token: token[0] != 'tc', line))
                     for line in self.tokens]

    def without_comments(self) -> list[str]:
        """Return the lines without their comments."""
        return [line[:end] for line, end in zip(self.lines, self.ends)]

    def paint(self, spans: Sequence[Span]) -> list[list[Piece]]:
        """Return the Pieces of each line. Where spans are nested, text belongs to the innermost one."""
        owners: list[list[int | None]] = [[None] * len(line) for line in self.lines]
        # The last one painted wins: the innermost, and of two links of a chain, which share an operand, the first.
        for place in sorted(range(len(spans)), reverse=True,
                            key=lambda place: (spans[place][2:], [-start for start in spans[place][:2]])):
            for number, start, end in source_text.parts(self.lines, spans[place]):
                end = max(start, min(end, self.ends[number - 1]))
                owners[number - 1][start:end] = [place] * (end - start)
        for line, owner in zip(self.lines, owners):
            _leave_out_space(line, owner)
        painted = [_pieces(*each) for each in zip(self.tokens, owners)]
        _mark_ends(painted)
        return painted


def _leave_out_space(line: str, owners: list[int | None]) -> None:
    """Remove white space at the edges of what belongs to an owner, above all indentation."""
    for columns in range(len(line)), range(len(line) - 1, -1, -1):
        before: int | None = None
        for column in columns:
            if line[column].isspace() and owners[column] != before:
                owners[column] = None
            before = owners[column]


def _tokens(lines: list[str]) -> list[_Tokens]:
    """The tokens of each line."""
    found: list[_Tokens] = [[]]
    lexer = pygments.lexers.get_lexer_by_name('python', stripnl=False, ensurenl=True)
    for kind, text in pygments.lex('\n'.join(lines), lexer):
        colour = _colour(kind)
        for index, part in enumerate(text.split('\n')):
            if index:
                found.append([])
            if part:
                found[-1].append((colour, part))
    return found[:len(lines)]


@functools.cache
def _colour(kind: pygments.token._TokenType) -> str:
    return next((colour for special, colour in COLOURS if kind in special), '')


def _pieces(tokens: _Tokens, owners: list[int | None]) -> list[Piece]:
    pieces: list[Piece] = []
    column = 0
    for colour, text in tokens:
        start = column
        for end in range(column + 1, column + len(text) + 1):
            if end < column + len(text) and owners[end] == owners[start]:
                continue
            if not pieces or pieces[-1].owner != owners[start]:
                pieces.append(Piece(owners[start], []))
            pieces[-1].tokens.append((colour, text[start - column:end - column]))
            start = end
        column += len(text)
    return pieces


def _mark_ends(painted: list[list[Piece]]) -> None:
    last: dict[int, Piece] = {}
    for line in painted:
        for piece in line:
            if piece.owner is not None:
                piece.first = piece.owner not in last
                last[piece.owner] = piece
    for piece in last.values():
        piece.last = True
