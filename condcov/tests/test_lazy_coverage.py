"""condcov imports modules of coverage.py without the whole package, without side effects."""

import subprocess
import sys

import pytest


def run(program, *arguments):
    done = subprocess.run([sys.executable, *arguments, '-c', program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_reports_and_tracers_are_not_imported():
    assert run('import sys; import condcov.record.recording, coverage.files; print("coverage.files" in sys.modules, '
               '"coverage.control" in sys.modules, "coverage.html" in sys.modules)') == ['True', 'False', 'False']


@pytest.mark.parametrize('program', [
    'import coverage; print(coverage.Coverage.__module__)',
    'from coverage import Coverage; print(Coverage.__module__)',
    'from coverage import *; print(Coverage.__module__)',
    'import coverage.control; print(coverage.Coverage.__module__)',
    'import coverage; print(coverage.control.__name__)',
    'from coverage import control; print(control.__name__)',
    'import coverage; print(coverage.coverage.__module__)',
    'import coverage, importlib; print(importlib.reload(coverage).Coverage.__module__)',
])
def test_a_program_has_the_whole_package(program):
    assert run(f'import condcov.record.recording; {program}') == ['coverage.control']


def test_the_whole_package_is_the_same_as_always():
    program = ('import sys, coverage; coverage.Coverage; '
               'print(coverage.__version__, coverage is sys.modules["coverage"], *sorted(name for name in vars(coverage) if not name.startswith("_")))')
    assert run(f'import condcov.lazy_coverage; {program}') == run(program)


def test_what_it_has_not():
    assert run('import condcov.record.recording, coverage\n'
               'print(hasattr(coverage, "__warningregistry__"), hasattr(coverage, "none"), coverage.__version__ > "7")'
               ) == ['False', 'False', 'True']


def test_a_package_that_is_there_is_left_alone():
    assert run('import coverage, types; import condcov; print(type(coverage) is types.ModuleType)') == ['True']
