"""Makes the plan of code that is executed from its first line to its last, as most code is, in a tenth of the time.

Such code has no loops, no exception handlers, and no other jumps except in asserts that pytest has rewritten, of which
nothing is recorded.
"""

from types import CodeType

from condcov.code import bytecode
from condcov.code.bytecode import OP
from condcov.record.interpreter import UNSUPPORTED_OPCODES
from condcov.record.plan import Plan
from condcov.seen import ASSERTS, Arc

_NO_PROBE = UNSUPPORTED_OPCODES - {OP['EXTENDED_ARG']}      # there, a probe is one of the instruction after it
_IS_LOOP = bytecode.table(bytecode.BACKWARD)
_IS_JUMP_OR_END = bytecode.table(bytecode.JUMPS | bytecode.ENDS)


def plan(code: CodeType, asserts: frozenset[int] | None) -> Plan | None:
    """Return the Plan of a code object, or None if it is not so simple.

    asserts     the lines of asserts that pytest has rewritten; None if it has rewritten none
    """
    ops = code.co_code[::2]
    if code.co_exceptiontable or 1 in ops.translate(_IS_LOOP):
        return None
    found = ops.translate(_IS_JUMP_OR_END)
    if asserts is None and 0 <= found.find(1) < len(ops) - 1:
        return None
    lines: dict[int, int] = {}
    arcs: dict[int, tuple[Arc, ...]] = {}
    first, start = ops.index(OP['RESUME']) + 1, 0
    before = shown = None       # the line of the instruction before, and the line shown last
    for end, line in bytecode.runs(code):
        if asserts is not None and line not in asserts and 0 <= found.find(1, start, end) < len(ops) - 1:
            return None
        start, place = end, max(start, first)
        if place < end:
            if line is not None and line != before:
                while ops[place] in _NO_PROBE:
                    place += 1
                if place >= end:
                    return None
                lines[2 * place] = line
                if shown is not None and line != shown:
                    arcs[2 * place] = (shown, line),
                shown = line
            before = line
    if shown is not None:
        last = len(ops) - 1
        while ops[last - 1] == OP['EXTENDED_ARG']:
            last -= 1
        arcs[2 * last] = *arcs.get(2 * last, ()), (shown, -code.co_firstlineno)
    return Plan.make((tuple(sorted({*lines, *arcs})), (), ()), lines, arcs, {}, {}, (),
                     () if asserts is None else (ASSERTS,))
