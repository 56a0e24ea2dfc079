"""The pieces make up the complete source, and each piece belongs to the condition that contains it."""

import os
import pathlib

import hypothesis
import hypothesis.strategies as st
import pytest

from condcov import model
from condcov.code import source_text
from condcov.report import highlight
from support import sample


def span_of(text, part, start=0):
    each = sample.Sample('', text)
    return each.span(part, start)


def painted(text, *parts):
    """For each piece that has an owner: (owner, text, first, last), of all lines."""
    lines = source_text.source_lines(text)
    found = highlight.Painter(lines).paint(
        [part if isinstance(part, model.Span) else span_of(text, part) for part in parts])
    assert [''.join(text for piece in line for _, text in piece.tokens) for line in found] == lines
    return [(piece.owner, ''.join(text for _, text in piece.tokens), piece.first, piece.last)
            for line in found for piece in line if piece.owner is not None]


def test_two_conditions_in_a_line():
    assert painted('if a < b and cd:', 'a < b', 'cd') == [(0, 'a < b', True, True), (1, 'cd', True, True)]


def test_a_condition_within_another():
    assert painted('if f(a and b) or c:', 'f(a and b)', 'a', 'b', 'c') == [
        (0, 'f(', True, False), (1, 'a', True, True), (0, 'and', False, False), (2, 'b', True, True),
        (0, ')', False, True), (3, 'c', True, True)]


def test_a_condition_that_another_fills():
    assert painted('x = (a) or b', '(a)', span_of('x = (a) or b', 'a'), 'b') == [
        (0, '(', True, False), (1, 'a', True, True), (0, ')', False, True), (2, 'b', True, True)]


def test_links_of_a_chain_share_an_operand():
    text = 'if a < b < c:'
    assert painted(text, 'a < b', 'b < c') == [(0, 'a < b', True, True), (1, '< c', True, True)]


def test_several_lines_without_their_indentation_and_comments():
    text = 'if (\n    f(a,    # one\n\n      b)  # two\n):'
    assert painted(text, 'f(a,    # one\n\n      b)') == [(0, 'f(a,', True, False), (0, 'b)', False, True)]


def test_columns_are_bytes():
    text = "if '東京é\u0301' in x and\ty:"
    assert painted(text, model.Span(1, 3, 1, len("if '東京é\u0301' in x".encode())), 'y')[0][1] == "'東京é\u0301' in x"


@pytest.mark.parametrize('text, lines', [
    ('a\nb\n', ['a', 'b', '']), ('a\r\nb\rc', ['a', 'b', 'c']), ('\ufeffa', ['a']),
    ('a\x0cb\x0bc\x1cd\u2028e\x85f', ['a\x0cb\x0bc\x1cd\u2028e\x85f']), ('', [''])])
def test_lines_are_those_of_python(text, lines):
    assert source_text.source_lines(text) == lines
    assert painted(text) == []


def test_an_excerpt_over_several_lines():
    lines = source_text.source_lines('é = (a and\n     b)')
    assert source_text.excerpt(lines, model.Span(1, 6, 2, 6)) == 'a and\n     b'


def test_lines_without_comments():
    assert highlight.Painter(['a = 1  # one', "b = '#'", '# all']).without_comments() == ['a = 1  ', "b = '#'", '']


STDLIB = sorted(pathlib.Path(os.__file__).parent.glob('*.py'))


@hypothesis.settings(max_examples=25, deadline=None)
@hypothesis.given(st.sampled_from(STDLIB), st.data())
def test_nothing_of_a_source_is_lost(path, data):
    """With any spans, even if they are not those of conditions."""
    lines = source_text.source_lines(path.read_text('utf-8'))[:300]
    place = st.integers(1, len(lines)).flatmap(
        lambda line: st.tuples(st.just(line), st.integers(0, len(lines[line - 1].encode()))))
    pairs = data.draw(st.lists(st.tuples(place, place).map(sorted), max_size=6))
    found = highlight.Painter(lines).paint([model.Span(*start, *end) for start, end in pairs])
    assert [''.join(text for piece in line for _, text in piece.tokens) for line in found] == lines
    owned = [piece for line in found for piece in line if piece.owner is not None]
    owners = {piece.owner for piece in owned}
    assert [sum(piece.first for piece in owned if piece.owner == owner) for owner in owners] == [1] * len(owners)
    assert [sum(piece.last for piece in owned if piece.owner == owner) for owner in owners] == [1] * len(owners)
