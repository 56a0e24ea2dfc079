"""pytest --condcov, run as a command."""

import json
import sys

import pytest

pytestmark = pytest.mark.slow

PACKAGE = """
    import subprocess, sys

    def both(a, b):
        if a and b:
            return 'both'
        return 'not both'

    def child():
        subprocess.run([sys.executable, '-c', 'import pkg; pkg.in_child()'], check=True)

    def in_child():
        there = 1
"""

TESTS = """
    import pytest
    import pkg

    @pytest.fixture
    def prepared():
        pkg.both(0, 0)
        yield
        pkg.both(1, 0)

    def test_one(prepared):
        assert pkg.both(1, 1) == 'both'

    def test_two():
        pkg.child()
"""


@pytest.fixture
def project(folder):
    """A Folder with a package and its tests, of which conftest.py imports the package."""
    folder.write('pkg/__init__.py', PACKAGE)
    folder.write('pkg/never.py', 'x = 1\n')
    folder.write('conftest.py', 'import pkg\n')
    folder.write('test_pkg.py', TESTS)

    def run(*arguments, status=0):
        done = folder.python('-m', 'pytest', '-q', '-p', 'no:cacheprovider', *arguments)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr
    folder.pytest = run
    return folder


@pytest.mark.parametrize('workers', [(), ('-n2',)])
def test_records_all_and_says_nothing(project, workers):
    plain = project.pytest('-p', 'no:condcov', *workers)
    output = project.pytest('--condcov=pkg', *workers)
    assert [line.split(' in ')[0] for line in output.splitlines()] == \
        [line.split(' in ')[0] for line in plain.splitlines()]
    assert {'import subprocess, sys', "return 'both'", 'there = 1'} <= project.lines('pkg/__init__.py')
    assert project.lines('pkg/never.py') == set()
    assert sorted(project.data().read()) == [str(project.path / 'pkg' / name) for name in ('__init__.py', 'never.py')]
    assert project.files() == ['.condcov']
    _, seen = project.data().read()[str(project.path / 'pkg/__init__.py')]
    (paths,) = [set(paths) for key, paths in seen.paths.items() if key[4] == 'if']
    assert paths == {'TT', 'TF', 'F-'}


@pytest.mark.parametrize('workers', [(), ('-n2',)])
def test_contexts(project, workers):
    project.pytest('--condcov=pkg', '--condcov-context', *workers)
    contexts = project.data().contexts()
    for phase in 'setup', 'call', 'teardown':
        assert f'test_pkg.py::test_one|{phase}' in contexts
    assert "return 'both'" in project.lines('pkg/__init__.py', r'test_one\|call')
    assert "return 'both'" not in project.lines('pkg/__init__.py', r'test_one\|(setup|teardown)')
    assert "return 'not both'" in project.lines('pkg/__init__.py', r'test_one\|setup')
    assert "return 'not both'" in project.lines('pkg/__init__.py', r'test_one\|teardown')
    assert 'import subprocess, sys' in project.lines('pkg/__init__.py', '^$')


def test_contexts_have_each_what_they_repeat(project):
    project.write('test_pkg.py', """
        import pytest
        import pkg

        @pytest.mark.parametrize('a', [0, 1, 0], ids='xyz')
        def test_it(a):
            pkg.both(a, 1)
    """)
    project.pytest('--condcov=pkg', '--condcov-context')
    for name, line in ('x', "return 'not both'"), ('y', "return 'both'"), ('z', "return 'not both'"):
        assert project.lines('pkg/__init__.py', f'test_it.{name}.*call') == {'if a and b:', line}


REWRITTEN = """
    import pytest

    def either(a, b):
        return a or b

    def check(a, b):
        assert a and (b or either(b, a)), 'message'
        assert 0 < a < 5
        assert not either(a is None or b is None, 0) and all(x or a for x in (a, b))
        if a and b:
            return 1

    def test_it():
        check(1, 2)
        check(2, 0)
        with pytest.raises(AssertionError):
            check(0, 0)

    def never(a, b):
        assert a in b
"""


