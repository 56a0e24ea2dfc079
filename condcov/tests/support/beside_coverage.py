"""Records a file with condcov and coverage.py in the same run: probes do not use the trace function.

As a program, runs the tests of a module of the standard library, and prints the data that only one of the two has:
beside_coverage.py TESTS MODULE.
"""

import importlib.util
import io
import json
import sys
import unittest

import coverage

from condcov.analysis.coverable import analyse
from condcov.code.parsing import Tables
from condcov.model import Seen
from condcov.record.interpreter import Recorder
from condcov.record.planner import plan


class Both:
    """What condcov and coverage.py record of a file while this is a context that is entered.

    source      its AnalysedFile
    """

    def __init__(self, path, text):
        self.path = path
        self.source = analyse(text, path)
        self._tables = Tables(text, path)
        self._plans = {}
        self._recorder = Recorder(self._select)
        self._peer = coverage.Coverage(branch=True, include=[path], data_file=None, config_file=False)
        # From 3.14 on, another core is the default. It does not see that an exception leaves a function.
        self._peer.set_option('run:core', 'pytrace' if sys.platform == 'emscripten' else 'ctrace')

    def _select(self, code):
        if code.co_filename != self.path:
            return None
        self._plans[code] = plan(code, self._tables)
        return self._plans[code].probes

    def __enter__(self):
        self._recorder.start()
        self._peer.start()
        return self

    def __exit__(self, *exception):
        self._peer.stop()
        self._recorder.stop()

    def ours(self):
        """The SourceFile and the Seen to report."""
        seen = Seen()
        for code, *record in self._recorder.harvest():
            seen.update(self._plans[code].seen(*record))
        return self.source.counted(seen)

    def theirs(self):
        """coverage.py's Analysis."""
        return self._peer._analyze(self.path)


def arcs_of(branches):
    """The arcs of what coverage.py calls branches."""
    return {(start, end) for start, ends in branches.items() for end in ends}


def main(tests, target):
    path = importlib.util.find_spec(target).origin
    for name in (tests, target):
        sys.modules.pop(name, None)
    with open(path, 'rb') as stream:
        both = Both(path, stream.read())
    with both:
        result = unittest.TextTestRunner(io.StringIO()).run(unittest.defaultTestLoader.loadTestsFromName(tests))
    source, seen = both.ours()
    theirs = both.theirs()
    arcs = arcs_of(theirs.executed_branch_arcs())
    json.dump({
        'tests': result.testsRun, 'executed': len(theirs.executed), 'branches': len(arcs),
        'totals': [[len(source.lines), len(source.arcs)], [len(theirs.statements), theirs.numbers.n_branches]],
        'lines': sorted(theirs.executed ^ (seen.lines & source.lines)), 'arcs': sorted(arcs ^ seen.arcs),
    }, sys.__stdout__)


if __name__ == '__main__':
    main(*sys.argv[1:])
