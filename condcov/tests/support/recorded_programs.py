"""Records programs and prints their decisions and paths: python recorded_programs.py FILE.

FILE has a JSON list of [text, numbers], see decision_programs. Only condcov is needed, so any interpreter can run it.
"""

import json
import os
import sys
import warnings

from condcov.record.interpreter import Recorder
from condcov.seen import LEFT

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support.decision_values import Values
from support.planned import Planned


def recorded(text, numbers):
    """Run a program; return its decisions and the paths that were taken, in values that JSON has.

    Without the paths that an exception ended, where all complete ones were taken: then nothing more is recorded, and
    whether such an evaluation was noticed before depends on when its frame is freed.
    """
    planned = Planned(text)
    namespace = Values(numbers).namespace()
    recorder = Recorder(planned)
    recorder.start()
    try:
        exec(compile(text, 'program', 'exec'), namespace)
        namespace['main']()
    finally:
        recorder.stop()
    source, seen = planned.seen(recorder)
    for key, total in planned.totals.items():
        complete = [path for path in seen.paths.get(key, ()) if not path.endswith(LEFT)]
        if len(complete) == total:
            seen.paths[key] = dict.fromkeys(complete, 1)
    return {
        'decisions': sorted(repr(decision.key) for decision in source.decisions),
        'paths': {repr(key): sorted(paths) for key, paths in seen.paths.items()},
        'unknown': sorted(map(repr, planned.unknown))}


if __name__ == '__main__':
    warnings.simplefilter('ignore')         # the programs have `2 is n()`
    with open(sys.argv[1]) as stream:
        json.dump([recorded(*program) for program in json.load(stream)], sys.stdout)
