"""How many runs per second a fuzzer does, with three ways to find out whether an input does something new.

    python -m qa.bench.fuzzing [--fast]

`make bench-fuzzing` runs it on the fork, in a virtual environment with tomli, the parser that is fuzzed.

The fuzzer of Doc/includes/fuzz.py makes the inputs.  Then each way runs the same inputs, with the loop of that fuzzer,
in a process of its own.  The ways take turns.  The table shows the best of all rounds, since other work on the machine
only slows them down.
"""

import argparse
import json
import random
import subprocess
import sys
import time
from pathlib import Path

import codeblocks
import codeprobes

sys.path.insert(0, str(Path(__file__).parents[2] / 'Doc' / 'includes'))
from fuzz import fuzz

SEED = '''title = "example"

[owner]
name = 'A "quoted" name'
born = 1979-05-27T07:32:00Z

[database]
ports = [8000, 8001]
limits = {cpu = 79.5, case = 0x1f}
enabled = true
'''


def selected(code):
    return '/tomli/' in code.co_filename


class Nothing:
    """Does not look."""

    def start(self):
        pass

    def harvest(self):
        return False


class Lines:
    """Collects the lines that sys.settrace() reports."""

    def __init__(self):
        self.seen = set()
        self.known = 0

    def start(self):
        sys.settrace(self.trace)

    def trace(self, frame, event, arg):
        if event == 'call' and not selected(frame.f_code):
            return None
        if event == 'line':
            self.seen.add((frame.f_code, frame.f_lineno))
        return self.trace

    def harvest(self):
        before, self.known = self.known, len(self.seen)
        return self.known > before


def edges():
    return codeblocks.EdgeRecorder(selected)


def jumps():
    return codeprobes.Recorder(lambda code: codeprobes.conditional_jumps(code) if selected(code) else None)


WAYS = {'without recording': Nothing, 'sys.settrace, lines': Lines, 'codeblocks.EdgeRecorder': edges,
        'codeprobes.Recorder': jumps}


def make_inputs(runs):
    """The inputs that the fuzzer tries."""
    inputs = []
    recorder = jumps()
    recorder.start()
    import tomli
    random.seed(1)
    for _ in fuzz(lambda text: (inputs.append(text), tomli.loads(text)), recorder, runs, [SEED], []):
        pass
    recorder.stop()
    return inputs


def measure(way, inputs):
    """[runs per second, number of inputs that did something new]"""
    recorder = WAYS[way]()
    recorder.start()
    from tomli import loads
    corpus = []
    start = time.process_time()
    for _ in fuzz(loads, recorder, len(inputs), inputs, corpus):
        pass
    seconds = time.process_time() - start
    sys.settrace(None)
    return len(inputs) / seconds, len(corpus)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--fast', action='store_true', help='fewer runs and rounds')
    parser.add_argument('--way', choices=WAYS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.way:
        json.dump(measure(args.way, json.load(sys.stdin)), sys.stdout)
        return
    inputs = json.dumps(make_inputs(2000 if args.fast else 20_000))
    found = {way: [] for way in WAYS}
    for _ in range(1 if args.fast else 5):
        for way, results in found.items():
            done = subprocess.run([sys.executable, '-m', 'qa.bench.fuzzing', '--way', way], input=inputs, text=True,
                                  stdout=subprocess.PIPE, check=True)
            results.append(json.loads(done.stdout))
    print(f'{"":<25} runs per second  new inputs')
    for way, results in found.items():
        print(f'{way:<25} {max(speed for speed, _ in results):>15,.0f}  {results[0][1]:>10}')


if __name__ == '__main__':
    main()
