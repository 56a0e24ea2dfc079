"""Find inputs for which a function raises an unexpected exception.

    python fuzz.py MODULE FUNCTION RUNS [INPUT ...]

The function takes a string.  A ValueError is the expected answer to a wrong one.
"""

import codeprobes
import importlib.util
import random
import string
import sys
import traceback


def mutate(corpus):
    """Return a changed copy of an input."""
    text = random.choice(corpus)
    for _ in range(random.randint(1, 3)):
        start = random.randint(0, len(text))
        end = random.choice([start, start + 1, random.randint(start, len(text))])
        other = random.choice(corpus)
        new = random.choice(['', random.choice(string.printable), other[random.randint(0, len(other)):]])
        text = text[:start] + new + text[end:]
    return text


def fuzz(target, recorder, runs, inputs, corpus):
    """Yield (run, input, exception) for each line that raises an exception.

    Add an input to the corpus if a conditional jump goes a new way.
    """
    failures = set()
    for run in range(runs):
        text = inputs[run] if run < len(inputs) else mutate(corpus or [''])
        try:
            target(text)
        except ValueError:
            pass
        except Exception as error:
            place = traceback.format_tb(error.__traceback__)[-1]
            if place not in failures:
                failures.add(place)
                yield run, text, error
        if recorder.harvest():
            corpus.append(text)


if __name__ == '__main__':
    module, function, runs, *inputs = sys.argv[1:]
    random.seed(1)
    path = importlib.util.find_spec(module).origin.removesuffix('__init__.py')
    recorder = codeprobes.Recorder(
        lambda code: codeprobes.conditional_jumps(code) if code.co_filename.startswith(path) else None)
    recorder.start()            # before the import, because code that is already specialized is not recorded
    target = getattr(importlib.import_module(module), function)
    for run, text, error in fuzz(target, recorder, int(runs), inputs, corpus := []):
        print(f'run {run}: {text!r} raises {error!r}')
    print(f'{runs} runs, {len(corpus)} inputs in the corpus')
