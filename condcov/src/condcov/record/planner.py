"""Makes the plan of a code object: what to record in it, and what a record says about the source. See plan.py."""

from types import CodeType

from condcov.code import bytecode, rewritten_asserts
from condcov.code.bytecode import OP, Instructions
from condcov.code.jumps import END_OF_EXCEPT_STAR, Jump, within
from condcov.code.one_line_jumps import OneLineJump
from condcov.code.parsing import Tables
from condcov.model import MOST_CONDITIONS, TRUE, Decision
from condcov.record import straight
from condcov.record.interpreter import SEES_EMPTY_JUMPS, UNSUPPORTED_OPCODES
from condcov.record.plan import Plan, path
from condcov.seen import ASSERTS, LEFT, NOT_EVALUATED, SEEN_FALSE, SEEN_TRUE, Arc, Key

MOST_PATHS = 1 << 20        # with more, it is unlikely that all are ever seen

# Where no probe can be placed, apart from the instructions up to the first RESUME; and END_ASYNC_FOR, which exceptions
# that pass through also reach.
_NO_PROBE = UNSUPPORTED_OPCODES | {OP['END_ASYNC_FOR']}
_AWAITING = frozenset((OP['JUMP_BACKWARD_NO_INTERRUPT'],))
_CLEANUP = bytes((OP['COPY'], OP['POP_EXCEPT'], OP['RERAISE']))
_RAISES = frozenset((OP['RAISE_VARARGS'], OP['RERAISE']))

_IS_START = bytecode.table({OP['RESUME']})
_IS_PUSH = bytecode.table({OP['PUSH_EXC_INFO']})


def plan(code: CodeType, tables: Tables) -> Plan:
    """Return the Plan of a code object; `tables` are those of its file."""
    if code.co_name == bytecode.ANNOTATIONS:
        return Plan.make(((), (), ()), {}, {}, {}, {}, (), ())
    asserts = tables.asserts() if rewritten_asserts.are_in(code) else None
    return straight.plan(code, asserts) or _Planner(code, tables, asserts).plan()


