"""Makes the plan of a code object: what to record in it, and what a record says about the source. See plan.py."""

from types import CodeType

from condcov.code import bytecode
from condcov.code.bytecode import OP, Instruction
from condcov.code.decisions import Table
from condcov.code.jumps import Jump, jumps_of, within
from condcov.code.one_line_jumps import OneLineJump
from condcov.model import FALSE, LEFT, MOST_CONDITIONS, NOT_EVALUATED, SEEN_FALSE, SEEN_TRUE, Arc, Decision, Key
from condcov.record.interpreter import SEES_EMPTY_JUMPS, UNSUPPORTED_OPCODES
from condcov.record.plan import Plan, path

MOST_PATHS = 1 << 20        # with more, it is unlikely that all are ever seen

# Where no probe can be placed, apart from the instructions up to the first RESUME; and END_ASYNC_FOR, which exceptions
# that pass through also reach.
_NO_PROBE = UNSUPPORTED_OPCODES | {OP['END_ASYNC_FOR']}
_AWAITING = frozenset((OP['JUMP_BACKWARD_NO_INTERRUPT'],))
_RAISES = frozenset((OP['RAISE_VARARGS'], OP['RERAISE']))
_PYTEST = '@py'             # the prefix of the names that pytest adds to an assert


def plan(code: CodeType, table: Table, instructions: list[Instruction] | None = None) -> Plan:
    """Return the Plan of a code object; `table` is that of the decisions of its file."""
    if code.co_name == bytecode.ANNOTATIONS:
        return Plan(((), (), ()), {}, {}, {}, {}, (), ())
    return _Planner(code, table, instructions or bytecode.read(code)).plan()


