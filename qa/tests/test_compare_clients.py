"""make test-clients and qa/clients: how results are compared and shown, and bad input. No package is
fetched."""

import json
import subprocess
import sys

import pytest

from support.fake_python import PYTHON


@pytest.fixture(scope='module')
def clients(root):
    """The module qa/clients/clients.py."""
    sys.path.insert(0, str(root / 'qa/clients'))
    import clients
    yield clients
    sys.path.remove(str(root / 'qa/clients'))


P, F, S = 'passed', 'failed', 'skipped'


@pytest.mark.parametrize('fork, stock, column', [
    ([P], [P], 'passed'), ([F], [F], 'both'), ([S], [S], 'skipped'),
    ([F, F, F], [P, P, P], 'fork only'), ([P, P, P], [F, F, F], 'stock only'),
    # alike if both passed once, or neither did
    ([F, P], [P, P], 'passed'), ([P, P, P], [F, F, P], 'passed'), ([F, P], [P, F], 'passed'),
    ([F, F, F], [F, P, P], 'fork only'),
    # skipping is no failure, and not running at all no success
    ([F], [S], 'fork only'), ([S], [F], 'stock only'), ([S], [P], 'fork only'),
    ([], [P], 'fork only'), ([P], [], 'stock only'), ([], [F], 'stock only'), ([F, S], [S, F], 'both'),
])
def test_judging(clients, fork, stock, column):
    assert clients.judge(fork, stock) == column


def result(clients, fork, stock, name='hunter', **more):
    client = clients.Client(name, 'a tracer', ['tests'], deselect={'test_net': 'needs the network'})
    runs = {side: [clients.Run(outcomes, {test: f'{side} says no' for test in outcomes if outcomes[test] == F}, **more)
                   for outcomes in outcomes_of]
            for side, outcomes_of in (('fork', fork), ('stock', stock))}
    return clients.Result(client, '3.9.0', runs, 'proof')


def test_runs_are_compared_test_for_test(clients):
    found = result(clients, [{'a': P, 'b': F, 'c': P, 'd': S, 'e': F}, {'c': P, 'e': P}],
                   [{'a': P, 'b': F, 'c': F, 'd': S, 'e': P}, {'c': F, 'e': P}])
    assert found.tests == {'passed': ['a', 'e'], 'both': ['b'], 'skipped': ['d'], 'fork only': [], 'stock only': ['c'],
                           'flaky': ['e']}
    assert found.why['b'] == 'fork says no' and found.why['c'] == 'stock says no'


def test_what_is_tried_again(clients):
    runs = [clients.Run(outcomes, {}) for outcomes in ({'a': P, 'b': F, 'x': P}, {'a': P, 'b': P, 'y': F})]
    assert clients.differ(*runs) == ['b', 'x', 'y'] and clients.differ(runs[0], runs[0]) == []


def test_report(clients):
    lines = clients.report([result(clients, [{'t::a': P, 't::b': F, 't::c': F}], [{'t::a': P, 't::b': P, 't::c': F}]),
                            result(clients, [{'t::a': P}], [{'t::a': S}], name='coverage', ended='killed by SIGSEGV')],
                           {'fork': '3.11.2 x', 'stock': '3.11.2'})
    row = next(line for line in lines if line.startswith('hunter '))
    assert row.split() == ['hunter', '3.9.0', '3', '1', '1', '0', '1', '0', '0']
    assert max(map(len, lines)) <= clients.WIDTH
    text = '\n'.join(lines)
    assert 'Fail on the fork only:\n  hunter: t::b\n        fork says no\n' in text
    assert 'Fail on both sides alike:\n  hunter: t::c\n' in text
    assert 'Fail on stock CPython only:\n  coverage: t::a\n' in text
    assert '  coverage on fork: killed by SIGSEGV' in text and '  hunter: test_net: needs the network' in text
    assert 'Flaky' not in text


def test_outcomes_of_a_real_run(clients, root, tmp_path):
    """What the plugin writes of each kind of test, and of a run that dies."""
    (tmp_path / 'test_x.py').write_text('''
import os, pytest
def test_good(): pass
def test_bad(): assert 1 == 2, "no sum"
@pytest.fixture
def broken():
    yield
    raise ValueError("on the way out")
def test_teardown(broken): pass
def test_skipped(): pytest.skip("no")
@pytest.mark.xfail
def test_expected(): assert False
@pytest.mark.parametrize("word", ["a b", "a::b"])
def test_word(word): pass
def test_dies(): os._exit(9)
def test_never(): pass
''')
    (tmp_path / 'test_y.py').write_text('import nothing_of_this_name\n')
    file = tmp_path / 'out'

    def pytest_run(*options):
        subprocess.run([sys.executable, '-m', 'pytest', '-p', 'outcomes', '--outcomes', file, '-p', 'no:cacheprovider',
                        *options], cwd=tmp_path,
                       env={'PYTHONPATH': str(root / 'qa/clients')}, stdout=subprocess.DEVNULL)
        return clients.read(file)
    outcomes, why = pytest_run('test_x.py')
    assert outcomes == {f'test_x.py::test_{name}': outcome for name, outcome in {
        'good': P, 'bad': F, 'teardown': F, 'skipped': S, 'expected': S, 'word[a b]': P, 'word[a::b]': P,
        'dies': F}.items()}
    assert why['test_x.py::test_bad'] == 'AssertionError: no sum'
    assert why['test_x.py::test_teardown'] == 'ValueError: on the way out'
    assert why['test_x.py::test_dies'] == 'did not come to an end'
    outcomes, why = pytest_run('test_y.py')
    assert outcomes == {'test_y.py': F} and 'nothing_of_this_name' in why['test_y.py']
    (tmp_path / 'only').write_text('test_x.py::test_good\ntest_x.py::test_word[a::b]\ntest_x.py::not_there')
    outcomes, _ = pytest_run('--only', tmp_path / 'only', 'test_x.py')
    assert outcomes == {'test_x.py::test_good': P, 'test_x.py::test_word[a::b]': P}