class _Planner:

    def __init__(self, code: CodeType, tables: Tables, asserts: frozenset[int] | None) -> None:
        self._code = code
        self._instructions = Instructions(code)
        self._table, self._jumps = tables.of_code(self._instructions, asserts)
        rewritten = asserts is not None
        self._first = self._instructions.find(_IS_START)[0] + 1     # where its own lines begin
        self._lines: dict[int, int] = {}                        # by offset
        self._line_arcs: dict[int, set[Arc]] = {}               # by offset
        self._jump_arcs: dict[tuple[int, bool], set[Arc]] = {}  # by offset and whether it jumped
        self._outcomes: dict[tuple[int, bool], tuple[Key, str]] = {}    # likewise, of decisions that need no path
        self._paths: dict[Key, tuple[_Paths, int | None]] = {}
        self._recorded: list[_Paths] = []
        self._unknown: set[Key] = {ASSERTS} if rewritten else set()
        # Decisions of which nothing is recorded but ASSERTS.
        self._in_asserts = self._table.in_asserts() if rewritten else set()
        self._ends_of_except_star = {jump.index for jump in self._jumps if jump.reason == END_OF_EXCEPT_STAR}
        clauses = [jump for jump in self._jumps
                   if self._instructions.ops[jump.index - 2] == OP['CHECK_EG_MATCH']]       # before a COPY
        self._clause_lines = {self._instructions.lines[jump.index] for jump in clauses}
        # For except* clauses, by the first instruction. That of the first clause is PUSH_EXC_INFO and shows no line.
        self._after_clauses = dict(map(self._after_clause, clauses))
        # The instructions before which another line may have been shown, and the jumps out of a line: few of all.
        self._changes = self._instructions.changes.copy()
        shown = self._shown = self._shown_lines()
        self._leaving = [index for index, target in self._instructions.targets.items()
                         if shown[index] != shown[target] or shown[index] is None]
        # The jumps after which, if they do not jump, the test of a statement is not known to be true.
        self._no_ends = {jump.index for jump in self._jumps
                         if jump.operand and (jump.operand.decision.key not in self._table.suites
                                              or jump.when_not is not None
                                              and jump.operand.following(jump.when_not) != TRUE)}

    def plan(self) -> Plan:
        self._plan_lines()
        self._plan_arcs()
        jumps = self._plan_jumps()
        probes = (tuple(sorted({*self._lines, *self._line_arcs})), jumps,
                  tuple(paths.table for paths in self._recorded))
        return Plan.make(probes, self._lines, {offset: tuple(arcs) for offset, arcs in self._line_arcs.items()},
                         {edge: tuple(arcs) for edge, arcs in self._jump_arcs.items()}, self._outcomes,
                         tuple(paths.facts for paths in self._recorded), tuple(self._unknown))

    def _after_clause(self, jump: Jump) -> tuple[int, int]:
        """The first instruction of the except* clause with this jump, and the next one if it does not match."""
        instructions, start = self._instructions, jump.index
        while instructions.is_alone(start) and instructions.ops[start - 1] not in bytecode.CONDITIONAL:
            start -= 1
        return start, instructions.successors(jump.index)[jump.when_jumps is False]

    def _shown_lines(self) -> list[int | None]:
        """For each instruction, the line that a trace function saw last before it, or None.

        coverage.py ignores the line of a PUSH_EXC_INFO and of the instructions that follow it in the same line. They
        are added to self._changes.
        """
        instructions = self._instructions
        shown = instructions.lines.copy()
        for index in instructions.find(_IS_PUSH):
            line, todo = instructions.lines[index], [index]
            while line is not None and todo:
                index = todo.pop()
                if shown[index] == line:
                    shown[index] = None
                    self._changes += index, index + 1
                    todo += [following for following in instructions.successors(index)
                             if all(shown[before] is None for before in instructions.predecessors(following))]
        return shown

    def _plan_lines(self) -> None:
        instructions, shown, first = self._instructions, self._shown, self._first
        entered = (instructions.targets[index] for index in self._leaving)
        for index in sorted({first, *self._changes, *entered, *instructions.handlers}):
            line = shown[index] if first <= index < len(shown) else None
            if line is not None and (index == first or index in instructions.handlers
                                     or instructions.is_alone(index) and shown[index - 1] != line
                                     or any(shown[each] != line for each in instructions.predecessors(index))):
                probe = self._place(index)
                if probe is not None:
                    self._lines[instructions.offset(probe)] = line

    def _place(self, index: int) -> int | None:
        """The index of the first instruction from this one on that can have a probe and is executed with it."""
        line = self._shown[index]
        while self._instructions.ops[index] in _NO_PROBE:
            index += 1
            if (index == len(self._instructions) or self._shown[index] != line
                    or not self._instructions.is_alone(index)):
                return None
        return index

    def _plan_arcs(self) -> None:
        """Find which edge of the code is the last of each arc."""
        instructions, shown = self._instructions, self._shown
        one_line = {index for index in instructions.targets if instructions.lines[index] in self._table.jumps
                    } if self._table.jumps else set()
        left = instructions.ends - instructions.targets.keys()
        changes = {index - 1 for index in self._changes if index != self._first}
        for index in sorted({*self._leaving, *one_line, *left, *changes}):
            line = self._line_at(index)
            if line is None:
                continue
            next_line = self._next_line(index, line)
            if next_line is not None:
                self._line_arcs.setdefault(instructions.offset(index + 1), set()).add((line, next_line))
                continue
            op, successors = instructions.ops[index], instructions.successors(index)
            if {shown[each] for each in successors} == {line} and instructions.lines[index] not in self._table.jumps:
                continue        # the usual case
            if op in bytecode.CONDITIONAL:
                for jumped, successor in enumerate(successors):
                    if not self._arc_of_jump(index, line, successor):
                        self._jump_arc_at(index, bool(jumped), line, self._target(index, successor))
            elif shown[index] is None:
                continue        # in an edge that began earlier
            elif op == OP['END_ASYNC_FOR']:
                self._jump_arc_at(index, True, line, self._target(index, index + 1))
            elif not successors:
                # An exception that gets to a cleanup was raised elsewhere.
                if not self._is_cleanup(index + 1 - len(_CLEANUP)):
                    self._arc_before(index, line, self._left(index, line))
            elif len(successors) == 1:
                successor, = successors
                if shown[successor] != line and not self._arc_of_jump(index, line, successor):
                    alone = instructions.predecessors(successor) == [index] and successor not in instructions.handlers
                    probe = self._place(successor) if alone else None
                    self._arc_before(index if probe is None else probe, line, self._target(index, successor))

    def _next_line(self, index: int, line: int) -> int | None:
        """The line that the next instruction begins, in the most usual case: it can have a probe, and follows this one.

        None otherwise.
        """
        instructions, following = self._instructions, index + 1
        if (index in instructions.targets or index in instructions.ends
                or following in instructions.entered or following in instructions.handlers
                or instructions.ops[following] in _NO_PROBE or instructions.ops[index] == OP['END_ASYNC_FOR']
                or self._shown[index] is None or instructions.lines[index] in self._table.jumps):
            return None
        return self._shown[following] if self._shown[following] != line else None

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
        alone = all(self._shown[each] == line or within(instructions.position(each), jump.span)
                    for each in instructions.predecessors(successor))
        while alone and following not in instructions.handlers and self._shown[following] != target:
            op, successors = instructions.ops[following], instructions.successors(following)
            if op not in _NO_PROBE:
                end = instructions.offset(following)
            if op == OP['SEND']:
                following = instructions.targets[following]     # when the await has ended
            elif len(successors) == 1:
                before, (following,) = following, successors
                alone = all(each == before or instructions.ops[each] in _AWAITING
                            or within(instructions.position(each), jump.span)
                            for each in instructions.predecessors(following))
            elif successors and within(instructions.position(following), jump.span):
                return True         # a test in the value of a `return`
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
        instructions, visited, todo = self._instructions, set(), [index]
        while todo:
            index = todo.pop()
            if index in visited:
                continue
            visited.add(index)
            if instructions.ops[index] not in _NO_PROBE:
                self._line_arcs.setdefault(instructions.offset(index), set()).add((line, landing))
                continue
            for before in instructions.predecessors(index):
                successors = instructions.successors(before)
                if instructions.ops[before] in bytecode.CONDITIONAL:
                    for jumped, successor in enumerate(successors):
                        if successor == index:
                            self._jump_arc_at(before, bool(jumped), line, landing)
                elif len(successors) == 1:
                    todo.append(before)

    def _jump_arc_at(self, index: int, jumped: bool, line: int, landing: int | None) -> None:
        """Record this arc when the jump with this index jumps or does not jump."""
        if landing is not None and landing != line:
            self._jump_arcs.setdefault((self._instructions.offset(index), jumped), set()).add((line, landing))

    def _target(self, index: int, successor: int) -> int | None:
        """The line that control goes to from an instruction by way of its successor, in another line."""
        jump = self._jump_at(index)
        if jump is not None:
            return self._exit_or(jump.target)
        return self._landing(successor, self._line_at(index))

    def _exit_or(self, line: int | None) -> int:
        return -self._code.co_firstlineno if line is None else line

    def _jump_at(self, index: int) -> OneLineJump | None:
        """The jump in the line of its test that ends with this instruction, as far as its line tells.

        If it leaves a `with` or a `try`, where it finally goes is what coverage.py expects, and not the _landing().
        """
        jump = self._table.jumps.get(self._instructions.lines[index] or 0)
        if jump and (within(self._instructions.position(index), jump.span) or self._follows_test(index)):
            return jump
        return None

    def _follows_test(self, index: int) -> bool:
        """Whether this instruction ends a test that was true: those of a jump may have been removed after it."""
        instructions, line = self._instructions, self._shown[index]
        if instructions.ops[index] in bytecode.CONDITIONAL:
            return False
        while index - 1 in instructions.predecessors(index) and self._shown[index - 1] == line:
            index -= 1
            if instructions.ops[index] in bytecode.CONDITIONAL:
                # From 3.12 on, a test that jumps back when it is false is followed by the jump.
                return index not in self._no_ends
        return False

    def _line_at(self, index: int) -> int | None:
        """The line shown last when this instruction is executed; None if there are several."""
        visited = set()
        while self._shown[index] is None:
            before = self._instructions.predecessors(index)
            if (len(before) != 1 or index in visited or index in self._instructions.handlers
                    or self._instructions.lines[index] is not None):
                return None
            visited.add(index)
            index, = before
        return self._shown[index]

    def _landing(self, index: int, before: int | None, raised: bool = False) -> int | None:
        """The next line that is shown from this instruction on, negative for the exit, None if there are several.

        `before` is the line before. An exception that gets to the exit of a with is assumed to be passed on, and the
        except* clauses of a try to have handled all exceptions, unless one has `raised` another. Those that come next
        are passed by, except after the test of one, and when an exception enters the first.
        """
        visited, passed = set(), None
        past_clauses = not _IS_PUSH[self._instructions.ops[index]] if raised else before not in self._clause_lines
        while index not in visited:
            visited.add(index)
            line, successors = self._shown[index], self._instructions.successors(index)
            if line is not None and line != passed:
                if not past_clauses or index not in self._after_clauses:
                    return line
                index = self._after_clauses[index]
                passed = self._shown[index]
                continue
            if self._instructions.ops[index] == OP['WITH_EXCEPT_START']:
                caught = self._instructions.caught(index)
                if caught is None:
                    return -self._code.co_firstlineno
                index = caught
            elif not successors:
                return self._left(index, before)
            elif index in self._ends_of_except_star:
                index = successors[raised]
            elif len(successors) == 1:
                index = successors[0]
            else:
                return None
        return None

    def _left(self, index: int, line: int | None) -> int | None:
        """The next line that is shown after an instruction that returns or raises, negative for the exit.

        `line` is shown last before it. None if an exception goes on to where a `return` or a `raise` in the line would
        go, or a failed assert to where a `return` would: these were not taken.
        """
        op = self._instructions.ops[index]
        caught = self._instructions.caught(index) if op in _RAISES else None
        while caught is not None and self._is_cleanup(caught):
            caught = self._instructions.caught(caught + len(_CLEANUP) - 1)
        before = line if op == OP['RERAISE'] else None
        landing = -self._code.co_firstlineno if caught is None else self._landing(caught, before, raised=True)
        if before in self._table.raises or (op in _RAISES and landing is not None and landing < 0
                                            and line in self._table.returns):
            return None
        return landing

    def _is_cleanup(self, index: int) -> bool:
        """Whether what is executed when an exception leaves a handler starts here. In 3.11, it may have a line."""
        return index in self._instructions.handlers and self._instructions.ops.startswith(_CLEANUP, index)

    def _plan_jumps(self) -> tuple[tuple, ...]:
        """Return (offset, decision, condition, truth when it jumps, truth when not) of each jump to record."""
        probes: list[tuple] = []
        jumps = self._jumps
        if not SEES_EMPTY_JUMPS:
            unseen = {jump.operand.decision.key for jump in jumps if jump.operand
                      and len({*self._instructions.successors(jump.index)}) == 1 and jump.true_at is None}
            self._unknown |= unseen - self._in_asserts
        ignored = self._unknown | self._in_asserts
        for jump in jumps:
            offset = self._instructions.offset(jump.index)
            if jump.operand and jump.operand.decision.key not in ignored:
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
            item = self._instructions.offset(jump.true_at)
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
