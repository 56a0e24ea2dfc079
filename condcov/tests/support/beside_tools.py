"""Records random programs next to another user of sys.monitoring: python beside_tools.py FILE.

FILE has a JSON list of [text, numbers], see decision_programs. Prints a JSON list of what went wrong: [what, program,
how the tool works, expected, found].
"""

import collections
import itertools
import json
import os
import sys
import warnings

from condcov.analysis.coverable import code_objects
from condcov.record.interpreter import Recorder

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support.decision_values import Values
from support.planned import Planned

EVENTS = sys.monitoring.events
BRANCHES = [getattr(EVENTS, name) for name in ('BRANCH', 'BRANCH_LEFT', 'BRANCH_RIGHT') if hasattr(EVENTS, name)]
SIDES = BRANCHES[1:]
BRANCHES = SIDES or BRANCHES        # BRANCH is deprecated where there are events for its sides
SETS = [[EVENTS.LINE], [EVENTS.INSTRUCTION], BRANCHES, [EVENTS.PY_START, EVENTS.PY_RETURN],
        [EVENTS.LINE, EVENTS.INSTRUCTION, *BRANCHES]]

# What the callbacks of a tool return, or do.
POLICIES = 'keep', 'disable', 'sometimes disable', 'sometimes restart'


class Tool:
    """Another user of sys.monitoring.

    seen    how often it received each event
    """

    def __init__(self, number, events, local, policy):
        self.number, self.events, self.local, self.policy = number, events, local, policy
        self.seen = collections.Counter()

    def start(self, code):
        sys.monitoring.use_tool_id(self.number, 'other')
        for event in self.events:
            sys.monitoring.register_callback(self.number, event, self.callback(event))
        self.set(code, sum(self.events))

    def stop(self, code):
        self.set(code, 0)
        sys.monitoring.free_tool_id(self.number)

    def set(self, code, events):
        if self.local:
            for each in code_objects(code):
                sys.monitoring.set_local_events(self.number, each, events)
        else:
            sys.monitoring.set_events(self.number, events)

    def callback(self, event):
        def happened(code, *arguments):
            if code.co_filename != 'program':
                return sys.monitoring.DISABLE
            # CPython 3.14 gives the offset of NOT_TAKEN or POP_ITER as the source if any tool gets INSTRUCTION there.
            facts = arguments[1:] if event in SIDES else arguments[:2]
            self.seen[event, code.co_qualname, *facts] += 1
            if self.policy == 'sometimes restart' and self.seen.total() % 7 == 0:
                sys.monitoring.restart_events()
            disable = self.policy == 'disable' or self.policy == 'sometimes disable' and self.seen.total() % 2
            return sys.monitoring.DISABLE if disable else None
        return happened


def run(text, numbers, tool, when, counts, record=True):
    """Run a program twice, with a tool from the start or in the second run; return what condcov has seen."""
    code = compile(text, 'program', 'exec')
    planned = Planned(text)
    namespace = Values(numbers).namespace()
    recorder = Recorder(planned, counts=counts)
    if tool and when == 'before':
        tool.start(code)
    if record:
        recorder.start()
    exec(code, namespace)
    if tool and when == 'after':
        tool.start(code)
    namespace['main']()
    if tool and when == 'between':
        tool.start(code)
    namespace['main']()
    if tool:
        tool.stop(code)
    recorder.stop()
    return planned.seen(recorder)[1]


def as_text(seen):
    return [sorted(seen.lines), sorted(seen.arcs), sorted((repr(key), sorted(paths.items()))
                                                          for key, paths in seen.paths.items())]


def differences(programs):
    """What is different with the tool, see above."""
    for (number, (text, numbers)), counts in itertools.product(enumerate(programs), (False, True)):
        alone = as_text(run(text, numbers, None, '', counts))
        for id, how in enumerate(itertools.product(SETS, (False, True), POLICIES, ('before', 'after', 'between'))):
            *how, when = how
            tool = Tool((0, 2, 4)[id % 3], *how)
            found = as_text(run(text, numbers, tool, when, counts))
            if found != alone:
                yield 'recording', number, [*how, when, counts], alone, found
            if how[-1] in ('keep', 'disable') and when != 'between' and not counts:
                expected = Tool(tool.number, *how)
                run(text, numbers, expected, when, counts, record=False)
                # An event that was disabled may be sent again.
                wrong = expected.seen - tool.seen if how[-1] == 'disable' else expected.seen != tool.seen
                if wrong:
                    yield 'events', number, [*how, when], repr(expected.seen - tool.seen), repr(tool.seen)


if __name__ == '__main__':
    warnings.simplefilter('ignore')         # the programs have `2 is n()`
    with open(sys.argv[1]) as stream:
        json.dump(list(differences(json.load(stream))), sys.stdout)
