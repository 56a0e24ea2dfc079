"""The pages of the HTML report: their content, valid HTML, and readable colours.

What they do is tested in a browser: see test_browser.py.
"""

import itertools
import os
import re

import lxml.html
import pytest

from condcov.analysis import results
from condcov.errors import CondcovError
from condcov.report import html, messages
from support import reports, sample


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """The report of the samples."""
    path = tmp_path_factory.mktemp('report') / 'html'
    html.write(reports.result(), path)
    return path


def page(folder, name):
    return lxml.html.document_fromstring((folder / name).read_text('utf-8'))


@pytest.fixture
def fares(folder):
    return page(folder, html.page_name('railway/fares.py'))


def text(element):
    return ' '.join(element.text_content().split())


def parts(fares, decision):
    """The elements of a decision's conditions."""
    return fares.xpath(f'//span[@data-decision="{decision}"]')


def decision_of(kind):
    return f'd{next(index for index, it in enumerate(sample.fares().source().decisions) if it.kind == kind)}'


def test_the_index_has_files_levels_and_totals(folder):
    index = page(folder, 'index.html')
    result = reports.result()
    rows = index.xpath('//table[@class="files"]/tbody/tr')
    assert [text(row.find('th')) for row in rows] == [file.path for file in result.files]
    for row, file in zip(rows, result.files, strict=True):
        for cell, name in zip(row.findall('td')[:-1], results.LEVELS, strict=True):
            level = file.levels[name]
            assert text(cell) == (f'{level} {level.covered} of {level.total}' if level.total else '–')
            assert cell.get('data-value') == ('' if level.percent is None else f'{round(level.percent, 3)}')
        assert text(row.findall('td')[-1]) == str(len(file.gaps))
        assert (row.get('data-covered') is not None) == file.complete
    totals = index.xpath('//dl[@class="totals"]/div')
    assert [text(it.find('dt')) for it in totals] == ['Line', 'Branch', 'Condition', 'MC/DC']
    assert text(totals[3].find('dd')).startswith(str(result.totals['mcdc']))


def test_every_link_and_reference_leads_somewhere_in_the_folder(folder):
    for name in os.listdir(folder):
        if not name.endswith('.html'):
            continue
        tree = page(folder, name)
        ids = tree.xpath('//@id')
        assert len(ids) == len(set(ids))
        assert set(tree.xpath('//@aria-controls')) <= set(ids)
        for reference in tree.xpath('//@href | //@src'):
            target, _, fragment = reference.partition('#')
            assert not target or target == 'data:,' or (folder / target).is_file(), reference
            if fragment:
                assert fragment in (ids if not target else page(folder, target).xpath('//@id')), reference


def test_nothing_comes_from_a_network(folder):
    for name in os.listdir(folder):
        assert not re.search(r'\b(?:https?:)?//\w|@import|url\(', (folder / name).read_text('utf-8')), name


def test_the_source_is_all_there(fares):
    rows = fares.xpath('//tr[starts-with(@id, "L")]')
    assert [row.get('id') for row in rows] == [f'L{number}' for number in range(1, len(rows) + 1)]
    lines = []
    for row in rows:
        for arc in row.xpath('.//span[@class="arc"]'):
            arc.drop_tree()
        lines.append(row.xpath('td[@class="code"]')[0].text_content())
    assert lines == sample.FARES.splitlines()


@pytest.mark.parametrize('line, state, label', [
    (6, 'run', '6, executed'), (9, 'miss gap', '9, never executed'), (8, 'partial gap', '8, partially covered'),
    (43, 'excluded', '43, excluded'), (5, 'plain', '5'), (16, 'partial gap', '16, partially covered')])
def test_a_line_says_what_became_of_it(fares, line, state, label):
    row = fares.get_element_by_id(f'L{line}')
    assert row.get('class') == state
    assert row.xpath('td/a/@aria-label') == [label]


