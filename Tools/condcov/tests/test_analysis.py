"""Decisions, conditions and their jumps: against the syntax tree, by running programs, and in the whole standard library."""

import os

import codeprobes
import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, given, strategies as st

from condcov.analysis import analyze, plan
from condcov.model import Seen
from decision_programs import Values, programs
from interpretation import paths_of
from slow_recorder import SlowRecorder

PROGRAMS = os.environ.get('ORACLE_PROGRAMS')

settings = hypothesis.settings(
    max_examples=int(PROGRAMS or 300), derandomize=PROGRAMS is None, deadline=None, database=None, print_blob=False,
    phases=(Phase.generate, Phase.shrink), suppress_health_check=list(HealthCheck))


def exact(select):
    """The recorder of the interpreter, with counts."""
    return codeprobes.Recorder(select, counts=True)


def record(text, namespace, run, recorder):
    """What a program has been seen to do, as (Source, Seen, recorder)."""
    source = analyze(text, 'program')
    plans = {}

    def select(code):
        if code.co_filename != 'program':
            return None
        plans[code] = plan(code, source)
        return plans[code].probes

    recorder = recorder(select)
    recorder.start()
    try:
        exec(compile(text, 'program', 'exec'), namespace)
        run()
    finally:
        recorder.stop()
    seen = Seen()
    for code, lines, jumps, paths in recorder.harvest():
        seen.update(plans[code].seen(lines, jumps, paths))
    return source, seen, recorder


def difference(text, numbers, recorder):
    """Where the record of a program differs from its interpretation, as {key: (interpreted, recorded)}."""
    values = Values(numbers)
    namespace = values.namespace()
    interpreted = paths_of(text, namespace, lambda: namespace['main']())
    again = Values(numbers)
    namespace = again.namespace()
    source, seen, recorder = record(text, namespace, lambda: namespace['main'](), recorder)
    assert values.taken == again.taken
    if getattr(recorder, 'ambiguous', None):
        return {}
    assert seen.paths.keys() <= {decision.key for decision in source.decisions}
    return {key: (interpreted.get(key), seen.paths.get(key)) for key in interpreted.keys() | seen.paths.keys()
            if interpreted.get(key) != seen.paths.get(key)}


def test_paths_are_those_of_the_interpretation():
    compared = 0

    @settings
    @given(programs(), st.lists(st.integers(0, 11), min_size=5, max_size=40))
    def check(text, numbers):
        nonlocal compared
        found = difference(text, numbers)
        assert found is None, f'{found}, in this program:\n{text}'
        compared += 1

    check()
    assert compared >= settings.max_examples


if __name__ == '__main__':
    pytest.main([__file__])
