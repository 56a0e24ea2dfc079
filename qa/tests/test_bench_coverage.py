"""qa.bench.coverages: what it runs, its results, and bad input. No test depends on speed or fetches a package."""

import copy
import hashlib
import io
import json
import subprocess
import sys
import tarfile

import pytest

from qa.bench import coverages
from qa.process import Trouble


def samples(without, *ratios):
    """Two rounds of each tool, (processor, wall-clock) seconds; the second one is equally slower for all."""
    names = 'without', 'condcov, first run', 'condcov', 'condcov --counts', 'coverage.py', 'SlipCover'
    return {name: [(without * ratio, without), (without * ratio * 3, without)]
            for name, ratio in zip(names, (1, *ratios))}


@pytest.fixture
def data():
    return copy.deepcopy({
        'format': 'coverages-1', 'date': '2026-01-02', 'rounds': 2, 'fast': False, 'packages': {'toolz': '1.2.0'},
        'machine': {'cpu': 'CPU', 'cores': 2, 'pinned_to': 1, 'kernel': 'Linux 1', 'load': 0.5},
        'interpreter': {'commit': 'abc', 'compiler': 'GCC 1', 'debug': False,
                        'config_args': "'--enable-optimizations' '--with-lto'"}, 'versions': {'condcov': '0.1', 'coverage.py': '7'},
        'samples': {'sudoku': samples(1.0, 1.3, 1.1, 1.2, 5.0, 1.05), 'toolz': samples(2.0, 3.0, 2.4, 2.6, 2.4, 3.0),
                    'parser': samples(1.0, 2.8, 2.51, 2.6, 4.0, 1.1), 'start-up': samples(0.01, 12, 10, 10, 9, 8)},
        'lines': {'sudoku': {'condcov, first run': 79, 'condcov': 79, 'condcov --counts': 79, 'coverage.py': 81, 'SlipCover': 81}},
    })


def test_judging(data):
    coverages.evaluate(data)
    verdicts = {name: (row.get('met'), row.get('aim_met')) for name, row in data['rows'].items()}
    assert verdicts == {
        'sudoku': (True, True),
        'toolz': (False, False),        # as slow as coverage.py
        'parser': (False, False),       # slower than it must be
        'start-up': (None, None),
    }
    assert data['rows']['sudoku']['cpu']['condcov']['mad'] < 1e-9      # each round has the same ratio
    assert round(data['mean']['cpu']['condcov'], 6) == round((1.1 * 2.4 * 2.51) ** (1 / 3), 6)
    assert data['mean']['wall']['condcov'] == 1


def test_table(data):
    coverages.evaluate(data)
    lines = list(coverages.table(data))
    assert not any('NOTE' in line for line in lines)
    found = next(line for line in lines if line.startswith('sudoku '))
    assert found.split() == 'sudoku 2.00 s 1.30 ±0.00 1.10 ±0.00 1.20 ±0.00 5.00 ±0.00 1.05 ±0.00 yes yes'.split()
    assert next(line for line in lines if line.startswith('toolz 1.2.0')).split()[-2:] == ['NO', 'no']
    assert next(line for line in lines if line.startswith('an empty')).split()[-4:] == ['180', 'ms', '160', 'ms']
    data['machine']['load'] = 9.0
    assert 'Wall-clock time likewise; unreliable, because the machine was busy (load 9.0)' in coverages.table(data)


def test_page(data):
    coverages.evaluate(data)
    text = '\n'.join(coverages.page(data))
    assert '@' not in text and '   * - sudoku\n     - 2.00 s\n     - 1.30 ±0.00\n     - 1.10 ±0.00\n' in text
    assert '- yes\n' not in text and 'all-clock' not in text       # what the targets say is in qa/reports


