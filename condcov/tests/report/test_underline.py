"""Underlines are below the text in a terminal, whatever its characters."""

import unicodedata

import hypothesis
import pytest
from hypothesis import strategies

from condcov.report import underline as underlining

CHARACTERS = strategies.sampled_from(
    'ab (\t한語e\N{COMBINING ACUTE ACCENT}é\N{GRINNING FACE}\x1b\f\N{RIGHT-TO-LEFT OVERRIDE}')

settings = hypothesis.settings(max_examples=200, derandomize=True, deadline=None, database=None)


def cells(text):
    """The width according to the Unicode database."""
    return sum(0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in 'WF' else 1
               for character in text)


@settings
@hypothesis.given(strategies.text(CHARACTERS, max_size=30), strategies.data())
def test_underline_of_a_whole_line(text, data):
    start = data.draw(strategies.integers(0, len(text)))
    end = data.draw(strategies.integers(start, len(text)))
    line = underlining.Line(text)
    shown, underline = line.excerpt([(start, end)])
    # Tabs extend to the next multiple of eight cells; other characters have their own width.
    before = 0
    for character in text[:start]:
        before = before // 8 * 8 + 8 if character == '\t' else before + cells(character)
    inside = before
    for character in text[start:end]:
        inside = inside // 8 * 8 + 8 if character == '\t' else inside + cells(character)
    assert underline == ' ' * before + '^' * max(inside - before, 1)
    assert shown.isprintable() and '\t' not in shown
    assert line.width == cells(shown)


@settings
@hypothesis.given(strategies.text(CHARACTERS, min_size=1, max_size=60), strategies.integers(20, 50), strategies.data())
def test_what_fits(text, width, data):
    start = data.draw(strategies.integers(0, len(text) - 1))
    end = data.draw(strategies.integers(start + 1, len(text)))
    line = underlining.Line(text)
    whole, _ = line.excerpt([(start, end)])
    shown, underline = line.excerpt([(start, end)], width)
    assert cells(shown) <= width
    assert shown.strip(underlining.ELLIPSIS) in whole
    if cells(whole) <= width:
        assert shown == whole
    # The part is underlined, or its beginning if it is too long for the width.
    column, underlined = 0, ''
    for character in shown:
        if underline[column:column + 1] == '^' and character != underlining.ELLIPSIS:
            underlined += character
        column += cells(character)
    part = ''.join(line.characters[start:end])
    assert underline
    if cells(part) <= width - 4:
        assert part.strip('\N{COMBINING ACUTE ACCENT}') in underlined
    else:
        assert underlined.strip('\N{COMBINING ACUTE ACCENT}') in part


@pytest.mark.parametrize('text, margin, start, shown, underline', [
    ('    if a:', 4, 7, 'if a:', '   ^'),
    ('\tif a:', 8, 4, 'if a:', '   ^'),
    ('    \tif a:', 4, 8, '    if a:', '       ^'),
    ('', 0, 0, '', '^'),
    ('    ', 4, 0, '', '^'),
])
def test_dedent(text, margin, start, shown, underline):
    line = underlining.Line(text)
    line.dedent(margin)
    assert line.excerpt([(start, start + 1 if start < len(text) else start)]) == (shown, underline)


def test_an_encoding_without_the_characters():
    line = underlining.Line('한 "é" x', 'ascii')
    assert line.excerpt([(6, 7)]) == ('? "?" x', '      ^')
    assert underlining.Line('é' * 30, 'latin-1').excerpt([(25, 26)], 20) == ('...' + 'é' * 17, ' ' * 15 + '^')


def test_the_middle_of_a_path_is_shortened():
    path = 'src/package/subpackage/module_with_a_name.py'
    assert underlining.shorten(path, 60) == path
    for width in range(3, 44):
        short = underlining.shorten(path, width)
        assert cells(short) == width and underlining.ELLIPSIS in short
        head, tail = short.split(underlining.ELLIPSIS)
        assert path.startswith(head) and path.endswith(tail)
    assert underlining.shorten('한국어/한국어.py', 10) == '한…국어.py'
    assert underlining.shorten('abcdefghijklmno', 9, '...') == 'ab...lmno'
