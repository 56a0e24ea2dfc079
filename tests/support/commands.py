"""Running other programs."""

import os
import subprocess


def environment(*prefixes):
    """The environment without the names that begin with one of these."""
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}


def output(*command, **how):
    """The output of a program that has to succeed; make's own settings are not for it."""
    __tracebackhide__ = True
    done = subprocess.run([str(part) for part in command], text=True, capture_output=True, stdin=subprocess.DEVNULL,
                          env={**environment('MAKEFLAGS', 'MFLAGS', 'MAKELEVEL'), 'V': '', **how.pop('env', {})}, **how)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
