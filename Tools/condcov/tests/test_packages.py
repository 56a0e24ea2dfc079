"""Lines and branches of real packages are those of coverage.py.

Source distributions are fetched and their tests run only if CONDCOV_PACKAGES is in the environment, which make
test-condcov-packages does: "h11 toolz" chooses, and "all" is all.
"""

import os

import pytest

try:
    import packages
except ModuleNotFoundError as error:
    pytest.skip(f'not in the repository of the fork: {error}', allow_module_level=True)

PACKAGES = {name: packages.Package(name, about, tests, version=version, sdist=sdist, source=source,
                                   env={'PYTHONPATH': path, 'PYTHONHASHSEED': '0'})
            for name, version, about, source, tests, path, sdist in (
    ('toolz', '1.2.0', 'functions of functions', ['toolz', 'tlz'], ['toolz', 'tlz'], '{folder}',
     '9667a038e9d6ecba37995e26cb2f59ec6420b6ad8dd9677de59db9b956b08490'),
    ('h11', '0.16.0', 'a protocol as state machines', ['h11'], ['h11'], '{folder}',
     '4e35b956cf45792e4caa5885e69fba00bdbc6ffafbfa020300e549b208ee5ff1'),
    ('cachetools', '8.0.1', 'decorators, locks and threads', ['src', 'tests'], ['tests'], '{folder}/src',
     'deb1d376d4d28c2f33f3e3058043b005e0af75c35c094bd54053e27d2906ad95'),
    ('pluggy', '1.7.0', 'generators that wrap calls, exceptions', ['src', 'testing'], ['testing'], '{folder}/src',
     'd1eaa46ebb595891b860ab086b4d09c8588af65ebd4361b8e8f4bb8920b90ba8'),
    ('sqlparse', '0.6.1', 'a lexer and filters, generators in a row', ['sqlparse', 'tests'], ['tests'], '{folder}',
     'ca722573f848ff2d30e40ea30f53a104b7dea7635ea9285891263eb2c58fb6e7'),
    ('tomlkit', '0.15.2', 'a parser, long conditions', ['tomlkit', 'tests'], ['tests'], '{folder}',
     '83e32755ba1d20d9340bd069ee97e9f6232ba2346b63ffcba425de01f7e327a6'),
)}
NAMES = os.environ.get('CONDCOV_PACKAGES', '').split()
CHOSEN = [name for name in PACKAGES if {name, 'all'} & set(NAMES)]

# What only one of the two has, with the reason: {package: {(file, kind, line or arc, tool that has it): reason}}.
DIFFERENCES = {}


@pytest.fixture(scope='session')
def bench():
    """The packages.Bench, in build/, where what is fetched stays."""
    return packages.Bench(packages.REPOSITORY / 'build/condcov-packages')


@pytest.fixture(scope='session')
def recorded(bench):
    """What condcov has recorded of a package, by its name; each is run once."""
    runs = {}

    def record(name):
        if name not in runs:
            runs[name] = bench.record(PACKAGES[name], 'condcov')
        return runs[name]
    return record


def test_chosen_packages_are_known():
    for name in NAMES:
        if name not in {*PACKAGES, 'all'}:
            pytest.fail(f'PACKAGES has {name!r}, which is not one of: {" ".join(PACKAGES)}', pytrace=False)


def test_what_is_a_difference():
    theirs = packages.Recorded({'a.py': {'executed': {1, 2}, 'missing': {3}, 'taken': {(1, 2)}, 'untaken': {(1, 3)}}})
    assert packages.differences(theirs, theirs) == set()
    ours = packages.Recorded({'a.py': theirs['a.py'] | {'executed': {1, 3}, 'untaken': set()}, 'b.py': theirs['a.py']})
    assert packages.differences(ours, theirs) == {
        ('a.py', 'executed', 3, 'condcov'), ('a.py', 'executed', 2, 'coverage'),
        ('a.py', 'untaken', (1, 3), 'coverage'), ('b.py', 'executed', 1, 'condcov'),
        ('b.py', 'executed', 2, 'condcov'), ('b.py', 'missing', 3, 'condcov'), ('b.py', 'taken', (1, 2), 'condcov'),
        ('b.py', 'untaken', (1, 3), 'condcov')}


@pytest.mark.parametrize('name', CHOSEN)
def test_lines_and_branches_are_those_of_coverage(name, bench, recorded):
    ours, theirs = recorded(name), bench.record(PACKAGES[name], 'coverage')
    assert ours.tests == theirs.tests
    for kind in packages.KINDS:
        assert sum(len(file[kind]) for file in theirs.values()) > 0
    print(f'{name}: {ours.tests}; ' + ', '.join(
        f'{kind}: {sum(len(file[kind]) for file in ours.values())}' for kind in packages.KINDS))
    assert packages.differences(ours, theirs) == set(DIFFERENCES.get(name, ()))
