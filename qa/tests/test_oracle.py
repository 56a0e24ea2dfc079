"""The events of random programs match those that a model computes from the path taken and the output of dis.

The programs are the same each time. ORACLE_PROGRAMS=NUMBER tries this many other programs.
"""

import collections

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa import random_tests
from qa.oracle.programs import programs

pytestmark = pytest.mark.slow

settings = random_tests.settings('ORACLE_PROGRAMS', 300)


class Oracle(random_tests.Worker):
    """The worker, and what it has seen so far."""

    def __init__(self, python):
        super().__init__(python, 'qa.oracle.worker')
        self.events = 0
        self.opcodes = collections.Counter()    # how many programs had each

    def difference(self, program, mask=0, falsify=None):
        answer = self.ask(program, mask=mask, falsify=falsify)
        self.events += answer['events']
        self.opcodes.update(answer['opcodes'])
        return answer['difference']


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
        difference = oracle.difference(program, mask)
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
    assert oracle.difference(PROGRAM, 2**64 - 1) is None
    for i in range(0, 40, 3):
        assert f"'{event}'" in oracle.difference(PROGRAM, 0, [event, i, how])


def test_program_that_ends_the_interpreter_is_shown(oracle):
    program = 'def main():\n    import os\n    os._exit(3)\n'
    with pytest.raises(AssertionError, match=r'status 3 in this program:\ndef main\(\):'):
        oracle.difference(program)
    assert oracle.difference(PROGRAM) is None
