"""condcov records the same lines and branches of real packages as coverage.py, and the gaps that it reports are real.

The tests fetch source distributions and run only if the environment variable CONDCOV_PACKAGES is set, as by make
test-condcov-packages: to names of packages, as in "h11 toolz", or to "all". If CONDCOV_INTERPRETER is set too, to an
interpreter that has pytest and condcov, they compare the outcomes of the tests of other packages there instead, with and
without condcov.
"""

import collections
import dataclasses
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

from qa import ROOT
from qa.compare import packages, probe_plugin

# The tests of starlette and of jinja2 run coroutines with trio, too.
TRIO = ['trio==0.35.0', 'idna==3.20', 'outcome==1.3.0.post0', 'sniffio==1.3.1']

JOBLIB = ('disk', 'func_inspect', 'func_inspect_special_encoding', 'hashing', 'logger', 'memory', 'memory_async',
          'numpy_pickle', 'numpy_pickle_utils', 'utils')
NETWORKX = 'components', 'traversal', 'shortest_paths', 'tree', 'operators', 'coloring'


def package(name, version, about, source, tests, path, sdist, **options):
    """A Package whose modules are in the folder `path`."""
    return packages.Package(name, about, tests, version=version, sdist=sdist, source=source,
                            env={'PYTHONPATH': path, 'PYTHONHASHSEED': '0'}, **options)


