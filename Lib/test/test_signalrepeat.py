"""Test _signalrepeat, which repeats a signal until it is disarmed."""

import os
import signal
import time
import unittest
from test import support
from test.support import import_helper

_signalrepeat = import_helper.import_module('_signalrepeat')


class SignalRepeatTests(unittest.TestCase):

    def setUp(self):
        self.calls = []
        before = signal.signal(signal.SIGUSR1, lambda *args: self.calls.append(args[0]))
        self.addCleanup(signal.signal, signal.SIGUSR1, before)
        self.addCleanup(_signalrepeat.disarm)

    def wait(self, calls, seconds=support.LONG_TIMEOUT):
        end = time.monotonic() + seconds
        while len(self.calls) < calls and time.monotonic() < end:
            time.sleep(0.01)

    def send(self):
        os.kill(os.getpid(), signal.SIGUSR1)

    def test_repeats_until_disarmed(self):
        _signalrepeat.arm(signal.SIGUSR1, 0.01)
        self.wait(1, 0.1)
        self.assertEqual(self.calls, [])        # no signal was sent yet
        self.send()
        self.wait(5)
        _signalrepeat.disarm()
        self.assertEqual(set(self.calls), {signal.SIGUSR1})
        seen = len(self.calls)
        self.assertGreaterEqual(seen, 5)
        self.wait(seen + 2, 0.1)
        self.assertLessEqual(len(self.calls), seen + 1)
        del self.calls[:]
        self.send()
        self.wait(2, 0.1)
        self.assertEqual(len(self.calls), 1)

    def test_handler_that_disarms_is_called_once(self):
        signal.signal(signal.SIGUSR1,
                      lambda *args: (_signalrepeat.disarm(), self.calls.append(args[0])))
        for _ in range(3):
            _signalrepeat.arm(signal.SIGUSR1, 0.2)
            self.send()
        self.wait(4, 0.5)
        self.assertEqual(len(self.calls), 3)

    def test_another_signal(self):
        others = []
        before = signal.signal(signal.SIGUSR2, lambda *args: others.append(args[0]))
        self.addCleanup(signal.signal, signal.SIGUSR2, before)
        _signalrepeat.arm(signal.SIGUSR1, 0.01)
        _signalrepeat.disarm()
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)   # it would end the process
        _signalrepeat.arm(signal.SIGUSR2, 0.01)
        os.kill(os.getpid(), signal.SIGUSR2)
        end = time.monotonic() + support.LONG_TIMEOUT
        while len(others) < 5 and time.monotonic() < end:
            time.sleep(0.01)
        _signalrepeat.disarm()
        self.assertEqual(set(others), {signal.SIGUSR2})
        self.assertGreaterEqual(len(others), 5)
        self.assertEqual(self.calls, [])

    def test_armed_twice(self):
        _signalrepeat.arm(signal.SIGUSR1, 100)
        _signalrepeat.arm(signal.SIGUSR1, 0.01)
        self.send()
        self.wait(3)
        self.assertGreaterEqual(len(self.calls), 3)

    def test_new_handler_stops_repetition(self):
        _signalrepeat.arm(signal.SIGUSR1, 0.01)
        other = []
        signal.signal(signal.SIGUSR1, lambda *args: other.append(1))
        self.send()
        time.sleep(0.1)
        self.assertEqual((self.calls, other), ([], [1]))
        _signalrepeat.disarm()                  # keeps the new handler
        self.send()
        self.assertEqual(other, [1, 1])

    @support.requires_fork()
    def test_fork(self):
        _signalrepeat.arm(signal.SIGUSR1, 0.01)
        for again, enough in (False, lambda n: n == 1), (True, lambda n: n >= 3):
            with self.subTest(again=again):
                child = os.fork()
                if not child:
                    if again:
                        _signalrepeat.arm(signal.SIGUSR1, 0.01)
                    self.send()
                    self.wait(3, support.LONG_TIMEOUT if again else 0.2)
                    os._exit(not enough(len(self.calls)))
                self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.assertEqual(self.calls, [])

    def test_bad_arguments(self):
        with self.assertRaisesRegex(ValueError, 'has no handler in Python'):
            _signalrepeat.arm(signal.SIGUSR2, 1)
        for seconds in 0, -1, float('nan'), 1e9:
            with self.assertRaisesRegex(ValueError, 'seconds must be positive'):
                _signalrepeat.arm(signal.SIGUSR1, seconds)
        with self.assertRaises(OSError):
            _signalrepeat.arm(12345, 1)
        with self.assertRaises(TypeError):
            _signalrepeat.arm('x', 1)
        _signalrepeat.arm(signal.SIGUSR1, 1)
        before = signal.signal(signal.SIGUSR2, lambda *args: None)
        try:
            with self.assertRaisesRegex(ValueError, f'signal {int(signal.SIGUSR1)} is armed'):
                _signalrepeat.arm(signal.SIGUSR2, 1)
        finally:
            signal.signal(signal.SIGUSR2, before)


if __name__ == '__main__':
    unittest.main()
