"""The four levels, and each gap told once."""

import dataclasses
import os

import pytest

from condcov import model
from condcov.analysis import coverable, mcdc, results
from condcov.errors import CondcovError
from condcov.report import messages
from support import decisions

CART = '''\
def price(cart, member, voucher):
    if member and cart or voucher:
        total = 1
    while cart:
        return 2 if member else 3


    return (member or
            voucher)
'''


def cart(rows, missing_lines=(), arcs=(), missing_arcs=(), path='cart.py'):
    source = decisions.source_file(path, CART, arcs)
    return results.examine(source, decisions.seen(source, rows, missing_lines, missing_arcs))


def gaps(file):
    return [(gap.kind, gap.line, messages.of_gap(file, gap)) for gap in file.gaps]


def test_levels():
    file = cart({2: ['110', '000'], 4: ['1'], 5: ['1', '0']}, [8], [(2, 3), (2, 4), (4, 5), (4, 8)], [(4, 8)])
    assert file.levels == {'line': (5, 6), 'branch': (3, 4), 'condition': (4 + 1 + 2, 6 + 2 + 2),
                           'mcdc': (1 + 0 + 1, 3 + 1 + 1)}
    assert file.missing_lines == (8,) and file.missing_arcs == ((4, 8),)
    assert [len(analyses) for analyses in file.analyses] == [3, 1, 1]
    assert not file.complete


def test_all_is_covered():
    rows = {2: ['110', '011', '100', '000'], 4: ['1', '0'], 5: ['1', '0']}
    file = cart(rows, [], [(4, 5), (4, 8)])
    assert file.complete and not file.gaps
    assert {str(level) for level in file.levels.values()} == {'100%'}


def test_a_value_counts_an_outcome_less():
    decision = decisions.compile_decision('a or b', 'boolean')
    source = dataclasses.replace(decisions.source_file('x.py', 'a or b'), decisions=(decision,))
    file = results.examine(source, model.Seen({1}, set(), {decision.key: {'T-': 1}}))
    assert file.levels['condition'] == (1, 3)
    assert file.levels['mcdc'] == (0, 0)
    assert gaps(file) == [('outcome', 1, '`a` was never false'),
                          ('outcome', 1, '`b` was never evaluated: `a` was always true')]


@pytest.mark.parametrize('rows, missing_lines, missing_arcs, expected', [
    # The branch that was not taken is the outcome that was not seen.
    ({2: ['110', '011', '100', '000'], 4: ['1'], 5: ['1', '0']}, [8], [(4, 8)], [
        ('outcome', 4, '`cart` was never false'), ('line', 8, 'line 8 was never executed')]),
    # A decision in a line that was not executed is no gap of its own.
    ({2: ['110', '011', '100', '000'], 4: ['0']}, [5], [(4, 5)], [
        ('outcome', 4, '`cart` was never true'), ('line', 5, 'line 5 was never executed')]),
    ({}, [1, 2, 3, 4, 5, 8], [(4, 5), (4, 8), (2, 3), (2, 4)], [('line', 1, 'lines 1 to 8 were never executed')]),
    ({2: ['000'], 4: ['1', '0'], 5: ['1', '0']}, [3], [], [
        ('outcome', 2, '`member` was never true (with `cart` true, for MC/DC)'),
        ('outcome', 2, '`cart` was never evaluated: `member` was always false'),
        ('outcome', 2, '`voucher` was never true while `member` was false'),
        ('line', 3, 'line 3 was never executed')]),
    # One that was never evaluated though its line was executed.
    ({2: ['110', '011', '100', '000'], 4: ['1', '0']}, [], [], [('outcome', 5, '`member` was never evaluated')]),
    # A way out that no decision explains.
    ({2: ['110', '011', '100', '000'], 4: ['1', '0'], 5: ['1', '0']}, [], [(4, 8)], [
        ('arc', 4, 'line 4 never jumped to line 8')]),
    # Both outcomes seen, and no MC/DC.
    ({2: ['110', '101', '000'], 4: ['1', '0'], 5: ['1', '0']}, [], [], [
        ('mcdc', 2, '`cart` was never shown to affect the outcome independently: it was never false while `member` was true and `voucher` was false')]),
])
def test_gaps(rows, missing_lines, missing_arcs, expected):
    file = cart(rows, missing_lines, [(2, 3), (2, 4), (4, 5), (4, 8)], missing_arcs)
    assert gaps(file) == expected


def test_an_exit():
    file = cart({2: ['110', '011', '100', '000'], 4: ['1', '0'], 5: ['1', '0']}, [], [(8, -1)], [(8, -1)])
    assert gaps(file) == [('arc', 8, 'line 8 never exited the code that starts at line 1')]


def test_the_places_of_a_gap():
    text = 'def f():\n    return 1 if (a and\n        b("한") or\n        c) else 2\n'
    source = decisions.source_file('f.py', text)
    [gap, other] = results.examine(source, decisions.seen(source, {2: ['110']})).gaps[:2]
    assert (gap.line, gap.end_line, gap.spans[0]) == (2, 2, model.Span(2, 17, 2, 18))
    assert (other.line, other.text, other.decision, other.conditions) == (3, 'b("한")', 0, (1,))
    assert other.missing == ('TFF',)
    source = decisions.source_file('f.py', text)
    file = results.examine(source, decisions.seen(source, {2: ['000']}))
    unseen = [gap for gap in file.gaps if 'evaluated' in messages.of_gap(file, gap)]
    assert [(gap.line, gap.end_line, gap.conditions) for gap in unseen] == [(3, 3, (1,))]


