"""Masking MC/DC from paths: against the truth table, the textbooks and another tool."""

import itertools
import os
import time

import hypothesis
import pytest
from hypothesis import strategies

from condcov import model
from condcov.analysis import mcdc
from condcov.analysis.coverable import analyse
from support import decisions, reports

# The number of decisions to compare with the truth table: 5000 different ones each time in the long form.
EXAMPLES = os.environ.get('CONDCOV_ORACLE_EXAMPLES')
MOST_LEAVES = 6

# Hypothesis warns about the long generated names of nested strategies.
pytestmark = pytest.mark.filterwarnings('ignore:Generating overly large repr')


# --- comparison with the definition, by brute force over all assignments ---

def expressions():
    """Texts of expressions of up to six leaves: names, chains of two links, constants."""
    leaf = strategies.sampled_from(['x', 'x', 'x', 'x', 'x < y < z', 'True', 'False'])
    return strategies.recursive(leaf, lambda inner: strategies.one_of(
        strategies.builds('({} and {})'.format, inner, inner),
        strategies.builds('({} or {})'.format, inner, inner),
        strategies.builds('({} and {} and {})'.format, inner, inner, inner),
        strategies.builds('({} or {} or {})'.format, inner, inner, inner),
        strategies.builds('(not {})'.format, inner),
        strategies.builds('({} if {} else {})'.format, inner, inner, inner)), max_leaves=MOST_LEAVES)


class TruthTable:
    """All results, computed from all assignments and the definitions."""

    def __init__(self, text, decision, kind):
        self.size = len(decision.conditions)
        self.free = [index for index in range(self.size) if decision.conditions[index].constant is None]
        self.rows = {}
        self.groups = {}
        for values in itertools.product((True, False), repeat=self.size):
            path, truth = decisions.run(text, values, kind)
            self.rows[values] = truth
            self.groups.setdefault(path, []).append(values)

    def outcome(self, path):
        return None if 'e' in path else self.rows[self.groups[path][0]]

    def unmasked(self, path):
        if self.outcome(path) is None:
            return frozenset()
        return frozenset(
            index for index in self.free
            if any(self.rows[values] != self.rows[(*values[:index], not values[index], *values[index + 1:])]
                   for values in self.groups[path]))

    def pairs(self, index, paths):
        trues = [path for path in paths if path[index] == 'T' and index in self.unmasked(path)]
        falses = [path for path in paths if path[index] == 'F' and index in self.unmasked(path)]
        return [(true, false) for true in trues for false in falses if self.outcome(true) != self.outcome(false)]


def coverable(decision):
    """The indexes of the conditions that count for MC/DC."""
    return {index for index, analysis in enumerate(mcdc.analyse(decision, [])) if analysis.coverable}


def distance(one, other):
    return sum(0 if a == b else 1 if '-' in (a, b) else len(one) for a, b in zip(one, other))


@pytest.mark.slow
@hypothesis.settings(max_examples=int(EXAMPLES or 300), derandomize=EXAMPLES is None, deadline=None, database=None)
@hypothesis.given(expressions(), strategies.sampled_from(['if', 'boolean']), strategies.data())
def test_truth_table(text, kind, data):
    if kind == 'boolean' and not text.endswith(')'):
        kind = 'comparison' if '<' in text else 'if'
    decision = decisions.compile_decision(text, kind)
    hypothesis.assume(len(decision.conditions) <= MOST_LEAVES + 3)
    table = TruthTable(text, decision, kind)
    paths = sorted(table.groups)
    assert sorted(mcdc.feasible_paths(decision)) == paths
    assert mcdc.count_paths(decision) == len(paths)
    for path in paths:
        assert mcdc.outcome(decision, path) == table.outcome(path)
        assert mcdc.unmasked(decision, path) == table.unmasked(path)
    assert coverable(decision) == {index for index in range(table.size) if table.pairs(index, paths)}

    observed = data.draw(strategies.sets(strategies.sampled_from(paths)))
    for index, analysis in enumerate(mcdc.analyse(decision, observed)):
        check(decision, table, observed, index, analysis)


