"""Compare the events of programs, and what is recorded of them, with what model.py predicts.

    python -m qa.oracle.worker < REQUESTS > ANSWERS

test_oracle.py runs it with the fork, with one JSON line per program. A request contains

    program     its source; main() is traced
    mask        bit i is set if the filter has the i-th of the opcodes that the program executes
    falsify     null, or [event, index, how] to falsify one of the observed events; a test of the comparison itself

and an answer contains

    events      the number of events compared
    opcodes     the names of the instructions that were executed, as dis shows them after the warm runs
    difference  null, or a description of the first difference
"""

import collections
import dis
import faulthandler
import gc
import itertools
import json
import marshal
import random
import sys
import types
import warnings

import codeblocks
import flightrecorder

from qa.oracle.model import Code, Mode, Step, expected

FILE = '<program>'
WARM = 10           # a code object is specialized from its 8th execution on
PATIENCE = 60       # seconds after which a program counts as hanging
OPCODES_TRACED = Mode(f_trace_opcodes=True)
EDGES = Mode(False, False, True)


def load(code):
    """Compile the program again, so that none of its code has been executed, and return its main()."""
    namespace = {'__name__': 'program'}
    exec(marshal.loads(marshal.dumps(code)), namespace)
    return namespace['main']


def run(main):
    try:
        main()
    except Exception:
        pass


def what(event, arg):
    """The comparable part of an event's argument."""
    if event == 'exception':
        return arg[0].__name__
    if event == 'return':
        return repr(arg) if isinstance(arg, int | str | None) else type(arg).__name__
    return arg


def state_of(mode):
    return {name: getattr(mode, name) for name in sys.gettracestate() if name != 'tracefunc'}


def observe(main, mode, install, changes=types.MappingProxyType({})):
    """Run main(); return its events, and the code object of each frame."""
    events, codes = [], []

    def start(frame, event, arg):
        if frame.f_code.co_filename != FILE:
            return None
        if frame.f_trace is not None:
            return frame.f_trace(frame, event, arg)     # a generator goes on
        number = len(codes)
        codes.append(frame.f_code)
        frame.f_trace_lines = mode.f_trace_lines
        frame.f_trace_opcodes = mode.f_trace_opcodes

        def trace(frame, event, arg):
            events.append(Step(number, event, frame.f_lasti, frame.f_lineno, what(event, arg)))
            if len(events) in changes:
                sys.settracestate(start, **state_of(changes[len(events)]))
            return trace
        return trace(frame, event, arg)

    install(start)
    try:
        run(main)
    finally:
        sys.settrace(None)
    return events, codes


def modes(chosen):
    """Every set of flags, without a filter and with one; and the attributes of frames with the most of them."""
    for lines, branches in itertools.product((True, False), repeat=2):
        yield Mode(lines, False, branches)
        yield Mode(lines, True, branches)
        yield Mode(lines, True, branches, chosen)
    yield Mode(True, True, True, f_trace_lines=False)
    yield Mode(True, True, True, f_trace_opcodes=True)
    yield Mode(False, True, True, chosen, f_trace_opcodes=True)


def changing(chosen, count, chance):
    """A mode, and changes of the mode at random ones of so many events."""
    def random_mode():
        return Mode(*(chance.random() < 0.5 for _ in range(3)),
                    chance.choice([None, chosen, frozenset(range(256))]), *attributes)

    attributes = chance.random() < 0.8, chance.random() < 0.2
    first, changes, number = random_mode(), {}, 0
    while number < count:
        number += chance.choice([1, 1, 2, 3, 8, 20])
        changes[number] = random_mode()
    return first, changes


def falsify(events, name, index, how):
    """The same with one event wrong: its previous offset one code unit too low, or it is missing, or it comes twice."""
    candidates = [i for i, step in enumerate(events) if step.event == name]
    if not candidates:
        return events
    i = candidates[index % len(candidates)]
    arg = events[i].arg
    instead = {
        'offset': lambda: [events[i]._replace(arg=arg - 2 if isinstance(arg, int) else (arg[0] - 2, arg[1]))],
        'missing': list,
        'twice': lambda: [events[i]] * 2,
    }[how]()
    return [*events[:i], *instead, *events[i + 1:]]


def difference(observed, wanted, codes):
    for i, (got, want) in enumerate(itertools.zip_longest(observed, wanted)):
        if got != want:
            step = got or want
            return (f'event {i}, in {codes[step.frame].co_qualname}: observed {got and tuple(got)}, '
                    f'expected {want and tuple(want)}')


def executed(main, path, codes):
    """The current names of the instructions on a path."""
    names = set()
    offsets = {}
    for step in path:
        if step.event in ('call', 'opcode'):
            offsets.setdefault(codes[step.frame], set()).add(step.offset)
    for code, some in offsets.items():
        names.update(i.opname for i in dis.get_instructions(code, adaptive=True) if i.offset in some)
    return names


