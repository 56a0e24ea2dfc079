"""Masking MC/DC from paths: against the truth table, the textbooks and another tool."""

import itertools
import os
import time

import hypothesis
import pytest
from hypothesis import strategies

import decisions
from condcov import mcdc, model

# make test-condcov sets it to 5000 for the long form.
EXAMPLES = int(os.environ.get('CONDCOV_ORACLE_EXAMPLES', '300'))
MOST_LEAVES = 6

# The strategies are nested, and Hypothesis warns about the length of a name that nobody asked for.
pytestmark = pytest.mark.filterwarnings('ignore:Generating overly large repr')


# --- against the definition, by brute force over all assignments ---

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
    """Every verdict, from all assignments and the definitions alone."""

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


def distance(one, other):
    return sum(0 if a == b else 1 if '-' in (a, b) else len(one) for a, b in zip(one, other))


@hypothesis.settings(max_examples=EXAMPLES, deadline=None)
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
    assert mcdc.coverable(decision) == {index for index in range(table.size) if table.pairs(index, paths)}

    observed = data.draw(strategies.sets(strategies.sampled_from(paths)))
    for index, analysis in enumerate(mcdc.analyse(decision, observed)):
        check(decision, table, observed, index, analysis)


def check(decision, table, observed, index, analysis):
    """That the analysis of one condition is what the definitions say, and that what it asks for is enough and nearest."""
    assert set(analysis.outcomes) == {path[index] for path in observed} - {'-'}
    assert set(analysis.possible) == {path[index] for path in table.groups} - {'-'}
    pairs = table.pairs(index, observed)
    assert analysis.coverable == bool(table.pairs(index, table.groups))
    assert analysis.covered == bool(pairs)
    if pairs:
        assert analysis.pair in pairs
        assert distance(*analysis.pair) == min(distance(*pair) for pair in pairs)
    complete = analysis.outcomes == analysis.possible and (analysis.covered or not analysis.coverable)
    assert complete == (not analysis.missing) == (not analysis.sentence)
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
    if analysis.reason:
        assert not analysis.evaluated
        assert 'always' in analysis.reason and 'exception' not in analysis.reason
    assert bool(analysis.reason) == (bool(observed) and bool(analysis.possible) and not analysis.evaluated)