class _Planner:

    def __init__(self, code: CodeType, table: Table, instructions: list[Instruction]) -> None:
        self._instructions = instructions
        self._table = table
        self._code = code
        self._lines: dict[int, int] = {}                        # by offset
        self._line_arcs: dict[int, set[Arc]] = {}               # by offset
        self._jump_arcs: dict[tuple[int, bool], set[Arc]] = {}  # by offset and whether it jumped
        self._outcomes: dict[tuple[int, bool], tuple[Key, str]] = {}    # likewise, of decisions that need no path
        self._paths: dict[Key, tuple[_Paths, int | None]] = {}
        self._recorded: list[_Paths] = []
        self._unknown = self._rewritten()
        self._shown = self._shown_lines()
        self._jumps = jumps_of(code, table, self._instructions)
        # By index of a jump: where control goes in the decision if it does not jump.
        self._ways = {jump.index: jump.operand.following(jump.when_not) for jump in self._jumps
                      if jump.operand and jump.when_not is not None}

    def plan(self) -> Plan:
        self._plan_lines()
        self._plan_arcs()
        jumps = self._plan_jumps()
        probes = (tuple(sorted({*self._lines, *self._line_arcs})), jumps,
                  tuple(paths.table for paths in self._recorded))
        return Plan(probes, self._lines, {offset: tuple(arcs) for offset, arcs in self._line_arcs.items()},
                    {edge: tuple(arcs) for edge, arcs in self._jump_arcs.items()}, self._outcomes,
                    tuple(paths.facts for paths in self._recorded), tuple(self._unknown))

    def _rewritten(self) -> frozenset[Key]:
        """The keys of the decisions in asserts that pytest has rewritten: other conditions, with other jumps."""
        names = self._code.co_varnames + self._code.co_names
        if not any(name.startswith(_PYTEST) for name in names):
            return frozenset()
        asserts = self._table.asserts
        return frozenset(key for instruction in self._instructions if instruction.op in bytecode.CONDITIONAL
                         for key in asserts.get(instruction.position, ()))

    def _shown_lines(self) -> list[int | None]:
        """For each instruction, the line that a trace function saw last before it, or None.

        coverage.py ignores the line of a PUSH_EXC_INFO and of the instructions that follow it in the same line.
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

    def _plan_lines(self) -> None:
        instructions, shown = self._instructions, self._shown
        first = next(index for index, instruction in enumerate(instructions) if instruction.op == OP['RESUME'])
        for index in range(first + 1, len(instructions)):
            instruction, line = instructions[index], shown[index]
            if line is None:
                continue
            before = instruction.predecessors
            if before == [index - 1] and shown[index - 1] == line and not instruction.handler and index != first + 1:
                continue        # the usual case
            if index == first + 1 or instruction.handler or any(shown[each] != line for each in before):
                probe = self._place(index)
                if probe is not None:
                    self._lines[instructions[probe].offset] = line

    def _place(self, index: int) -> int | None:
        """The index of the first instruction from this one on that can have a probe and is executed with it."""
        line = self._shown[index]
        while self._instructions[index].op in _NO_PROBE:
            index += 1
            if (index == len(self._instructions) or self._shown[index] != line
                    or self._instructions[index].predecessors != [index - 1]):
                return None
        return index

    def _plan_arcs(self) -> None:
        """Find which edge of the code is the last of each arc."""
        instructions, shown = self._instructions, self._shown
        for index, instruction in enumerate(instructions):
            if shown[index] is not None and instruction.successors == (index + 1,) and shown[index + 1] == shown[index]:
                continue        # the usual case
            line = self._line_at(index)
            if line is None:
                continue
            if instruction.op in bytecode.CONDITIONAL:
                for jumped, successor in enumerate(instruction.successors):
                    if not self._arc_of_jump(index, line, successor):
                        self._jump_arc_at(index, bool(jumped), line, self._target(index, successor))
            elif shown[index] is None:
                continue        # in an edge that began earlier
            elif instruction.op == OP['END_ASYNC_FOR']:
                self._jump_arc_at(index, True, line, self._landing(index + 1))
            elif not instruction.successors:
                self._arc_before(index, line, self._left(index))
            elif len(instruction.successors) == 1:
                successor, = instruction.successors
                if shown[successor] != line and not self._arc_of_jump(index, line, successor):
                    alone = instructions[successor].predecessors == [index] and not instructions[successor].handler
                    probe = self._place(successor) if alone else None
                    self._arc_before(index if probe is None else probe, line, self._target(index, successor))

    def _arc_of_jump(self, index: int, line: int, successor: int) -> bool:
        """Record the arc of a jump in the line of its test where it ends: the exit of a `with` may raise before that.

        Return False if this instruction is not part of such a jump, or if there is no place that only the jump reaches.
        """
        instructions, jump = self._instructions, self._jump_at(index)
        if jump is None:
            return False
        if self._shown[successor] == line:
            return True             # it goes on
        target, end, following = self._exit_or(jump.target), None, successor
        alone = all(self._shown[each] == line for each in instructions[successor].predecessors)
        while alone and not instructions[following].handler and self._shown[following] != target:
            instruction = instructions[following]
            if instruction.op not in _NO_PROBE:
                end = instruction.offset
            if instruction.op == OP['SEND']:
                assert instruction.target is not None
                following = instruction.target          # when the await has ended
            elif len(instruction.successors) == 1:
                before, (following,) = following, instruction.successors
                alone = all(each == before or instructions[each].op in _AWAITING
                            for each in instructions[following].predecessors)
            else:
                break
        if end is None:
            return False
        self._line_arcs.setdefault(end, set()).add((line, target))
        return True

    def _arc_before(self, index: int, line: int, landing: int | None) -> None:
        """Record this arc when the instruction with this index is executed, before it if it cannot have a probe."""
        if landing is None or landing == line:
            return
        visited, todo = set(), [index]
        while todo:
            index = todo.pop()
            instruction = self._instructions[index]
            if index in visited:
                continue
            visited.add(index)
            if instruction.op not in _NO_PROBE:
                self._line_arcs.setdefault(instruction.offset, set()).add((line, landing))
                continue
            for before in instruction.predecessors:
                if self._instructions[before].op in bytecode.CONDITIONAL:
                    for jumped, successor in enumerate(self._instructions[before].successors):
                        if successor == index:
                            self._jump_arc_at(before, bool(jumped), line, landing)
                elif len(self._instructions[before].successors) == 1:
                    todo.append(before)

    def _jump_arc_at(self, index: int, jumped: bool, line: int, landing: int | None) -> None:
        """Record this arc when the jump with this index jumps or does not jump."""
        if landing is not None and landing != line:
            self._jump_arcs.setdefault((self._instructions[index].offset, jumped), set()).add((line, landing))

    def _target(self, index: int, successor: int) -> int | None:
        """The line that control goes to from an instruction by way of its successor, in another line."""
        jump = self._jump_at(index)
        return self._landing(successor) if jump is None else self._exit_or(jump.target)

    def _exit_or(self, line: int | None) -> int:
        return -self._code.co_firstlineno if line is None else line

    def _jump_at(self, index: int) -> OneLineJump | None:
        """The jump in the line of its test that ends with this instruction, as far as its line tells.

        If it leaves a `with` or a `try`, where it finally goes is what coverage.py expects, and not the _landing().
        """
        instruction = self._instructions[index]
        jump = self._table.jumps.get(instruction.line or 0)
        if jump and (within(instruction.position, jump.span) or self._follows_test(index)):
            return jump
        return None

    def _follows_test(self, index: int) -> bool:
        """Whether this instruction ends a test that was true: those of a jump may have been removed after it."""
        instructions, line = self._instructions, self._shown[index]
        if instructions[index].op in bytecode.CONDITIONAL:
            return False
        while index - 1 in instructions[index].predecessors and self._shown[index - 1] == line:
            index -= 1
            if instructions[index].op in bytecode.CONDITIONAL:
                # From 3.12 on, a test that jumps back when it is false is followed by the jump.
                return self._ways.get(index) != FALSE
        return False

    def _line_at(self, index: int) -> int | None:
        """The line shown last when this instruction is executed; None if there are several."""
        visited = set()
        while self._shown[index] is None:
            before = self._instructions[index].predecessors
            if (len(before) != 1 or index in visited or self._instructions[index].handler
                    or self._instructions[index].line is not None):
                return None
            visited.add(index)
            index, = before
        return self._shown[index]

    def _landing(self, index: int) -> int | None:
        """The next line that is shown from this instruction on, negative for the exit, None if there are several.

        An exception that gets to the exit of a with is assumed to be passed on.
        """
        visited = set()
        while index not in visited:
            visited.add(index)
            instruction = self._instructions[index]
            if self._shown[index] is not None:
                return self._shown[index]
            if instruction.op == OP['WITH_EXCEPT_START']:
                if instruction.caught is None:
                    return -self._code.co_firstlineno
                index = instruction.caught
            elif not instruction.successors:
                return self._left(index)
            elif len(instruction.successors) > 1:
                return None
            else:
                index, = instruction.successors
        return None

    def _left(self, index: int) -> int | None:
        """The next line that is shown after an instruction that returns or raises, negative for the exit."""
        instruction = self._instructions[index]
        if instruction.op in _RAISES and instruction.caught is not None:
            return self._landing(instruction.caught)
        return -self._code.co_firstlineno

    def _plan_jumps(self) -> tuple[tuple, ...]:
        """Return (offset, decision, condition, truth when it jumps, truth when not) of each jump to record."""
        probes: list[tuple] = []
        jumps = self._jumps
        if not SEES_EMPTY_JUMPS:
            self._unknown |= {jump.operand.decision.key for jump in jumps if jump.operand
                              and len({*self._instructions[jump.index].successors}) == 1 and jump.true_at is None}
        for jump in jumps:
            offset = self._instructions[jump.index].offset
            if jump.operand and jump.operand.decision.key not in self._unknown:
                probes += self._decision_probes(jump, offset)
            elif (offset, True) in self._jump_arcs or (offset, False) in self._jump_arcs:
                probes.append((offset, -1, -1, None, None))
        return tuple(probes)

    def _decision_probes(self, jump: Jump, offset: int) -> list[tuple]:
        """The probes of a jump that tests a condition."""
        assert jump.operand is not None
        decision, condition = jump.operand.decision, jump.operand.condition
        paths, number = self._paths_of(decision)
        if number is not None:
            return [(offset, number, paths.number[condition], jump.when_jumps, jump.when_not)]
        for jumped, truth in ((True, jump.when_jumps), (False, jump.when_not)):
            if truth is not None:
                self._outcomes[offset, jumped] = decision.key, paths.single(condition, truth)
        probes = [(offset, -1, -1, None, None)]
        if jump.true_at is not None:
            # An instruction that is not a jump counts as one that did not jump.
            item = self._instructions[jump.true_at].offset
            self._outcomes[item, False] = decision.key, paths.single(condition, True)
            probes.insert(0, (item, -1, -1, None, None))
        return probes

    def _paths_of(self, decision: Decision) -> tuple['_Paths', int | None]:
        """The _Paths of a decision, and its number among those whose paths are recorded, or None."""
        if decision.key not in self._paths:
            paths = _Paths(decision)
            self._paths[decision.key] = paths, len(self._recorded) if paths.recorded else None
            if paths.recorded:
                self._recorded.append(paths)
        return self._paths[decision.key]


class _Paths:
    """The paths through a decision, in the form that the recorder and plan.path() expect.

    recorded    whether the recorder keeps paths: not for a single condition, nor for too many
    number      for the index of each condition the recorder's number, -1 where it has no jump
    table       (successors, total) for codeprobes.Recorder
    facts       (key, first, conditions) for Plan
    """

    def __init__(self, decision: Decision) -> None:
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

    def single(self, index: int, truth: bool) -> str:
        """The path of which one condition is known; it is whole if that is the only one with a jump."""
        _, first, conditions = self.facts
        if self._jumps == 1:
            return path(first, conditions, 1, int(truth), True)
        found = [NOT_EVALUATED] * len(conditions)
        found[index] = SEEN_TRUE if truth else SEEN_FALSE
        return ''.join(found) + LEFT


def _total(successors: tuple[tuple[int, int], ...]) -> int:
    """The number of paths, or 0 if there are too many."""
    counts = [0] * len(successors)
    for number in reversed(range(len(successors))):
        counts[number] = sum(counts[following] if following >= 0 else 1 for following in successors[number])
    return counts[0] if counts[0] <= MOST_PATHS else 0
