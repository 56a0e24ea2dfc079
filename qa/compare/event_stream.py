"""Write the events that a trace function receives while the corpus runs, one JSON line per function.

    python event_stream.py tracecorpus.py settrace|setprofile|opcodes|instructions

test_event_stream.py runs it under the fork and under stock CPython. A line is [name of the function, events]; an event
is [qualified name of the code, event, f_lasti, line in the code, f_lasti of the caller]. "opcodes" and "instructions"
write only the events that announce an instruction, all named "instruction".
"""

import gc
import importlib.util
import json
import sys

# A code object is specialized from its 8th execution on.
WARM = 10
# The events that announce an instruction.
ANNOUNCING = {'opcodes': {'call', 'opcode'}, 'instructions': {'call', 'line', 'instruction'}}


def load(path):
    spec = importlib.util.spec_from_file_location('tracecorpus', path)
    module = sys.modules['tracecorpus'] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.CORPUS


def position(frame):
    # Counted from the first line of the code, because a patch moves the code below it.
    line = frame.f_lineno
    return frame.f_lasti, line and line - frame.f_code.co_firstlineno, frame.f_back and frame.f_back.f_lasti


def install(mode, events):
    def note(frame, event, *more):
        events.append((frame.f_code.co_qualname, event, *position(frame), *more))

    def trace(frame, event, arg):
        if mode == 'opcodes':
            frame.f_trace_opcodes = True
        if mode == 'settrace':
            note(frame, event)
        elif event in ANNOUNCING[mode]:
            note(frame, 'instruction')
        return trace

    def profile(frame, event, arg):
        note(frame, event, getattr(arg, '__qualname__', None))

    if mode == 'setprofile':
        sys.setprofile(profile)
    elif mode == 'instructions':
        sys.settracestate(trace, trace_instructions=True)
    else:
        sys.settrace(trace)


if __name__ == '__main__':
    path, mode = sys.argv[1:]
    gc.disable()        # finalizers would run at different times
    for function in load(path):
        for _ in range(WARM):
            function()      # fill caches and specialize instructions
        events = []
        install(mode, events)
        function()
        sys.settrace(None)
        sys.setprofile(None)
        print(json.dumps([function.__name__, events]))
