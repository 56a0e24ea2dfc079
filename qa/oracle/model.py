"""Predicts the events of a trace state for a known path.

A path is a list of Steps, one for each event that sys.settrace() reports with frame.f_trace_opcodes. This is CPython's
own mechanism: there is an 'opcode' event before each instruction except RESUME, which has a 'call' event, and the
events do not show where control came from. expected() computes all events from the path and the output of dis.
"""

import dis
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


def expected(path, codes, mode):
    """The events of a path in a mode; codes[frame] is the Code of a frame."""
    events = []
    previous = {}       # the offset of the instruction that a frame executed before
    announced = {}      # the frames whose next instruction a 'line' event has announced

    def branch(step):
        if mode.trace_branches and step.offset in codes[step.frame].leaders:
            edge = previous.get(step.frame, -1), step.offset
            events.append(step._replace(event='branch', arg=edge))

    for step in path:
        frame = step.frame
        if step.event == 'line':
            if mode.trace_lines and mode.f_trace_lines:
                events.append(step)
                announced[frame] = step.offset
        elif step.event == 'opcode':
            if (mode.trace_instructions and announced.pop(frame, None) != step.offset
                    and (mode.instruction_filter is None
                         or codes[frame].opcodes[step.offset] in mode.instruction_filter)):
                events.append(step._replace(event='instruction', arg=previous[frame]))
            branch(step)
            if mode.f_trace_opcodes:
                events.append(step)
            previous[frame] = step.offset
        else:
            events.append(step)
            # The 'call' event of generator.throw() occurs at a YIELD_VALUE, which is not executed.
            if step.event == 'call' and codes[frame].is_resume(step.offset):
                branch(step)
                previous[frame] = step.offset
    return events