@pytest.mark.parametrize('mode, told', [
    # pytest does not rewrite generator expressions.
    ('rewrite', {'a or b', 'a and b', 'x or a', 'x in (a, b)'}),
    ('plain', {'a or b', 'a and b', 'x or a', 'x in (a, b)', 'a and (b or either(b, a))', '0 < a < 5',
               'not either(a is None or b is None, 0) and all(x or a for x in (a, b))', 'a is None or b is None',
               'a in b'}),
])
def test_nothing_is_said_of_conditions_that_pytest_has_rewritten(project, mode, told):
    """Rewritten asserts have other conditions, and jumps that only format messages."""
    project.write('test_pkg.py', REWRITTEN)
    project.pytest('--condcov=.', f'--assert={mode}')
    project.condcov('json', '--include=test_pkg.py')
    (file,) = json.loads((project.path / 'condcov.json').read_text())['files']
    assert {decision['text'] for decision in file['decisions']} == told
    assert len(file['lines']['missing']) == 1
    for decision in file['decisions']:
        paths = {path['path'] for path in decision['paths']}
        assert '?' not in paths and bool(paths) == (decision['text'] != 'a in b')


def test_reports(project):
    output = project.pytest('--condcov=pkg', '--condcov-report=term', '--condcov-report=html:pages',
                            '--condcov-report=lcov', '--condcov-report=xml:out.xml', '--condcov-report=json')
    assert 'MC/DC' in output and 'pkg/never.py' in output
    for name in 'pages/index.html', 'condcov.lcov', 'out.xml', 'condcov.json':
        assert (project.path / name).exists()


def test_too_little(project):
    output = project.pytest('--condcov=pkg', '--condcov-fail-under=50', '--condcov-fail-under=line=99', status=1)
    assert 'condcov: line coverage of ' in output and 'passed' in output
    project.pytest('--condcov=pkg', '--condcov-fail-under=mcdc=100')


def test_configuration(project):
    project.write('pyproject.toml', '[tool.condcov]\nsource = ["pkg"]\nomit = ["*/never.py"]\nfail_under = 100\n')
    output = project.pytest('--condcov', status=0)
    assert list(project.data().read()) == [str(project.path / 'pkg/__init__.py')]
    assert 'condcov' not in output


def test_append(project):
    project.pytest('--condcov=pkg', '-k', 'one')
    project.pytest('--condcov=pkg', '--condcov-append', '-k', 'two')
    assert {"return 'both'", 'there = 1'} <= project.lines('pkg/__init__.py')


def test_failing_tests_fail(project):
    project.write('test_pkg.py', 'import pkg\n\ndef test_it():\n    assert pkg.both(1, 0) == "both"\n')
    output = project.pytest('--condcov=pkg', status=1)
    assert "AssertionError: assert 'not both' == 'both'" in output


def test_under_condcov_run(project):
    done = project.condcov('run', '--source=pkg', '-m', 'pytest', '-p', 'no:cacheprovider')
    assert 'warning' not in done.stdout
    assert {'import subprocess, sys', "return 'both'", 'there = 1'} <= project.lines('pkg/__init__.py')
    done = project.python('-m', 'condcov', 'run', '-m', 'pytest', '--condcov')
    assert done.returncode == 4
    assert 'condcov: "condcov run" is already recording: use only one of the two' in done.stdout + done.stderr


@pytest.mark.parametrize('options, message', [
    (['--condcov-report=pdf'], "--condcov-report has 'pdf'; use term, html"),
    (['--condcov-report=html:'], "--condcov-report has 'html:'"),
    (['--condcov-fail-under=lime=3'], "--condcov-fail-under: 'lime=3' has the unknown level 'lime'"),
    (['--condcov-fail-under=x'], "--condcov-fail-under: 'x' must be a number or LEVEL=NUMBER"),
    (['--condcov-config=no.toml'], 'condcov: '),
])
def test_what_is_wrong_is_told_in_one_line(project, options, message):
    output = project.pytest('--condcov=pkg', *options, status=4)
    assert message in output and 'Traceback' not in output
    assert len(output.strip().splitlines()) == 1


@pytest.mark.skipif(not hasattr(sys, 'monitoring'), reason='there is no sys.monitoring')
def test_ids_that_are_taken_are_told_in_one_line(project):
    project.write('taker.py', 'import sys\nfor number in 1, 3, 4: sys.monitoring.use_tool_id(number, "other")\n')
    output = project.pytest('-p', 'taker', '--condcov=pkg', status=4)
    assert output.startswith('ERROR: condcov: cannot record: ') and len(output.strip().splitlines()) == 1


def test_nothing_is_recorded_unless_asked(project):
    project.pytest()
    assert project.files() == []


def test_collection_that_fails_leaves_no_files(project):
    project.write('conftest.py', 'import no_such_module\n')
    project.pytest('--condcov=pkg', status=4)
    assert [name for name in project.files() if name != '.condcov'] == []
