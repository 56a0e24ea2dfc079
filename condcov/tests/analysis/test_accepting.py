"""What need not be tested: behind excluded lines, by a pragma or the configuration, or because no input can do it."""

import itertools

import hypothesis
import pytest
from hypothesis import strategies

from condcov.analysis import coupling, coverable, mcdc, results
from condcov.analysis.coverable import EXCLUDE
from condcov.analysis.source_file import Accepted
from condcov.model import Seen
from condcov.report import messages
from support import decisions


def examined(text, paths, exclude=EXCLUDE, accept=(), arcs=()):
    """The FileResult of a text; paths are those of the decisions in each line, in order."""
    source = coverable.analyse(text, 'f.py', exclude, accept=accept)
    seen = Seen(set(source.lines), set(arcs) or set(source.arcs))
    for decision in source.decisions:
        if paths.get(decision.span.line):
            seen.paths[decision.key] = dict.fromkeys(paths[decision.span.line], 1)
    return results.examine(source, seen)


def gaps(file):
    return [messages.of_gap(file, gap) for gap in file.gaps]


def accepted(file):
    return [(one.kind, one.line, messages.of_acceptance(file, one)) for one in file.accepted]


# --- what coverage.py would not ask for ---

@pytest.mark.parametrize('text', [
    'while a:  # pragma: no branch\n    b\n', 'if (a and\n    b):  # pragma: no branch\n    c\n',
    'x = a or b  # pragma: no branch\n', 'for a in b:  # pragma: no branch\n    c\n',
    'if a:  # pragma: no cover\n    b\nc\n'])
def test_a_line_without_branches_asks_for_no_conditions(text):
    file = examined(text, {})
    assert file.levels['condition'] == file.levels['mcdc'] == (0, 0) and not file.gaps


EXCLUDED = EXCLUDE + '|raise NotImplementedError'


@pytest.mark.parametrize('text, paths, condition', [
    # Only what leads to the excluded line is not asked for.
    ('if a:\n    raise NotImplementedError\nb\n', ['F'], (1, 1)),
    ('if a and b:\n    raise NotImplementedError\nc\n', ['F-', 'TF'], (3, 3)),
    ('if a or b:\n    raise NotImplementedError\nc\n', ['FF'], (2, 2)),
    ('if not a:\n    raise NotImplementedError\nc\n', ['T'], (1, 1)),
    ('if a:\n    b\nelse:\n    raise NotImplementedError\nc\n', ['T'], (1, 1)),
    ('if a or b:\n    c\nelif c:\n    raise NotImplementedError\nd\n', ['T-', 'FT', 'FF'], (4, 5)),
    ('for a in b:\n    raise NotImplementedError\nc\n', ['F'], (1, 1)),
    ('while a:\n    raise NotImplementedError\nc\n', ['F'], (1, 1)),
    ('match a:\n  case 1:\n    b\n  case 2:\n    raise NotImplementedError\nc\n', [], (0, 3)),
    ('try:\n    a\nexcept B:\n    raise NotImplementedError\nc\n', [], (0, 0)),
    ('try:\n    a\nexcept B:\n    raise NotImplementedError\nexcept C:\n    d\n', [], (0, 2)),
    ('if a:\n    b\n    raise NotImplementedError\nc\n', ['F'], (1, 2)),
])
def test_a_branch_that_is_excluded(text, paths, condition):
    file = examined(text, {1: paths}, EXCLUDED)
    assert file.levels['condition'] == condition
    if condition[0] == condition[1]:
        assert not file.gaps and file.levels['mcdc'] == (0, 0)


def test_the_last_except_clause_need_not_fail_to_match():
    file = examined('try:\n    a\nexcept B:\n    c\nexcept D:\n    e\nelse:\n    f\n', {3: ['T', 'F'], 5: ['T']})
    assert file.levels['condition'] == (3, 3) and file.levels['mcdc'] == (1, 1) and not file.gaps
    file = examined('try:\n    a\nexcept B:\n    c\nexcept:\n    d\n', {3: ['T']})
    assert gaps(file) == ['`B` always matched']


def test_the_sentence_does_not_ask_for_an_excluded_branch():
    file = examined('if a and b:\n    raise NotImplementedError\nc\n', {1: ['F-']}, EXCLUDED)
    assert gaps(file) == ['`a` was never true', '`b` was never evaluated: `a` was always false']
    assert all(mcdc.outcome(file.source.decisions[0], path) is False for gap in file.gaps for path in gap.missing)


# --- pragmas and the configuration ---

def test_mcdc_of_a_line():
    text = 'if a or b:  # pragma: no mcdc: they fail together\n    c\n'
    file = examined(text, {1: ['T-', 'FF']})
    assert file.levels['mcdc'] == (0, 0) and file.levels['condition'] == (3, 4)
    assert gaps(file) == ['`b` was never true while `a` was false']
    assert accepted(file) == [('accepted', 1, 'MC/DC of `b` is accepted: they fail together')]


def test_one_condition():
    text = 'if a or b:  # pragma: no condition `b`: needs a power cut\n    c\n'
    file = examined(text, {1: ['T-', 'FF']})
    assert file.levels['condition'] == (2, 2) and file.levels['mcdc'] == (1, 1) and not file.gaps
    assert accepted(file) == [('accepted', 1, '`b` is accepted: needs a power cut')]


@pytest.mark.parametrize('text', [
    'if (a  # pragma: no mcdc: why\n        or b):\n    c\n',
    'if (\n        a  # pragma: no mcdc: why\n        or b\n):\n    c\n',
    'if (a\n        or b):  # pragma: no mcdc `a`: why\n    c\n'])