def check(decision, table, observed, index, analysis):
    """Check that the analysis agrees with the definitions, and that the missing paths suffice and are nearest."""
    assert set(analysis.outcomes) == {path[index] for path in observed} - {'-'}
    assert set(analysis.possible) == {path[index] for path in table.groups} - {'-'}
    pairs = table.pairs(index, observed)
    assert analysis.coverable == bool(table.pairs(index, table.groups))
    assert analysis.covered == bool(pairs)
    if pairs:
        assert analysis.pair in pairs
        assert distance(*analysis.pair) == min(distance(*pair) for pair in pairs)
    complete = analysis.outcomes == analysis.possible and (analysis.covered or not analysis.coverable)
    assert complete == (not analysis.missing) == (not analysis.gap)
    assert set(analysis.missing) <= table.groups.keys() - observed
    if analysis.missing and analysis.outcomes != analysis.possible:
        assert analysis.missing[0][index] in set(analysis.possible) - set(analysis.outcomes)
    if not complete and analysis.coverable:
        wanted = [path for path in table.groups if table.pairs(index, observed | {path})]
        assert len(analysis.missing) == (1 if wanted else 2)
        assert table.pairs(index, observed | set(analysis.missing))
        if wanted:
            nearest = min(distance(*pair) for path in wanted for pair in table.pairs(index, observed | {path}))
            assert min(distance(*pair) for pair in table.pairs(index, observed | set(analysis.missing))) == nearest
    if analysis.cause:
        assert not analysis.evaluated and analysis.cause.value is not None
    assert bool(analysis.cause) == (bool(observed) and bool(analysis.possible) and not analysis.evaluated)


# --- results known from other sources ---

def paths_of(text, rows):
    """The paths of rows of values, such as '1101', with one digit for each leaf."""
    return {decisions.run(text, [digit == '1' for digit in row])[0] for row in rows}


SUBEXPRESSIONS = '(a or b) or (((c and d) or (e and (f or g) and h)) and (k or l) and (m or n))'


# The output of GCC 14, which uses the masking table of Kvalsvik's paper, for these inputs: an expression, one row of
# values for each evaluation, and the conditions whose true and whose false outcome is not shown. GCC's own test suite
# expects this output (gcov-19.c).
@pytest.mark.parametrize('text, rows, no_true, no_false', [
    ('a or b', ['01'], {0}, {0, 1}),
    ('a or b', ['01', '00'], {0}, set()),
    ('a or b', ['01', '00', '11'], set(), set()),
    ('a or b or c', ['111', '010'], {2}, {0, 1, 2}),
    ('a and b', ['10'], {0, 1}, {0}),
    ('a and b', ['10', '11'], set(), {0}),
    ('a and b and c', ['111', '100'], set(), {0, 2}),
    ('not a or not b', ['00', '10'], {0, 1}, {1}),
    ('(a and b) or c', ['101'], {0, 1}, {0, 1, 2}),
    ('(a and (b or c)) and d', ['1100', '1000'], {0, 1, 2, 3}, {0}),
    ('a or (b and c) or d', ['0110'], {0, 3}, {0, 1, 2, 3}),
    ('(a or b) and (c or d)', ['1000'], {0, 1, 2, 3}, {0, 1}),
    ('(a or b or c) and d', ['0000', '0010', '0100'], {0, 1, 2, 3}, set()),
    ('(a and (b or c)) and d', ['0000', '1000', '1010', '1011', '1111'], set(), set()),
    ('(a and b) or c', ['000', '110', '101'], set(), {1}),
    ('(a and not c) or c', ['000', '011', '100', '111'], set(), {1}),
    ('(c if b else d) and e and f', ['00000', '10011', '11011'], {2}, {3, 4}),
    (SUBEXPRESSIONS, ['011111111111'], set(range(12)) - {1}, set(range(12))),
    (SUBEXPRESSIONS, ['001011101111'], set(range(12)), {2, 4, 5, 6, 8, 9, 10, 11}),
    (SUBEXPRESSIONS, ['001111111100'], set(range(12)), set(range(2, 10))),
    (SUBEXPRESSIONS, ['001111110011'], set(range(12)), {2, 3, 4, 5, 6, 7, 10, 11}),
    (SUBEXPRESSIONS, ['001011111111'], {0, 1, 2, 3, 6, 9, 11}, set(range(12))),
    (SUBEXPRESSIONS, ['000110011111'], set(range(12)), {3, 4, 7, 8, 9, 10, 11}),
    (SUBEXPRESSIONS, ['001010011111'], set(range(12)), {2, 4, 7, 8, 9, 10, 11}),
])
def test_gcc(text, rows, no_true, no_false):
    decision = decisions.compile_decision(text)
    shown = {(index, path[index]) for path in paths_of(text, rows) for index in mcdc.unmasked(decision, path)}
    everything = range(len(decision.conditions))
    negated = {index for index in everything if is_negated(text, index)}
    # GCC's outcome of `!x` is that of the negation where it folds it into the comparison.
    assert {index for index in everything if (index, 'T') not in shown} - negated == no_true - negated
    assert {index for index in everything if (index, 'F') not in shown} - negated == no_false - negated