def test_conditions_that_one_reason_keeps_from_being_evaluated_are_one_gap():
    source = decisions.source_file('f.py', 'if a and b and c(\n    ) and d:\n    pass\n')
    file = results.examine(source, decisions.seen(source, {1: ['0000']}, [3]))
    gap = file.gaps[1]
    assert messages.of_gap(file, gap) == '`b`, `c()` and `d` were never evaluated: `a` was always false'
    assert (gap.line, gap.end_line, gap.conditions, len(gap.spans)) == (1, 2, (1, 2, 3), 3)


def test_lines_left_out_do_not_end_a_range():
    source = dataclasses.replace(decisions.source_file('f.py', 'a\nb\nc\n\nd\ne\n'), lines=frozenset({1, 2, 5, 6}),
                                 excluded=frozenset({3}))
    file = results.examine(source, model.Seen({6}))
    assert gaps(file) == [('line', 1, 'lines 1 to 5 were never executed')]


def test_branches_that_are_taken_as_seen():
    source = dataclasses.replace(decisions.source_file('f.py', 'f()\ng()\n', [(1, 2), (1, -1)]),
                                 assumed=frozenset({(1, -1)}))
    file = results.examine(source, model.Seen({1, 2}, {(1, 2)}))
    assert file.levels['branch'] == (2, 2) and not file.gaps


def test_totals_and_order():
    one = cart({}, [1, 2, 3, 4, 5, 8], path='b.py')
    two = cart({4: ['1', '0']}, path='a.py')
    result = results.Result([one, two])
    assert [file.path for file in result.files] == ['a.py', 'b.py']
    assert result.totals == {'line': (6, 12), 'branch': (0, 0), 'condition': (2, 20), 'mcdc': (1, 10)}
    assert results.Result([]).totals == dict.fromkeys(results.LEVELS, (0, 0))


@pytest.mark.parametrize('covered, total, text', [
    (0, 0, '-'), (0, 3, '0.0%'), (2, 3, '66.6%'), (3, 3, '100%'), (9999, 10000, '99.9%'), (1, 2000, '0.0%'),
    (7, 8, '87.5%')])
def test_a_percentage_is_never_rounded_up(covered, total, text):
    assert str(results.Level(covered, total)) == text


def test_fail_under():
    # Line 5 of 6, condition 2 of 10, MC/DC 1 of 5, no branches.
    result = results.Result([cart({4: ['1', '0']}, [3])])
    assert results.fail_under(result, {}) == []
    assert results.fail_under(result, {'line': 100 * 5 / 6, 'branch': 100, 'condition': 20, 'mcdc': 20}) == []
    shortfalls = results.fail_under(result, {'mcdc': 20.5, 'line': 83.4})
    assert list(map(messages.below_minimum, shortfalls)) == [
        'line coverage of 83.3% (5 of 6) is less than the required 83.4%',
        'mcdc coverage of 20.0% (1 of 5) is less than the required 20.5%']


def test_data_that_does_not_fit():
    source = decisions.source_file('f.py', 'if a and b:\n    pass\n')
    with pytest.raises(CondcovError, match=r"f\.py:1: the data does not fit the source: the path 'TTT' .*; run again"):
        results.examine(source, model.Seen({1}, set(), {source.decisions[0].key: {'TTT': 1}}))


# --- with the decisions that the analysis finds ---

def library_files():
    folder = os.path.dirname(dataclasses.__file__)
    names = ['argparse', 'configparser', 'difflib', 'enum', 'inspect', 'shutil', 'subprocess', 'tarfile', 'textwrap',
             'typing']
    return [f'{folder}/{name}.py' for name in names]


@pytest.mark.parametrize('path', library_files(), ids=os.path.basename)
def test_decisions_of_the_standard_library(path):
    with open(path, 'rb') as file:
        source = coverable.analyse(file.read(), path)
    assert source.decisions
    for decision in source.decisions:
        # What the walks rely on: control goes to later conditions only.
        for index, condition in enumerate(decision.conditions):
            assert all(way < 0 or way > index for way in (condition.on_true, condition.on_false))
        # With all paths, nothing is missing; with none, all is.
        assert mcdc.count_paths(decision) < 1 << 62
        paths = mcdc.feasible_paths(decision, 5000)
        if len(paths) == mcdc.count_paths(decision):
            assert not any(one.gap for one in mcdc.analyse(decision, paths)), decision
        assert all(bool(one.gap) == bool(one.possible) for one in mcdc.analyse(decision, []))
    everything = model.Seen(set(source.lines), set(source.arcs), {
        decision.key: dict.fromkeys(mcdc.feasible_paths(decision), 1) for decision in source.decisions})
    file = results.examine(source, everything)
    assert file.complete and not file.gaps
    nothing = results.examine(source, model.Seen())
    assert all(level.covered == len(source.assumed) * (name == 'branch') for name, level in nothing.levels.items())
    assert [gap.kind for gap in nothing.gaps] == ['line']
    # Executed, and nothing else seen of it.
    executed = results.examine(source, model.Seen(set(source.lines)))
    assert len({gap.decision for gap in executed.gaps} - {None}) == len(source.decisions)
