"""Makes the plan of a code object: what to record in it, and what a record says of the source. See condcov.record.plan."""

import dataclasses

from condcov.code import bytecode
from condcov.code.bytecode import OP
from condcov.code.decisions import Operand
from condcov.model import LEFT, NOT_EVALUATED, SEEN_FALSE, SEEN_TRUE
from condcov.record.plan import Plan, path

MOST_CONDITIONS = 62        # of a decision whose paths are recorded: they are bits of a machine word
MOST_PATHS = 1 << 20        # beyond these nobody waits until all have been seen

_IF_TRUE = frozenset(op for name, op in OP.items() if 'IF_TRUE' in name)
_IF_NONE = frozenset(op for name, op in OP.items() if name.endswith('IF_NONE'))
_IF_NOT_NONE = frozenset(op for name, op in OP.items() if name.endswith('IF_NOT_NONE'))
# Where codeprobes.Recorder takes no probe, beside the instructions up to the first RESUME; and END_ASYNC_FOR, which an
# exception gets to that passes through.
_NO_PROBE = frozenset(OP[name] for name in (
    'CALL', 'CACHE', 'END_ASYNC_FOR', 'EXTENDED_ARG', 'JUMP_BACKWARD_NO_INTERRUPT', 'PUSH_EXC_INFO', 'RERAISE',
    'RESUME', 'SEND', 'YIELD_VALUE'))
_RAISES = frozenset((OP['RAISE_VARARGS'], OP['RERAISE']))
_ANEXT = OP['GET_ANEXT']
_PYTEST = '@py'             # what the names that it adds begin with
_COMPARISONS = frozenset((OP['COMPARE_OP'], OP['IS_OP'], OP['CONTAINS_OP']))


@dataclasses.dataclass(slots=True)
class Jump:
    """A conditional jump.

    index       of its instruction
    operand     the condition that it tests, or None
    when_jumps, when_not    the condition's truth when it jumps and when it does not: True, False, or None (not yet
                            known)
    reason      why it tests no condition of the source, or '' if nobody knows
    true_at     of an `async for`, which ends by an exception and jumps nowhere else: index of the instruction that is
                executed when there is an item
    """

    index: int
    operand: Operand | None = None
    when_jumps: bool | None = None
    when_not: bool | None = None
    reason: str = ''
    true_at: int | None = None


def jumps_of(code, table, instructions=None):
    """The conditional jumps of a code object, and what they test according to the table of its file."""
    instructions = instructions or bytecode.read(code)
    loops = {}
    return [_jump(instructions, index, table, loops)
            for index, instruction in enumerate(instructions)
            if instruction.op in bytecode.CONDITIONAL or instruction.op == _ANEXT]


def _jump(instructions, index, table, loops):
    jump = instructions[index]
    if jump.op == OP['FOR_ITER']:
        operand = _loop(jump, table, loops)
        return Jump(index, operand, False, True) if operand else Jump(index)
    if jump.op == _ANEXT:
        operand = _loop(jump, table, loops)
        if jump.caught is None or instructions[jump.caught].op != OP['END_ASYNC_FOR']:
            return Jump(index)
        # Followed by LOAD_CONST None and the SEND that jumps when the item is there.
        return Jump(jump.caught, operand, False, None, true_at=instructions[index + 2].target)
    if jump.op in _IF_NONE or jump.op in _IF_NOT_NONE:
        operand = table.fused.get(jump.position)
        if operand:
            jumps = (jump.op in _IF_NONE) == (operand.argument == 0)
            return Jump(index, operand, jumps, not jumps)
    before = index - 1
    while instructions[before].op == OP['NOP'] and before and instructions[before].position not in table.values:
        before -= 1
    last, match = instructions[before], instructions[before - 1].op == OP['CHECK_EG_MATCH']
    if last.op == OP['CHECK_EXC_MATCH'] or last.op == OP['COPY'] and match:
        operand = table.handlers.get(last.position)
        jumps = jump.op in _IF_NOT_NONE
        return Jump(index, operand, jumps, not jumps)
    operand = None
    if last.op in _COMPARISONS:
        operand = _link(instructions, before, table)
    if operand is None:
        operand = table.values.get(last.position)
        if operand is None and last.op in (OP['CALL'], OP['LOAD_ATTR'], OP['LOAD_METHOD'], OP['CALL_FUNCTION_EX']):
            operand = table.ends.get(last.position[2:])
    if operand:
        if operand.decision.conditions[operand.condition].constant is not None:
            return Jump(index, reason='a constant')
        jumps = jump.op in _IF_TRUE
        if operand.argument is not None and last.op in (OP['IS_OP'], OP['CONTAINS_OP']):
            jumps = jumps == (last.argument == operand.argument)
        return Jump(index, operand, jumps, not jumps)
    operand = _pattern(jump.position, table)
    if operand:
        return _match(instructions, index, operand, table)
    return Jump(index, reason=_reason(instructions, before))


