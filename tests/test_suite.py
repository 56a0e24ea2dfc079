"""make test and make test-all: what they run and how they judge, on interpreters that only pretend."""

import pytest

# A python that knows `-m test` (which tests fail is in a file beside it, one line for each run), `-m venv` and, for the
# environment it makes, pip and pytest.
PYTHON = '''#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
echo "$*" >> "$here/calls"
[ -z "$PYTHONPATH$PYTHONUNBUFFERED" ] || exit 1
case $2 in
test)
    fails=$(head -n 1 "$here/fails" 2>/dev/null); sed -i 1d "$here/fails" 2>/dev/null
    [ "$fails" != crash ] || { echo Killed; exit 137; }
    [ -n "$fails" ] || { echo "== Tests result: SUCCESS =="; exit 0; }
    echo "== Tests result: FAILURE =="; echo; echo "400 tests OK."; echo
    echo "$(echo $fails | wc -w) tests failed:"; echo "    $fails" | sed 's/ test_c/\\n    test_c/'; echo
    echo "2 tests skipped:"; echo "    test_devpoll test_msilib"; exit 2 ;;
venv) mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
pip) [ ! -f "$here/../../nopip" ] || { echo "ERROR: No matching distribution found"; exit 1; } ;;
pytest) if [ -f "$here/../../red" ]; then echo "1 failed in 0.01s"; exit 1; else echo "3 passed in 0.01s"; fi ;;
esac
'''


@pytest.fixture
def suite(ready):
    ready.write('Lib/test/test_ours.py', '')
    ready.write('Lib/test/test_more/__init__.py', '')
    ready.write('tests/requirements.txt', 'pytest\n')
    ready.make()
    ready.make('stock')
    for where in 'release', 'stock':
        ready.write(f'build/{where}/python', PYTHON)
    return ready


def calls(suite, where='build/release'):
    return suite.read(f'{where}/calls').splitlines()


def test_both_parts_run(suite):
    done = suite.make('test', env={'PYTHONPATH': '/elsewhere', 'PYTHONUNBUFFERED': '1'})
    inside = [call for call in calls(suite) if call.startswith('-m test ')]
    assert len(inside) == 1 and 'test_sys_settrace' in inside[0] and inside[0].endswith(' test_more test_ours')
    assert done.stdout.splitlines()[-1] == '3 passed in 0.01s'
    suite.make('test')
    assert len([call for call in calls(suite) if call.startswith('-m venv')]) == 1
    assert len([call for call in calls(suite, 'build/venv/bin') if 'pip install' in call]) == 1
    suite.write('tests/requirements.txt', 'pytest==8\n')
    suite.make('test')
    assert len([call for call in calls(suite, 'build/venv/bin') if 'pip install' in call]) == 1   # a new environment


def test_one_part_that_fails_does_not_hide_the_other(suite):
    suite.write('build/release/fails', 'test_sys\n')
    done = suite.run('make', 'test', status=1)
    assert done.stdout.splitlines()[-1] == '3 passed in 0.01s'
    assert 'make: error: python -m test: FAILED; pytest tests: passed' in done.stderr
    suite.write('build/red', '')
    done = suite.run('make', 'test', status=1)
    assert done.stdout.splitlines()[-1] == '1 failed in 0.01s'
    assert 'make: error: python -m test: passed; pytest tests: FAILED' in done.stderr


def test_environment_that_cannot_be_made(suite):
    suite.write('build/nopip', '')
    done = suite.run('make', 'test', status=1)
    assert 'make: error: cannot make build/venv with tests/requirements.txt: ERROR: No matching distribution found' in done.stderr
    (suite.path / 'build/nopip').unlink()
    suite.make('test')


def test_all_passes(suite):
    assert 'no test fails on the fork' in suite.make('test-all').stdout
    assert len(calls(suite)) == 1 and not suite.exists('build/stock/calls')


def test_all_compares_with_stock(suite):
    suite.write('build/release/fails', 'test_a test_b test_c test_d test_ours\ntest_a test_b test_c test_ours\n')
    suite.write('build/stock/fails', 'test_b test_c\n')
    line = suite.fails('make', 'test-all')
    assert 'fail on the fork and not on stock CPython: test_ours test_a (see' in line
    assert calls(suite)[1].endswith('test_a test_b test_c test_d test_ours')
    assert calls(suite, 'build/stock')[0].endswith('test_a test_b test_c')


def test_all_accepts_what_stock_fails_too(suite):
    suite.write('build/release/fails', 'test_a test_b\ntest_a\n')
    suite.write('build/stock/fails', 'test_a\n')
    suite.make('test-all')


def test_all_that_is_cut_short(suite):
    suite.write('build/release/fails', 'crash\n')
    assert 'ended early' in suite.run('make', 'test-all', status=1).stderr
