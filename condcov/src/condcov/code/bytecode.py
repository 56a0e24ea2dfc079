"""Reads a code object: its instructions with their positions, and where control goes from each.

dis.get_instructions() would take three times as long: this runs for each code object of the program under test.
"""

import dis
import opcode
from types import CodeType

from condcov.model import Span

OP = opcode.opmap
_NAME = opcode.opname
_CACHE = OP['CACHE']
_EXTENDED_ARG = OP['EXTENDED_ARG']
_JUMPS = frozenset(opcode.hasjrel)
_BACKWARD = frozenset(op for name, op in OP.items() if 'JUMP_BACKWARD' in name)
_ALWAYS = frozenset(OP[name] for name in ('JUMP_FORWARD', 'JUMP_BACKWARD', 'JUMP_BACKWARD_NO_INTERRUPT'))
_ENDS = frozenset(OP[name] for name in ('RETURN_VALUE', 'RAISE_VARARGS', 'RERAISE'))

# The conditional jumps, except SEND: it belongs to await and yield from.
CONDITIONAL = _JUMPS - _ALWAYS - {OP['SEND']}


class Instruction:
    """An instruction.

    offset      in bytes, of its first EXTENDED_ARG if it has any, as in trace events
    line        its line number or None
    target      index of the instruction that a jump goes to, or None
    successors  indices of the instructions that can follow it, without exceptions; a jump's target is last
    predecessors    indices of those that it can follow
    handler     whether an exception handler starts here
    caught      index of the handler of an exception that is raised here, or None
    """

    __slots__ = ('offset', 'op', 'argument', 'line', 'target', 'successors', 'predecessors', 'handler', 'caught',
                 '_position')

    def __init__(self, offset: int, op: int, argument: int, position: tuple) -> None:
        self.offset = offset
        self.op = op
        self.argument = argument
        self.line = position[0]
        self.target: int | None = None
        self.caught: int | None = None
        self.handler = False
        self.successors: tuple[int, ...] = ()
        self.predecessors: list[int] = []
        self._position = position       # as co_positions() has it

    @property
    def position(self) -> Span:
        """Its Span; fields that the compiler has not set are None."""
        line, end_line, column, end_column = self._position
        return Span(line, column, end_line, end_column)

    @property
    def name(self) -> str:
        """The name of the operation."""
        return _NAME[self.op]


def read(code: CodeType) -> list[Instruction]:
    """Return the instructions of a code object, in order."""
    raw = code.co_code
    instructions: list[Instruction] = []
    at: dict[int, int] = {}                     # the index of the instruction at a unit
    targets: list[tuple[int, int]] = []
    start: int | None = None    # where the EXTENDED_ARGs of the instruction begin, if it has any
    extended = 0                # what they add to its argument
    for unit, (op, argument, position) in enumerate(zip(raw[::2], raw[1::2], code.co_positions())):
        if op == _CACHE:
            continue
        argument |= extended
        index = at[unit] = len(instructions)
        if op == _EXTENDED_ARG:
            start, extended = unit if start is None else start, argument << 8
            continue
        if op in _JUMPS:        # they have no caches
            targets.append((index, unit + 1 - argument if op in _BACKWARD else unit + 1 + argument))
        instructions.append(Instruction(2 * (unit if start is None else start), op, argument, position))
        start, extended = None, 0
    for index, target in targets:
        instructions[index].target = at[target]
    last = len(instructions) - 1
    for index, instruction in enumerate(instructions):
        op = instruction.op
        goes_on = index < last and op not in _ENDS and op not in _ALWAYS
        if instruction.target is None:
            instruction.successors = (index + 1,) if goes_on else ()
        else:
            instruction.successors = (index + 1, instruction.target) if goes_on else (instruction.target,)
            instructions[instruction.target].predecessors.append(index)
        if goes_on:
            instructions[index + 1].predecessors.append(index)
    entries = dis.Bytecode(code).exception_entries if code.co_exceptiontable else ()  # type: ignore[attr-defined]
    for entry in entries:
        handler = at[entry.target // 2]
        instructions[handler].handler = True
        for index in range(at[entry.start // 2], at.get(entry.end // 2, last + 1)):
            instructions[index].caught = handler
    return instructions
