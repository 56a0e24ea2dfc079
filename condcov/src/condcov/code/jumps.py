"""Finds out which condition of the source each conditional jump of the bytecode tests."""

from collections.abc import Iterable
from types import CodeType

from condcov.code import bytecode
from condcov.code.bytecode import OP, Instructions
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
TESTS = bytecode.table(bytecode.CONDITIONAL | {_GET_ANEXT})
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

# The reason of jumps that others ask for.
END_OF_EXCEPT_STAR = 'the end of an except*'     # it jumps if there are exceptions that no clause has handled


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

    __slots__ = 'index', 'operand', 'when_jumps', 'when_not', 'reason', 'true_at'

    def __init__(self, index: int, operand: Operand | None = None, when_jumps: bool | None = None,
                 when_not: bool | None = None, reason: str = '', true_at: int | None = None) -> None:
        self.index = index
        self.operand = operand
        self.when_jumps = when_jumps
        self.when_not = when_not
        self.reason = reason
        self.true_at = true_at


def jumps_of(instructions: Instructions, table: Table, asserts: frozenset[int] | None = None) -> list[Jump]:
    """Return the conditional jumps of a code object, matched to the decisions in the table of its file.

    asserts     lines of asserts that pytest has rewritten; it may have rewritten others. None if it has rewritten none
    """
    matcher = _Matcher(instructions, table, asserts)
    return [matcher.jump(index) for index in instructions.find(TESTS)]