def is_negated(text, index):
    names = text.replace('(', '').replace(')', '').replace('if', 'or').replace('else', 'or').split()
    leaves = [place for place, word in enumerate(names) if word not in ('and', 'or', 'not')]
    return leaves[index] > 0 and names[leaves[index] - 1] == 'not'


def test_paths_without_a_table():
    # Kvalsvik: without a ternary, a condition is covered when each of its outcomes was unmasked, whatever the pairs.
    text = SUBEXPRESSIONS
    decision = decisions.compile_decision(text)
    rows = [f'{number:012b}' for number in range(0, 4096, 37)]
    paths = paths_of(text, rows)
    shown = {(index, path[index]) for path in paths for index in mcdc.unmasked(decision, path)}
    for index, analysis in enumerate(mcdc.analyse(decision, paths)):
        assert analysis.covered == {(index, 'T'), (index, 'F')}.issubset(shown)


# The minimal tests of Hayhurst et al.: for n operands of `and`, all true and each of them false alone; for
# `or`, all false and each of them true alone; and that one fewer is not enough.
@pytest.mark.parametrize('operator, neutral', [(' and ', '1'), (' or ', '0')])
@pytest.mark.parametrize('size', [2, 3, 5])
def test_hayhurst_minimal_tests(operator, neutral, size):
    text = operator.join('abcde'[:size])
    decision = decisions.compile_decision(text)
    other = '0' if neutral == '1' else '1'
    rows = [neutral * size] + [neutral * place + other + neutral * (size - place - 1) for place in range(size)]
    assert all(analysis.covered for analysis in mcdc.analyse(decision, paths_of(text, rows)))
    for left_out in rows:
        verdicts = [analysis.covered for analysis in mcdc.analyse(decision, paths_of(text, set(rows) - {left_out}))]
        assert not all(verdicts)
        if left_out == rows[0]:
            assert not any(verdicts)


def test_masking_where_unique_cause_asks_for_more():
    # The pair for a differs in c and d too, which are evaluated in one of the two only or decide nothing there.
    text = '(a and b) or (c and d)'
    decision = decisions.compile_decision(text)
    analyses = mcdc.analyse(decision, paths_of(text, ['1100', '0110', '1010', '0111']))
    assert [analysis.covered for analysis in analyses] == [True, True, False, True]
    assert analyses[0].pair == ('TT--', 'F-TF')
    assert analyses[2].missing == ('F-F-',)
    assert reports.sentences(decision, paths_of(text, ['1100', '0110', '1010', '0111']))[2] == (
        '`c` was never false while `a` was false')


# --- sentences ---