def test_the_line_of_a_pragma(text):
    file = examined(text, {1: ['T-'], 2: ['T-']})
    assert accepted(file)[0][2] == 'MC/DC of `a` is accepted: why'
    assert [one.coverable for one in file.analyses[0]] == [False, True]


def test_a_pragma_behind_the_brackets_is_for_the_whole_statement():
    file = examined('if (\n        a\n        or b\n):  # pragma: no condition: why\n    c\n', {})
    assert file.levels['condition'] == (0, 0)
    assert accepted(file)[0][2] == '`a` and `b` are accepted: why'


def test_two_pragmas():
    file = examined('if a or b:  # pragma: no mcdc `a`: x  # pragma: no condition `b`\n    c\n', {1: ['T-', 'FF']})
    assert [sentence for _, _, sentence in accepted(file)] == [
        'MC/DC of `a` need not be accepted, because nothing is missing: remove the pragma',
        '`b` is accepted without a reason']


def test_what_is_closed_after_all_is_reported():
    file = examined('if a or b:  # pragma: no mcdc `b`: why\n    c\n', {1: ['T-', 'FF', 'FT']})
    assert accepted(file) == [
        ('unneeded', 1, 'MC/DC of `b` need not be accepted, because nothing is missing: remove the pragma')]
    assert file.levels['mcdc'] == (1, 1)


def test_a_pragma_for_nothing():
    text = 'if a:  # pragma: no mcdc `b`: why\n    c  # pragma: no condition\n"# pragma: no mcdc"\n' \
           'if d:  # pragma: no cover\n    e = f or g  # pragma: no mcdc\n'
    file = examined(text, {1: ['T', 'F']})
    assert accepted(file) == [
        ('unmatched', 1, 'the pragma accepts nothing, because the statement has no condition `b`'),
        ('unmatched', 2, 'the pragma accepts nothing, because the statement has no condition')]


def test_an_accepted_condition_does_not_hide_a_branch():
    text = 'if a:  # pragma: no condition: why\n    b\nc\n'
    file = examined(text, {1: ['T']}, arcs=[(1, 2)])
    assert gaps(file) == ['line 1 never jumped to line 3']


def test_the_configuration():
    entry = Accepted('mcdc', 'f( x )', 'why', 0, ())
    file = examined('if a and f(\n        x\n    ):\n    c\n', {1: ['F-', 'TF']}, accept=[entry._replace(text='f( x )')])
    assert accepted(file) == [('accepted', 1, 'MC/DC of `f( x )` is accepted: why')]
    assert [one.coverable for one in file.analyses[0]] == [True, False]


# --- conditions that no input can separate ---

@pytest.mark.parametrize('text, expected', [
    ('a and b or a and c', [{0: False, 2: False}]), ('a and b or not a', [{0: False, 2: False}]),
    ('a is None or b and a is not None', [{0: False, 2: True}]), ('a in b and b or a not in b', [{0: False, 2: True}]),
    ('a == b or a != b', [{0: False, 1: True}]), ('a.b and c or a.b', [{0: False, 2: False}]),
    # What is evaluated between them may change the value.
    ('a and f() or a', []), ('f() and b or f()', []), ('a or (a := b) or a', []), ('a or b', []),
])
def test_what_is_coupled(text, expected):
    assert coupling.groups(decisions.compile_decision(text), []) == expected


def test_what_was_separate_is_not_coupled():
    assert coupling.groups(decisions.compile_decision('a and b or a'), ['TFT', 'TFF']) == []


def test_no_impossible_sentence():
    file = examined('if a and (a or b):\n    c\n', {1: ['TT-', 'F--']})
    assert not file.gaps and file.levels['condition'] == (3, 3) and file.levels['mcdc'] == (1, 1)
    assert accepted(file) == [('coupled', 1, 'the second `a` and `b` cannot be tested separately: conditions of the '
                               'decision always have the same value, or opposite ones')]
    file = examined('if f() and b or f():\n    c\n', {1: ['F-F']})
    assert gaps(file)[0].startswith('the first `f()` was never true')


VARIABLES = 'abc'
leaves = strategies.sampled_from(['a', 'b', 'c', 'not a', 'not b'])
expressions = strategies.recursive(leaves, lambda inner: strategies.tuples(
    inner, strategies.sampled_from(['and', 'or']), inner).map(lambda it: f'({" ".join(it)})'), max_leaves=6)


@hypothesis.given(expressions, strategies.sampled_from([frozenset(), frozenset({True}), frozenset({False})]),
                  strategies.randoms(use_true_random=False))
@hypothesis.settings(max_examples=150, deadline=None)
def test_every_input(text, waived, chance):
    decision = decisions.compile_decision(text)
    groups = coupling.groups(decision, [])
    hypothesis.assume(len(decision.conditions) > 1)
    possible = set()
    for values in itertools.product((False, True), repeat=len(VARIABLES)):
        path, _ = decisions.run(text, [dict(zip(VARIABLES, values))[one.text] for one in decision.conditions])
        if mcdc.outcome(decision, path) not in waived:
            possible.add(path)
    limits = mcdc.Limits(waived, groups)
    observed = {path for path in possible if chance.random() < 0.5}
    for index, analysis in enumerate(mcdc.analyse(decision, observed, limits)):
        assert set(analysis.asked) == {path[index] for path in possible} - {'-'}
        shown = {(path[index], mcdc.outcome(decision, path)) for path in possible
                 if index in mcdc.unmasked(decision, path)}
        assert analysis.coverable == (not waived and any(
            ('T', outcome) in shown and ('F', not outcome) in shown for outcome in (True, False)))
        assert set(analysis.missing) <= possible - observed
        assert bool(analysis.gap) == bool(analysis.missing)
    assert not any(one.gap for one in mcdc.analyse(decision, possible, limits))