def test_a_line_names_the_arcs_that_were_not_taken(fares):
    assert fares.get_element_by_id('L28').xpath('.//span[@class="arc"]/text()') == ['never jumped to line 31']
    assert fares.get_element_by_id('L34').xpath('.//span[@class="arc"]') == []           # it was never executed itself


@pytest.mark.parametrize('kind, seen', [
    ('boolean', [('c', None, 'via'), ('c untested', None, "'direct'")]),
    ('comprehension', [('c', None, 'stop.open'), ('c lone', 'not independent', "stop.name != '駅'"),
                       ('c', None, "name == 'all'")]),
    ('for', [('c one', 'never exhausted', 'stop in found')]),
    ('case', [('c one', 'always matched', '[first, *_]'), ('c one', 'never F', 'first.open')]),
    ('except', [('c never', 'never', 'TypeError')]),
    ('ternary', [('c one', 'never T', 'dog'), ('c never', 'never', 'dog.weight > 8')])])
def test_a_condition_shows_what_was_seen_of_it(fares, kind, seen):
    found = parts(fares, decision_of(kind))
    assert [(part.get('class'), part.get('data-sign'), part.text_content()) for part in found] == seen
    for part in found:
        assert part.get('role') == 'button' and part.get('tabindex') == '0' and part.get('aria-expanded') == 'false'
        assert part.text_content() in part.get('aria-label')


def test_a_condition_in_several_pieces_is_one_button(fares):
    pieces = fares.get_element_by_id('L29').xpath('.//span[starts-with(@class, "c")]')
    assert [piece.text_content() for piece in pieces] == [
        'stop.name == via', 'via in DAYS', 'stop.is_hub(', 'name', 'and', 'via', ')']
    assert [piece.get('role') for piece in pieces] == ['button'] * 4 + [None, 'button', None]
    assert [piece.get('data-sign') for piece in pieces] == [None, 'never T', None, 'never F', None, None, 'never F']


def table(fares, decision):
    """The truth table: (headings, rows of cells with the class of the row)."""
    box = fares.get_element_by_id(decision)
    assert box.get('hidden') is not None
    return ([text(cell) for cell in box.xpath('.//thead//th')],
            [(row.get('class'), *[text(cell) for cell in row]) for row in box.xpath('.//tbody/tr')])


def test_a_truth_table_has_all_paths_and_what_is_wanted(fares):
    headings, rows = table(fares, 'd2')
    assert headings == ['Path', 'Seen', 'age < 16', 'age >= 65', 'student', 'day in DAYS', 'Outcome']
    assert rows == [
        ('taken', '1', '✓ 9', 'T', '', '', '', 'T'),
        ('taken', '2', '✓ 4', 'F', 'T', '', '', 'T'),
        ('taken', '3', '✓ 2', 'F', 'F', 'T', 'T', 'T'),
        ('wanted', '4', '✗ needed', 'F', 'F', 'T', 'F', 'F'),
        ('taken', '5', '✓ 20', 'F', 'F', 'F', '', 'F')]
    box = fares.get_element_by_id('d2')
    assert box.getprevious().get('id') == 'L16'                          # below the last line of the expression
    assert text(box.find('.//h2')) == 'if age < 16 or age >= 65 or student and day in DAYS'
    verdicts = box.xpath('.//ul[@class="verdicts"]/li')
    assert [(verdict.get('class'), text(verdict), verdict.get('data-rows')) for verdict in verdicts] == [
        ('', 'age < 16 affects the outcome independently: paths 1 and 5', '1 5'), ('', 'age >= 65 affects the outcome independently: paths 2 and 5', '2 5'),
        ('', 'student affects the outcome independently: paths 3 and 5', '3 5'),
        ('gap', 'day in DAYS was never false while age < 16 and age >= 65 were false and student was true; '
                'needed: path 4', '4')]


def test_a_truth_table_has_paths_that_an_exception_left(fares):
    _, rows = table(fares, decision_of('comprehension'))
    assert rows[-1] == ('taken', '6', '✓', 'T', '', '', 'left by an exception')


