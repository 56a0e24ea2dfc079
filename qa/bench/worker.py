"""worker.py PROGRAM MODE... : measure the time that an interpreter takes for a program in each of these modes.

measure.py runs it as a pyperf worker in each interpreter.  It works with CPython 3.11 and later, and finds pyperf on
PYTHONPATH.

worker.py --count PROGRAM prints as JSON the number of events of each kind, and how often each opcode is executed.
"""

import collections
import importlib
import json
import sys
import time

# --- Trace functions that do nothing ---------------------------------------

def ignore(frame, event, arg):
    return ignore


def ignore_opcode(frame, event, arg):
    return ignore_opcode


def ask_for_opcodes(frame, event, arg):
    """Request 'opcode' events; every frame has to."""
    frame.f_trace_opcodes = True
    frame.f_trace_lines = False
    return ignore_opcode


def ignore_monitored(code, offset, destination=None):
    return None


# --- Modes: (install, remove) ----------------------------------------------

def nothing():
    pass


def off():
    sys.settrace(None)


def monitoring(what, callback=ignore_monitored):
    monitor = sys.monitoring
    # CPython 3.14 has a branch event for each side.
    both = hasattr(monitor.events, 'BRANCH_LEFT')
    names = ['INSTRUCTION'] if what == 'instruction' else ['BRANCH_LEFT', 'BRANCH_RIGHT'] if both else ['BRANCH']
    events = [getattr(monitor.events, name) for name in names]

    def start():
        monitor.use_tool_id(0, 'bench')
        for event in events:
            monitor.register_callback(0, event, callback)
        monitor.set_events(0, sum(events))

    def stop():
        monitor.set_events(0, 0)
        monitor.free_tool_id(0)

    return start, stop


def fork_c():
    import _testtracestate
    return lambda: _testtracestate.settracestate(0, trace_lines=False, trace_instructions=True)


def stock_c():
    import stocktrace
    return stocktrace.trace_opcodes


def recording(flight, edges):
    import codeblocks
    import flightrecorder
    recorder = codeblocks.EdgeRecorder(counts=True)

    def start():
        if flight:
            flightrecorder.start()
        if edges:
            recorder.start()

    def stop():
        recorder.stop()
        flightrecorder.stop()

    return start, stop


def mode(name, opcodes):
    if name == 'off':
        return nothing, nothing
    if name == 'line':
        return lambda: sys.settrace(ignore), off
    if name == 'opcode':
        return lambda: sys.settrace(ask_for_opcodes), off
    if name == 'opcode-c':
        return stock_c(), off
    if name == 'instruction-c':
        return fork_c(), off
    if name in ('flight', 'edges', 'recorders'):
        return recording(name != 'edges', name != 'flight')
    if name.startswith('monitor-'):
        return monitoring(name.removeprefix('monitor-'))
    state = {
        'instruction': {'trace_instructions': True},
        'branch': {'trace_branches': True},
        'filter': {'trace_instructions': True, 'instruction_filter': opcodes},
        'filter-all': {'trace_instructions': True, 'instruction_filter': range(256)},
    }[name]
    return lambda: sys.settracestate(ignore, trace_lines=False, **state), off


def load(name):
    program = importlib.import_module('programs.' + name)
    if program.run() != program.RESULT:
        raise SystemExit(f'{name}: the result is not what it should be: {program.run()}')
    return program


# --- What is measured --------------------------------------------------------

def time_func(loops, run, start, stop):
    """Processor time, because the programs only compute, and the machine may be busy with other work."""
    repeat = range(loops)
    clock = time.process_time
    before = clock()
    start()
    for _ in repeat:
        run()
    stop()
    return clock() - before


def measure():
    import pyperf

    def pass_on(command, args):
        raise SystemExit('worker.py is a pyperf worker: it takes --worker')

    runner = pyperf.Runner(add_cmdline_args=pass_on)
    runner.argparser.add_argument('program')
    runner.argparser.add_argument('mode', nargs='+', help='MODE, or MODE:LOOPS')
    runner.argparser.add_argument('--opcodes', default='', help='the instruction filter of mode filter')
    args = runner.parse_args()
    program = load(args.program)
    opcodes = [int(number) for number in args.opcodes.split(',') if number]
    for _ in range(3):
        program.run()           # specialize the code
    for name in args.mode:
        name, _, loops = name.partition(':')
        args.loops = int(loops or 1)
        runner.bench_time_func(f'{args.program}/{name}', time_func, program.run, *mode(name, opcodes))


# --- Counting ------------------------------------------------------------------

def executed(code, offset):
    """The opcode of the instruction at 'offset', after its EXTENDED_ARG prefixes."""
    instructions = code.co_code
    while instructions[offset] == 144:
        offset += 2
    return instructions[offset]


def count_traced(run):
    """Count all events of a trace function that requests only 'opcode' events, and the opcodes."""
    events = collections.Counter()
    places = collections.Counter()

    def trace(frame, event, arg):
        events[event] += 1
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        if event == 'opcode':
            places[frame.f_code, frame.f_lasti] += 1
        return trace

    sys.settrace(trace)
    run()
    sys.settrace(None)
    opcodes = collections.Counter()
    for (code, offset), number in places.items():
        opcodes[executed(code, offset)] += number
    return events, opcodes


def count_state(run, **state):
    """Count all events of a trace state."""
    events = collections.Counter()

    def trace(frame, event, arg):
        events[event] += 1
        return trace

    sys.settracestate(trace, trace_lines=False, **state)
    run()
    sys.settracestate(None)
    return events


def count_monitored(run, what):
    number = 0

    def callback(*args):
        nonlocal number
        number += 1

    start, stop = monitoring(what, callback)
    start()
    run()
    stop()
    return {what: number}


def count(name):
    program = load(name)
    result = {}
    if hasattr(sys, 'monitoring'):
        for what in 'instruction', 'branch':
            result[f'monitor-{what}'] = count_monitored(program.run, what)
    else:
        result['opcode'], result['opcodes'] = count_traced(program.run)
    if hasattr(sys, 'settracestate'):
        result['instruction'] = count_state(program.run, trace_instructions=True)
        result['branch'] = count_state(program.run, trace_branches=True)
    json.dump(result, sys.stdout)


def about():
    """Describe this interpreter."""
    import platform
    import sysconfig

    json.dump({
        'version': platform.python_version(),
        'commit': platform.python_revision(),
        'compiler': platform.python_compiler(),
        'config_args': sysconfig.get_config_var('CONFIG_ARGS') or '',
        'opt': sysconfig.get_config_var('OPT') or '',
        'debug': bool(sysconfig.get_config_var('Py_DEBUG')),
        'settracestate': hasattr(sys, 'settracestate'),
        'monitoring': hasattr(sys, 'monitoring'),
        'free_threaded': bool(sysconfig.get_config_var('Py_GIL_DISABLED')),
    }, sys.stdout)


if __name__ == '__main__':
    if sys.argv[1:2] == ['--about']:
        about()
    elif sys.argv[1:2] == ['--count']:
        count(sys.argv[2])
    else:
        measure()
