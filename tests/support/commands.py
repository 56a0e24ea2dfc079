"""Run a program that must succeed."""

import os
import subprocess


def output(*command, **how):
    __tracebackhide__ = True
    environment = {name: value for name, value in os.environ.items() if name not in ('MAKEFLAGS', 'MFLAGS', 'MAKELEVEL', 'V')}
    done = subprocess.run([str(part) for part in command], text=True, capture_output=True, stdin=subprocess.DEVNULL,
                          env={**environment, **how.pop('env', {})}, **how)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
