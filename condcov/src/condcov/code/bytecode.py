"""Reads a code object: its instructions with their positions, and where control goes from each.

dis.get_instructions() would take three times as long: this runs for each code object of the program under test.
"""

import bisect
import opcode
import sys
from collections.abc import Collection, Iterator
from itertools import compress, islice
from types import CodeType

from condcov import late
from condcov.span import Span

OP = opcode.opmap


def ops(*names: str) -> frozenset[int]:
    """Return the opcodes with these names, of those that this version of Python has."""
    return frozenset(OP[name] for name in names if name in OP)


def table(ops: Collection[int]) -> bytes:
    """Return a table of these opcodes for Instructions.find()."""
    return bytes(op in ops for op in range(256))


_CACHE = OP['CACHE']
_EXTENDED_ARG = OP['EXTENDED_ARG']
JUMPS = frozenset(opcode.hasjrel) - ops('END_ASYNC_FOR')       # from 3.14 on, its argument says where the loop is
BACKWARD = frozenset(op for name, op in OP.items() if 'JUMP_BACKWARD' in name)
_ALWAYS = ops('JUMP_FORWARD', 'JUMP_BACKWARD', 'JUMP_BACKWARD_NO_INTERRUPT')
ENDS = _ALWAYS | ops('RETURN_VALUE', 'RETURN_CONST', 'RAISE_VARARGS', 'RERAISE')
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
CONDITIONAL = JUMPS - _ALWAYS - {OP['SEND']}

_IS_INSTRUCTION = table(set(range(256)) - {_CACHE, _EXTENDED_ARG})
_IS_JUMP = table(JUMPS)
_IS_END = table(ENDS)


