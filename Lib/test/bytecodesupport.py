"""What dis says about code, for tests.

This reader of bytecode is independent of the ones under test, in
_bytecodeview and in Objects/codeblocks.c, and so can find their errors.
"""

import dis

CONDITIONAL = {name for name in dis.opmap if '_IF_' in name} | {'FOR_ITER', 'SEND'}


def instructions(code):
    """Yield (offset of the first EXTENDED_ARG, the instruction proper) for each."""
    start = None
    for instruction in dis.get_instructions(code):
        if start is None:
            start = instruction.offset
        if instruction.opname != 'EXTENDED_ARG':
            yield start, instruction
            start = None


def expected_leaders(code):
    """Return the leaders by their definition, and the offset of the first RESUME."""
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
