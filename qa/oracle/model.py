"""What a trace state must announce of a path that is known.

A path is a list of Step, one for each event that sys.settrace() reports with frame.f_trace_opcodes. That is CPython's
own mechanism: an 'opcode' event comes before each instruction but RESUME, which has a 'call' event, and it tells
nothing of where control came from. From the path and what dis says of the code, expected() works out every event.
"""

import dis
from typing import NamedTuple

from test.bytecodesupport import expected_leaders, instructions


class Step(NamedTuple):
    frame: int          # frames count in the order of their first events
    event: str
    offset: int         # frame.f_lasti
    line: int | None    # frame.f_lineno
    arg: object         # of 'instruction' and 'branch' as it is; of 'return' and 'exception' what can be compared of it


class Mode(NamedTuple):
    """The parameters of sys.settracestate(), and the two attributes that frames have besides."""
    trace_lines: bool = True
    trace_instructions: bool = False
    trace_branches: bool = False
    instruction_filter: frozenset | None = None
    f_trace_lines: bool = True
    f_trace_opcodes: bool = False


class Code:
    """What dis says of a code object."""

    def __init__(self, code):
        # By the offset of the first EXTENDED_ARG prefix, as all offsets here.
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
            # The 'call' event of generator.throw() comes at a YIELD_VALUE, and executes nothing.
            if step.event == 'call' and codes[frame].is_resume(step.offset):
                branch(step)
                previous[frame] = step.offset
    return events
