"""Run the tests of one module under a tracer that does nothing, and write what came out.

    python differential_worker.py MODULE COMBINATION RESULT

Run by differential.py, in a folder of its own. COMBINATION is null for no tracing, or in JSON

    {"settrace": true}                      sys.settrace(), as on stock CPython
    {"settrace": true, "opcodes": true}     the same with f_trace_opcodes set on every frame
    {"trace_lines": false, ...}             the arguments of sys.settracestate(); the filter as names of opcodes

and RESULT is a file, which gets in JSON

    outcomes    {test: outcome}; only the subtests that did not pass are there
    details     {test: the traceback, or the reason of a skip}
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
    """The tracer, and how it is installed; without a combination, there is none."""

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
    """The outcome of each test; the tracer is there again before each, whatever the one before did."""

    def __init__(self, tracer):
        super().__init__()
        self.tracer = tracer
        self.outcomes, self.details, self.replaced = {}, {}, []

    def note(self, test, outcome, detail=None):
        name = ADDRESS.sub('0x', test.id())
        # A test can fail more than once, say in its tearDown() too, and subtests can share their name.
        previous = self.outcomes.get(name, '')
        self.outcomes[name] = f'{previous}, {outcome}' if previous else outcome
        if detail:
            self.details.setdefault(name, detail)

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
        self.note(test, 'passes')

    def addError(self, test, err):
        self.note(test, 'has an error', self._exc_info_to_string(err, test))

    def addFailure(self, test, err):
        self.note(test, 'fails', self._exc_info_to_string(err, test))

    def addSkip(self, test, reason):
        self.note(test, 'is skipped', reason)

    def addExpectedFailure(self, test, err):
        self.note(test, 'fails as expected')

    def addUnexpectedSuccess(self, test):
        self.note(test, 'passes unexpectedly')

    def addSubTest(self, test, subtest, err):
        if err is not None:
            failed = issubclass(err[0], test.failureException)
            (self.addFailure if failed else self.addError)(subtest, err)
            if test.id() not in self.outcomes:
                self.note(test, 'has subtests that fail')


def gettrace():
    """sys.gettrace() of a trace state with flags, which the real one refuses; tests ask it whether they are traced."""
    return sys.gettracestate()['tracefunc']


def no_tracing(func):
    """test.support.no_tracing() that restores the flags too."""
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
        result.outcomes['(module)'] = 'is skipped'
        result.details['(module)'] = str(skip)
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
        json.dump({'outcomes': result.outcomes, 'details': result.details, 'events': tracer.events,
                   'replaced': result.replaced}, file)


if __name__ == '__main__':
    main(*sys.argv[1:])
