"""python -m qa.compare clients: how results are compared and shown, and bad input. No package is fetched."""

import json
import subprocess
import sys

import pytest

from qa import process
from qa.compare import clients
from qa.compare.judge import Item, Judgement, Outcome, Result
from qa.process import Trouble

P, F, S = 'passed', 'failed', 'skipped'


@pytest.mark.parametrize('fork, stock, column', [
    ([P], [P], 'passed'), ([F], [F], 'both'), ([S], [S], 'skipped'),
    ([F, F, F], [P, P, P], 'fork'), ([P, P, P], [F, F, F], 'stock'),
    # the same if both passed once, or neither did
    ([F, P], [P, P], 'passed'), ([P, P, P], [F, F, P], 'passed'), ([F, P], [P, F], 'passed'),
    ([F, F, F], [F, P, P], 'fork'),
    # a skip is not a failure, and a test that did not run is not a success
    ([F], [S], 'fork'), ([S], [F], 'stock'), ([S], [P], 'fork'),
    ([], [P], 'fork'), ([P], [], 'stock'), ([], [F], 'stock'), ([F, S], [S, F], 'both'),
])
def test_judging(fork, stock, column):
    item = Item('hunter', 't', False, {'fork': outcomes(fork), 'stock': outcomes(stock)})
    assert clients.column_of(item) == column


def test_recorders(python):
    """They run on one of the sides, which use the same virtual environment."""
    bed = clients.TestBed(clients.HERE, dict.fromkeys(clients.WITH_RECORDERS, python), 1, print)
    client = clients.Client('hunter', 'a tracer', ['tests'])
    program = f"""import site, sys; site.addsitedir({str(clients.HERE)!r})
recorders = sys.modules.get('recorders')
import flightrecorder; print(flightrecorder.is_running(), bool(recorders and recorders.edges.edges()))"""
    assert [process.ask('', python, '-c', program, env=bed.environment(client, side, python)).strip()
            for side in bed.pythons] == ['True True', 'False False']
    item = Item('hunter', 't', False, {'recorded': outcomes([F]), 'fork': outcomes([P])})
    assert clients.column_of(item) == 'recorded'
    text = clients.report([], [], {}, clients.WITH_RECORDERS)
    assert 'with and without recorders' in text and 'recorded only  fork only' in text


def outcomes(words):
    return [Outcome(word) for word in words] or [Outcome('absent')]


def judged(fork, stock, name='hunter'):
    """A client, and the Judgement on the outcomes of each attempt."""
    def of_side(side, words):
        tests = {test: Outcome(word, f'{side} says no' if word == F else '') for test, word in words.items()}
        return {name: Result(Outcome('passed'), tests, frozenset(tests))}
    return clients.Client(name, 'a tracer', ['tests']), Judgement(
        [{'fork': of_side('fork', one), 'stock': of_side('stock', other)} for one, other in zip(fork, stock)])


def test_report():
    text = clients.report([judged([{'a': P, 'b': F, 'c': P, 'd': S, 'e': F}, {'c': P, 'e': P}],
                                  [{'a': P, 'b': F, 'c': F, 'd': S, 'e': P}, {'c': F, 'e': P}]),
                           judged([{'t::a': F}], [{'t::a': S}], name='coverage')], ['a line'], {'fork': '3.11.2 x'})
    hunter, coverage = ([line.split()[2:] for line in text.splitlines() if line.startswith(f'{name} ')]
                        for name in ('hunter', 'coverage'))
    assert hunter == ['5 2 1 1 0 1 1'.split()] and coverage == ['1 0 0 0 1 0 0'.split()]
    assert max(map(len, text.splitlines())) <= 100 and 'fork          3.11.2 x\n' in text and '\n  a line\n' in text
    text = ' '.join(text.split())
    assert ('hunter Differences: hunter: c fork: passed x2 stock: failed x2 stock says no '
            'Flaky, but the same after retries: hunter: e fork: failed, passed fork says no stock: passed x2 '
            'Fails on both sides: hunter: b (failed, no result): fork says no') in text
    assert 'coverage Differences: coverage: t::a fork: failed fork says no stock: skipped' in text