def test_a_truth_table_of_a_value_and_of_a_loop(fares):
    assert table(fares, decision_of('boolean'))[1] == [
        ('taken', '1', '✓ 3', 'T', '', 'T'), ('taken', '2', '✓ 5', 'F', 'evaluated', 'the value')]
    assert table(fares, decision_of('for'))[1] == [
        ('taken', '1', '✓ 14', 'entered', 'entered'),
        ('wanted', '2', '✗ needed', 'exhausted', 'exhausted')]


def test_a_decision_within_a_condition_leads_to_it(fares):
    inner, outer = fares.get_element_by_id('d9'), fares.get_element_by_id('d8')
    assert inner.xpath('.//a[@class="part-of"]/@href') == ['#d8']
    assert not outer.xpath('.//a[@class="part-of"]')


def test_the_gaps_are_those_of_the_result(fares):
    result = next(file for file in reports.result().files if file.path == 'railway/fares.py')
    listed = fares.xpath('//details[@class="gaps"]//li')
    assert [text(it.find('span')) for it in listed] == [
        messages.of_gap(result, gap).replace('`', '') for gap in result.gaps]
    assert fares.xpath('//details[@class="gaps"]//li[1]/span/code/text()')


def test_constants_have_neither_colour_nor_column(folder):
    tree = page(folder, html.page_name('railway/__init__.py'))
    assert [part.text_content() for part in tree.xpath('//span[@data-decision]')] == ['sys']
    assert table(tree, 'd0')[0] == ['Path', 'Seen', 'sys', 'Outcome']
    assert not tree.xpath('//details')


def wide(count, sign='and'):
    """A Sample of a decision with this many operands, of which the first was false."""
    names = [f'c{index}' for index in range(count)]
    each = sample.Sample('wide.py', f'if {f" {sign} ".join(names)}:\n    pass\n')
    ways = [(name, index + 1 if index + 1 < count else sample.TRUE, sample.FALSE) for index, name in enumerate(names)]
    each.decide('if', f' {sign} '.join(names), *ways, paths={'F' + '-' * (count - 1): 1})
    each.lines = each.seen.lines = frozenset({1, 2})
    return each


@pytest.mark.parametrize('count, rows, more', [
    (40, 41, ''), (63, 64, ''), (65, 0, 'The decision has too many conditions to record its paths; their outcomes are recorded.')])
def test_a_wide_decision(tmp_path, count, rows, more):
    each = wide(count)
    if not rows:
        each.seen.paths = {}
    html.write(results.Result([results.examine(each.source(), each.seen)]), tmp_path / 'html')
    box = page(tmp_path / 'html', html.page_name('wide.py')).get_element_by_id('d0')
    assert len(box.xpath('.//tbody/tr')) == rows
    assert ' '.join(map(text, box.xpath('.//p'))) == more


def test_of_many_paths_there_are_those_that_matter(tmp_path):
    """(a0 or b0) and (a1 or b1) and ...: 2**8 paths that are true."""
    names = [f'{letter}{index}' for index in range(8) for letter in 'ab']
    expression = ' and '.join(f'(a{index} or b{index})' for index in range(8))
    each = sample.Sample('many.py', f'if {expression}:\n    pass\n')
    each.decide('if', expression, *[
        (name, sample.TRUE if at >= 14 else at + 2 - at % 2, at + 1 if at % 2 == 0 else sample.FALSE)
        for at, name in enumerate(names)], paths={'T-' * 8: 5, 'FF' + '-' * 14: 2})
    each.lines = each.seen.lines = frozenset({1, 2})
    html.write(results.Result([results.examine(each.source(), each.seen)]), tmp_path / 'html')
    box = page(tmp_path / 'html', html.page_name('many.py')).get_element_by_id('d0')
    notes = [text(cell) for cell in box.xpath('.//tbody/tr/td[1]')]
    assert notes.count('✓ 5') == notes.count('✓ 2') == 1
    assert all(note.startswith(('✓', '✗')) for note in notes)
    assert re.fullmatch(r'\d+ of 511 paths: .*', text(box.xpath('.//p')[0]))


