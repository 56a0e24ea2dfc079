"""The events of random programs match those that a model computes from the path taken and the output of dis.

The programs are the same each time. ORACLE_PROGRAMS=NUMBER tries this many other programs.
"""

import collections
import json
import os
import subprocess
import sys
from pathlib import Path

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st

from qa import ROOT
from qa.oracle.programs import programs

pytestmark = pytest.mark.slow

PROGRAMS = os.environ.get('ORACLE_PROGRAMS')

# Hypothesis keeps its database in the virtual environment.
hypothesis.configuration.set_hypothesis_home_dir(Path(sys.prefix) / 'hypothesis')
settings = hypothesis.settings(
    max_examples=int(PROGRAMS or 300), derandomize=PROGRAMS is None, deadline=None, database=None, print_blob=False,
    phases=(Phase.generate, Phase.shrink), suppress_health_check=list(HealthCheck))


class Oracle:
    """The worker, started again whenever it has ended."""

    def __init__(self, python):
        self.python = python
        self.worker = None
        self.programs = self.events = 0
        self.opcodes = collections.Counter()    # how many programs had each

    def ask(self, program, mask=0, falsify=None):
        if self.worker is None:
            # pytest shows what a crash writes to stderr.
            self.worker = subprocess.Popen([self.python, '-X', 'faulthandler', '-m', 'qa.oracle.worker'], cwd=ROOT,
                                           stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                           env=os.environ | {'PYTHONHASHSEED': '0'})
        try:
            self.worker.stdin.write(json.dumps({'program': program, 'mask': mask, 'falsify': falsify}) + '\n')
            self.worker.stdin.flush()
            answer = self.worker.stdout.readline()
        except BrokenPipeError:
            answer = ''
        if not answer:
            status = self.end()
            raise AssertionError(f'the worker ended with status {status} in this program:\n{program}')
        answer = json.loads(answer)
        self.programs += 1
        self.events += answer['events']
        self.opcodes.update(answer['opcodes'])
        return answer['difference']

    def end(self):
        if self.worker is not None:
            self.worker.stdin.close()
            self.worker.stdout.close()
            status = self.worker.wait()
            self.worker = None
            return status


@pytest.fixture(scope='module')
def oracle(python):
    oracle = Oracle(python)
    yield oracle
    oracle.end()


# Instructions that the random programs must execute, so that the test covers what it claims.
EXECUTED = {
    'ASYNC_GEN_WRAP', 'BINARY_OP_ADD_INT', 'BINARY_OP_INPLACE_ADD_UNICODE', 'BINARY_SUBSCR_LIST_INT',
    'CALL_FUNCTION_EX', 'CALL_PY_EXACT_ARGS', 'CHECK_EG_MATCH', 'COMPARE_OP_INT_JUMP', 'COMPARE_OP_STR_JUMP',
    'EXTENDED_ARG_QUICK', 'FOR_ITER', 'JUMP_BACKWARD_NO_INTERRUPT', 'LOAD_ATTR_INSTANCE_VALUE',
    'LOAD_CONST__LOAD_FAST', 'LOAD_DEREF', 'LOAD_FAST__LOAD_CONST', 'LOAD_FAST__LOAD_FAST', 'LOAD_GLOBAL_BUILTIN',
    'MATCH_CLASS', 'MATCH_SEQUENCE', 'POP_JUMP_BACKWARD_IF_FALSE', 'POP_JUMP_BACKWARD_IF_TRUE',
    'POP_JUMP_FORWARD_IF_NONE', 'POP_JUMP_FORWARD_IF_NOT_NONE', 'PRECALL_BOUND_METHOD', 'PRECALL_BUILTIN_CLASS',
    'PRECALL_NO_KW_LEN', 'PRECALL_NO_KW_LIST_APPEND', 'PRECALL_PYFUNC', 'PREP_RERAISE_STAR', 'RERAISE',
    'RESUME_QUICK', 'RETURN_GENERATOR', 'SEND', 'STORE_ATTR_INSTANCE_VALUE', 'STORE_FAST__LOAD_FAST',
    'STORE_FAST__STORE_FAST', 'UNPACK_SEQUENCE_TWO_TUPLE', 'WITH_EXCEPT_START', 'YIELD_VALUE',
}


def test_events_of_random_programs(oracle):
    @settings
    @given(programs(), st.integers(0, 2**64 - 1))
    def check(program, mask):
        difference = oracle.ask(program, mask)
        assert difference is None, f'{difference}, in this program:\n{program}'

    check()
    assert oracle.programs >= settings.max_examples
    missing = sorted(EXECUTED - oracle.opcodes.keys())
    assert not missing, 'these were never executed'
    print(f'{oracle.programs} programs, {oracle.events} events')


PROGRAM = '''\
def numbers():
    try:
        yield from (1, 2)
    finally:
        yield 3

def main():
    total = 0
    for n in numbers():
        if n > 1 and total:
            total += n
        try:
            total //= n - 1
        except ZeroDivisionError:
            total = 5
'''


@pytest.mark.parametrize('event, how', [
    (event, how) for event in ('branch', 'instruction', 'line', 'opcode') for how in ('offset', 'missing', 'twice')
    if how != 'offset' or event in ('branch', 'instruction')])      # the others have no previous offset
def test_one_wrong_event_is_found(oracle, event, how):
    assert oracle.ask(PROGRAM, 2**64 - 1) is None
    for i in range(0, 40, 3):
        assert f"'{event}'" in oracle.ask(PROGRAM, 0, [event, i, how])


def test_program_that_ends_the_interpreter_is_shown(oracle):
    program = 'def main():\n    import os\n    os._exit(3)\n'
    with pytest.raises(AssertionError, match=r'status 3 in this program:\ndef main\(\):'):
        oracle.ask(program)
    assert oracle.ask(PROGRAM) is None
