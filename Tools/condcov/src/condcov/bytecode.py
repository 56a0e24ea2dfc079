"""Reads a code object: its instructions with their positions, and where control goes from each.

Not dis.get_instructions(): this runs once for each code object of the program under test.
"""

import dataclasses
import dis
import opcode

from condcov.model import Span

OP = opcode.opmap
_NAME = opcode.opname
_CACHES = opcode._inline_cache_entries
_EXTENDED_ARG = OP['EXTENDED_ARG']
_JUMPS = frozenset(opcode.hasjrel)
_BACKWARD = frozenset(op for name, op in OP.items() if 'JUMP_BACKWARD' in name)
_ALWAYS = frozenset(OP[name] for name in ('JUMP_FORWARD', 'JUMP_BACKWARD', 'JUMP_BACKWARD_NO_INTERRUPT'))
_ENDS = frozenset(OP[name] for name in ('RETURN_VALUE', 'RAISE_VARARGS', 'RERAISE'))

# The conditional jumps, except SEND: it belongs to await and yield from.
CONDITIONAL = _JUMPS - _ALWAYS - {OP['SEND']}


@dataclasses.dataclass(slots=True)
class Instruction:
    """An instruction.

    offset      in bytes, of the operation itself, behind its EXTENDED_ARGs
    position    Span, its fields None where the compiler has set none
    line        its line number or None
    target      index of the instruction that a jump goes to, or None
    successors  indices of the instructions that control can go to, exceptions aside: a jump's target last
    predecessors    the other way round
    handler     whether an exception gets here
    caught      index of the handler of an exception that is raised here, or None
    """

    offset: int
    op: int
    argument: int
    position: Span
    target: int | None = None
    successors: tuple[int, ...] = ()
    predecessors: list[int] = dataclasses.field(default_factory=list)
    handler: bool = False
    caught: int | None = None

    @property
    def name(self):
        """The name of the operation."""
        return _NAME[self.op]

    @property
    def line(self):
        return self.position.line


def read(code):
    """The instructions of a code object, in order."""
    raw = code.co_code
    positions = list(code.co_positions())
    instructions, at, targets = [], {}, []
    unit, extended, first = 0, 0, 0
    while unit < len(positions):
        op, argument = raw[2 * unit], raw[2 * unit + 1] | extended
        if op == _EXTENDED_ARG:
            extended = argument << 8
            unit += 1
            continue
        following = unit + 1 + _CACHES[op]
        for start in range(first, unit + 1):
            at[start] = len(instructions)
        if op in _JUMPS:
            targets.append((len(instructions), following - argument if op in _BACKWARD else following + argument))
        line, end_line, column, end_column = positions[unit]
        instructions.append(Instruction(2 * unit, op, argument, Span(line, column, end_line, end_column)))
        unit = first = following
        extended = 0
    for index, target in targets:
        instructions[index].target = at[target]
    for index, instruction in enumerate(instructions):
        successors = []
        if instruction.op not in _ENDS and instruction.op not in _ALWAYS and index + 1 < len(instructions):
            successors.append(index + 1)
        if instruction.target is not None:
            successors.append(instruction.target)
        instruction.successors = tuple(successors)
        for successor in successors:
            instructions[successor].predecessors.append(index)
    for entry in dis._parse_exception_table(code):
        handler = at[entry.target // 2]
        instructions[handler].handler = True
        for index in range(at[entry.start // 2], at.get(entry.end // 2, len(instructions))):
            instructions[index].caught = handler
    return instructions
