"""make test, test-all, test-sanitized and similar targets: what they run and report, with fake interpreters."""

import re
import shutil

import pytest

from support.fake_python import PYTHON

pytestmark = pytest.mark.slow

REQUIREMENTS = 'build-aux/requirements/test.txt'

@pytest.fixture
def suite(ready, root):
    shutil.copytree(root / 'qa', ready.path / 'qa', ignore=shutil.ignore_patterns('__pycache__'))
    ready.write('Lib/test/test_ours.py', '')
    ready.write('Lib/test/test_more/__init__.py', '')
    ready.make()
    ready.make('stock')
    ready.write('condcov/README.rst', '')
    for where, tests in ('release', 'test_a test_b test_more test_ours'), ('stock', 'test_a test_b'):
        ready.write(f'build/{where}/python', PYTHON)
        ready.write(f'build/{where}/tests', tests)
    return ready


def calls(suite, where='build/release'):
    return suite.read(f'{where}/calls').splitlines()


def test_all_parts_run(suite):
    done = suite.make('test', env={'PYTHONPATH': '/elsewhere', 'PYTHONUNBUFFERED': '1'})
    inside = [call for call in calls(suite) if call.startswith('-m test ')]
    assert len(inside) == 1 and 'test_sys_settrace' in inside[0] and inside[0].endswith(' test_more test_ours')
    assert done.stdout.splitlines()[-1] == '3 passed in 0.01s'
    suite.make('test')
    assert len([call for call in calls(suite) if call.startswith('-m venv')]) == 1
    assert len([call for call in calls(suite, 'build/venv/bin') if 'pytest' in call]) == 4
    assert [call.split()[-1] for call in calls(suite, 'build/venv/bin') if 'pip install' in call] == [REQUIREMENTS, './condcov']
    suite.write('condcov/README.rst', 'changed\n')
    suite.make('test')
    assert len([call for call in calls(suite, 'build/venv/bin') if 'pip install' in call]) == 3


def test_nothing_is_left_in_the_temporary_folder(suite, tmp_path):
    suite.write('build/litters', '')
    (tmp_path / 'temporary').mkdir()
    suite.make('test', env={'TMPDIR': str(tmp_path / 'temporary')})
    assert suite.read('build/release/litter').startswith(f'{tmp_path}/temporary/')
    assert not list((tmp_path / 'temporary').iterdir())


def test_quick_leaves_out_what_is_slow(suite):
    suite.write('Lib/test/test_codeblocks.py', '')
    suite.make('test-quick')
    inside, = [call for call in calls(suite) if call.startswith('-m test ')]
    assert inside.endswith(' test_sys_settrace test_more test_ours')
    assert [" -m not slow" in call for call in calls(suite, 'build/venv/bin') if 'pytest' in call] == [True, True]


@pytest.mark.parametrize('option', ['-r', '-c'])
def test_a_change_to_an_included_file_rebuilds_the_environment(suite, option):
    suite.write(REQUIREMENTS, f'{option} more/these.txt\n')
    suite.write('build-aux/requirements/more/these.txt', 'pytest==8\n')
    assert 'installing' in suite.make('test-condcov').stdout
    assert 'installing' not in suite.make('test-condcov').stdout
    suite.write('build-aux/requirements/more/these.txt', 'pytest==9\n')
    assert 'installing' in suite.make('test-condcov').stdout


def test_all_failed_parts_are_reported(suite):
    suite.write('build/release/fails', 'test_sys\n')
    done = suite.run('make', 'test', status=1)
    assert done.stdout.splitlines()[-1] == '3 passed in 0.01s'
    assert 'make: error: these failed: python -m test\n' in done.stderr
    suite.write('build/red', '')
    done = suite.run('make', 'test', status=1)
    assert done.stdout.splitlines()[-1] == '1 failed in 0.01s'
    assert 'make: error: these failed: pytest tests, pytest condcov/tests\n' in done.stderr


