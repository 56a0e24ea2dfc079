"""The benchmark of the fuzzer, with the library's own TOML parser in place of tomli."""

import os
import re
import shutil
import subprocess

from qa import ROOT


def test_table(python, tmp_path):
    library = subprocess.run([python, '-c', 'import tomllib; print(tomllib.__path__[0])'], text=True, capture_output=True,
                             check=True).stdout.strip()
    shutil.copytree(library, tmp_path / 'tomli', ignore=shutil.ignore_patterns('__pycache__'))
    done = subprocess.run([python, '-m', 'qa.bench.fuzzing', '--fast'], cwd=ROOT, text=True, capture_output=True,
                          env={**os.environ, 'PYTHONPATH': str(tmp_path)}, check=True)
    title, *rows = done.stdout.splitlines()
    assert title.split() == ['runs', 'per', 'second', 'new', 'inputs']
    found = dict(re.fullmatch(r'(.*?) +[\d,]+ +(\d+)', row).groups() for row in rows)
    assert list(found) == ['without recording', 'sys.settrace, lines', 'codeblocks.EdgeRecorder', 'codeprobes.Recorder']
    kept = [int(number) for number in found.values()]
    assert kept[0] == 0 and min(kept[1:]) > 20
