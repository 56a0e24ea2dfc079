"""Lines and branches match those of coverage.py in the same run: probes do not use the trace function."""

import json
import subprocess
import sys

import pytest

# Runs a module's tests under both, and prints the data that only one of them has.
PROGRAM = '''
import importlib.util, io, json, sys, unittest
import codeprobes, coverage, coverage.results
from condcov.analysis.coverable import analyse
from condcov.model import Seen
from condcov.record.planner import plan

tests, target = sys.argv[1:]
file = importlib.util.find_spec(target).origin
for name in (tests, target):
    sys.modules.pop(name, None)
with open(file, 'rb') as stream:
    source = analyse(stream.read(), file)
plans = {}

def select(code):
    if code.co_filename != file:
        return None
    plans[code] = plan(code, source.table)
    return plans[code].probes

recorder = codeprobes.Recorder(select)
peer = coverage.Coverage(branch=True, include=[file], data_file=None, config_file=False)
recorder.start()
peer.start()
result = unittest.TextTestRunner(io.StringIO()).run(unittest.defaultTestLoader.loadTestsFromName(tests))
peer.stop()
recorder.stop()
seen = Seen()
for code, *record in recorder.harvest():
    seen.update(plans[code].seen(*record))
_, seen = source.counted(seen)
analysis = peer._analyze(file)
arcs = {(start, end) for start, ends in analysis.executed_branch_arcs().items() for end in ends}
json.dump({
    'tests': result.testsRun, 'executed': len(analysis.executed), 'branches': len(arcs),
    'totals': [[len(source.lines), len(source.arcs)], [len(analysis.statements), analysis.numbers.n_branches]],
    'lines': sorted(analysis.executed ^ (seen.lines & source.lines)), 'arcs': sorted(arcs ^ seen.arcs),
}, sys.__stdout__)
'''

# Branches that coverage.py counts as taken, because an exception left the line for their target: all
# here are `for`, `async for` and `await` over what is not iterable or awaitable, or raises.
EXCEPTIONS = {
    'test.test_coroutines': [[583, 586], [604, 606], [675, 678], [1028, -1028], [1581, -1580], [1600, -1599],
                             [1623, -1622], [1768, -1767], [2140, 2142], [2172, 2174]],
}


@pytest.mark.parametrize('tests, target', [
    ('test.test_textwrap', 'textwrap'), ('test.test_shlex', 'shlex'), ('test.test_contextlib', 'contextlib'),
    ('test.test_contextlib_async', 'contextlib'), ('test.test_except_star', 'test.test_except_star'),
    ('test.test_with', 'test.test_with'), ('test.test_grammar', 'test.test_grammar'), ('test.test_heapq', 'heapq'),
    ('test.test_coroutines', 'test.test_coroutines'), ('test.test_configparser', 'configparser'),
])
@pytest.mark.slow
def test_library_is_covered_as_by_coverage(tests, target):
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', PROGRAM, tests, target],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout[done.stdout.rindex('{'):])
    assert found['tests'] and found['executed'] > 50 and found['branches'] > 10
    ours, theirs = found['totals']
    assert ours == theirs
    assert found['lines'] == []
    assert found['arcs'] == EXCEPTIONS.get(target, [])