def test_environment_that_cannot_be_made(suite):
    suite.write('build/nopip', '')
    done = suite.run('make', 'test', status=1)
    assert 'make: error: cannot make build/venv with build-aux/requirements/test.txt: ERROR: No matching distribution found' in done.stderr
    (suite.path / 'build/nopip').unlink()
    suite.make('test')


def alike(call):
    """A call without the random part of its folder for temporary files."""
    return re.sub(r'(--tempdir=\S+-)\w{8} ', r'\1........ ', call)


def test_all_equal(suite):
    done = suite.make('test-all', env={'PYTHONPATH': '/elsewhere', 'LC_ALL': 'C'})
    assert 'Result: the fork and stock CPython have the same result for every test.' in done.stdout
    assert done.stdout.splitlines()[-1] == 'make: the report is in build/release/test-all.report'
    assert suite.read('build/release/test-all.report') in done.stdout
    assert '  test_more: 1 test\n  test_ours: 1 test\n' in done.stdout
    assert calls(suite, 'build/stock')[0].startswith('-m qa.compare suite --fork ')
    fork, stock = ([alike(call).replace(f'.{side}.', '.SIDE.') for call in calls(suite, f'build/{where}') if ' test_a ' in call]
                   for side, where in (('fork', 'release'), ('stock', 'stock')))
    assert fork == stock and len(fork) == 1
    assert '--tempdir=' in fork[0]      # paths of the same length, so that one is too long on both sides or on neither
    for name in 'test_ours.fork.log', 'test_a.fork.xml', 'test_a.stock.log', 'test_b.stock.xml':
        assert suite.exists(f'build/release/test-all/first/{name}')


def test_all_with_TESTS(suite):
    suite.make('test-all', 'TESTS=test_ours test_a')
    for side, names in ('release', ['test_a', 'test_ours']), ('stock', ['test_a']):
        assert sorted(call.split()[-3] for call in calls(suite, f'build/{side}') if '--tempdir' in call) == names


def test_all_retries_on_both(suite):
    suite.write('build/release/fails', 'test_a test_b\ntest_b\ntest_b\n')
    suite.write('build/stock/fails', 'test_b\ntest_a test_b\ntest_b\n')
    done = suite.make('test-all')
    assert 'Flaky, but the same after retries:\n  test_a\n    fork:  failed, passed' in done.stdout
    assert 'Fails on both sides:\n  test_b (failed x3): ValueError: bad' in done.stdout
    assert 'retry 2       1 file, one at a time\n' in done.stdout
    # test_a has passed on the fork, and its second attempt failed on stock; the retries are one file each, on both
    for where in 'build/release', 'build/stock':
        names = [call.split()[-3] for call in calls(suite, where) if '--tempdir' in call]
        assert names.count('test_a') == 2 and names.count('test_b') == 3 and names.count('test_ours') <= 1
        suite.write(f'{where}/fails', '')
    # The next run does not read these results.
    suite.make('test-all')
    assert not suite.exists('build/release/test-all/retry-1')


def test_all_different(suite):
    suite.write('build/release/fails', 'test_a test_ours\n' * 5)
    done = suite.run('make', 'test-all', status=1)
    assert 'make: error: 2 test files and 2 tests differ between the fork and stock CPython, in test_a test_ours' in done.stderr
    assert 'make: error: the fork and stock CPython differ' in done.stderr
    assert '    fork:  failed x3\n      ValueError: bad\n    stock: passed x3\n' in suite.read('build/release/test-all.report')


def test_all_that_ends_early(suite):
    suite.write('build/release/fails', 'crash\n')
    done = suite.run('make', 'test-all', status=1)
    assert 'ended early in build/release/test-all/first/test_' in done.stderr
    assert "its last line is 'Killed'" in done.stderr and 'make: error: there is no result' in done.stderr
    assert not suite.exists('build/release/test-all.report')


