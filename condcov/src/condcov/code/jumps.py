"""Finds out which condition of the source each conditional jump of the bytecode tests."""

import dataclasses
from collections.abc import Iterable
from types import CodeType

from condcov.code import bytecode
from condcov.code.bytecode import OP, Instruction
from condcov.code.decisions import Operand, Table
from condcov.model import Span

_IF_TRUE = frozenset(op for name, op in OP.items() if 'IF_TRUE' in name)
_IF_NONE = frozenset(op for name, op in OP.items() if name.endswith('IF_NONE'))
_IF_NOT_NONE = frozenset(op for name, op in OP.items() if name.endswith('IF_NOT_NONE'))
_COMPARISONS = frozenset((OP['COMPARE_OP'], OP['IS_OP'], OP['CONTAINS_OP']))
_CALLS_AND_ATTRIBUTES = bytecode.ops('CALL', 'CALL_KW', 'CALL_FUNCTION_EX', 'LOAD_ATTR', 'LOAD_METHOD',
                                     'LOAD_SUPER_ATTR')
_GET_ANEXT = OP['GET_ANEXT']

# The conditional jumps, and the first instruction of those that fetch an item of an asynchronous loop.
TESTS = bytecode.CONDITIONAL | {_GET_ANEXT}
_COPY = OP['COPY']
_TO_BOOL = OP.get('TO_BOOL')

# Instructions that load a second value, and have the position of what comes before it.
_TWO_IN_ONE = bytecode.ops('LOAD_FAST_LOAD_FAST', 'STORE_FAST_LOAD_FAST', 'LOAD_FAST_BORROW_LOAD_FAST_BORROW')

# What precedes the copy of the exceptions that an except* clause matches, or of what is left of them at the end.
_MATCHED = bytecode.ops('CHECK_EG_MATCH')
_LEFT_OVER = bytecode.ops('PREP_RERAISE_STAR', 'CALL_INTRINSIC_2')

_BACK = bytecode.ops('JUMP_BACKWARD', 'JUMP_BACKWARD_NO_INTERRUPT')
_NOT_TAKEN = bytecode.ops('NOT_TAKEN')

# What an await ends with.
_AWAITED = bytecode.ops('RESUME', 'JUMP_BACKWARD_NO_INTERRUPT', 'END_SEND')


@dataclasses.dataclass(slots=True)
class Jump:
    """A conditional jump.

    index       of its instruction
    operand     the condition that it tests, or None
    when_jumps, when_not    the truth of the condition when it jumps and when it does not: True, False, or None if
                that is not known yet
    reason      why it tests no condition of the source, or '' if unknown
    true_at     for an `async for`, which ends by an exception and has no jump of its own: index of the instruction
                that is executed when there is an item
    """

    index: int
    operand: Operand | None = None
    when_jumps: bool | None = None
    when_not: bool | None = None
    reason: str = ''
    true_at: int | None = None


def jumps_of(code: CodeType, table: Table, instructions: list[Instruction] | None = None) -> list[Jump]:
    """Return the conditional jumps of a code object, matched to the decisions in the table of its file."""
    instructions = instructions or bytecode.read(code)
    matcher = _Matcher(instructions, table)
    return [matcher.jump(index) for index, instruction in enumerate(instructions) if instruction.op in TESTS]