PACKAGES = {each.name: each for each in (
    package('toolz', '1.2.0', 'functions of functions', ['toolz', 'tlz'], ['toolz', 'tlz'], '{folder}',
            '9667a038e9d6ecba37995e26cb2f59ec6420b6ad8dd9677de59db9b956b08490'),
    package('h11', '0.16.0', 'a protocol as state machines', ['h11'], ['h11'], '{folder}',
            '4e35b956cf45792e4caa5885e69fba00bdbc6ffafbfa020300e549b208ee5ff1'),
    package('cachetools', '8.0.1', 'decorators, locks and threads', ['src', 'tests'], ['tests'], '{folder}/src',
            'deb1d376d4d28c2f33f3e3058043b005e0af75c35c094bd54053e27d2906ad95'),
    package('pluggy', '1.7.0', 'generators that wrap calls, exceptions', ['src', 'testing'], ['testing'],
            '{folder}/src', 'd1eaa46ebb595891b860ab086b4d09c8588af65ebd4361b8e8f4bb8920b90ba8'),
    package('sqlparse', '0.6.1', 'a lexer and filters, generators in a row', ['sqlparse', 'tests'], ['tests'],
            '{folder}', 'ca722573f848ff2d30e40ea30f53a104b7dea7635ea9285891263eb2c58fb6e7'),
    package('tomlkit', '0.15.2', 'a parser, long conditions', ['tomlkit', 'tests'], ['tests'], '{folder}',
            '83e32755ba1d20d9340bd069ee97e9f6232ba2346b63ffcba425de01f7e327a6'),
    package('boltons', '26.2.0', 'many small utilities', ['boltons', 'tests'], ['tests'], '{folder}',
            'd39cfd15c1a1c3bd4d705c82252fa9edb8e4f5e8cc039f8e39afac7b1b47e92c'),
    package('click', '8.5.1', 'decorators, terminals, processes', ['src', 'tests'], ['tests'], '{folder}/src',
            '9bbfada76703fd1d784b83eea012e3e8c6a001a876543ef104fa56aaaeb072b4', options=['-m', 'not stress']),
    # Not the folder of its tests: coverage.py fails at the templates in it.
    package('jinja2', '3.1.6', 'a compiler of templates to functions, coroutines', ['src'], ['tests'], '{folder}/src',
            '0137fb05990d35f1275a587e9aee6d56da821fc83491a0fb838183be43f66d6d', needs=TRIO,
            deselect={'tests/test_api.py::TestStreaming::test_buffered_streaming':
                      'leaves a generator that is closed by the garbage collector, at any time'}),
    package('marshmallow', '4.4.0', 'metaclasses, hooks by decorators', ['src', 'tests'], ['tests'], '{folder}/src',
            '9e6ffa8511012ca89732324c1c253efd7b4d35632dcbdf80aa793fe01804af3e', needs=['simplejson==4.3.0']),
    # It turns warnings into errors, also those of pytest about classes with names like TestSuite.
    package('markdown', '3.11.3', 'a parser that changes a tree', ['markdown', 'tests'], ['tests'], '{folder}',
            '81eb91631dc97ad1efbc76019ef0f80fe90ca49ddf81546752d79989c3bfff3e', needs=['PyYAML==6.0.4'],
            options=['-o', 'python_classes=']),
    package('flask', '3.1.3', 'contexts, signals, generators that keep a context', ['src', 'tests'], ['tests'],
            '{folder}/src', '0ef0e52b8a9cd932855379197dd8f94047b359ca0a78695144304cb45f87c9eb',
            needs=['asgiref==3.13.0', 'blinker==1.9.0', 'itsdangerous==2.2.0', 'python-dotenv==1.2.4',
                   'werkzeug==3.1.9', 'pytest==9.0.3'],       # imports a name that later pytests do not have
            deselect={'tests/test_cli.py::test_get_version': 'needs flask to be installed',
                      'tests/test_reqctx.py::test_bad_environ_raises_bad_request': 'fails with this werkzeug'}),
    package('starlette', '1.10.0', 'coroutines, threads, middleware', ['starlette', 'tests'], ['tests'], '{folder}',
            'b8399098d4c1e3522734f7235dc79b1fc967f96cf139c81e0fa30479e0685f9b',
            needs=[*TRIO, 'anyio==4.16.0', 'backports.zstd==1.8.0', 'certifi==2026.10.19.post1', 'h11==0.16.0',
                   'httpcore==1.0.9', 'httpcore2==2.16.2', 'httpx==0.28.1', 'httpx2==2.16.2',
                   'importlib-metadata==10.2.0', 'itsdangerous==2.2.0', 'lazy-importer==0.1.0',
                   'opentelemetry-api==1.45.2', 'opentelemetry-sdk==1.45.2',
                   'opentelemetry-semantic-conventions==0.66b2', 'python-multipart==0.0.34', 'PyYAML==6.0.4',
                   'truststore==0.10.5', 'zipp==4.1.2'],
            deselect={'tests/test_staticfiles.py::test_staticfiles_with_invalid_dir_permissions_returns_401':
                      'fails if root runs it'}),
    # A part of its tests, and the folders that they test: all take several minutes.
    package('networkx', '3.6.1', 'algorithms: nested loops, generators',
            [f'networkx/algorithms/{name}' for name in NETWORKX], [f'networkx/algorithms/{name}' for name in NETWORKX],
            '{folder}', '26b7c357accc0c8cde558ad486283728b65b6a95d85ee1cd66bafab4c8168509'),
    # Not the tests that start processes: condcov records these, coverage.py does not.
    package('joblib', '1.6.0', 'a cache on disk, pickles of its own, warnings', ['joblib'],
            [f'joblib/test/test_{name}.py' for name in JOBLIB], '{folder}',
            '2ccc96785b12046c08fd6d55839c12857831b54a3c1673ffadd2f04bfc4eda03',
            needs=['cloudpickle==3.1.3', 'pytest-asyncio==1.5.0'],
            options=['-k', 'not jupyter and not race_condition and not consistency']),
)}
# Those whose tests have the same outcomes with condcov and without.
OTHERS = {each.name: each for each in (
    package('more-itertools', '11.2.1', 'generators', ['more_itertools'], ['tests'], '{folder}',
            'cbf08fd0af284dc69718b9b76a8e6203df624d70209ea511e4219d350c856f63'),
    package('attrs', '26.1.0', 'compiled source, decorators', ['attr'], ['tests'], '{folder}/src',
            'd03ceb89cb322a8fd706d4fb91940737b6642aa36998fe130a9bc96c985eff32'),
    package('pyparsing', '3.3.3', 'a parser that inspects functions, recursion', ['pyparsing'], ['tests'], '{folder}',
            '928ae7e20211f3b6f3915a72f06a0cfd29ab9d24279dd6346b6b1a7146397d36',
            options=['--ignore=tests/test_diagram.py']),        # needs another package
    package('idna', '3.20', 'a codec, tables', ['idna'], ['tests'], '{folder}',
            'a7db850025b95ded1eae8a46181a1a6c56c92c96f0e2b005d9ff8dc0210cab44'),
    package('parso', '0.8.7', 'a parser of Python, recursion', ['parso'], ['test'], '{folder}',
            'eaaac4c9fdd5e9e8852dc778d2d7405897ec510f2a298071453e5e3a07914bb1'),
    package('pathspec', '1.1.1', 'regular expressions, folders', ['pathspec'], ['tests'], '{folder}',
            '17db5ecd524104a120e173814c90367a96a98d07c45b2e10c2f3919fff91bf5a'),
)}
INTERPRETER = os.environ.get('CONDCOV_INTERPRETER')
NAMES = os.environ.get('CONDCOV_PACKAGES', '').split()
KNOWN = OTHERS if INTERPRETER else PACKAGES
CHOSEN = [name for name in KNOWN if {name, 'all'} & set(NAMES)]

# What only one of the tools records: {package: {(file, kind, line or arc, tool that records it): reason}}.
DIFFERENCES = {}