def test_stock_has_a_table_of_its_own(data):
    names = 'without', 'condcov', 'condcov, in Python', 'coverage.py', 'coverage.py, sysmon', 'SlipCover'
    stock = {name: dict(zip(names, samples(*ratios).values()))
             for name, ratios in {'sudoku': (1.0, 1.2, 2.0, 5.0, 1.5, 1.1), 'toolz': (0.3, 2.5, 3.0, 2.0, 2.0, 3.0),
                                  'start-up': (0.01, 10, 10, 9, 9, 8)}.items()}
    data['stock'] = {'interpreter': {'version': '3.13.0'}, 'packages': data['packages'], 'samples': stock,
                     'lines': {'sudoku': dict.fromkeys(names[1:], 80)}}
    coverages.evaluate(data)
    assert data['rows']['sudoku']['aim_met']
    lines = list(coverages.table(data))
    start = lines.index('Stock CPython 3.13.0: processor time, ratio likewise')
    found = {line.split('  ')[0]: line.split() for line in lines[start:]}
    assert found['sudoku'][1:] == '2.00 s 1.20 ±0.00 2.00 ±0.00 5.00 ±0.00 1.50 ±0.00 1.10 ±0.00 yes'.split()
    assert found['toolz 1.2.0, tests'][-1] == 'NO'
    assert 'geometric mean of condcov: must: ≤ 2.0 yes; aim: ≤ 1.3 no' in lines
    text = '\n'.join(coverages.page(data))
    assert 'On stock CPython 3.13.0, in the same rounds:' in text and '     - condcov, in Python\n' in text


# --- Running ----------------------------------------------------------------------------

SETTINGS = {'programs': {'sudoku': 3}, 'packages': {}}


@pytest.fixture
def runner(tmp_path):
    return coverages.Runner(tmp_path, str(tmp_path / 'python'))


def work(tmp_path):
    (found,) = coverages.works(SETTINGS, ['sudoku'], tmp_path, False, print)
    return found


def test_a_run(runner, pretend, tmp_path, monkeypatch):
    monkeypatch.setenv('PYTHONPATH', '/of/the/user')
    monkeypatch.setenv('COVERAGE_FILE', '/of/the/user')
    pretend(f'echo "$PYTHONPATH$COVERAGE_FILE $PYTHONHASHSEED $*" >>{tmp_path}/calls; echo result')
    cpu, wall = runner.run(work(tmp_path), 'without', 7)
    assert 0 <= cpu and 0 < wall < 60
    (call,) = (tmp_path / 'calls').read_text().splitlines()
    assert call.startswith(' 7 ') and call.endswith('/qa/bench/repeat.py sudoku 3')


def test_the_ways_to_record_are_chosen_by_variables(runner, pretend, tmp_path, monkeypatch):
    pretend(f'echo "$CONDCOV_CORE/$COVERAGE_CORE" >>{tmp_path}/calls; echo result\n'
            'for word; do case $word in */data) echo > "${word#*=}" ;; esac; done')
    runner.tools = {name: (before, count and (lambda data: 5))
                    for name, (before, count) in coverages.STOCK_TOOLS.items()}
    monkeypatch.setenv('CONDCOV_CORE', 'c')
    runner.round([work(tmp_path)], 0)
    assert (tmp_path / 'calls').read_text().split() == ['/ctrace', '/ctrace', 'python/ctrace', '/ctrace', '/sysmon',
                                                        '/ctrace']


def test_a_first_run_finds_no_plans(runner, pretend, tmp_path, monkeypatch):
    pretend(f'ls {tmp_path}/pycache >>{tmp_path}/calls; echo result; touch {tmp_path}/pycache/x.condcov\n'
            'for word; do case $word in */data) echo > "${word#*=}" ;; esac; done')
    monkeypatch.setattr(coverages, 'TOOLS', {name: (before, count and (lambda data: 5))
                                             for name, (before, count) in coverages.TOOLS.items()})
    (tmp_path / 'pycache').mkdir()
    (tmp_path / 'pycache/x.pyc').touch()
    for tool in 'condcov', 'condcov, first run', 'condcov':
        runner.run(work(tmp_path), tool)
    assert (tmp_path / 'calls').read_text().split() == ['x.pyc', 'x.pyc', 'x.condcov', 'x.pyc']