@pytest.mark.parametrize('text, rows, sentences', [
    ('a', ['1'], ['`a` was never false']),
    ('a or b', ['10', '01'], ['`a` was never shown to affect the outcome independently: it was never false while `b` was false',
                              '`b` was never false while `a` was false']),
    ('a and b and c', ['011'], ['`a` was never true (with `b` and `c` true, for MC/DC)',
                                '`b` was never evaluated: `a` was always false',
                                '`c` was never evaluated: `a` was always false']),
    ('(a and b) or c', ['000', '110', '101'], [
        '', '`b` was never shown to affect the outcome independently: it was never false while `a` was true and `c` was false', '']),
    ('(a and b) or c', ['110'], ['`a` was never false (with `c` false, for MC/DC)',
                                 '`b` was never false while `a` was true (with `c` false, for MC/DC)',
                                 '`c` was never evaluated: `b` was always true']),
    ('(a or b) and c', ['100', '001', '011'], [
        '`a` was never shown to affect the outcome independently: it was never true while `c` was true', '', '']),
    ('a if t else b', ['110', '100'], ['`t` was never false (with `b` false, for MC/DC)', '',
                                       '`b` was never evaluated: `t` was always true']),
    ('x < f(y,\n   z) < w', ['11'], ['`x < f(y, z)` was never false',
                                     '`f(y, z) < w` was never false while `x < f(y, z)` was true']),
    (' and '.join('abcdefg'), ['1111111'], [
        '`a` was never false', '`b` was never false while `a` was true',
        '`c` was never false while `a` and `b` were true', '`d` was never false while `a`, `b` and `c` were true',
        '`e` was never false while `a`, `b`, `c` and `d` were true',
        '`f` was never false while `a`, `b`, `c`, `d` and 1 more were true',
        '`g` was never false while `a`, `b`, `c`, `d` and 2 more were true']),
])
def test_sentences(text, rows, sentences):
    decision = decisions.compile_decision(text)
    assert reports.sentences(decision, paths_of(text, rows)) == sentences


@pytest.mark.parametrize('text, rows, sentences', [
    ('a or b', ['10'], ['`a` was never false', '`b` was never evaluated: `a` was always true']),
    ('a or b', ['00', '10'], ['', '']),
    ('(a or b) and c', ['100'], ['`a` was never false', '`b` was never evaluated: `a` was always true', '']),
    ('a < b < c', ['00'], ['`a < b` was never true', '`b < c` was never evaluated: `a < b` was always false']),
])
def test_sentences_of_values(text, rows, sentences):
    decision = decisions.compile_decision(text, 'comparison' if '<' in text else 'boolean')
    paths = {decisions.run(text, [digit == '1' for digit in row], decision.kind)[0] for row in rows}
    assert reports.sentences(decision, paths) == sentences


@pytest.mark.parametrize('kind, path, sentence', [
    ('for', 'T', 'the loop `x` was never exhausted'),
    ('for', 'F', 'the loop `x` was never entered'),
    ('except', 'T', '`x` always matched'),
    ('except', 'F', '`x` never matched'),
    ('case', 'T', '`x` always matched'),
    ('while', 'F', '`x` was never true'),
])
def test_sentences_of_kinds(kind, path, sentence):
    decision = decisions.single(kind)
    assert reports.sentences(decision, [path]) == [sentence]
    [analysis] = mcdc.analyse(decision, ['T', 'F'])
    assert analysis.covered and reports.sentences(decision, ['T', 'F']) == ['']
    [never] = reports.sentences(decision, [])
    assert never.endswith('`x` was never evaluated')


def test_a_guard():
    decision = decisions.compile_decision('Point and x > 0')._replace(kind='case')
    assert reports.sentences(decision, ['F-', 'TT']) == [
        '', '`x > 0` was never false while `Point` matched']
    assert reports.sentences(decision, ['F-']) == [
        '`Point` never matched (with `x > 0` true, for MC/DC)',
        '`x > 0` was never evaluated: `Point` never matched']


# --- exceptions, constants, size, and paths that are none ---

def test_an_exception_leaves_outcomes_and_no_evidence():
    decision = decisions.compile_decision('a and b')
    first, second = mcdc.analyse(decision, ['T-!', 'F-', 'TT!'])
    assert first.outcomes == 'TF' and not first.covered and first.missing == ('TT',)
    assert second.outcomes == 'T' and not second.covered
    assert mcdc.outcome(decision, 'TT!') is None
    assert mcdc.unmasked(decision, 'TT!') == frozenset()
    first, second = reports.sentences(decision, ['T-!'])
    assert second == '`b` was never evaluated: an exception always left the decision before it'
    first, second = reports.sentences(decision, ['T-!', 'F-'])
    assert second == '`b` was never evaluated: an exception always left the decision before it'
    first, second = reports.sentences(decision, ['--!'])
    assert first == '`a` was never evaluated' == second.replace('b', 'a')


