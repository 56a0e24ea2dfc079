"""repeat.py PROGRAM TIMES: run a program in the folder programs this many times, and print what it returns."""

import importlib
import sys

name, times = sys.argv[1:]
run = importlib.import_module(f'programs.{name}').run
results = {repr(run()) for _ in range(int(times))}
print(*results)
