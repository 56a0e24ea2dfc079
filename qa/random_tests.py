"""Tests with random programs: how many, and the process that examines them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import hypothesis
from hypothesis import HealthCheck, Phase

from qa import ROOT

# Hypothesis keeps its database in the virtual environment.
hypothesis.configuration.set_hypothesis_home_dir(Path(sys.prefix) / 'hypothesis')


def settings(variable, few):
    """The settings of a test: the same few programs each time, or as many others as the environment variable says."""
    number = os.environ.get(variable)
    return hypothesis.settings(
        max_examples=int(number or few), derandomize=number is None, deadline=None, database=None, print_blob=False,
        phases=(Phase.generate, Phase.shrink), suppress_health_check=list(HealthCheck))


class Worker:
    """A module that answers a request, a line of JSON, with a line of JSON. It is started again whenever it has ended.

    programs    how many it has examined
    """

    def __init__(self, python, module, **environment):
        self.command = [python, '-X', 'faulthandler', '-m', module]
        self.environment = os.environ | {'PYTHONHASHSEED': '0'} | environment
        self.process = None
        self.programs = 0

    def ask(self, program, **request):
        """The answer for a program."""
        if self.process is None:
            # pytest shows what a crash writes to stderr.
            self.process = subprocess.Popen(self.command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            text=True, env=self.environment)
        try:
            self.process.stdin.write(json.dumps({'program': program, **request}) + '\n')
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ''
        if not answer:
            status = self.end()
            raise AssertionError(f'the worker ended with status {status} in this program:\n{program}')
        self.programs += 1
        return json.loads(answer)

    def end(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.stdout.close()
            status = self.process.wait()
            self.process = None
            return status