class _Matcher:
    """Matches the jumps of one code object, which must come in order, to conditions."""

    def __init__(self, instructions: Instructions, table: Table, asserts: frozenset[int] | None) -> None:
        self._instructions = instructions
        self._ops = instructions.ops
        self._table = table
        self._asserts = asserts
        self._loops: dict[Span, int] = {}       # how many jumps of loops had this position already

    def jump(self, index: int) -> Jump:
        """The Jump of the instruction with this index."""
        op = self._ops[index]
        if self._asserts is not None and (self._instructions.lines[index] in self._asserts
                                          or self._instructions.position(index) in self._table.asserts):
            return Jump(index, reason='part of an assert that pytest has rewritten')
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
        handler = self._instructions.caught(index)
        if handler is None or self._ops[handler] != OP['END_ASYNC_FOR']:
            return Jump(index)
        # LOAD_CONST None follows, and then the SEND that jumps when the item is there.
        return Jump(handler, operand, False, None, true_at=self._instructions.targets.get(index + 2))

    def _loop(self, index: int) -> Operand | None:
        """The operand of the jump of a loop."""
        position = self._instructions.position(index)
        operands = self._table.loops.get(position, ())
        number = self._loops[position] = self._loops.get(position, -1) + 1
        # A finally clause has several copies of its loops.
        return operands[number % len(operands)] if operands else None

    def _tested_at(self, index: int) -> int | None:
        """The index of the instruction that computes what the jump at `index` tests.

        None if it is in another basic block, as with the subject of a match statement.
        """
        ops, position, values = self._ops, self._instructions.position, self._table.values
        before = self._before(index)
        if before and ops[before] == _TO_BOOL and (ops[before - 1] == _COPY or position(before) not in values):
            before = self._before(before)
        if before and ops[before] == _COPY and ops[before - 1] not in _MATCHED | _LEFT_OVER:
            before = self._before(before)
        while before and ops[before] == OP['NOP'] and position(before) not in values:
            before = self._before(before)
        return before

    def _before(self, index: int) -> int | None:
        """The index of the instruction that is executed before this one, where no conditional jump leads here.

        The end of an asynchronous comprehension, for example, is in a handler that jumps back. None if there is none.
        """
        before = self._instructions.predecessors(index)
        if index - 1 in before or self._ops[index - 1] in _AWAITED:
            return index - 1
        jump = next((each for each in before if len(self._instructions.successors(each)) == 1), None)
        return None if jump is None else self._before(jump)

    def _none_test(self, index: int) -> Jump | None:
        """A jump that compares with None itself."""
        op = self._ops[index]
        if op not in _IF_NONE and op not in _IF_NOT_NONE:
            return None
        before = self._before(index)
        operand = (self._table.fused.get(self._instructions.position(index))
                   or before and self._redirected(before) or None)
        return _two_way(index, operand, (op in _IF_NONE) == (operand.argument == 0)) if operand else None

    def _redirected(self, index: int) -> Operand | None:
        """The comparison with None that ends with this instruction, and whose jump has the position of another jump.

        The compiler from 3.12 on redirects jumps to jumps. A NOP may be left that has the position of the comparison.
        """
        position = self._instructions.position
        while self._ops[index] == OP['NOP']:
            if position(index) in self._table.fused:
                return self._table.fused[position(index)]
            index -= 1
        operand = (self._table.firsts if self._ops[index] in _TWO_IN_ONE else self._table.lefts).get(position(index))
        return operand if operand and operand.argument is not None else None

    def _except(self, index: int, tested: int) -> Jump | None:
        """The jump of an except clause or an except* clause."""
        op = self._ops[tested]
        if op == OP['CHECK_EXC_MATCH'] or op == _COPY and self._ops[tested - 1] in _MATCHED:
            operand = self._table.handlers.get(self._instructions.position(tested))
            return _two_way(index, operand, self._ops[index] in _IF_NOT_NONE)
        return None

    def _value_test(self, index: int, tested: int) -> Jump | None:
        """A jump that tests the truth of an expression."""
        op, position = self._ops[tested], self._instructions.position(tested)
        operand = self._link(tested) if op in _COMPARISONS else None
        if op in _TWO_IN_ONE:
            operand = self._table.firsts.get(self._instructions.position(index - 1), operand)
        operand = operand or self._table.values.get(position)
        if operand is None and op in _CALLS_AND_ATTRIBUTES:
            operand = self._table.ends.get(position[2:])
        if operand is None:
            return None
        if operand.decision.conditions[operand.condition].constant is not None:
            return Jump(index, reason='a constant')
        jumps = self._ops[index] in _IF_TRUE
        if operand.argument is not None and op in (OP['IS_OP'], OP['CONTAINS_OP']):
            jumps = jumps == (self._instructions.argument(tested) == operand.argument)
        return _two_way(index, operand, jumps)

    def _link(self, index: int) -> Operand | None:
        """The link of a chained comparison that ends with the comparison at this index."""
        position = self._instructions.position
        chain = position(index)
        index -= 1
        while self._ops[index] in (OP['COPY'], OP['SWAP']) and position(index) == chain:
            index -= 1
        if self._ops[index] in _TWO_IN_ONE:
            return self._table.firsts.get(chain)
        return self._table.links.get((chain, position(index)))

    def _pattern(self, index: int) -> Jump | None:
        """A jump of a pattern: its outcome is known where control leaves the pattern, and not yet inside."""
        position = self._instructions.position(index)
        operand = self._pattern_at(position)
        if operand is None:
            return None
        condition = operand.decision.conditions[operand.condition]
        if condition.constant is not None:
            return Jump(index, reason='a pattern that always matches')
        always = any(within(position, alternative) for alternative in operand.always)
        when_jumps, when_not = (True, always) if self._is_inverted(index) else (always, True)
        target = self._instructions.targets[index]
        return Jump(index, operand, None if self._stays(target, condition.span) else when_jumps,
                    None if self._stays(index + 1, condition.span) else when_not)

    def _is_inverted(self, index: int) -> bool:
        """Whether a jump skips a jump back: from 3.12 on, conditional jumps go only forward."""
        back = index + 1
        while self._ops[back] in _NOT_TAKEN:
            back += 1
        instructions = self._instructions
        return (self._ops[back] in _BACK and instructions.position(back) == instructions.position(index)
                and instructions.targets[index] == back + 1)

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
            if self._instructions.lines[index] is not None and not within(self._instructions.position(index), span):
                return False
            if self._ops[index] in bytecode.CONDITIONAL:
                return True
            successors = self._instructions.successors(index)
            if len(successors) != 1:
                return False
            index, = successors
        return False

    def _reason(self, index: int, tested: int) -> str:
        """Why the compiler made a jump that tests the value of an instruction, but no condition."""
        position = self._instructions.position(index)
        for span, reason in self._table.reasons.items():
            if within(position, span):
                return reason
        last = tested
        if self._ops[last] in _AWAITED:
            while tested and self._ops[tested] != OP['GET_AWAITABLE']:
                tested -= 1
            last = tested - 1
        if self._ops[last] == OP['WITH_EXCEPT_START']:
            return 'the exit of a with'
        if self._ops[last] == _COPY and self._ops[tested - 1] in _LEFT_OVER:
            return END_OF_EXCEPT_STAR
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
    return {jump.operand.decision.key for code in codes for jump in jumps_of(Instructions(code), table) if jump.operand}
