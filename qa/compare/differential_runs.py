"""Tests of the standard library under each combination of flags, beside the same without tracing."""

import collections
import concurrent.futures
import itertools
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from differential_corpus import LOADS

WORKER = Path(__file__).with_name('differential_worker.py')
PROCESS = '(process)'   # stands among the tests for the process that runs them
PATIENCE = 600          # seconds for one module


def combinations():
    """{name: what the worker is to install} for all that differ in meaning; a filter is for instructions only."""
    every = {'settrace': {'settrace': True}, 'settrace+opcodes': {'settrace': True, 'opcodes': True}}
    for lines, instructions, branches in itertools.product((False, True), repeat=3):
        for names in (None, LOADS) if instructions else (None,):
            parts = (['lines'] * lines + ['some instructions' if names else 'all instructions'] * instructions +
                     ['branches'] * branches)
            every['+'.join(parts) or 'calls'] = {'trace_lines': lines, 'trace_instructions': instructions,
                                                 'trace_branches': branches, 'instruction_filter': names}
    return every


COMBINATIONS = combinations()


def announced(combination):
    """The kinds of events that the combination must have caused, and those that it must not."""
    asked = {'line': combination.get('trace_lines', True), 'instruction': combination.get('trace_instructions', False),
             'branch': combination.get('trace_branches', False)}
    wanted = {event for event, on in asked.items() if on} | {'call', 'return'}
    return wanted | ({'opcode'} if combination.get('opcodes') else set()), asked.keys() - wanted


class Run:
    """What came out of a module under one combination, or untraced."""

    def __init__(self, python, module, combination, path=()):
        # The same for each run, and none of the user's settings for some other Python.
        environment = {name: value for name, value in os.environ.items() if not name.startswith('PYTHON')}
        environment |= {'PYTHONHASHSEED': '0', 'PYTHONFAULTHANDLER': '1', 'LC_ALL': 'C.UTF-8'}
        if path:
            environment['PYTHONPATH'] = os.pathsep.join(map(str, path))
        with tempfile.TemporaryDirectory(prefix='differential-', ignore_cleanup_errors=True) as folder:
            work, result, output = Path(folder, 'work'), Path(folder, 'result'), Path(folder, 'output')
            work.mkdir()
            with open(output, 'wb') as file:
                process = subprocess.Popen(
                    [python, WORKER, module, json.dumps(combination), result], cwd=work,
                    env=environment | {'TMPDIR': folder}, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
                timer = threading.Timer(PATIENCE, process.kill)
                timer.start()
                try:
                    status = process.wait()
                finally:
                    in_time = timer.is_alive()
                    timer.cancel()
                    process.kill()
                    process.wait()
            found = json.loads(result.read_text()) if result.exists() else {}
            self.output = output.read_text(errors='replace')
        self.events = collections.Counter(found.get('events'))
        self.replaced = found.get('replaced', [])
        self.details = {**found.get('details', {}), PROCESS: self.output}
        self.outcomes = {**found.get('outcomes', {}), PROCESS: self.end(status, in_time, combination)}

    def end(self, status, in_time, combination):
        """The outcome of the process."""
        if not in_time:
            return f'takes more than {PATIENCE} s'
        if status:
            return f'exits with status {status}' if status > 0 else f'ends by {signal.Signals(-status).name}'
        if combination is not None:
            wanted, unwanted = announced(combination)
            if missing := wanted - self.events.keys():
                return f'has no events of {" and ".join(sorted(missing))}'
            # A test that puts back the function without the flags causes events that were not asked for.
            if (extra := unwanted & self.events.keys()) and not self.replaced:
                return f'has events of {" and ".join(sorted(extra))}'
        return 'passes'

    def differs(self, other):
        """The tests whose outcome is another; if a process did not come to its end, only that."""
        if self.outcomes[PROCESS] != other.outcomes[PROCESS] and 1 in (len(self.outcomes), len(other.outcomes)):
            return {PROCESS}
        return {test for test in self.outcomes.keys() | other.outcomes.keys()
                if self.outcomes.get(test) != other.outcomes.get(test)}


Difference = collections.namedtuple('Difference', 'test combination untraced traced detail')


class Module:
    """A module untraced and under the combinations; what differs is tried once more on both sides."""

    def __init__(self, python, name, wanted, path=()):
        self.name = name
        self.differences = []
        self.events = collections.Counter()
        self.replaced = set()   # the tests that ended without the tracer
        self.again = []         # the combinations that differed the first time only
        begin = time.monotonic()
        self.untraced = Run(python, name, None, path)
        if self.untraced.outcomes[PROCESS] != 'passes' or len(self.untraced.outcomes) == 1:
            output = self.untraced.output.strip().splitlines()
            raise SystemExit(f'{name} has no outcome without tracing: {output[-1] if output else "it has no tests"}')
        for combination, what in wanted.items():
            untraced, traced = self.untraced, Run(python, name, what, path)
            if tests := traced.differs(untraced):
                untraced, traced = Run(python, name, None, path), Run(python, name, what, path)
                tests &= traced.differs(untraced)
                if not tests:
                    self.again.append(combination)
            self.events += traced.events
            self.replaced.update(traced.replaced)
            self.differences += [
                Difference(test if test != PROCESS else f'{name} {PROCESS}', combination,
                           untraced.outcomes.get(test, 'is absent'), traced.outcomes.get(test, 'is absent'),
                           traced.details.get(test) or untraced.details.get(test, ''))
                for test in sorted(tests)]
        self.seconds = time.monotonic() - begin


def run(python, names, wanted, path=(), jobs=None, progress=None):
    """The modules, as many at once as there are processors."""
    executor = concurrent.futures.ThreadPoolExecutor(jobs or len(os.sched_getaffinity(0)))
    try:
        futures = [executor.submit(Module, python, name, wanted, path) for name in names]
        for number, future in enumerate(concurrent.futures.as_completed(futures), 1):
            module = future.result()
            if progress:
                differing = len({difference.test for difference in module.differences})
                progress(f'[{number}/{len(names)}] {module.name}: {len(module.untraced.outcomes) - 1} tests, '
                         f'{differing} differ, {module.seconds:.1f} s')
        return [future.result() for future in futures]
    finally:
        executor.shutdown(cancel_futures=True)