UNDEFINED = """\
0:00:09 load avg: 2.00 [ 9/14] test_ours passed
/src/Python/ours.c:7:9: runtime error: signed integer overflow: 1 + 2147483647 cannot be represented in type 'int'
    #0 0x55d177da9222 in add {where}/src/Python/ours.c:7
    #1 0x55d177da9363 in main /src/Python/ours.c:20

Fatal Python error: Aborted
"""

ADDRESS = """\
==========================================================

==7032==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000010 at pc 0x562bb9b74480
READ of size 4 at 0x602000000010 thread T0
    #0 0x562bb9b7447f in main /src/Python/ours.c:5

freed by thread T0 here:
    #1 0x562bb9b7439c in main /src/Python/ours.c:4

SUMMARY: AddressSanitizer: heap-use-after-free /src/Python/ours.c:5 in main
Shadow bytes around the buggy address:
"""


@pytest.fixture
def sanitized(suite):
    suite.make('test-sanitized')
    suite.write('build/sanitized/python', PYTHON)
    return suite


def test_sanitized_build_is_separate(suite):
    suite.configure('--builddir=build/debug')
    suite.make()
    suite.make('test-sanitized')
    assert '--with-address-sanitizer --with-undefined-behavior-sanitizer' in suite.read('build/sanitized/args')
    assert 'compiled' in suite.read('build/sanitized/build.log')
    assert 'CONFIGURED = build/debug\n' in suite.read('Makefile')
    assert str((suite.path / 'python').readlink()) == 'build/debug/python'
    # An existing build is used again.
    (suite.path / 'build/sanitized/.mark').touch()
    assert 'build/sanitized/python is up to date' in suite.make('test-sanitized').stdout
    assert suite.exists('build/sanitized/.mark')


def test_sanitized_build_follows_the_overlay(sanitized):
    sanitized.write('Python/ours.c', 'int changed;\n')
    sanitized.make('test-sanitized')
    assert sanitized.read('build/sanitized/build.log').count('\ncompiled ') == 1


def test_sanitized_needs_a_source_tree(checkout):
    checkout.cached()
    checkout.configure()
    shutil.rmtree(checkout.path / 'build/src')
    assert 'run ./configure' in checkout.fails('make', 'test-sanitized')
    assert not checkout.exists('build/sanitized')


def test_sanitized_what_runs(sanitized):
    done = sanitized.make('test-sanitized', env={'UBSAN_OPTIONS': 'halt_on_error=0', 'PYTHONMALLOC': 'debug'})
    (call,) = calls(sanitized, 'build/sanitized')
    assert call.startswith('-m test ') and ' test_sys_settrace ' in call and call.endswith(' test_more test_ours')
    (options,) = sanitized.read('build/sanitized/options').splitlines()
    assert options.startswith('PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0:')
    assert options.endswith(f':suppressions={sanitized.path}/build-aux/sanitizer-suppressions:halt_on_error=0')
    tests = [word for word in call.split() if word.startswith('test_')]
    assert done.stdout.splitlines()[-1] == f'make: no report of the sanitizers in {len(tests)} test files'


def test_sanitized_reports_are_shown_once_each_and_fail(sanitized):
    sanitized.write('build/sanitized/undefined', UNDEFINED.format(where='/a') + UNDEFINED.format(where='/b'))
    sanitized.write('build/sanitized/address', ADDRESS)
    done = sanitized.run('make', 'test-sanitized', status=1)
    assert done.stderr.count('runtime error: signed integer overflow') == 1
    assert ' in add /a/src/Python/ours.c:7\n' in done.stderr and 'Fatal Python error' not in done.stderr
    assert 'heap-use-after-free' in done.stderr and 'freed by thread T0' in done.stderr and 'Shadow' not in done.stderr
    assert 'make: error: the sanitizers made 2 reports' in done.stderr
    # Reports of one run do not appear in the next.
    (sanitized.path / 'build/sanitized/undefined').unlink()
    (sanitized.path / 'build/sanitized/address').unlink()
    sanitized.make('test-sanitized')


