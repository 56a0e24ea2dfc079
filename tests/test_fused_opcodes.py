"""The lists of fused instructions in Python/tracestate.c are those that CPython's eval loop has.

A specialized instruction is fused if it executes the next one, too. How to see that in the source is known for this
release; a new release has to be looked at if this test fails.
"""

import re

import pytest


@pytest.fixture
def bodies(root):
    """{name of an instruction: its C code}"""
    path = root / 'build/src/fork/Python/ceval.c'
    if not path.exists():
        pytest.skip('the source is not unpacked; run ./configure')
    text = path.read_text().partition('/* Start instructions */')[2].partition('TARGET_DO_TRACING')[0]
    parts = re.split(r'^ +TARGET\((\w+)\) \{\n', text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def listed(root, name):
    text = (root / 'Python/tracestate.c').read_text()
    found = text.partition(f'static const uint8_t {name}[] = {{\n')[2].partition('};')[0]
    return set(re.findall(r'^    ([A-Z]\w+),$', found, re.M))


def test_lists(root, bodies):
    assert len(bodies) > 180
    executes_next = {name for name, body in bodies.items()
                     if 'SKIP_CALL();' in body or 'NEXTOPARG();' in body or re.search(r'JUMPBY\(INLINE_\w+ \+ 1', body)}
    never_traced = listed(root, 'never_traced')
    assert executes_next - never_traced == listed(root, 'fused') | listed(root, 'never_fused')
    assert not listed(root, 'fused') & listed(root, 'never_fused')
    assert never_traced <= bodies.keys()


def test_all_are_hooked(bodies):
    """The recorded loop sees both halves: its macros, or EXECUTED(), are in each of them."""
    for name, body in bodies.items():
        if re.search(r'JUMPBY\(INLINE_\w+ \+ 1', body):
            assert 'EXECUTED(' in body, name
    extended = [name for name in bodies if name.startswith('EXTENDED_ARG')]
    assert extended == ['EXTENDED_ARG', 'EXTENDED_ARG_QUICK']
