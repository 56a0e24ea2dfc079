"""The verdicts of pymcdc beside ours, on its own examples and on random expressions.

pymcdc knows unique-cause MC/DC: in a pair, every other condition has the same value in both or was not evaluated in one
of them. So each of its pairs is one of ours, and masking MC/DC has more: the other conditions may differ where they
decide nothing. Its list of "combinations to be covered" is one minimal choice of pairs; a run that shows every
condition by other pairs leaves some of the list uncovered, and so does a run that cannot have the values that it chose
for conditions not evaluated.
"""

import re
import subprocess
import sys

import hypothesis
import pytest
from hypothesis import strategies
from pymcdc import verifica_mcdc

from condcov.analysis import mcdc
from support import decisions

pytestmark = pytest.mark.slow


def peer_lines(decision, paths):
    """The paths as pymcdc writes them: the outcome, then the conditions; V and F, X for what was not evaluated."""
    return [''.join(('V' if mcdc.outcome(decision, path) else 'F', path.replace('T', 'V').replace('-', 'X')))
            for path in sorted(paths)]


def peer_covers(lines, index):
    return any(verifica_mcdc.par_mcdc(one, other, index + 1) for one in lines for other in lines)


def table(output):
    """The rows of each decision in the report of pymcdc: its text, and (row as a path, covered)."""
    found = {}
    for block in output.split('Line number:')[1:]:
        text = re.search(r'Decision: (.*)', block)[1]
        rows = re.findall(r'^ *\d+ \| +(?:True|False) +(.*?) +(True|False) *$', block, re.MULTILINE)
        marks = {'True': 'T', 'False': 'F', '----': '-'}
        found[text] = [(''.join(marks[word] for word in row.split()), covered == 'True') for row, covered in rows]
    return found


LEAP = '''
def leap(a):
    if a < 1 or a > 9999:
        raise ValueError
    return True if (a % 4 == 0 and a % 100 != 0) or a % 400 == 0 else False

for year in YEARS:
    try:
        leap(year)
    except ValueError:
        pass
'''


@pytest.mark.parametrize('years, limits, rule', [
    ([2000], [False, False], [False, False, False]),
    ([0, 2000], [True, False], [False, False, False]),
    ([0, 10000, 2000, 2024, 2023, 1900], [True, True], [True, True, True]),
    ([2000, 1900, 2024], [False, False], [False, True, True]),
    ([2024, 2023], [False, False], [True, False, False]),
])
def test_its_example(tmp_path, years, limits, rule):
    # The leap years of pymcdc's documentation, by its own run of the program.
    (tmp_path / 'isleap.py').write_text(LEAP.replace('YEARS', repr(years)))
    run = subprocess.run([sys.executable, '-m', 'pymcdc', '--run', 'isleap.py'], cwd=tmp_path, text=True,
                         stdout=subprocess.PIPE, check=True)
    rows = table(run.stdout)
    expected = {'a < 1 or a > 9999': (limits, [(a < 1, a > 9999) for a in years]),
                '(a % 4 == 0 and a % 100 != 0) or a % 400 == 0': (
                    rule, [(a % 4 == 0, a % 100 != 0, a % 400 == 0) for a in years if 0 < a <= 9999])}
    assert rows.keys() == expected.keys()
    for text, (verdicts, values) in expected.items():
        decision = decisions.compile_decision(text)
        observed = {decisions.run(text, row)[0] for row in values}
        assert [analysis.covered for analysis in mcdc.analyse(decision, observed)] == verdicts
        # pymcdc saw the same rows, of those that it asks for, and what it asks for is enough for us, too.
        assert {row for row, covered in rows[text] if covered} == {row for row, _ in rows[text]} & observed
        assert all(analysis.covered for analysis in mcdc.analyse(decision, {row for row, _ in rows[text]}))
        if all(covered for _, covered in rows[text]):
            assert all(verdicts)


def test_what_it_asks_for_beyond():
    # All conditions are shown, by 'TFT' and 'TFF' for the last; pymcdc has chosen 'F-T' for it and goes on asking.
    text = '(a % 4 == 0 and a % 100 != 0) or a % 400 == 0'
    decision = decisions.compile_decision(text)
    observed = {'TT-', 'F-F', 'TFF', 'TFT'}
    assert all(analysis.covered for analysis in mcdc.analyse(decision, observed))
    assert all(peer_covers(peer_lines(decision, observed), index) for index in range(3))


@hypothesis.settings(max_examples=200, derandomize=True, deadline=None, database=None)
@hypothesis.given(strategies.recursive(strategies.just('x'), lambda inner: strategies.one_of(
    strategies.builds('({} and {})'.format, inner, inner),
    strategies.builds('({} or {})'.format, inner, inner),
    strategies.builds('(not {})'.format, inner)), max_leaves=6), strategies.data())
def test_its_pairs_are_ours(text, data):
    decision = decisions.compile_decision(text)
    observed = data.draw(strategies.sets(strategies.sampled_from(mcdc.feasible_paths(decision))))
    lines = peer_lines(decision, observed)
    for index, analysis in enumerate(mcdc.analyse(decision, observed)):
        if peer_covers(lines, index):
            assert analysis.covered
        elif analysis.covered:
            # The reason for the difference: another condition differs in the pair, masked in one of the two.
            true, false = analysis.pair
            others = [other for other, (one, two) in enumerate(zip(true, false))
                      if other != index and '-' not in (one, two) and one != two]
            assert others


def test_the_difference_exists():
    decision = decisions.compile_decision('(a or b) and (c or d)')
    observed = {'T-T-', 'FF--', 'T-FT', 'FTFF'}
    lines = peer_lines(decision, observed)
    verdicts = [(analysis.covered, peer_covers(lines, index))
                for index, analysis in enumerate(mcdc.analyse(decision, observed))]
    # c is true in 'T-T-' and false in 'FTFF', where a and b differ, and (a or b) is true by one or by the other.
    assert verdicts == [(True, True), (False, False), (True, False), (True, False)]
