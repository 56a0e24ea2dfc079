"""Asserts that pytest has rewritten are left out where it makes no difference to the plans of other code."""

import ast

import pytest
from _pytest.assertion.rewrite import rewrite_asserts

from condcov.analysis.coverable import analyse, code_objects
from condcov.code import parsing, rewritten_asserts
from condcov.model import ASSERTS, UNKNOWN, Seen
from condcov.record import planner


def rewritten(text):
    tree = ast.parse(text)
    rewrite_asserts(tree, text.encode())
    return list(code_objects(compile(tree, 'example.py', 'exec', dont_inherit=True)))


def planned(codes, text):
    """(probes, lines, arcs of lines, arcs of jumps, outcomes, recorded) of each code object."""
    tables = parsing.Tables(text.encode(), 'example.py')
    found = []
    for code in codes:
        plan = planner.plan(code, tables)
        lines, line_arcs, jump_arcs, outcomes, recorded, unknown = plan.meaning
        assert list(unknown) == ([ASSERTS] if rewritten_asserts.are_in(code) else [])
        found.append((plan.probes, lines, *({place: {*arcs[place]} for place in arcs} for arcs in (line_arcs, jump_arcs)),
                      outcomes, recorded))
    return found


def left_out(text):
    return sorted(rewritten_asserts.leave_out(text)[1])


AROUND = '''\
async def test(a, b):
    {}
    return a or b
    if a:
        {}
    for x in b:
        {}
    while b:
        if not a: {}
        {}
    async with a:
        if b: return 1
        {}
    match b:
        case {"k": x}:
            if a:
                {}
            else:
                {}
        case a.b if b:
            {}
    try:
        {}
    except a:
        {}
    else:
        {}
    finally:
        {}
async def leave(a, b):
    for x in a:
        try:
            if x: continue
        finally:
            {}
    try:
        if b: return
    finally:
        {}
async def left(a, b):
    try:
        a()
    finally:
        {}
    return 1
class C:
    def test(self, a):
        if a and self:
            return [x for x in a if x]
        test
'''


@pytest.fixture
def without_straight(monkeypatch):
    monkeypatch.setattr(planner.straight, 'plan', lambda code, asserts: None)


@pytest.mark.parametrize('text, expected', [
    ('assert a', True),
    ('assert(a)', True),
    ('assert a and b or not test(a)', True),
    ('assert a == {1: "}"}, f"{a if b else 1}"', True),
    ('assert a == {1: 2}, f"{a if b else 1}"', True),
    ('assert a < b < 3  # it is; not', True),
    ('assert a == "# for ; (" and b  # it isn\'t (a "b")', True),
    ('assert a, f"{b or 1}"  ', True),
    ('assert a, f"{b or 1}"  # b', False),
    ('assert (a  # "b)\n        and b)  # and )', True),
    ('assert a < b < 3   ', True),
    ('assert "ähnlich" + (a or b)', True),
    ('assert (a if b else 3) == 1', True),
    ('assert sorted(a, key=lambda a: a and b)', True),
    ('assert all(x or a for x in b)', False),
    ('assert [x for x in b if x]', False),
    ('assert a; b = a or b', False),
    ('assert a, """; """', False),
    ('assert a \\\n        and b', True),
    ('assert a \\\n', False),
    ('assert a == \\\n        [b or 1,\n         a]', True),
    ('assert a == f"{b or 1}" \\\n        or b', False),
    ('assert (a\n        and b)', True),
    ('assert (a\n        and b) \\\n        or b', True),
    ('assert (a\n        and b); b = a or b', False),
    ('assert (a\n        and b  # and )\n        )', True),
    ('assert (a and\n\n        test(b[")"\n\n], ")") or {"(": a})', True),
    ('assert (\n        a and [\n        b or ")", \'"\', "\\\\\\")"\n        ]\n)', True),
    ('assert (a and\n        {"ä": b or "ö", 1: ")"})   ', True),
    ('assert test(a and f"{b or 1}",\n        b)', False),
    ('assert a, (\n        f"{b or 1}",\n        b)', False),
    ('assert test(a,\n        f"{b or 1}")', True),
    ('assert test(a,\n        sorted(b, key=lambda b: a and b))', True),
    ('assert test(a,\n        """; """)', False),
    ('assert test(a,\n        "\\\n)")', False),
    ('assert ")" + (a or\n        b)', True),
    ('assert " ( " and a, b', True),
    ('assert (a := b) is None', True),
    ('assert await a(b)', True),
    ('assert (await a) == b', True),
    ('assert True', True),
    ('asserts = a and b', False),
])
def test_what_is_left_out(text, expected, without_straight, monkeypatch):
    text = AROUND.replace('{}', text)
    codes = rewritten(text)
    made = planned(codes, text)
    assert bool(left_out(text)) == expected
    assert any(plan[4] for plan in made)
    monkeypatch.setattr(rewritten_asserts, 'leave_out', lambda text: (text, frozenset()))
    assert made == planned(codes, text)