def test_sanitized_truncated_report(sanitized):
    sanitized.write('build/sanitized/undefined', UNDEFINED.split('    #1')[0])
    done = sanitized.run('make', 'test-sanitized', status=1)
    assert ' in add ' in done.stderr and 'the sanitizers made 1 report,' in done.stderr


def test_sanitized_failures_without_a_report(sanitized):
    sanitized.write('build/sanitized/fails', 'test_bdb test_ours\n')
    assert 'these tests fail with them: test_bdb test_ours (see' in sanitized.fails('make', 'test-sanitized')
    sanitized.write('build/sanitized/fails', 'crash\n')
    assert 'ended early' in sanitized.run('make', 'test-sanitized', status=1).stderr


def test_oracle_takes_the_number_of_programs(suite):
    suite.write('qa/tests/test_oracle.py', '')
    assert 'make: build/release: the events of 10000 random programs' in suite.make('test-oracle').stdout
    assert 'the events of 7 random programs' in suite.make('test-oracle', 'PROGRAMS=7').stdout
    assert calls(suite, 'build/venv/bin')[-1].endswith(' -n 0 -s qa/tests/test_oracle.py')
    for wrong in '0', 'many', '-1', '1e4':
        assert f"'{wrong}' is not a number of programs" in suite.fails('make', 'test-oracle', f'PROGRAMS={wrong}')


def test_statements_takes_the_number_of_programs(suite):
    suite.write('qa/tests/test_statements.py', '')
    assert 'condcov and coverage.py on 5000 random programs' in suite.make('test-statements').stdout
    assert 'on 7 random programs' in suite.make('test-statements', 'PROGRAMS=7').stdout
    assert calls(suite, 'build/venv/bin')[-1].endswith(' -n 0 -s qa/tests/test_statements.py')
    assert "'07' is not a number of programs" in suite.fails('make', 'test-statements', 'PROGRAMS=07')
    suite.write('build/red', '')
    assert 'the program is above' in suite.run('make', 'test-statements', status=1).stderr


def test_oracle_that_finds_a_difference(suite):
    suite.write('build/red', '')
    assert 'the program is above' in suite.run('make', 'test-oracle', status=1).stderr


@pytest.fixture
def leaks(suite):
    suite.configure('--builddir=build/debug', '--with-pydebug')
    suite.make('BUILDDIR=build/debug')
    suite.make('stock', 'BUILDDIR=build/debug')
    for where in 'debug', 'stock-debug':
        suite.write(f'build/{where}/python', PYTHON)
    return suite


def test_leaks_needs_a_debug_build(suite):
    line = suite.fails('make', 'test-leaks', 'BUILDDIR=build/release')
    assert '--with-pydebug and make BUILDDIR=build/debug test-leaks' in line
    assert not suite.exists('build/release/calls')


def test_leaks_none(leaks):
    done = leaks.make('test-leaks')
    call = calls(leaks, 'build/debug')[0]
    assert ' -R 3:3:' in call and call.endswith(' test_more test_ours test_sys_settrace test_bdb test_pdb test_threading')
    assert not leaks.exists('build/stock-debug/calls')
    assert 'no leak that stock CPython does not have' in done.stdout.splitlines()[-1]
    assert 'on the fork alone: nothing' in leaks.read('build/debug/test-leaks.report')


def test_leaks_that_stock_has_too(leaks):
    leaks.write('build/debug/fails', 'test_bdb test_threading\n')
    leaks.write('build/stock-debug/fails', 'test_threading\n')
    done = leaks.run('make', 'test-leaks', status=1)
    assert 'and not on stock CPython: test_bdb (see' in done.stderr
    assert 'leaks or fails on stock CPython too: test_threading\n' in done.stdout
    assert calls(leaks, 'build/stock-debug')[0].endswith(' test_bdb test_threading')
    leaks.write('build/debug/fails', 'test_threading\n')
    leaks.write('build/stock-debug/fails', 'test_threading\n')
    leaks.make('test-leaks')


