"""Run the tests of one module under a tracer that only counts its events, and write their outcomes.

    python flags_worker.py MODULE COMBINATION RESULT

flags.py runs it in a separate folder. COMBINATION is JSON: null for no tracing, or

    {"settrace": true}                      sys.settrace(), as on stock CPython
    {"settrace": true, "opcodes": true}     the same with f_trace_opcodes set on every frame
    {"trace_lines": false, ...}             the arguments of sys.settracestate(), with opcode names in the filter

The result is written to the file RESULT, as JSON:

    outcomes    {test: outcome}, in the words of judge.py; subtests only if they did not pass
    reasons     {test: why it was skipped}
    details     {test: its traceback}
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

ADDRESS = re.compile(r'0x[0-9a-fA-F]+')


class Tracer:
    """Installs and removes the tracer of a combination; without one, does nothing."""

    def __init__(self, combination):
        self.events = events = collections.Counter()

        def tracer(frame, event, arg):
            events[event] += 1
            return tracer

        def opcode_tracer(frame, event, arg):
            events[event] += 1
            frame.f_trace_opcodes = True
            return opcode_tracer

        self.state = None
        if combination is None:
            return
        combination = dict(combination)
        self.legacy = combination.pop('settrace', False)
        self.state = {'tracefunc': opcode_tracer if combination.pop('opcodes', False) else tracer, **combination}
        if self.state.get('instruction_filter') is not None:
            import opcode
            self.state['instruction_filter'] = [opcode.opmap[name] for name in self.state['instruction_filter']]

    def install(self):
        if self.state is None:
            return
        if self.legacy:
            threading.settrace(self.state['tracefunc'])
            sys.settrace(self.state['tracefunc'])
        else:
            threading.settracestate(**self.state)
            sys.settracestate(**self.state)
        self.installed = self.get()

    def remove(self):
        if self.state is not None:
            threading.settrace(None)
            sys.settrace(None)

    def get(self):
        return sys.gettracestate() if hasattr(sys, 'gettracestate') else sys.gettrace()

    def was_replaced(self):
        return self.state is not None and self.get() != self.installed


class Result(unittest.TestResult):
    """The outcome of each test.  The tracer is installed again before each test, whatever the previous one did."""

    def __init__(self, tracer):
        super().__init__()
        self.tracer = tracer
        self.outcomes, self.reasons, self.details, self.replaced = {}, {}, {}, []

    def note(self, test, outcome, error=None):
        """Note an outcome.  A test can have several, as one for its tearDown(), and subtests can have the same name."""
        name = unused = ADDRESS.sub('0x', test.id())
        number = 1
        while unused in self.outcomes:
            number += 1
            unused = f'{name} [{number}]'
        self.outcomes[unused] = outcome
        if error:
            self.details[unused] = self._exc_info_to_string(error, test)
        return unused

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
        self.note(test, 'error', err)

    def addFailure(self, test, err):
        self.note(test, 'failed', err)

    def addSkip(self, test, reason):
        self.reasons[self.note(test, 'skipped')] = reason

    def addExpectedFailure(self, test, err):
        self.note(test, 'expected failure')

    def addUnexpectedSuccess(self, test):
        self.note(test, 'unexpected success')

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.note(subtest, 'failed' if issubclass(err[0], test.failureException) else 'error', err)
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


def run(module, tracer, result):
    try:
        suite = unittest.defaultTestLoader.loadTestsFromModule(importlib.import_module(module))
    except unittest.SkipTest as skip:
        result.outcomes['(module)'] = 'skipped'
        result.reasons['(module)'] = str(skip)
    else:
        suite.run(result)


def main(module, combination, path):
    del sys.path[0]         # the tests of this folder are not those of the standard library
    prepare()
    tracer = Tracer(json.loads(combination))
    result = Result(tracer)
    tracer.install()
    try:
        run(module, tracer, result)
    finally:
        if tracer.was_replaced():
            result.replaced.append('(module)')
        tracer.remove()
    with open(path, 'w') as file:
        json.dump({'outcomes': result.outcomes, 'reasons': result.reasons, 'details': result.details,
                   'events': tracer.events, 'replaced': result.replaced}, file)


if __name__ == '__main__':
    main(*sys.argv[1:])