def _loop(jump, table, loops):
    """The operand of the jump of a loop, or None."""
    operands = table.loops.get(jump.position, ())
    number = loops[jump.position] = loops.get(jump.position, -1) + 1
    if len(operands) == 1:
        number = 0      # the copies of a loop in a finally clause
    return operands[number] if number < len(operands) else None


def _link(instructions, index, table):
    """The link of a chained comparison that ends with the comparison at this index."""
    chain = instructions[index].position
    index -= 1
    while instructions[index].position == chain and instructions[index].op in (OP['COPY'], OP['SWAP']):
        index -= 1
    return table.links.get((chain, instructions[index].position))


def _pattern(position, table):
    if position.line is None:
        return None
    operand = table.patterns.get(position)
    if operand:
        return operand
    for span, operand in table.patterns.items():
        if _within(position, span):
            return operand
    return None


def _within(position, span):
    return (position.line is not None and position.column is not None and
            span[:2] <= position[:2] and position[2:] <= span[2:])


def _match(instructions, index, operand, table):
    """A jump of a pattern: true and false where it leaves the pattern, nothing yet where it stays inside."""
    span = operand.decision.conditions[operand.condition].span
    constant = operand.decision.conditions[operand.condition].constant
    jump = instructions[index]
    always = any(_within(jump.position, alternative) for alternative in operand.always)
    when_jumps = None if _stays(instructions, jump.target, span) else always
    when_not = None if _stays(instructions, index + 1, span) else True
    if constant is not None:
        return Jump(index, reason='a pattern that always matches')
    return Jump(index, operand, when_jumps, when_not)


def _stays(instructions, index, span):
    """Whether control gets to another jump of the same pattern from here."""
    visited = set()
    while index not in visited:
        visited.add(index)
        instruction = instructions[index]
        if instruction.line is not None and not _within(instruction.position, span):
            return False
        if instruction.op in bytecode.CONDITIONAL:
            return True
        if len(instruction.successors) != 1:
            return False
        index, = instruction.successors
    return False


def _reason(instructions, before):
    """Why the compiler has put a jump that tests the value of this instruction."""
    last = instructions[before]
    if last.op in (OP['RESUME'], OP['JUMP_BACKWARD_NO_INTERRUPT']):     # the loop of an await
        while before and instructions[before].op != OP['GET_AWAITABLE']:
            before -= 1
        last = instructions[before - 1]
    if last.op == OP['WITH_EXCEPT_START']:
        return 'the exit of a with'
    if last.op == OP['COPY'] and instructions[before - 1].op == OP['PREP_RERAISE_STAR']:
        return 'the end of an except*'
    return ''


def plan(code, table):
    """The Plan of a code object, with the Table of the decisions of its file."""
    return _Planner(code, table).plan()