def test_leaks_of_the_forks_own_tests(leaks):
    leaks.write('build/debug/fails', 'test_ours\n')
    assert 'and not on stock CPython: test_ours (see' in leaks.fails('make', 'test-leaks')
    assert not leaks.exists('build/stock-debug/calls')


def test_leaks_run_that_ends_early(leaks):
    leaks.write('build/debug/fails', 'crash\n')
    assert 'ended early' in leaks.run('make', 'test-leaks', status=1).stderr


def test_all_with_IGNORE(suite):
    suite.write('build/release/fails', 'test_a\n')
    suite.make('test-all', 'IGNORE=Slow Test*')
    assert all(' --ignore=Slow Test*' in call for where in ('build/release', 'build/stock')
               for call in calls(suite, where) if '--tempdir' in call)


def test_differential_what_runs(suite):
    done = suite.make('test-differential', env={'PYTHONPATH': '/elsewhere'})
    command = ('-m qa.compare flags --fork build/release/python --stock build/stock/python '
               '--report build/release/test-differential.report')
    assert calls(suite, 'build/stock') == [command]
    assert '(report: build/release/test-differential.report)' in done.stdout.splitlines()[-1]
    suite.make('test-differential', 'MODULES=test_ours test_more')
    assert calls(suite, 'build/stock')[1:] == [f'{command} test_ours test_more']


@pytest.mark.parametrize('modules, complaint', [
    ('test_ours ../test_more', "not '../test_more'"),
    ('test_ours *', "not '*'"),
    ('test_ours test_nothing', 'MODULES has test_nothing, but there is no such test in build/src/fork/Lib/test'),
])
def test_differential_takes_names_of_tests(suite, modules, complaint):
    assert complaint in suite.fails('make', 'test-differential', f'MODULES={modules}')
    assert not suite.exists('build/release/calls')


def test_differential_that_finds_a_difference(suite):
    suite.write('build/stock/differs', '')
    done = suite.run('make', 'test-differential', status=1)
    assert 'make: error: the outcome of tests depends on tracing' in done.stderr


def test_condcov_what_runs(suite):
    done = suite.make('test-condcov')
    inside = calls(suite, 'build/venv/bin')
    assert inside[1].startswith('-m pip install') and inside[1].endswith(' ./condcov')
    assert inside[2].startswith('-m pytest') and inside[2].endswith(' condcov/tests')
    assert done.stdout.splitlines()[-1] == '3 passed in 0.01s'
    suite.write('build/red', '')
    assert 'tests of condcov fail' in suite.run('make', 'test-condcov', status=1).stderr


def test_condcov_of_packages(suite):
    suite.make('test-condcov-packages')
    assert calls(suite, 'build/venv/bin')[2].endswith(' qa/tests/test_packages.py')
    suite.write('build/red', '')
    assert 'condcov differs from coverage.py' in suite.run('make', 'test-condcov-packages', status=1).stderr


def test_condcov_is_not_laid_over_cpython(suite):
    suite.write('condcov/README.rst', '')
    suite.make()
    assert not suite.exists('build/src/fork/condcov')


def test_clients_are_passed_on(ready):
    ready.make()
    ready.make('stock')
    for where in 'release', 'stock':
        ready.write(f'build/{where}/python', PYTHON)
    ready.make('test-clients', 'CLIENTS=coverage hunter')
    (call,) = ready.read('build/stock/calls').splitlines()
    assert call == ('-m qa.compare clients --fork build/release/python --stock build/stock/python '
                    '--report build/release/test-clients.report coverage hunter')
    ready.make('test-clients', 'CLIENTS=hunter', 'RECORDED=1')
    assert ready.read('build/stock/calls').splitlines()[1].endswith('test-clients.report --recorded hunter')
