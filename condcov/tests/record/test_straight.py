"""Code without branches has the plan that the planner makes of any code."""

import ast
import inspect
import sys

import pytest
from _pytest.assertion.rewrite import rewrite_asserts

from condcov.analysis.coverable import code_objects
from condcov.code import parsing, rewritten_asserts
from condcov.record import planner, straight


def compiled(text, rewritten=False):
    tree = ast.parse(text)
    if rewritten:
        rewrite_asserts(tree, text.encode())
    return list(code_objects(compile(tree, 'example.py', 'exec', dont_inherit=True)))


def meaning(plan):
    """(probes, lines, arcs of lines, arcs of jumps, outcomes, recorded, unknown) of a plan."""
    lines, line_arcs, *rest = plan.meaning
    return plan.probes, lines, {place: {*arcs} for place, arcs in line_arcs.items()}, *rest


def both(text, monkeypatch, rewritten=False):
    """Yield both plans of each code object, or None and its plan."""
    tables = parsing.Tables(text, 'example.py')
    for code in compiled(text, rewritten):
        simple = straight.plan(code, tables.asserts() if rewritten_asserts.are_in(code) else None)
        with monkeypatch.context() as patch:
            patch.setattr(straight, 'plan', lambda code, asserts: None)
            yield simple and meaning(simple), meaning(planner.plan(code, tables))


MANY = 'x = [{}]\n'.format(', '.join(f'str({number}.5)' for number in range(300)))


@pytest.mark.parametrize('text', [
    'pass\n', 'x = 1\ny = 2\n', '"""Docstring."""\n', '\n\nx = (1,\n     y,\n     2)\nz = y\n', MANY + 'y = 0.25\n', MANY,
    'if 1:\n    x = 2\nelse:\n    x = 3\ny = 4\n', 'raise ValueError(\n    1)\n', 'class C:\n    x = 1\n    y = 2\n',
    'global x; x = (\n1,\ny); z = 3\nstr(\n    str(\n        x\n    )\n)\n',
], ids=repr)
@pytest.mark.parametrize('place', ['{}', 'def f(y):\n    {}', 'class D:\n    def f(self):\n        {}',
                                   'def f(y):\n    def g():\n        nonlocal y\n        {}\n    return g'], ids=repr)
def test_straight(text, place, monkeypatch):
    indentation = ' ' * (len(place.split('{}')[0].split('\n')[-1]))
    text = place.replace('{}', text.rstrip().replace('\n', '\n' + indentation)) + '\n'
    for simple, whole in both(text, monkeypatch):
        assert simple == whole


@pytest.mark.parametrize('text', [
    'def f(x):\n    if x: return\n    return 1\n', 'def f(x):\n    while 1:\n        x()\n',
    'def f(x):\n    for _ in x: pass\n', 'def f(x):\n    try: x()\n    finally: x = 1\n',
    'def f(x):\n    with x: pass\n', 'def f(x):\n    return x or 1\n', 'async def f(x):\n    await x\n',
    'def f(x):\n    yield from x\n', 'def f(x):\n    assert x\n    return 1\n',
])
def test_not_straight(text, monkeypatch):
    (module, _), (function, _) = both(text, monkeypatch)
    assert module and function is None


@pytest.mark.skipif(sys.version_info >= (3, 12), reason='generators have handlers')
def test_generator_is_straight(monkeypatch):
    # Where the third line begins, there can be no probe, and in the second function nowhere in it.
    text = 'def f(y):\n    x = (\n        -(yield\n        y))\n    return x\n'
    _, (other, _), (simple, whole) = both(text + text.replace('-', ''), monkeypatch)
    assert simple == whole and other is None


@pytest.mark.parametrize('text', [
    'def f(x):\n    while 1:\n        x = x()\n        assert x\n',
    'def f(x):\n    try:\n        assert x\n    finally:\n        assert x\n',
])
def test_rewritten_asserts_that_are_not_straight(text, monkeypatch):
    *_, (function, _) = both(text, monkeypatch, True)
    assert function is None


@pytest.mark.parametrize('name', ['argparse', 'dataclasses', 'enum', 'inspect', 'typing', 'unittest.mock'])
def test_modules_of_the_library(name, monkeypatch):
    text = inspect.getsource(pytest.importorskip(name))
    plans = [(simple, whole) for simple, whole in both(text, monkeypatch) if simple]
    assert len(plans) > 10
    for simple, whole in plans:
        assert simple == whole


@pytest.mark.parametrize('text, numbers', [
    ('assert x\nassert x == 1\ny = 1\nassert x and y', [2, 3, 4, 5]),
    ('assert x == 1, "no"\ny = [\n1]\nassert (x and\n    y or 2)\nz = 1', [2, 3, 5, 7]),
])
def test_rewritten_asserts(text, numbers, monkeypatch):
    text = 'def f(x):\n    {}\n'.format(text.replace('\n', '\n    '))
    statements = ast.parse(text).body[0].body
    first = {line: statement.lineno for statement in statements
             for line in range(statement.lineno, statement.end_lineno + 1)}
    *_, (found, whole) = both(text, monkeypatch, True)
    where = {}
    for offset, line in sorted(found[1].items()):
        where.setdefault(first[line], offset)
    assert list(where) == numbers and {*where.values()} <= whole[1].keys()
    arcs = {(first[start], first.get(end, end)) for around in found[2].values() for start, end in around}
    assert {(start, end) for start, end in arcs if start != end} == {*zip(numbers, numbers[1:]), (numbers[-1], -1)}
    assert found[3] == {} and found[4:] == whole[4:] and found[0][1:] == ((), ())