class _Planner:

    def __init__(self, code, table):
        self._instructions = bytecode.read(code)
        self._table = table
        self._code = code
        self._lines = {}            # offset: line
        self._line_arcs = {}        # offset: arcs
        self._jump_arcs = {}        # (offset, jumped): arc
        self._outcomes = {}         # (offset, jumped): (key, path), of decisions that need no path
        self._recorded = []         # _Paths of the decisions whose paths are recorded
        self._untold = self._rewritten()
        self._shown = self._shown_lines()

    def plan(self):
        self._plan_lines()
        self._plan_arcs()
        jumps = self._plan_jumps()
        probes = (tuple(sorted({*self._lines, *self._line_arcs})), jumps,
                  tuple(paths.table for paths in self._recorded))
        return Plan(probes, self._lines, {offset: tuple(arcs) for offset, arcs in self._line_arcs.items()},
                    self._jump_arcs, self._outcomes, tuple(paths.facts for paths in self._recorded),
                    tuple(self._untold))

    def _rewritten(self):
        """The keys of the decisions in asserts that pytest has rewritten: other conditions, with other jumps."""
        names = self._code.co_varnames + self._code.co_names
        if not any(name.startswith(_PYTEST) for name in names):
            return frozenset()
        asserts = self._table.asserts
        return frozenset(key for instruction in self._instructions if instruction.op in bytecode.CONDITIONAL
                         for key in asserts.get(instruction.position, ()))

    def _shown_lines(self):
        """For each instruction the line that a trace function has last been told of while it runs, or None.

        coverage.py overlooks the line of a PUSH_EXC_INFO, and so that of what follows it in the same line.
        """
        instructions = self._instructions
        shown = [instruction.line for instruction in instructions]
        for index, instruction in enumerate(instructions):
            if instruction.op == OP['PUSH_EXC_INFO']:
                line, todo = instruction.line, [index]
                while line is not None and todo:
                    index = todo.pop()
                    if shown[index] == line:
                        shown[index] = None
                        todo += [following for following in instructions[index].successors
                                 if all(shown[before] is None for before in instructions[following].predecessors)]
        return shown

    def _plan_lines(self):
        instructions, shown = self._instructions, self._shown
        first = next(index for index, instruction in enumerate(instructions) if instruction.op == OP['RESUME'])
        for index in range(first + 1, len(instructions)):
            instruction, line = instructions[index], shown[index]
            if line is None:
                continue
            before = instruction.predecessors
            if before == [index - 1] and shown[index - 1] == line and not instruction.handler and index != first + 1:
                continue        # which is so for most
            if index == first + 1 or instruction.handler or any(shown[each] != line for each in before):
                probe = self._place(index)
                if probe is not None:
                    self._lines[instructions[probe].offset] = line

    def _place(self, index):
        """The index of the instruction from this one on that can have a probe and is executed with it."""
        line = self._shown[index]
        while self._instructions[index].op in _NO_PROBE:
            index += 1
            if (index == len(self._instructions) or self._shown[index] != line
                    or self._instructions[index].predecessors != [index - 1]):
                return None
        return index

    def _plan_arcs(self):
        """Find which edge of the code is the last of each arc."""
        instructions, shown = self._instructions, self._shown
        for index, instruction in enumerate(instructions):
            if shown[index] is not None and instruction.successors == (index + 1,) and shown[index + 1] == shown[index]:
                continue        # which is so for most
            line = self._line_at(index)
            if line is None:
                continue
            if instruction.op in bytecode.CONDITIONAL:
                for jumped, successor in enumerate(instruction.successors):
                    landing = self._landing(successor)
                    if landing is not None and landing != line:
                        self._jump_arcs[instruction.offset, bool(jumped)] = line, landing
            elif shown[index] is None:
                continue        # in an edge that has begun before
            elif not instruction.successors:
                self._arc_at(self._earlier(index), line, self._left(index))
            elif len(instruction.successors) == 1:
                successor, = instruction.successors
                if shown[successor] == line:
                    continue
                alone = instructions[successor].predecessors == [index] and not instructions[successor].handler
                probe = self._place(successor) if alone else None
                self._arc_at(self._earlier(index) if probe is None else probe, line, self._landing(successor))

    def _earlier(self, index):
        """The index of the last instruction up to this one that can have a probe and that this one follows alone."""
        instructions = self._instructions
        while instructions[index].op in _NO_PROBE:
            if instructions[index].predecessors != [index - 1] or instructions[index].handler:
                return None
            index -= 1
            if len(instructions[index].successors) != 1:
                return None
        return index

    def _arc_at(self, probe, line, landing):
        """Have the execution of the instruction with this index, if there is one, mean this arc."""
        if probe is not None and landing is not None and landing != line:
            self._line_arcs.setdefault(self._instructions[probe].offset, set()).add((line, landing))

    def _line_at(self, index):
        """The line shown last when this instruction is executed; None if that depends."""
        visited = set()
        while self._shown[index] is None:
            before = self._instructions[index].predecessors
            if (len(before) != 1 or index in visited or self._instructions[index].handler
                    or self._instructions[index].line is not None):
                return None
            visited.add(index)
            index, = before
        return self._shown[index]

    def _landing(self, index):
        """The next line that is shown from this instruction on, negative for the exit, None if that depends.

        An exception that gets to the exit of a with is taken to be passed on.
        """
        visited = set()
        while index not in visited:
            visited.add(index)
            instruction = self._instructions[index]
            if self._shown[index] is not None:
                return self._shown[index]
            if instruction.op == OP['WITH_EXCEPT_START']:
                index = instruction.caught
                if index is None:
                    return -self._code.co_firstlineno
            elif not instruction.successors:
                return self._left(index)
            elif len(instruction.successors) > 1:
                return None
            else:
                index, = instruction.successors
        return None

    def _left(self, index):
        """The next line that is shown after an instruction that returns or raises, negative for the exit."""
        instruction = self._instructions[index]
        if instruction.op in _RAISES and instruction.caught is not None:
            return self._landing(instruction.caught)
        return -self._code.co_firstlineno

    def _plan_jumps(self):
        numbers, probes = {}, []
        for jump in jumps_of(self._code, self._table, self._instructions):
            offset, operand = self._instructions[jump.index].offset, jump.operand
            number = condition = -1
            if operand and operand.decision.key not in self._untold:
                decision = operand.decision
                if decision.key not in numbers:
                    paths = _Paths(decision)
                    numbers[decision.key] = paths, len(self._recorded) if paths.recorded else -1
                    if paths.recorded:
                        self._recorded.append(paths)
                paths, number = numbers[decision.key]
                condition = paths.number[operand.condition]
                if number < 0:
                    for jumped, truth in ((True, jump.when_jumps), (False, jump.when_not)):
                        if truth is not None:
                            self._outcomes[offset, jumped] = decision.key, paths.single(operand.condition, truth)
                if jump.true_at is not None:
                    # An instruction that is no jump is one that is not made.
                    at = self._instructions[jump.true_at].offset
                    self._outcomes[at, False] = decision.key, paths.single(operand.condition, True)
                    probes.append((at, -1, -1, None, None))
            elif (offset, True) not in self._jump_arcs and (offset, False) not in self._jump_arcs:
                continue
            truths = (jump.when_jumps, jump.when_not) if number >= 0 else (None, None)
            probes.append((offset, number, condition if number >= 0 else -1, *truths))
        return tuple(probes)


