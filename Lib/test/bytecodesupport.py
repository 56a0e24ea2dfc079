"""Read bytecode with dis, for tests.

This is independent of the code under test, _bytecodeview and
Objects/codeblocks.c, and so can find its errors.
"""

import dis
import types

CONDITIONAL = {name for name in dis.opmap if '_IF_' in name} | {'FOR_ITER', 'SEND'}


def code_objects(code):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from code_objects(constant)


def instructions(code):
    """Yield (offset, instruction).  The offset is that of the first EXTENDED_ARG, if any."""
    start = None
    for instruction in dis.get_instructions(code):
        if start is None:
            start = instruction.offset
        if instruction.opname != 'EXTENDED_ARG':
            yield start, instruction
            start = None


def expected_leaders(code):
    """Return the leaders according to the definition, and the offset of the first RESUME."""
    found = set()
    after = entry = None
    for offset, instruction in instructions(code):
        name = instruction.opname
        if name == 'RESUME' or after in CONDITIONAL or after == 'YIELD_VALUE':
            found.add(offset)
        if name == 'RESUME' and entry is None:
            entry = offset
        if instruction.opcode in dis.hasjrel or instruction.opcode in dis.hasjabs:
            found.add(instruction.argval)
        after = name
    found.update(entry.target for entry in dis._parse_exception_table(code))
    return tuple(sorted(found)), entry


def by_hand(*units, table=b''):
    """Code of these opcodes and arguments, without lines."""
    code = bytes(units)
    lines = bytes([0xff] * (len(code) // 16) + ([0xf8 | (len(code) // 2 % 8 - 1)] if len(code) // 2 % 8 else []))
    return (lambda: None).__code__.replace(co_code=code, co_linetable=lines, co_exceptiontable=table, co_stacksize=5)