def select(code):
    return code.co_filename == FILE


def record(run_it, flight, edges, expected_entries, expected_edges):
    """Call run_it() while it is recorded. Return its result, and the first difference to what is expected."""
    recorder = codeblocks.EdgeRecorder(select, counts=True)
    if flight:
        # The rest is the code that starts and stops.
        flightrecorder.start(min(2 * len(expected_entries) + 10_000, 1 << 20))
    if edges:
        recorder.start()
    try:
        result = run_it()
    finally:
        recorder.stop()
        flightrecorder.stop()
    if flight:
        entries = [entry for entry in flightrecorder.last() if select(entry[0])]
        for i, (got, want) in enumerate(itertools.zip_longest(entries, expected_entries)):
            if got != want:
                return result, f'recorded instruction {i}: {got}, expected {want}'
    if edges:
        found = collections.Counter()
        for code, counts in recorder.edges():
            for edge, count in counts.items():
                found[code, edge] += count
        for key in found.keys() | expected_edges.keys():
            if found[key] != expected_edges[key]:
                return result, f'recorded edge {key}: {found[key]} times, expected {expected_edges[key]} times'
    return result, None


def recordings(load_or_warm, path, codes, models, chosen):
    """Record a program with each recorder, with both, and beside a trace function. Return the first difference."""
    entries = [(codes[step.frame], step.offset) for step in path if step.event == 'opcode'
               or step.event == 'call' and models[step.frame].is_resume(step.offset)]
    branches = expected(path, models, EDGES)
    edges = collections.Counter((codes[step.frame], step.arg) for step in branches if step.event == 'branch')
    for flight, recorder in (True, False), (False, True), (True, True):
        main = load_or_warm()
        _, found = record(lambda main=main: run(main), flight, recorder, entries, edges)
        if found:
            return f'flight recorder {flight}, edge recorder {recorder}: {found}'
    for mode in Mode(), Mode(False, True, False), Mode(False, True, False, chosen), EDGES, OPCODES_TRACED:
        main = load_or_warm()
        (observed, executing), found = record(
            lambda main=main, mode=mode: observe(
                main, mode, lambda trace: sys.settracestate(trace, **state_of(mode))), True, True, entries, edges)
        found = found or difference(observed, expected(path, models, mode), executing)
        if found:
            return f'both recorders beside {mode}: {found}'
    main = load_or_warm()
    sys.setprofile(lambda *args: None)
    try:
        _, found = record(lambda: run(main), True, True, entries, edges)
    finally:
        sys.setprofile(None)
    return f'both recorders beside a profile function: {found}' if found else None


def examine(program, mask, falsify_one):
    code = compile(program, FILE, 'exec', dont_inherit=True)
    path, codes = observe(load(code), OPCODES_TRACED, sys.settrace)
    known = {each: Code(each) for each in set(codes)}
    models = [known[each] for each in codes]
    used = sorted({known[codes[step.frame]].opcodes[step.offset] for step in path if step.event == 'opcode'})
    chosen = frozenset(opcode for i, opcode in enumerate(used) if mask >> i & 1)

    warm = load(code)
    for _ in range(WARM):
        run(warm)
    count, names = 0, set()
    chance = random.Random(mask)
    runs = [(mode, {}) for mode in modes(chosen)] + [changing(chosen, len(path), chance) for _ in range(4)]
    for mode, changes in runs:
        wanted = expected(path, models, mode, changes)
        for main, how in ((load(code), 'cold'), (warm, 'warm')):
            observed, executing = observe(
                main, mode, lambda trace, mode=mode: sys.settracestate(trace, **state_of(mode)), changes)
            if falsify_one:
                observed = falsify(observed, *falsify_one)
            count += len(wanted)
            found = difference(observed, wanted, executing if len(executing) > len(codes) else codes)
            if found:
                return {'events': count, 'opcodes': [],
                        'difference': f'{mode}, {how}, changed at {changes or "no event"}: {found}'}
            if how == 'warm':
                warm_codes = executing
    for load_or_warm, how in ((lambda: load(code), 'cold'), (lambda: warm, 'warm')):
        found = recordings(load_or_warm, path, codes, models, chosen)
        if found:
            return {'events': count, 'opcodes': [], 'difference': f'{how}: {found}'}
    names = executed(warm, path, warm_codes)
    return {'events': count, 'opcodes': sorted(names), 'difference': None}


if __name__ == '__main__':
    warnings.simplefilter('ignore')                 # such as a coroutine that nobody awaits
    sys.unraisablehook = lambda unraisable: None    # such as a generator that ignores GeneratorExit
    gc.disable()                                    # finalizers would run at different times
    for line in sys.stdin:
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        request = json.loads(line)
        answer = examine(request['program'], request['mask'], request['falsify'])
        faulthandler.cancel_dump_traceback_later()
        gc.collect()
        print(json.dumps(answer), flush=True)
