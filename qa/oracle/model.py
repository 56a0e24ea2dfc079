"""Predicts the events of a trace state for a known path.

A path is a list of Steps, one for each event that sys.settrace() reports with frame.f_trace_opcodes. This is CPython's
own mechanism: there is an 'opcode' event before each instruction except RESUME, which has a 'call' event, and the
events do not show where control came from. expected() computes all events from the path and the output of dis.
"""

import dis
import types
from typing import NamedTuple

from test.bytecodesupport import expected_leaders, instructions


class Step(NamedTuple):
    frame: int          # the number of the frame, in the order of first events
    event: str
    offset: int         # frame.f_lasti
    line: int | None    # frame.f_lineno
    arg: object         # unchanged for 'instruction' and 'branch'; the comparable part for 'return' and 'exception'


class Mode(NamedTuple):
    """The parameters of sys.settracestate(), and the two attributes of frames."""
    trace_lines: bool = True
    trace_instructions: bool = False
    trace_branches: bool = False
    instruction_filter: frozenset | None = None
    f_trace_lines: bool = True
    f_trace_opcodes: bool = False


class Code:
    """A code object as dis shows it."""

    def __init__(self, code):
        # Keys are offsets of the first EXTENDED_ARG prefix, like all offsets here.
        self.opcodes = {offset: instruction.opcode for offset, instruction in instructions(code)}
        self.leaders = frozenset(expected_leaders(code)[0])

    def is_resume(self, offset):
        return self.opcodes.get(offset) == dis.opmap['RESUME']


def expected(path, codes, mode, changes=types.MappingProxyType({})):
    """The events of a path in a mode; codes[frame] is the Code of a frame.

    The trace function changes to the mode changes[number] when it is called with that event. The first has number 1.
    """
    events = []
    previous = {}       # the offset of the instruction that a frame executed before
    announced = None    # the frame and the offset of the 'line' event that the path has just passed
    latest = mode       # what it adds applies from the next instruction on, and what it removes at once

    def emit(step):
        nonlocal latest
        events.append(step)
        latest = changes.get(len(events), latest)

    def branch(step):
        if mode.trace_branches and latest.trace_branches and step.offset in codes[step.frame].leaders:
            edge = previous.get(step.frame, -1), step.offset
            emit(step._replace(event='branch', arg=edge))

    for step in path:
        frame = step.frame
        if step.event == 'line':
            mode = latest
            announced = frame, step.offset
            if mode.trace_lines and mode.f_trace_lines:
                emit(step)
        elif step.event == 'opcode':
            has_line = announced == (frame, step.offset)
            announced = None
            if not has_line:
                mode = latest
            if (mode.trace_instructions and not (has_line and mode.trace_lines and mode.f_trace_lines)
                    and (mode.instruction_filter is None
                         or codes[frame].opcodes[step.offset] in mode.instruction_filter)):
                emit(step._replace(event='instruction', arg=previous[frame]))
            branch(step)
            if mode.f_trace_opcodes:
                emit(step)
            previous[frame] = step.offset
        else:
            emit(step)
            # The 'call' event of generator.throw() occurs at a YIELD_VALUE, which is not executed.
            if step.event == 'call' and codes[frame].is_resume(step.offset):
                mode = latest
                branch(step)
                previous[frame] = step.offset
    return events
