"""Helpers for the tests of sys.settracestate()."""

import contextlib
import sys
import unittest

DEFAULT = {'tracefunc': None, 'trace_lines': True, 'trace_instructions': False,
           'trace_branches': False, 'instruction_filter': None}


def ignore(frame, event, arg):
    return ignore


def record(events, only=None):
    """Return a trace function that appends (name, event, offset, arg) to events."""
    def trace(frame, event, arg):
        if only is None or frame.f_code.co_name in only:
            if event in ('return', 'exception'):
                arg = None
            events.append((frame.f_code.co_name, event, frame.f_lasti, arg))
            return trace
    return trace


@contextlib.contextmanager
def tracing(tracefunc, **flags):
    sys.settracestate(tracefunc, **flags)
    try:
        yield
    finally:
        sys.settracestate(None)


def traced(function, *args, only=None, **flags):
    """Return the events of a call of function."""
    events = []
    flags.setdefault('trace_instructions', True)
    with tracing(record(events, only), **flags):
        function(*args)
    return events


class BaseTestCase(unittest.TestCase):

    def setUp(self):
        saved = sys.gettracestate()
        self.addCleanup(lambda: sys.settracestate(**saved))
        sys.settracestate(None)
