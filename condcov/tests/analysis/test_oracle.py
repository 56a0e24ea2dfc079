"""Results from source text and recorded jumps, compared with interpretation and the truth table.

In the fork, the jumps are recorded by the slow recorder, from trace events; elsewhere by condcov's recorder.
"""

import ast
import sys

import hypothesis
import pytest
from hypothesis import strategies
from test_mcdc import EXAMPLES, TruthTable, expressions

from condcov.analysis import mcdc, results
from condcov.record.interpreter import Recorder
from condcov.report import messages
from support import decisions
from support.planned import Planned
from support.slow_recorder import SlowRecorder


class Number(ast.NodeTransformer):
    """Numbers the leaves in the order of evaluation, as decisions.run() does: v[0], or o[1] < o[2] < o for a chain."""

    def __init__(self):
        self.count = 0

    def visit_Name(self, node):
        self.count += 1
        return ast.parse(f'v[{self.count - 1}]', mode='eval').body

    def visit_Compare(self, node):
        self.count += 2
        return ast.parse(f'o[{self.count - 2}] < o[{self.count - 1}] < o', mode='eval').body

    def visit_IfExp(self, node):
        test, body, orelse = (self.visit(part) for part in (node.test, node.body, node.orelse))
        return ast.IfExp(test, body, orelse)


class Link:
    """An operand of a chained comparison, whose comparison with the next has a given truth."""

    def __init__(self, truth):
        self.truth = truth

    def __lt__(self, other):
        return self.truth


def recorded(text, rows):
    """The FileResult of a function with the decision in the text, called with each row of truth values."""
    planned, namespace = Planned(text, 'decide.py'), {}
    recorder = (SlowRecorder if hasattr(sys, 'settracestate') else Recorder)(planned)
    recorder.start()
    try:
        exec(compile(text, 'decide.py', 'exec'), namespace)
        for row in rows:
            namespace['decide'](row, [Link(truth) for truth in row])
    finally:
        recorder.stop()
    return results.examine(*planned.seen(recorder))


def words(text):
    """The tokens of an expression."""
    return set(text.replace('(', ' ').replace(')', ' ').split())


def value_expressions():
    """Texts with only names, `and` and `or`: other expressions in a value are separate decisions."""
    return strategies.recursive(strategies.just('x'), lambda inner: strategies.one_of(
        strategies.builds('({} and {})'.format, inner, inner),
        strategies.builds('({} or {})'.format, inner, inner)), max_leaves=6).filter(lambda text: text != 'x')


@pytest.mark.slow
@hypothesis.settings(max_examples=int(EXAMPLES or 300), derandomize=EXAMPLES is None, deadline=None, database=None,
                     suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.filter_too_much])
@hypothesis.given(strategies.one_of(
    # A constant is folded away here or there: what is left of it, the truth table alone tests.
    strategies.tuples(strategies.just('if'), expressions().filter(lambda text: not {'True', 'False'} & words(text))),
    strategies.tuples(strategies.just('boolean'), value_expressions())), strategies.data())
def test_verdicts(kind_and_text, data):
    kind, text = kind_and_text
    numbered = Number()
    text = ast.unparse(numbered.visit(ast.parse(text, mode='eval')))
    hypothesis.assume(numbered.count <= 9)
    rows = data.draw(strategies.lists(strategies.tuples(*[strategies.booleans()] * numbered.count), max_size=8))
    statement = f'if {text}:\n        return 1' if kind == 'if' else f'x = {text}'
    file = recorded(f'def decide(v, o):\n    {statement}\n    return 2\n', rows)

    expected = decisions.compile_decision(text, kind)
    table = TruthTable(text, expected, kind)
    [decision] = file.source.decisions
    assert [condition.text.replace('\n', ' ') for condition in decision.conditions] == [
        condition.text for condition in expected.conditions]
    observed = {decisions.run(text, row, kind)[0] for row in rows}
    assert file.seen.paths.get(decision.key, {}).keys() == observed
    assert mcdc.feasible_paths(decision) == mcdc.feasible_paths(expected)
    for index, verdict in enumerate(file.analyses[0]):
        assert set(verdict.outcomes) == {path[index] for path in observed} - {'-'}
        assert verdict.coverable == bool(table.pairs(index, table.groups))
        assert verdict.covered == bool(table.pairs(index, observed))
    assert file.levels['condition'].total == sum(
        2 if condition.tested else 1 for condition in expected.conditions)


SHOP = '''\
def price(total, member, voucher, codes):
    for code in codes:
        if code is None:
            continue
    while voucher and total > 100:
        try:
            total /= voucher
        except ZeroDivisionError:
            break
        voucher = None
    match codes:
        case [first] if first:
            total -= 1
        case []:
            total += 1
    return (member or
            voucher)

def decide(row, _):
    price(*row)
'''


def test_a_program():
    # Each sentence was verified by reading the program.
    file = recorded(SHOP, [(120, True, 2, ['a']), (90, True, 1, ['', 'b'])])
    assert [(gap.line, messages.of_gap(file, gap)) for gap in file.gaps] == [
        (3, '`code is None` was never true'),
        (4, 'line 4 was never executed'),
        (8, 'lines 8 to 9 were never executed'),
        (12, '`first` was never false while `[first]` matched'),
        (14, '`[]` never matched'),
        (15, 'line 15 was never executed'),
        (16, '`member` was never false'),
        (17, '`voucher` was never evaluated: `member` was always true'),
    ]
    # Counted by hand: eight conditions with two outcomes each, the last operand of the value with one outcome, and the
    # only except clause with one outcome.
    assert file.levels == {'line': (14, 18), 'branch': (8, 10), 'condition': (12, 18), 'mcdc': (4, 7)}
