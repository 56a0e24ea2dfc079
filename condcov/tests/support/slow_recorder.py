"""A slow and simple codeprobes.Recorder, in Python and with trace events."""

import collections
import sys
import threading

from condcov.code import bytecode


class _Code:
    """The record of a code object."""

    def __init__(self, code, plan):
        lines, jumps, self.decisions = plan
        self.lines = frozenset(lines)
        self.jumps = {offset: jump for offset, *jump in jumps}
        self.ways = {}              # for a jump: (target, following)
        instructions = bytecode.Instructions(code)
        for index, op in enumerate(instructions.ops):
            offset = instructions.offset(index)
            if op in bytecode.CONDITIONAL:
                self.ways[offset] = tuple(
                    instructions.offset(way) for way in (instructions.targets[index], index + 1))
            elif index + 1 < len(instructions):
                # The end of an `async for`, which counts as a jump, and instructions that never jump.
                following = instructions.offset(index + 1)
                self.ways[offset] = (following, None) if op == bytecode.OP['END_ASYNC_FOR'] else (None, following)
        self.executed, self.went, self.paths = set(), collections.Counter(), collections.Counter()


class SlowRecorder:
    """The interface of codeprobes.Recorder, for the current thread and threads that are started later.

    It cannot tell the ways of a jump whose target is the next instruction, and says so: ambiguous has such jumps.
    """

    def __init__(self, select):
        self.select = select
        self.codes = {}
        self.frames = {}            # the evaluations of each frame: {decision: [evaluated, true, awaited]}
        self.ambiguous = set()

    def start(self):
        """Start recording."""
        threading.settrace(self.trace)
        sys.settracestate(self.trace, trace_lines=False, trace_instructions=True)

    def stop(self):
        """Stop recording."""
        sys.settrace(None)
        threading.settrace(None)

    def harvest(self):
        """The recorded data: a list of (code, lines, jumps, paths)."""
        for frame, evaluations in self.frames.items():
            for number, (evaluated, true, _) in evaluations.items():
                self.codes[frame.f_code].paths[number, evaluated, true, False] += 1
        self.frames.clear()
        harvest = [(code, tuple(record.executed), tuple((*way, count) for way, count in record.went.items()),
                    tuple((*path, count) for path, count in record.paths.items()))
                   for code, record in self.codes.items() if record]
        for record in self.codes.values():
            if record:
                record.executed, record.went, record.paths = set(), collections.Counter(), collections.Counter()
        return harvest

    def trace(self, frame, event, previous):
        """The trace function."""
        code = frame.f_code
        if code not in self.codes:
            plan = self.select(code)
            self.codes[code] = plan and _Code(code, plan)
        record = self.codes[code]
        if record is None:
            return None
        if event == 'instruction':
            now = frame.f_lasti
            if now in record.lines:
                record.executed.add(now)
            if previous in record.jumps:
                self.jump(frame, record, previous, now)
        return self.trace

    def jump(self, frame, record, offset, now):
        """Record that control went from the jump at offset to now."""
        target, following = record.ways[offset]
        if target == following:
            self.ambiguous.add((frame.f_code, offset))
        if now not in (target, following):
            return                  # testing the value has raised an exception
        jumped = now == target
        number, condition, when_jumps, when_not = record.jumps[offset]
        record.went[offset, jumped] += 1
        truth = when_jumps if jumped else when_not
        if number < 0 or truth is None:
            return
        evaluations = self.frames.setdefault(frame, {})
        if condition == 0:
            if number in evaluations:
                evaluated, true, _ = evaluations[number]
                record.paths[number, evaluated, true, False] += 1
            evaluations[number] = [0, 0, 0]
        if number not in evaluations or evaluations[number][2] != condition:
            return
        evaluation = evaluations[number]
        evaluation[0] |= 1 << condition
        evaluation[1] |= truth << condition
        evaluation[2] = record.decisions[number][0][condition][not truth]
        if evaluation[2] < 0:
            evaluated, true, _ = evaluations.pop(number)
            record.paths[number, evaluated, true, True] += 1