def test_a_source_is_text_and_never_markup(tmp_path):
    evil = sample.Sample('<b>&"\'.py', 'if "</script><b>&amp;" in x:  # <i>\n    pass\n')
    evil.decide('if', '"</script><b>&amp;" in x', ('"</script><b>&amp;" in x', sample.TRUE, sample.FALSE))
    evil.lines = evil.seen.lines = frozenset({1, 2})
    html.write(results.Result([results.examine(evil.source(), evil.seen)]), tmp_path / 'html')
    tree = page(tmp_path / 'html', html.page_name(evil.path))
    [code] = tree.get_element_by_id('L1').xpath('td[@class="code"]')
    assert code.text_content().startswith(evil.text.split('\n')[0])
    assert text(tree.find('.//h1')) == evil.path
    assert not tree.xpath('//b | //i[not(@style)]')


def test_pages_have_names_of_their_own():
    paths = ['a/b.py', 'a_b.py', 'A/b.py', 'a/b_py', 'x' * 300 + '/b.py', 'y' * 300 + '/b.py', '東京.py', '\udcff.py']
    names = [html.page_name(path) for path in paths]
    assert len({name.lower() for name in names}) == len(paths)
    assert all(re.fullmatch(r'[A-Za-z0-9_]*-[0-9a-f]{8}\.html', name) and len(name) < 120 for name in names)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / 'notes').write_text('')
    with pytest.raises(CondcovError, match='is not a condcov report'):
        html.write(reports.result(), tmp_path)
    assert os.listdir(tmp_path) == ['notes']


def themes():
    """{name of a theme: {variable: (red, green, blue) from 0 to 1}}."""
    css = html.load('style.css')
    light, dark = re.findall(r':root \{(.*?)\}', css, re.S)[:2]
    found = {}
    for name, block in ('light', light), ('dark', dark):
        found[name] = {key: tuple(int(value[at:at + 2], 16) / 255 for at in (0, 2, 4))
                       for key, value in re.findall(r'--([\w-]+): #([0-9a-f]{6});', block)}
    return found


def luminance(colour):
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), parts))


def contrast(one, other):
    high, low = sorted([luminance(one), luminance(other)], reverse=True)
    return (high + 0.05) / (low + 0.05)


TEXT = [
    # colours of text and background
    (['text', 'keyword', 'name', 'string', 'number', 'comment', 'decorator'],
     ['run-line', 'miss-line', 'excluded-line', 'one-back', 'never-back', 'lone-back']),
    (['text', 'muted', 'accent'], ['page', 'panel']),
    (['text', 'good', 'poor', 'muted'], ['page', 'wanted-back', 'pair-back']),
    (['good', 'poor', 'fair', 'muted'], ['panel']),
    (['page'], ['fair', 'poor', 'lone']),
]


@pytest.mark.parametrize('theme', ['light', 'dark'])
def test_text_has_the_contrast_of_wcag_aa(theme):
    colours = themes()[theme]
    for texts, backs in TEXT:
        for one, back in itertools.product(texts, backs):
            assert contrast(colours[one], colours[back]) >= 4.5, (one, back, contrast(colours[one], colours[back]))


@pytest.mark.parametrize('theme', ['light', 'dark'])
def test_lines_and_bars_have_the_contrast_of_graphics(theme):
    colours = themes()[theme]
    for line, back in itertools.product(['good', 'fair', 'poor', 'lone'],
                                        ['page', 'panel', 'run-line', 'one-back', 'never-back', 'lone-back']):
        assert contrast(colours[line], colours[back]) >= 3, (line, back)


def test_both_themes_have_every_colour():
    light, dark = themes().values()
    assert light.keys() == dark.keys()
    assert set(re.findall(r'var\(--([\w-]+)\)', html.load('style.css'))) <= light.keys()


def test_sentences_quote_source_as_code():
    assert html._sentence(f'{messages.quote("a < b")} was never true') == '<code>a &lt; b</code> was never true'
    assert str(html._sentence('`a`b` was never true')) == '`a`b` was never true'
