"""Test that tests of the library have the same outcomes while recorders are on.

A build with profile-guided optimization also learns from this file how the
loop of recorded threads is used: see Lib/test/libregrtest/pgo.py.
"""

import codeblocks
import contextlib
import flightrecorder
import importlib
import unittest

MODULES = ('test_bisect', 'test_difflib', 'test_fractions', 'test_functools',
           'test_generators', 'test_heapq', 'test_json', 'test_pprint',
           'test_re', 'test_textwrap')


@contextlib.contextmanager
def flight():
    flightrecorder.start()
    try:
        yield
        assert next(iter(flightrecorder.last(1)))
    finally:
        flightrecorder.stop()


@contextlib.contextmanager
def edges():
    recorder = codeblocks.EdgeRecorder()
    recorder.start()
    try:
        yield
        assert recorder.edges()
    finally:
        recorder.stop()


@contextlib.contextmanager
def both():
    with flight(), edges():
        yield


def outcome(name):
    """Run the tests of a module: how many there are, and what did not pass."""
    module = importlib.import_module(f'test.{name}')
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromModule(module).run(result)
    return result.testsRun, sorted(
        (test.id(), kind) for kind in ('failures', 'errors', 'skipped')
        for test, _ in getattr(result, kind))


class RecordedLibraryTest(unittest.TestCase):

    def test_outcomes(self):
        for name in MODULES:
            expected = outcome(name)
            self.assertGreater(expected[0], 10)
            for recorded in flight, edges, both:
                with self.subTest(name=name, recorded=recorded.__name__):
                    with recorded():
                        found = outcome(name)
                    self.assertEqual(found, expected)


if __name__ == '__main__':
    unittest.main()