class _Paths:
    """The paths through a decision, as the recorder and condcov.record.plan.path() take them.

    recorded    whether the recorder keeps paths: not for a single condition, nor for too many
    number      for the index of each condition the recorder's number, -1 where it has no jump
    table       (successors, total) as codeprobes.Recorder takes them
    facts       (key, first, conditions) as condcov.record.plan.Plan takes them
    """

    def __init__(self, decision):
        conditions = decision.conditions
        jumps = [index for index, condition in enumerate(conditions)
                 if condition.tested and condition.constant is None]
        number = dict(zip(jumps, range(len(jumps))))
        self.number = [number.get(index, -1) for index in range(len(conditions))]
        self.recorded = 1 < len(jumps) <= MOST_CONDITIONS
        self.facts = decision.key, jumps[0], tuple(
            (self.number[index], condition.on_true, condition.on_false, condition.tested)
            for index, condition in enumerate(conditions))
        self._jumps = len(jumps)
        if self.recorded:
            successors = tuple((number.get(conditions[index].on_true, -1), number.get(conditions[index].on_false, -1))
                               for index in jumps)
            self.table = successors, _total(successors)

    def single(self, index, truth):
        """The string of a path of which one condition is known: whole, if it is the only one with a jump."""
        _, first, conditions = self.facts
        if self._jumps == 1:
            return path(first, conditions, 1, int(truth), True)
        found = [NOT_EVALUATED] * len(conditions)
        found[index] = SEEN_TRUE if truth else SEEN_FALSE
        return ''.join(found) + LEFT


def _total(successors):
    """How many paths there are, 0 for too many."""
    counts = [0] * len(successors)
    for number in reversed(range(len(successors))):
        counts[number] = sum(counts[following] if following >= 0 else 1 for following in successors[number])
    return counts[0] if counts[0] <= MOST_PATHS else 0