class _Matcher:
    """Matches the jumps of one code object, which must come in order, to conditions."""

    def __init__(self, instructions: list[Instruction], table: Table) -> None:
        self._instructions = instructions
        self._table = table
        self._loops: dict[Span, int] = {}       # how many jumps of loops had this position already

    def jump(self, index: int) -> Jump:
        """The Jump of the instruction with this index."""
        op = self._instructions[index].op
        if op == OP['FOR_ITER']:
            return self._for(index)
        if op == _GET_ANEXT:
            return self._async_for(index)
        tested = self._tested_at(index)
        if tested is None:
            return self._pattern(index) or Jump(index)
        return (self._none_test(index) or self._except(index, tested) or self._value_test(index, tested)
                or self._pattern(index) or Jump(index, reason=self._reason(index, tested)))

    def _for(self, index: int) -> Jump:
        operand = self._loop(index)
        return Jump(index, operand, False, True) if operand else Jump(index, reason=self._reason(index, index - 1))

    def _async_for(self, index: int) -> Jump:
        operand = self._loop(index)
        handler = self._instructions[index].caught
        if handler is None or self._instructions[handler].op != OP['END_ASYNC_FOR']:
            return Jump(index)
        # LOAD_CONST None follows, and then the SEND that jumps when the item is there.
        return Jump(handler, operand, False, None, true_at=self._instructions[index + 2].target)

    def _loop(self, index: int) -> Operand | None:
        """The operand of the jump of a loop."""
        position = self._instructions[index].position
        operands = self._table.loops.get(position, ())
        number = self._loops[position] = self._loops.get(position, -1) + 1
        # A finally clause has several copies of its loops.
        return operands[number % len(operands)] if operands else None

    def _tested_at(self, index: int) -> int | None:
        """The index of the instruction that computes what the jump at `index` tests.

        None if it is in another basic block, as with the subject of a match statement.
        """
        instructions, values = self._instructions, self._table.values
        before = self._before(index)
        if before and instructions[before].op == _TO_BOOL and (
                instructions[before - 1].op == _COPY or instructions[before].position not in values):
            before = self._before(before)
        if before and instructions[before].op == _COPY and instructions[before - 1].op not in _MATCHED | _LEFT_OVER:
            before = self._before(before)
        while before and instructions[before].op == OP['NOP'] and instructions[before].position not in values:
            before = self._before(before)
        return before

    def _before(self, index: int) -> int | None:
        """The index of the instruction that is executed before this one, where no conditional jump leads here.

        The end of an asynchronous comprehension, for example, is in a handler that jumps back. None if there is none.
        """
        instructions = self._instructions
        before = instructions[index].predecessors
        if index - 1 in before or instructions[index - 1].op in _AWAITED:
            return index - 1
        jump = next((each for each in before if len(instructions[each].successors) == 1), None)
        return None if jump is None else self._before(jump)

    def _none_test(self, index: int) -> Jump | None:
        """A jump that compares with None itself."""
        jump = self._instructions[index]
        if jump.op not in _IF_NONE and jump.op not in _IF_NOT_NONE:
            return None
        before = self._before(index)
        operand = self._table.fused.get(jump.position) or before and self._redirected(before) or None
        return _two_way(index, operand, (jump.op in _IF_NONE) == (operand.argument == 0)) if operand else None

    def _redirected(self, index: int) -> Operand | None:
        """The comparison with None that ends with this instruction, and whose jump has the position of another jump.

        The compiler from 3.12 on redirects jumps to jumps. A NOP may be left that has the position of the comparison.
        """
        while self._instructions[index].op == OP['NOP']:
            if self._instructions[index].position in self._table.fused:
                return self._table.fused[self._instructions[index].position]
            index -= 1
        before = self._instructions[index]
        operand = (self._table.firsts if before.op in _TWO_IN_ONE else self._table.lefts).get(before.position)
        return operand if operand and operand.argument is not None else None

    def _except(self, index: int, tested: int) -> Jump | None:
        """The jump of an except clause or an except* clause."""
        last, before = self._instructions[tested], self._instructions[tested - 1]
        if last.op == OP['CHECK_EXC_MATCH'] or last.op == _COPY and before.op in _MATCHED:
            operand = self._table.handlers.get(last.position)
            return _two_way(index, operand, self._instructions[index].op in _IF_NOT_NONE)
        return None

    def _value_test(self, index: int, tested: int) -> Jump | None:
        """A jump that tests the truth of an expression."""
        last = self._instructions[tested]
        operand = self._link(tested) if last.op in _COMPARISONS else None
        if last.op in _TWO_IN_ONE and self._instructions[index - 1].position in self._table.firsts:
            operand = self._table.firsts[self._instructions[index - 1].position]
        operand = operand or self._table.values.get(last.position)
        if operand is None and last.op in _CALLS_AND_ATTRIBUTES:
            operand = self._table.ends.get(last.position[2:])
        if operand is None:
            return None
        if operand.decision.conditions[operand.condition].constant is not None:
            return Jump(index, reason='a constant')
        jumps = self._instructions[index].op in _IF_TRUE
        if operand.argument is not None and last.op in (OP['IS_OP'], OP['CONTAINS_OP']):
            jumps = jumps == (last.argument == operand.argument)
        return _two_way(index, operand, jumps)

    def _link(self, index: int) -> Operand | None:
        """The link of a chained comparison that ends with the comparison at this index."""
        chain = self._instructions[index].position
        index -= 1
        while self._instructions[index].position == chain and self._instructions[index].op in (OP['COPY'], OP['SWAP']):
            index -= 1
        if self._instructions[index].op in _TWO_IN_ONE:
            return self._table.firsts.get(chain)
        return self._table.links.get((chain, self._instructions[index].position))

    def _pattern(self, index: int) -> Jump | None:
        """A jump of a pattern: its outcome is known where control leaves the pattern, and not yet inside."""
        jump = self._instructions[index]
        operand = self._pattern_at(jump.position)
        if operand is None:
            return None
        condition = operand.decision.conditions[operand.condition]
        if condition.constant is not None:
            return Jump(index, reason='a pattern that always matches')
        always = any(within(jump.position, alternative) for alternative in operand.always)
        assert jump.target is not None
        when_jumps, when_not = (True, always) if self._is_inverted(index) else (always, True)
        return Jump(index, operand, None if self._stays(jump.target, condition.span) else when_jumps,
                    None if self._stays(index + 1, condition.span) else when_not)

    def _is_inverted(self, index: int) -> bool:
        """Whether a jump skips a jump back: from 3.12 on, conditional jumps go only forward."""
        jump = self._instructions[index]
        index += 1
        while self._instructions[index].op in _NOT_TAKEN:
            index += 1
        back = self._instructions[index]
        return back.op in _BACK and back.position == jump.position and jump.target == index + 1

    def _pattern_at(self, position: Span) -> Operand | None:
        if position.line is None:
            return None
        return self._table.patterns.get(position) or next(
            (operand for span, operand in self._table.patterns.items() if within(position, span)), None)

    def _stays(self, index: int, span: Span) -> bool:
        """Whether control gets to another jump of the same pattern from here."""
        visited: set[int] = set()
        while index not in visited:
            visited.add(index)
            instruction = self._instructions[index]
            if instruction.line is not None and not within(instruction.position, span):
                return False
            if instruction.op in bytecode.CONDITIONAL:
                return True
            if len(instruction.successors) != 1:
                return False
            index, = instruction.successors
        return False

    def _reason(self, index: int, tested: int) -> str:
        """Why the compiler made a jump that tests the value of an instruction, but no condition."""
        position = self._instructions[index].position
        for span, reason in self._table.reasons.items():
            if within(position, span):
                return reason
        last = self._instructions[tested]
        if last.op in _AWAITED:
            while tested and self._instructions[tested].op != OP['GET_AWAITABLE']:
                tested -= 1
            last = self._instructions[tested - 1]
        if last.op == OP['WITH_EXCEPT_START']:
            return 'the exit of a with'
        if last.op == _COPY and self._instructions[tested - 1].op in _LEFT_OVER:
            return 'the end of an except*'
        return ''


def _two_way(index: int, operand: Operand | None, jumps: bool) -> Jump:
    """A jump whose outcome is known both ways: `jumps` is the truth of the condition when it jumps."""
    return Jump(index, operand, jumps, not jumps)


def within(position: Span, span: Span) -> bool:
    """Whether a position, whose fields may be None, is in a span."""
    return (position.line is not None and position.column is not None and
            span[:2] <= position[:2] and position[2:] <= span[2:])


def tested_decisions(codes: Iterable[CodeType], table: Table) -> set[tuple]:
    """Return the keys of the decisions that some jump of the code objects tests."""
    return {jump.operand.decision.key for code in codes for jump in jumps_of(code, table) if jump.operand}