@pytest.mark.parametrize('text', [
    'X = """\ndef f():\n    assert a # """; y = 1 if bool(int) else 2; z = """\n""" # """\n',
    'x = f"""\nassert {str if int else 1}\n"""\n',
    'x = rf\'\'\'\nassert {str if int else 1}\n\'\'\'\n',
    'x = str, \'\\\nassert \' if int else 1\n',
    'x = [str,\nassert_ if int else 1]\n',
])
def test_what_is_not_an_assert(text, without_straight, monkeypatch):
    text = f'assert_ = 1\n{text}def test(a):\n    assert a\n'
    codes = rewritten(text)
    made = planned(codes, text)
    assert made[0][4] and left_out(text) == [len(text.splitlines())]
    monkeypatch.setattr(rewritten_asserts, 'leave_out', lambda text: (text, frozenset()))
    assert made == planned(codes, text)


@pytest.mark.parametrize('comprehension', ['[x and a for x in a or b if x]', '{x and a: 1 for x in a or b if x}',
                                           'list(x and a for x in a or b if x)'])
def test_comprehension_in_an_assert_is_not_rewritten(comprehension):
    text = f'def test(a, b):\n    assert b and {comprehension} == a or b\n'
    kinds = sorted(key[4] for plan in planned(rewritten(text), text)
                   for key in [key for key, _ in plan[4].values()] + [key for key, *_ in plan[5]])
    assert {*kinds} == {'for', 'comprehension', 'boolean'}
    found = analyse(text, 'example.py')
    assert [decision.kind for decision in found.decisions if decision.key in found.asserts] == ['assert']


def test_code_in_an_assert_that_is_not_rewritten():
    text = 'def test(a):\n    assert sorted(a, key=lambda x: x if a else 1)\n'
    plans = planned(rewritten(text), text)
    assert [bool(plan[4]) or bool(plan[5]) for plan in plans] == [False, False, True]


def test_each_part_of_a_file_of_asserts_is_parsed_once(monkeypatch):
    text = 'def test(a):\n    assert a and a\n    if a:\n        assert a\ndef other(a):\n    return a or test\n'
    codes, parsed = rewritten(text), []
    real = ast.parse
    monkeypatch.setattr(parsing.ast, 'parse', lambda text, *rest: parsed.append(text) or real(text, *rest))
    planned(codes, text)
    left = text.replace('assert a and a', '_' * 14).replace('assert a', '_' * 8)
    second = left.index('def other')
    assert sorted(part.rstrip() for part in parsed) == sorted((left[:second].rstrip(), left[second:].rstrip()))


def test_reports_say_nothing_of_decisions_that_only_rewritten_asserts_have_evaluated():
    found = analyse('def f(a, b):\n    assert a and b\n    assert b\n    return a or b\n', 'example.py')
    first, other, last = (decision.key for decision in found.decisions)
    counted, seen = found.counted(Seen(paths={ASSERTS: {UNKNOWN: 1}, last: {'TF': 1}}))
    assert [decision.key for decision in counted.decisions] == [last] and seen.paths == {last: {'TF': 1}}
    # Another process has not rewritten them.
    counted, seen = found.counted(Seen(paths={ASSERTS: {UNKNOWN: 1}, other: {'T': 1}}))
    assert [decision.key for decision in counted.decisions] == [other, last] and seen.paths == {other: {'T': 1}}
    counted, seen = found.counted(Seen())
    assert [decision.key for decision in counted.decisions] == [first, other, last]