@pytest.mark.slow
def test_outcomes_of_a_real_run(root, tmp_path):
    """The plugin's output for each kind of test, and for a run that dies."""
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
        subprocess.run([sys.executable, '-m', 'pytest', '-p', 'outcomes_plugin', '--outcomes', file, '-p', 'no:cacheprovider',
                        *options], cwd=tmp_path,
                       env={'PYTHONPATH': str(root / 'qa/clients')}, stdout=subprocess.DEVNULL)
        outcomes = clients.read(file)
        return ({test: outcome.word for test, outcome in outcomes.items()},
                {test: outcome.why for test, outcome in outcomes.items()})
    found, why = pytest_run('test_x.py')
    assert found == {f'test_x.py::test_{name}': outcome for name, outcome in {
        'good': P, 'bad': F, 'teardown': F, 'skipped': S, 'expected': S, 'word[a b]': P, 'word[a::b]': P,
        'dies': F}.items()}
    assert why['test_x.py::test_bad'] == 'AssertionError: no sum'
    assert why['test_x.py::test_teardown'] == 'ValueError: on the way out'
    assert why['test_x.py::test_dies'] == 'did not finish'
    found, why = pytest_run('test_y.py')
    assert found == {'test_y.py': F} and 'nothing_of_this_name' in why['test_y.py']
    (tmp_path / 'only').write_text('test_x.py::test_good\ntest_x.py::test_word[a::b]\ntest_x.py::not_there')
    found, _ = pytest_run('--only', tmp_path / 'only', 'test_x.py')
    assert found == {'test_x.py::test_good': P, 'test_x.py::test_word[a::b]': P}


def test_no_value_of_an_option_passes_for_a_test(tmp_path):
    # A worker of pytest-xdist looks for the package's configuration next to what it takes for tests.
    bench = object.__new__(clients.TestBed)
    bench.work, bench.jobs = tmp_path, 2
    client = clients.Client('hunter', 'a tracer', ['tests'], deselect={'test_net': 'needs the network'})
    options = bench.command(client, 'python', tmp_path / 'outcomes', ['a', 'b'])[3:]
    values = [word for before, word in zip([''] + options, options) if not word.startswith('-') and before not in ('-p', '-o')]
    assert not values and f'--outcomes={tmp_path}/outcomes' in options
    # nor is the configuration of this repository that of tests in its build folder
    assert f'-c{tmp_path}/empty.ini' in options


def test_file_that_is_cut_off(tmp_path):
    (tmp_path / 'x').write_text(json.dumps({'test': 'a', 'outcome': P, 'why': ''}) + '\n{"test": "b", "outc')
    assert clients.read(tmp_path / 'x') == {'a': Outcome(P)}
    assert clients.read(tmp_path / 'none') == {}


def test_how_a_program_ended(tmp_path):
    def ended(program, limit=60):
        with open(tmp_path / 'log', 'w') as file:
            return process.run([sys.executable, '-c', program], file, limit)
    assert [str(ended(f'raise SystemExit({status})')) for status in (0, 3)] == ['exit status 0', 'exit status 3']
    assert str(ended('import os; os.abort()')) == 'killed by SIGABRT'
    assert ended('import time; time.sleep(60)', 0.5).status is None
    begun = ended('import subprocess, sys; subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])')
    assert begun.status == 0 and begun.wall < 60


def test_the_list_of_clients():
    """Every client has a version and tests, with a checksum if they are fetched."""
    known = clients.load()
    assert {client.package for client in known.values()} == {'coverage', 'hunter', 'greenlet', 'pytest', 'debugpy'}
    for client in known.values():
        assert client.version and client.tests
        assert bool(client.sdist) + bool(client.ours) + client.installed == 1
        assert all((clients.HERE / name).exists() for name in client.ours)
        pins = client.requirements.read_text().splitlines()
        assert pins[0] == '--only-binary :all:' and all('==' in pin for pin in pins[1:])


def test_choosing():
    known = clients.load()

    def names(*chosen):
        return [client.name for client in clients.choose(known, chosen)]
    assert names() == list(known)
    assert names('hunter') == ['hunter', 'hunter-pure']
    assert names('hunter-pure', 'coverage') == ['coverage', 'hunter-pure']
    with pytest.raises(Trouble, match="CLIENTS has 'huntre', which is not one of: coverage hunter "):
        clients.choose(known, ['huntre'])


def test_bad_input(error, tmp_path, python, stock_python):
    def message(fork, stock, *names):
        return error('qa.compare', 'clients', '--report', tmp_path / 'r.txt', '--fork', fork, '--stock', stock, *names,
                     status=2)
    assert "CLIENTS has 'x'" in message(python, stock_python, 'x')
    assert 'cannot run /nowhere/python: No such file' in message('/nowhere/python', stock_python)
    assert 'is not the fork' in message(stock_python, stock_python)
    assert 'is the fork' in message(python, python)
    assert 'cannot determine the version of /bin/true' in message('/bin/true', stock_python)


def test_archive_must_be_the_one_that_is_known(tmp_path):
    client = clients.load()['coverage']
    bench = clients.TestBed(tmp_path, {}, 1, print)
    bench.sdists.mkdir()
    (bench.sdists / f'coverage-{client.version}.tar.gz').write_text('another')
    with pytest.raises(Trouble, match='has the checksum .*; delete the file, or correct the checksum'):
        bench.archive(client, None)