@pytest.fixture(scope='session')
def bench():
    """The packages.TestBed, in build/, where downloads are kept."""
    return packages.TestBed(ROOT / 'build/condcov-packages')


@pytest.fixture(scope='session')
def recorded(bench):
    """A function from the name of a package to what condcov Recorded; each package runs only once."""
    runs = {}

    def record(name):
        if name not in runs:
            runs[name] = bench.record(PACKAGES[name], 'condcov')
        return runs[name]
    return record


def test_chosen_packages_are_known():
    for name in NAMES:
        if name not in {*KNOWN, 'all'}:
            pytest.fail(f'PACKAGES has {name!r}, which is not one of: {" ".join(KNOWN)}', pytrace=False)


def test_environment_of_the_tests(bench, monkeypatch):
    monkeypatch.setenv('CONDCOV_FILE', 'other')
    environment = bench.environment(PACKAGES['toolz'], Path(sys.executable))
    assert 'CONDCOV_FILE' not in environment and environment['PYTHONPATH'].endswith('toolz')


def test_what_a_package_needs_is_installed_once(tmp_path, monkeypatch):
    bed, commands = packages.TestBed(tmp_path), []

    def ask(trouble, *command):
        commands.append(command)
        Path(command[command.index('--target') + 1]).mkdir(parents=True)

    monkeypatch.setattr(packages.process, 'ask', ask)
    for _ in range(2):
        path = bed.environment(PACKAGES['marshmallow'], Path(sys.executable))['PYTHONPATH']
        assert path == f'{tmp_path}/work/marshmallow/src{os.pathsep}{tmp_path}/needs/marshmallow'
    assert [command[-1] for command in commands] == ['simplejson==4.3.0']
    assert bed.needed(dataclasses.replace(PACKAGES['marshmallow'], needs=['other==1']), sys.executable)
    assert [command[-1] for command in commands] == ['simplejson==4.3.0', 'other==1']


def test_what_is_a_difference():
    theirs = packages.Recorded({'a.py': {'executed': {1, 2}, 'missing': {3}, 'taken': {(1, 2)}, 'untaken': {(1, 3)}}})
    assert packages.differences(theirs, theirs) == set()
    ours = packages.Recorded({'a.py': theirs['a.py'] | {'executed': {1, 3}, 'untaken': set()}, 'b.py': theirs['a.py']})
    assert packages.differences(ours, theirs) == {
        ('a.py', 'executed', 3, 'condcov'), ('a.py', 'executed', 2, 'coverage'),
        ('a.py', 'untaken', (1, 3), 'coverage'), ('b.py', 'executed', 1, 'condcov'),
        ('b.py', 'executed', 2, 'condcov'), ('b.py', 'missing', 3, 'condcov'), ('b.py', 'taken', (1, 2), 'condcov'),
        ('b.py', 'untaken', (1, 3), 'condcov')}


@pytest.mark.parametrize('name', CHOSEN if INTERPRETER else [])
def test_outcomes_are_the_same_with_condcov(name, bench):
    python = Path(INTERPRETER)
    alone, recorded = (bench.outcomes(OTHERS[name], python, tool) for tool in (None, 'condcov'))
    counts = collections.Counter(outcome for outcomes in alone.values() for outcome in outcomes)
    print(f'{name}: {len(alone)} tests: ' + ', '.join(f'{count} {outcome}' for outcome, count in counts.items()))
    assert counts['passed'] > 50
    assert {test: (outcomes, recorded.get(test)) for test, outcomes in alone.items()
            if recorded.get(test) != outcomes} == {} and recorded.keys() == alone.keys()


@pytest.mark.parametrize('name', [] if INTERPRETER else CHOSEN)
def test_lines_and_branches_are_those_of_coverage(name, bench, recorded):
    ours, theirs = recorded(name), bench.record(PACKAGES[name], 'coverage')
    assert ours.tests == theirs.tests
    for kind in 'executed', 'taken':        # all may be: the tests of starlette take every branch
        assert sum(len(file[kind]) for file in theirs.values()) > 0
    print(f'{name}: {ours.tests}; ' + ', '.join(
        f'{kind}: {sum(len(file[kind]) for file in ours.values())}' for kind in packages.KINDS))
    assert packages.differences(ours, theirs) == set(DIFFERENCES.get(name, ()))


def gap(package, place, sentence, before, after, missing):
    """A gap of the report.

    place       FILE:LINE
    sentence    the sentence in the report
    before      source text in the line, or from the line on
    after       the same text with seen() or items() of probe_plugin.py
    missing     the outcome that, according to the report, does not occur
    """
    return types.SimpleNamespace(**locals())