class Instructions:
    """The instructions of a code object, without EXTENDED_ARGs and CACHEs. What follows is by their index, from 0.

    ops         their opcodes, as bytes
    lines       their line numbers or None
    changes     indices of the few, apart from the first, whose line may be another one than that before
    targets     {index: index of the instruction that it goes to}, for jumps
    ends        indices of those after which control never goes on to the next one
    entered     {index: indices of the jumps that go to it}
    handlers    indices of those where an exception handler starts

    These are lists and not objects, which would take several times as long to make.
    """

    def __init__(self, code: CodeType) -> None:
        self._code = code
        self._raw = code.co_code
        raw_ops = self._raw[::2]
        chosen = raw_ops.translate(_IS_INSTRUCTION)
        self.ops = raw_ops.translate(None, bytes((_CACHE, _EXTENDED_ARG)))
        self._units = list(compress(range(len(chosen)), chosen))
        self._positions: list[tuple] = []       # of code units, up to the last one that was asked for
        self._further = code.co_positions()
        self.lines: list[int | None] = []
        self.changes: list[int] = []
        unit = 0
        for end, line in runs(code):
            if unit:
                self.changes.append(len(self.lines))
            self.lines += [line] * chosen.count(1, unit, end)
            unit = end
        self.targets: dict[int, int] = {}
        self.ends = {len(self.ops) - 1, *self.find(_IS_END)}
        self.entered: dict[int, list[int]] = {}
        for index in self.find(_IS_JUMP):
            self._add_jump(index)
        self.handlers: set[int] = set()
        self._caught: list[int | None] = []
        if code.co_exceptiontable:
            self._add_handlers()

    def __len__(self) -> int:
        return len(self.ops)

    def _add_jump(self, index: int) -> None:
        distance = self.argument(index)
        if self.ops[index] in BACKWARD:
            distance = -distance
        # From the next instruction, after the caches of the jump.
        following = self.offset(index + 1) if index + 1 < len(self.ops) else len(self._raw)
        target = self._at(following // 2 + distance)
        if self.ops[index] == _FOR_ITER:
            self.ends.update(range(target, target + _AFTER_LOOP))
            target += _AFTER_LOOP
        self.targets[index] = target
        self.entered.setdefault(target, []).append(index)

    def _add_handlers(self) -> None:
        self._caught = [None] * len(self.ops)
        for entry in late.module('dis').Bytecode(self._code).exception_entries:
            handler, start, end = (self._at(offset // 2) for offset in (entry.target, entry.start, entry.end))
            self.handlers.add(handler)
            self._caught[start:end] = [handler] * (end - start)

    def _at(self, unit: int) -> int:
        """The index of the instruction whose EXTENDED_ARGs or opcode are at a unit."""
        return bisect.bisect_left(self._units, unit)

    def find(self, table: bytes) -> list[int]:
        """Return the indices of the instructions with the operations of a table(), in order."""
        found: list[int] = []
        marks = self.ops.translate(table)
        index = marks.find(1)
        while index >= 0:
            found.append(index)
            index = marks.find(1, index + 1)
        return found

    def place(self, index: int) -> int:
        """Return the offset in bytes after the EXTENDED_ARGs of an instruction."""
        return 2 * self._units[index]

    def offset(self, index: int) -> int:
        """Return the offset in bytes of its first EXTENDED_ARG if it has any, as in trace events."""
        place = 2 * self._units[index]
        while place and self._raw[place - 2] == _EXTENDED_ARG:
            place -= 2
        return place

    def argument(self, index: int) -> int:
        """Return the argument of an instruction."""
        return int.from_bytes(self._raw[self.offset(index) + 1:self.place(index) + 2:2], 'big')

    def position(self, index: int) -> Span:
        """Return the Span of an instruction; fields that the compiler has not set are None."""
        unit = self._units[index]
        self._positions += islice(self._further, max(unit + 1 - len(self._positions), 0))
        line, end_line, column, end_column = self._positions[unit]
        return Span(line, column, end_line, end_column)

    def successors(self, index: int) -> tuple[int, ...]:
        """Return the indices of those that can follow it, without exceptions; a jump's target is last."""
        target = self.targets.get(index)
        following = () if index in self.ends else (index + 1,)
        return following if target is None else (*following, target)

    def predecessors(self, index: int) -> list[int]:
        """Return the indices of those that it can follow, in order."""
        before = [] if not index or index - 1 in self.ends else [index - 1]
        return sorted(self.entered[index] + before) if index in self.entered else before

    def is_alone(self, index: int) -> bool:
        """Whether it follows the instruction before it and no other one."""
        return index not in self.entered and index > 0 and index - 1 not in self.ends

    def caught(self, index: int) -> int | None:
        """Return the index of the handler of an exception that is raised there, or None."""
        return self._caught[index] if self._caught else None


# The format of co_linetable is documented in CPython's Objects/locations.md. Only the first byte of an entry is above
# 127: it has the kind of the entry in bits 3 to 6, and the number of its code units less 1 in bits 0 to 2.
_UNITS = bytes((byte & 7) + 1 for byte in range(256))
_NOT_FIRST = bytes(range(128))
_ONE_LINE, _NO_COLUMNS, _LONG, _NO_LINE = 10, 13, 14, 15       # after _ONE_LINE: the kinds that can be in another line
_MAY_CHANGE = bytes(byte >> 7 and byte >> 3 & 15 > _ONE_LINE for byte in range(256))


def runs(code: CodeType) -> Iterator[tuple[int, int | None]]:
    """Yield (end in code units, line or None) of the instructions that follow each other in one line, in order.

    code.co_lines() has an item for each instruction, which takes twice as long.
    """
    table, line, unit, start = code.co_linetable, code.co_firstlineno, 0, 0
    marks = table.translate(_MAY_CHANGE)
    change = marks.find(1)
    while change >= 0:
        kind = table[change] >> 3 & 15
        if kind != _LONG or table[change + 1]:      # many long entries stay in the line
            if change > start:
                unit += sum(table[start:change].translate(_UNITS, _NOT_FIRST))
                yield unit, line
            start = change
            if kind == _NO_LINE:
                start += 1
                unit += _UNITS[table[change]]
                yield unit, None
            else:
                line += kind - _ONE_LINE if kind < _NO_COLUMNS else _signed(table, change + 1)
        change = marks.find(1, change + 1)
    yield unit + sum(table[start:].translate(_UNITS, _NOT_FIRST)), line


def _signed(table: bytes, place: int) -> int:
    """The number at a place in co_linetable: six bits in each byte, the lowest first, and the sign in the lowest."""
    value, shift = table[place] & 63, 6
    while table[place] & 64:
        place += 1
        value |= (table[place] & 63) << shift
        shift += 6
    return -(value >> 1) if value & 1 else value >> 1


def at(raw: bytes, offset: int) -> tuple[int, int, int] | None:
    """Return (opcode, place, offset of the next instruction or -1) of an instruction in co_code; None if there is none.

    This takes much less time than Instructions(), which the start of each recording would otherwise need.
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