def test_each_tool_measures_the_same_program(runner, pretend, tmp_path, monkeypatch):
    pretend(f'echo "$*" >>{tmp_path}/calls; echo result\n'
            'for word; do case $word in */data) echo > "${word#*=}" ;; esac; done')
    monkeypatch.setattr(coverages, 'TOOLS', {name: (before, count and (lambda data: 5))
                                             for name, (before, count) in coverages.TOOLS.items()})
    runner.round([work(tmp_path)], 0)
    calls = (tmp_path / 'calls').read_text().splitlines()
    words = [call.partition(' run ')[0] if ' run ' in call else ' '.join(call.split()[:3]) for call in calls]
    assert words[1:] == ['-m condcov', '-m condcov', '-m condcov', '-m coverage', '-m slipcover --branch']
    assert '--counts' in calls[3] and '--branch' in calls[4]
    assert all('qa/bench/programs' in call for call in calls[1:])
    assert set(runner.lines['sudoku'].values()) == {5}
    assert [len(rounds) for rounds in runner.samples['sudoku'].values()] == [1] * 6


def test_what_is_no_measurement(runner, pretend, tmp_path, monkeypatch):
    one = work(tmp_path)
    pretend('echo result')
    runner.run(one, 'without')
    with pytest.raises(Trouble, match='^coverage.py has recorded nothing of sudoku'):
        runner.run(one, 'coverage.py')
    pretend('echo other')
    with pytest.raises(Trouble, match="^sudoku under condcov has another result: 'other', not 'result'"):
        runner.run(one, 'condcov')
    pretend('sleep 60 & sleep 60')
    monkeypatch.setattr(coverages, 'LIMIT', 0.2)
    with pytest.raises(Trouble, match='sudoku under condcov: stopped after 0.2 s'):
        runner.run(one, 'condcov')
    monkeypatch.undo()
    pretend('echo no memory >&2; exit 3')
    with pytest.raises(Trouble, match='^sudoku under condcov: exit status 3: no memory'):
        runner.run(one, 'condcov')


def test_slipcover_without_branches(tmp_path):
    file = tmp_path / 'data'
    file.write_text(json.dumps({'files': {'a.py': {'executed_lines': [1, 2], 'executed_branches': []}}}))
    assert coverages.slipcover_lines(file) == 2
    file.write_text(json.dumps({'files': {'a.py': {'executed_lines': [1, 2]}}}))
    with pytest.raises(Trouble, match='no branches'):
        coverages.slipcover_lines(file)


def test_a_result_of_tests_has_no_time(tmp_path):
    suite = coverages.Work('x', [], tmp_path, tmp_path, tests=True)
    assert suite.outcome('..\n3 passed, 1 skipped in 2.14s\n') == suite.outcome('...\n3 passed, 1 skipped in 1.0s\n')
    with pytest.raises(Trouble, match='x: the tests have no result: killed'):
        suite.outcome('..\nkilled\n')


def test_fast_programs_are_shorter(tmp_path):
    (one,) = coverages.works(SETTINGS, ['sudoku'], tmp_path, True, print)
    assert one.arguments[1:] == ['sudoku', '1']


def test_repeat_prints_the_result(root):
    done = subprocess.run([sys.executable, root / 'qa/bench/repeat.py', 'sudoku', '2'], stdout=subprocess.PIPE,
                          text=True)
    assert done.stdout == "['417369825', '483921657']\n"


def test_packages_are_those_with_the_checksum(tmp_path):
    about = {'version': '1', 'sdist': '0', 'folder': 'src', 'source': 'src/pack', 'tests': ['tests']}
    (tmp_path / 'sdists').mkdir()
    archive = tmp_path / 'sdists/pack-1.tar.gz'
    with tarfile.open(archive, 'w:gz') as tar:
        tar.addfile(tarfile.TarInfo('pack-1/src/pack/__init__.py'), io.BytesIO())
    with pytest.raises(Trouble, match='has the checksum .*; delete the file, or correct the checksum'):
        coverages.package('pack', about, tmp_path, print)
    about['sdist'] = hashlib.sha256(archive.read_bytes()).hexdigest()
    found = coverages.package('pack', about, tmp_path, print)
    assert (found.source / '__init__.py').exists() and found.path == tmp_path / 'pack-1/src' and found.tests


# --- Bad input --------------------------------------------------------------------------

def test_what_cannot_be_measured(error, tmp_path):
    assert 'no processor 4711' in error('qa.bench.coverages', '--folder', tmp_path, '--cpu', 4711)
    with pytest.raises(Trouble, match='no program or package x; there are sudoku, start-up'):
        coverages.works(SETTINGS, ['x'], tmp_path, False, print)
