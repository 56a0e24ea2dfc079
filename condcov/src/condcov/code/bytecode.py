"""Reads a code object: its instructions with their positions, and where control goes from each.

dis.get_instructions() would take three times as long: this runs for each code object of the program under test.
"""

import dis
import opcode
import sys
from types import CodeType

from condcov.model import Span

OP = opcode.opmap


def ops(*names: str) -> frozenset[int]:
    """Return the opcodes with these names, of those that this version of Python has."""
    return frozenset(OP[name] for name in names if name in OP)


_NAME = opcode.opname
_CACHE = OP['CACHE']
_EXTENDED_ARG = OP['EXTENDED_ARG']
_JUMPS = frozenset(opcode.hasjrel) - ops('END_ASYNC_FOR')       # from 3.14 on, its argument says where the loop is
_BACKWARD = frozenset(op for name, op in OP.items() if 'JUMP_BACKWARD' in name)
_ALWAYS = ops('JUMP_FORWARD', 'JUMP_BACKWARD', 'JUMP_BACKWARD_NO_INTERRUPT')
_ENDS = ops('RETURN_VALUE', 'RETURN_CONST', 'RAISE_VARARGS', 'RERAISE')
_FOR_ITER = OP['FOR_ITER']

# How many instructions FOR_ITER skips at its target: END_FOR, in 3.13 with the POP_TOP after it. They are executed only
# when a debugger jumps there.
_AFTER_LOOP = 0 if 'END_FOR' not in OP else 2 if sys.version_info[:2] == (3, 13) else 1

# Whether the jump of a loop that is not asynchronous has the position of the iterable, and not that of the statement or
# the comprehension.
LOOPS_AT_ITERABLE = sys.version_info >= (3, 13)

# The name of code that evaluates annotations when something asks for them. As in coverage.py, it does not count.
ANNOTATIONS = '__annotate__' if sys.version_info >= (3, 14) else None

# Whether `for y in [1]` in a comprehension is compiled to an assignment, like `for y in [x]`.
ASSIGNS_CONSTANTS = sys.version_info >= (3, 14)

# Whether any(), all() and tuple() of a generator are compiled to a loop.
LOOPS_OVER_GENERATORS = sys.version_info >= (3, 14)

# Whether a jump in a comprehension can have the position of a comparison that was compiled before.
COMPARISONS_MOVE = sys.version_info < (3, 12)

# The conditional jumps, except SEND: it belongs to await and yield from.
CONDITIONAL = _JUMPS - _ALWAYS - {OP['SEND']}


class Instruction:
    """An instruction.

    offset      in bytes, of its first EXTENDED_ARG if it has any, as in trace events
    place       in bytes, after its EXTENDED_ARGs
    line        its line number or None
    target      index of the instruction that a jump goes to, or None
    successors  indices of the instructions that can follow it, without exceptions; a jump's target is last
    predecessors    indices of those that it can follow
    handler     whether an exception handler starts here
    caught      index of the handler of an exception that is raised here, or None
    """

    __slots__ = ('offset', 'place', 'op', 'argument', 'line', 'target', 'successors', 'predecessors', 'handler',
                 'caught', '_position')

    def __init__(self, offset: int, place: int, op: int, argument: int, position: tuple) -> None:
        self.offset = offset
        self.place = place
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
        if op in _JUMPS:
            targets.append((index, -argument if op in _BACKWARD else argument))
        instructions.append(Instruction(2 * (unit if start is None else start), 2 * unit, op, argument, position))
        start, extended = None, 0
    last = len(instructions) - 1
    skipped: set[int] = set()
    for index, distance in targets:     # from the next instruction, after the caches of the jump
        unit = instructions[index + 1].offset // 2 if index < last else len(raw) // 2
        target = at[unit + distance]
        if instructions[index].op == _FOR_ITER:
            skipped.update(range(target, target + _AFTER_LOOP))
            target += _AFTER_LOOP
        instructions[index].target = target
    for index, instruction in enumerate(instructions):
        op = instruction.op
        goes_on = index < last and op not in _ENDS and op not in _ALWAYS and index not in skipped
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


def at(raw: bytes, offset: int) -> tuple[int, int, int] | None:
    """Return (opcode, place, offset of the next instruction or -1) of an instruction in co_code; None if there is none.

    This takes much less time than read(), which the start of each recording would otherwise need.
    """
    if not 0 <= offset < len(raw) or offset % 2 or raw[offset] == _CACHE:
        return None
    place = offset
    while raw[place] == _EXTENDED_ARG:
        place += 2
    following = place + 2
    while following < len(raw) and raw[following] == _CACHE:
        following += 2
    return raw[place], place, following if following < len(raw) else -1
