"""Run the tests of one module under a tracer that only counts its events, and write their outcomes.

    python flags_worker.py MODULE COMBINATION RESULT

flags.py runs it in a separate folder. COMBINATION is JSON: null for no tracing, or

    {"settrace": true}                      sys.settrace(), as on stock CPython
    {"settrace": true, "opcodes": true}     the same with f_trace_opcodes set on every frame
    {"trace_lines": false, ...}             the arguments of sys.settracestate(), with opcode names in the filter

The result is written to the file RESULT, as JSON:

    outcomes    {test: [outcome in the words of judge.py, traceback or reason]}; subtests only if they did not pass
    events      {event: how many there were}
    replaced    the tests that ended without the tracer, in the order they ran
"""

import collections
import functools
import importlib
import json
import re
import sys
import threading
import unittest


class Tracer:
    """Installs and removes the tracer of a combination; without one, does nothing."""

    def __init__(self, combination):
        self.events = events = collections.Counter()
        state = dict(combination or {})
        self.wanted = combination is not None
        self.legacy = state.pop('settrace', False)
        opcodes = state.pop('opcodes', False)
        if state.get('instruction_filter') is not None:
            import opcode
            state['instruction_filter'] = [opcode.opmap[name] for name in state['instruction_filter']]

        def tracer(frame, event, arg):
            events[event] += 1
            return tracer

        def opcode_tracer(frame, event, arg):
            events[event] += 1
            frame.f_trace_opcodes = True
            return opcode_tracer

        self.state = {'tracefunc': opcode_tracer if opcodes else tracer, **state}

    def install(self):
        if not self.wanted:
            return
        if self.legacy:
            threading.settrace(self.state['tracefunc'])
            sys.settrace(self.state['tracefunc'])
        else:
            threading.settracestate(**self.state)
            sys.settracestate(**self.state)
        self.installed = self.get()

    def remove(self):
        if self.wanted:
            threading.settrace(None)
            sys.settrace(None)

    def get(self):
        return sys.gettracestate() if hasattr(sys, 'gettracestate') else sys.gettrace()

    def was_replaced(self):
        return self.wanted and self.get() != self.installed


class Result(unittest.TestResult):
    """The outcome of each test.  The tracer is installed again before each test, whatever the previous one did."""

    def __init__(self, tracer):
        super().__init__()
        self.tracer = tracer
        self.outcomes, self.replaced = {}, []

    def note(self, test, outcome, why=''):
        """Note an outcome.  A test can have several, as one for its tearDown(), and subtests can have the same name."""
        name = unused = re.sub(r'0x[0-9a-fA-F]+', '0x', test.id())
        number = 1
        while unused in self.outcomes:
            number += 1
            unused = f'{name} [{number}]'
        self.outcomes[unused] = outcome, why

    def startTest(self, test):
        super().startTest(test)
        if self.tracer.was_replaced():
            self.tracer.install()

    def stopTest(self, test):
        if self.tracer.was_replaced():
            self.replaced.append(test.id())
            self.tracer.install()
        super().stopTest(test)

    def addSuccess(self, test):
        self.note(test, 'passed')

    def addError(self, test, err):
        self.note(test, 'error', self._exc_info_to_string(err, test))

    def addFailure(self, test, err):
        self.note(test, 'failed', self._exc_info_to_string(err, test))

    def addSkip(self, test, reason):
        self.note(test, 'skipped', reason)

    def addExpectedFailure(self, test, err):
        self.note(test, 'expected failure')

    def addUnexpectedSuccess(self, test):
        self.note(test, 'unexpected success')

    def addSubTest(self, test, subtest, err):
        if err is not None:
            add = self.addFailure if issubclass(err[0], test.failureException) else self.addError
            add(subtest, err)
            if test.id() not in self.outcomes:
                self.note(test, 'failed')


def gettrace():
    """A sys.gettrace() that does not raise if flags are set; tests call it to find out whether they are traced."""
    return sys.gettracestate()['tracefunc']


def no_tracing(func):
    """A test.support.no_tracing() that also restores the flags."""
    @functools.wraps(func)
    def wrapper(*args, **kwargs):
        saved = sys.gettracestate()
        try:
            sys.settrace(None)
            return func(*args, **kwargs)
        finally:
            sys.settracestate(**saved)
    return wrapper


def prepare():
    """What python -m test sets up for its tests."""
    from test import support
    support.use_resources = []
    support.verbose = False
    if hasattr(sys, 'gettracestate'):
        support.no_tracing = no_tracing
        sys.gettrace = gettrace


def main(module, combination, path):
    del sys.path[0]         # the tests of this folder are not those of the standard library
    prepare()
    tracer = Tracer(json.loads(combination))
    result = Result(tracer)
    tracer.install()
    try:
        unittest.defaultTestLoader.loadTestsFromModule(importlib.import_module(module)).run(result)
    except unittest.SkipTest as skip:
        result.outcomes['(module)'] = 'skipped', str(skip)
    finally:
        if tracer.was_replaced():
            result.replaced.append('(module)')
        tracer.remove()
    with open(path, 'w') as file:
        json.dump({'outcomes': result.outcomes, 'events': tracer.events, 'replaced': result.replaced}, file)


if __name__ == '__main__':
    main(*sys.argv[1:])