# condcov/docs/ten-gaps.rst describes them.
GAPS = [
    gap('h11', 'h11/_connection.py:118',
        '`200 <= event.status_code` was never false while `event.status_code in (204, 304)` and '
        '`request_method == b"HEAD"` were false and `request_method == b"CONNECT"` was true',
        '200 <= event.status_code < 300', 'seen(200 <= event.status_code) and event.status_code < 300', False),
    gap('h11', 'h11/_events.py:207', '`100 <= self.status_code` was never false',
        '100 <= self.status_code < 200', 'seen(100 <= self.status_code) and self.status_code < 200', False),
    gap('h11', 'h11/_events.py:248', '`self.status_code < 1000` was never false while `200 <= self.status_code` was true',
        '200 <= self.status_code < 1000', '200 <= self.status_code and seen(self.status_code < 1000)', False),
    gap('h11', 'h11/_readers.py:106', '`matches["http_version"] is None` was never true',
        'matches["http_version"] is None', 'seen(matches["http_version"] is None)', True),
    gap('tomlkit', 'tomlkit/container.py:101', '`aot.trivia.trail` was never true',
        'aot.trivia.trail or', 'seen(aot.trivia.trail) or', True),
    gap('tomlkit', 'tomlkit/container.py:1088', '`isinstance(v, tuple)` was never true',
        'isinstance(v, tuple)', 'seen(isinstance(v, tuple))', True),
    gap('tomlkit', 'tomlkit/items.py:222', 'the loop `encoder in CUSTOM_ENCODERS` was never exhausted',
        'in CUSTOM_ENCODERS:', 'in items(CUSTOM_ENCODERS):', False),
    gap('tomlkit', 'tomlkit/items.py:1568',
        '`"\\r" in comment` was never true while `comment` was true and `"\\n" in comment` was false',
        '"\\r" in comment', 'seen("\\r" in comment)', True),
    gap('tomlkit', 'tomlkit/parser.py:190',
        '`key.is_multi()` was never shown to affect the outcome independently: '
        'it was never false while `key is not None` and '
        '`self._merge_ws(value, body)` were true',
        'not self._merge_ws(value, body)', 'not seen(self._merge_ws(value, body), key is not None)', True),
    gap('tomlkit', 'tomlkit/container.py:653',
        '`isinstance(item, (AoT, Table))` was never shown to affect the outcome independently: it was never false while '
        '`isinstance(previous_item, Whitespace)`, `ends_with_whitespace(previous_item)` and '
        '`"\\n" in previous_item.trivia.trail` were false',
        'or "\\n" in previous_item.trivia.trail', 'or seen("\\n" in previous_item.trivia.trail)', False),
]


def test_there_are_ten_gaps_of_packages_that_are_compared():
    assert len({each.place for each in GAPS}) == 10 and {each.package for each in GAPS} <= set(PACKAGES)
    told = ' '.join((ROOT / 'condcov/docs/ten-gaps.rst').read_text('utf-8').split())
    for each in GAPS:
        assert f'``{each.place}``' in told and each.sentence.replace('`', '``') in told, each.place


@pytest.mark.parametrize('each', [each for each in GAPS if each.package in CHOSEN and not INTERPRETER], ids=lambda each: getattr(each, 'place', None))
def test_gap_is_one(each, bench, recorded):
    """If the missing case ends the process, the tests pass; if the opposite case ends it, they do not."""
    package = PACKAGES[each.package]
    file, line = each.place.split(':')
    plain = recorded(each.package)
    assert each.sentence in plain.gaps[file, int(line)]

    def tests_with(case):
        folder = bench.lay_out(package, sys.executable, bench.archive(package, sys.executable))
        path = folder / file
        head, tail = split(path.read_text('utf-8'), int(line))
        assert each.before in tail[:200]
        path.write_text(head + tail.replace(each.before, each.after, 1), 'utf-8')
        environment = bench.environment(package, Path(sys.executable)) | {'CASE': str(case)}
        environment['PYTHONPATH'] += f'{os.pathsep}{Path(probe_plugin.__file__).parent}'
        return subprocess.run([sys.executable, '-m', 'pytest', '-p', 'probe_plugin', *bench.pytest_options(package)],
                              cwd=folder, env=environment, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    done = tests_with(each.missing)
    assert done.returncode == 0, done.stdout[-3000:]
    assert re.search(rf'^{re.escape(plain.tests)} in', done.stdout, re.MULTILINE), done.stdout[-3000:]
    done = tests_with(not each.missing)
    assert done.returncode == probe_plugin.STATUS, done.stdout[-3000:]


def split(text, line):
    """The text before a line, and the text from there on."""
    lines = text.splitlines(keepends=True)
    return ''.join(lines[:line - 1]), ''.join(lines[line - 1:])