def test_no_value_of_an_option_passes_for_a_test(clients, tmp_path):
    # A worker of pytest-xdist looks for the package's configuration beside what it takes for tests.
    bench = object.__new__(clients.Bench)
    bench.work, bench.jobs = tmp_path, 2
    client = clients.Client('hunter', 'a tracer', ['tests'], deselect={'test_net': 'needs the network'})
    options = bench.command(client, 'python', tmp_path / 'outcomes', ['a', 'b'])[3:]
    values = [word for before, word in zip([''] + options, options) if not word.startswith('-') and before not in ('-p', '-o')]
    assert not values and f'--outcomes={tmp_path}/outcomes' in options


def test_file_that_is_cut_off(clients, tmp_path):
    (tmp_path / 'x').write_text(json.dumps({'test': 'a', 'outcome': P, 'why': ''}) + '\n{"test": "b", "outc')
    assert clients.read(tmp_path / 'x') == ({'a': P}, {})
    assert clients.read(tmp_path / 'none') == ({}, {})


def test_a_command_that_does_not_end_well(clients, tmp_path, monkeypatch):
    def ended(program):
        with open(tmp_path / 'log', 'w') as file:
            return clients.finish([sys.executable, '-c', program], tmp_path, None, file)
    assert [ended(f'raise SystemExit({status})') for status in (0, 1, 3)] == ['', '', 'ended with status 3']
    assert ended('import os; os.abort()') == 'killed by SIGABRT'
    monkeypatch.setattr(clients, 'LIMIT', 0.5)
    assert ended('import time; time.sleep(60)') == 'stopped after 0.5 s'


def test_the_list_of_clients(clients):
    """Every client has its version, tests that are somewhere, and a checksum of those that are fetched."""
    known = clients.load()
    assert {client.package for client in known.values()} == {'coverage', 'hunter', 'greenlet', 'pytest', 'debugpy'}
    for client in known.values():
        assert client.version and client.tests
        assert bool(client.sdist) + bool(client.ours) + client.installed == 1
        assert all((clients.HERE / name).exists() for name in client.ours)
        pins = client.requirements.read_text().splitlines()
        assert pins[0] == '--only-binary :all:' and all('==' in pin for pin in pins[1:])


def test_choosing(clients):
    known = clients.load()

    def names(*chosen):
        return [client.name for client in clients.choose(known, chosen)]
    assert names() == list(known)
    assert names('hunter') == ['hunter', 'hunter-pure']
    assert names('hunter-pure', 'coverage') == ['coverage', 'hunter-pure']
    with pytest.raises(clients.Trouble, match="CLIENTS has 'huntre', which is not one of: coverage hunter "):
        clients.choose(known, ['huntre'])


def test_bad_input(root, tmp_path, python, stock_python):
    def error(*arguments):
        done = subprocess.run([sys.executable, root / 'qa/clients/clients.py', '--report', tmp_path / 'r',
                               '--folder', tmp_path, *arguments], text=True, capture_output=True)
        assert done.returncode == 1 and done.stderr.count('\n') == 1 and ': error: ' in done.stderr
        return done.stderr
    assert "CLIENTS has 'x'" in error('--fork', python, '--stock', stock_python, 'x')
    assert 'cannot run /nowhere/python: No such file' in error('--fork', '/nowhere/python', '--stock', stock_python)
    assert 'is not the fork' in error('--fork', stock_python, '--stock', stock_python)
    assert 'is the fork' in error('--fork', python, '--stock', python)
    assert 'does not say what it is' in error('--fork', '/bin/true', '--stock', stock_python)


def test_archive_must_be_the_one_that_is_known(clients, tmp_path):
    client = clients.load()['coverage']
    bench = clients.Bench(tmp_path, {}, 1, print)
    bench.sdists.mkdir()
    (bench.sdists / f'coverage-{client.version}.tar.gz').write_text('another')
    with pytest.raises(clients.Trouble, match='has the checksum .*; delete the file, or correct the checksum'):
        bench.archive(client, None)


def test_make_passes_the_names_on(ready):
    ready.make()
    ready.make('stock')
    for where in 'release', 'stock':
        ready.write(f'build/{where}/python', PYTHON)
    ready.make('test-clients', 'CLIENTS=coverage hunter')
    (call,) = ready.read('build/stock/calls').splitlines()
    assert call == ('qa/clients/clients.py --fork build/release/python --stock build/stock/python '
                    '--report build/release/test-clients.report coverage hunter')
