"""For each function in Lib/test/tracecorpus.py, the fork reports exactly the events of stock CPython."""

import json
import os
import subprocess

import pytest

from qa import ROOT

pytestmark = pytest.mark.slow

WORKER = ROOT / 'qa/compare/event_stream.py'


@pytest.fixture(scope='module')
def stream(root):
    def stream(python, mode):
        """{name of a function of the corpus: its events}"""
        lines = subprocess.run([python, '-I', WORKER, root / 'Lib/test/tracecorpus.py', mode], check=True, text=True,
                               stdout=subprocess.PIPE, env=os.environ | {'PYTHONHASHSEED': '0'}).stdout
        return dict(json.loads(line) for line in lines.splitlines())
    return stream


def assert_equal_streams(ours, theirs, least=50_000):
    assert list(ours) == list(theirs)
    for name in ours:
        for i, (a, b) in enumerate(zip(ours[name], theirs[name])):
            assert a == b, f'event {i} of {name}'
        assert len(ours[name]) == len(theirs[name]), name
    assert sum(map(len, ours.values())) > least


def test_legacy_tracer_sees_what_stock_shows_it(stream, python, stock_python):
    assert_equal_streams(stream(python, 'settrace'), stream(stock_python, 'settrace'))


def test_profiler_sees_what_stock_shows_it(stream, python, stock_python):
    assert_equal_streams(stream(python, 'setprofile'), stream(stock_python, 'setprofile'), 20_000)


def test_every_opcode_of_stock_is_announced_once(stream, python, stock_python):
    assert_equal_streams(stream(python, 'instructions'), stream(stock_python, 'opcodes'))


def test_opcode_events_are_those_of_stock(stream, python, stock_python):
    assert_equal_streams(stream(python, 'opcodes'), stream(stock_python, 'opcodes'))