@pytest.mark.parametrize('text, counted, paths', [
    ('True', set(), ['-']),
    ('a and True', {0}, ['T-', 'F-']),
    ('a or True', set(), ['T-', 'F-']),
    ('True and a', {1}, ['-T', '-F']),
    ('False and a', set(), ['--']),
    ('a and (False or b)', {0, 2}, ['T-T', 'T-F', 'F--']),
])
def test_constants(text, counted, paths):
    decision = decisions.compile_decision(text)
    assert coverable(decision) == counted
    assert mcdc.feasible_paths(decision) == paths
    assert mcdc.count_paths(decision) == len(paths)
    analyses = mcdc.analyse(decision, paths)
    assert not any(analysis.gap for analysis in analyses)
    assert {index for index, analysis in enumerate(analyses) if analysis.covered} == counted


@pytest.mark.parametrize('text', [
    ' and '.join(f'c{n}' for n in range(60)),
    ' and '.join(f'(a{n} or b{n})' for n in range(30)),
    ' or '.join(f'(a{n} and b{n} if t{n} else not c{n})' for n in range(15)),
    '(' * 29 + 'x' + ''.join(f' and y{n}) or z{n}' for n in range(29)) + ' and w',
], ids=['and', 'or in and', 'ternaries', 'deep'])
def test_sixty_conditions(text):
    decision = decisions.compile_decision(text)
    size = len(decision.conditions)
    assert 58 <= size <= 60
    start = time.process_time()
    paths = mcdc.feasible_paths(decision, 200)
    if len(paths) == mcdc.count_paths(decision):
        paths = paths[::2]
    analyses = mcdc.analyse(decision, paths)
    mcdc.analyse(decision, [])
    seconds = time.process_time() - start
    assert seconds < 60      # a search of all combinations would take years
    assert any(analysis.missing for analysis in analyses)
    # What is asked for is enough, one condition after the other.
    for analysis in analyses:
        paths += analysis.missing
    assert all(analysis.covered for analysis in mcdc.analyse(decision, paths))
    assert len(coverable(decision)) == size


def test_counting_is_exact():
    text = ' and '.join(f'(a{n} or b{n})' for n in range(30))
    # Each pair is true in two ways; the first that is false ends it.
    assert mcdc.count_paths(decisions.compile_decision(text)) == 2 ** 31 - 1


def test_more_conditions_than_are_recorded():
    size = model.MOST_CONDITIONS + 1
    decision = decisions.compile_decision(' and '.join(f'c{n}' for n in range(size)))
    paths = ['-' * place + mark + '-' * (size - place - 1) + '!' for place in range(size) for mark in 'TF']
    analyses = mcdc.analyse(decision, paths)
    assert not any(analysis.covered for analysis in analyses)
    assert reports.sentences(decision, paths)[0] == (
        '`c0` could not be shown to affect the outcome independently: the decision has 65 conditions, '
        'and paths are recorded for up to 64')
    [*_, last] = mcdc.analyse(decision, paths[:-1])
    assert last.outcomes == 'T'
    assert reports.sentences(decision, paths[:-1])[-1].startswith('`c64` was never false while ')


@pytest.mark.parametrize('path', ['', 'T', 'TFT', 'TX', 'T-', '-T', 'FT', 'F-!!', 'Te', 'te'])
def test_no_path_of_the_decision(path):
    decision = decisions.compile_decision('a and b')
    with pytest.raises(ValueError, match='the path '):
        mcdc.analyse(decision, ['TT', path])


def test_decisions_of_one_shape_are_analysed_once(monkeypatch):
    """Most decisions of a large file have one of few shapes, and nothing has executed them."""
    made = []
    real = mcdc._Analysis
    monkeypatch.setattr(mcdc, '_Analysis', lambda *arguments: made.append(arguments) or real(*arguments))
    mcdc._analyse.cache_clear()
    found = analyse(''.join(f'if a{n} and b{n}: x\nif c{n}: y\n' for n in range(50)), 'x').decisions
    analyses = [mcdc.analyse(decision, ()) for decision in found]
    assert len(analyses) == 100 and len(made) == 2
    assert analyses[0] == analyses[2] and analyses[0] is not analyses[2]
    assert mcdc.analyse(found[0], ('TT',))[0].outcomes == 'T' and len(made) == 3
