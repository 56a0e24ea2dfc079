"""The configuration: our own, and that of coverage.py."""

import os

import pytest

from condcov import config
from condcov.analysis.loading import reported
from condcov.errors import CondcovError
from condcov.record.selection import Selection


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in 'CONDCOV_FILE', 'COVERAGE_RCFILE':
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def write(name, text):
    with open(name, 'w') as file:
        file.write(text)


def test_none(folder):
    found = config.read()
    assert found.data_file == str(folder / '.condcov')
    assert found.source is None and not found.counts and found.fail_under == {}
    assert any('pragma' in pattern for pattern in found.exclude)


def test_own(folder):
    os.mkdir('src')
    write('pyproject.toml', """
        [tool.condcov]
        source = ["src", "package"]
        include = ["a/*"]
        omit = ["*/b.py"]
        exclude_also = ["raise NotImplementedError"]
        partial_also = ["never"]
        data_file = "x/data"
        counts = true
        [tool.condcov.fail_under]
        mcdc = 50
        [tool.condcov.paths]
        source = ["src", "*/there"]
    """)
    found = config.read()
    assert found.source == (str(folder / 'src'), 'package')
    assert found.include == (str(folder / 'a/*'),) and found.omit == ('*/b.py',)
    assert found.exclude[-1] == 'raise NotImplementedError' and len(found.exclude) > 1
    assert 'never' in found.partial and any('while' in pattern for pattern in found.partial)
    assert found.data_file == str(folder / 'x/data')
    assert found.counts and found.fail_under == {'mcdc': 50.0} and found.paths == {'source': ['src', '*/there']}


@pytest.mark.parametrize('name, text', [
    ('.coveragerc', '[run]\nsource = pkg\nomit = */o.py\n[report]\nexclude_also = never\npartial_branches = some\n'),
    ('setup.cfg', '[coverage:run]\nsource = pkg\nomit = */o.py\n'
                  '[coverage:report]\nexclude_also = never\npartial_branches = some\n'),
    ('pyproject.toml', '[tool.coverage.run]\nsource = ["pkg"]\nomit = ["*/o.py"]\n'
                       '[tool.coverage.report]\nexclude_also = ["never"]\npartial_branches = ["some"]\n')])
def test_that_of_coverage(name, text):
    write(name, text)
    found = config.read()
    assert found.source == ('pkg',) and found.omit == ('*/o.py',)
    assert found.exclude[-1] == 'never' and found.partial[0] == 'some'


def test_own_keys_before_those_of_coverage():
    write('.coveragerc', '[run]\nsource = theirs\nomit = theirs.py\ndata_file = .theirs\n')
    write('pyproject.toml', '[tool.condcov]\nsource = ["ours"]\n')
    found = config.read()
    assert found.source == ('ours',) and found.omit == ('theirs.py', os.path.abspath('theirs.py'))
    assert found.data_file.endswith('/.condcov')


def test_options_before_all(folder):
    write('pyproject.toml', '[tool.condcov]\nsource = ["ours"]\ncounts = true\n')
    found = config.read(source=('mine',), counts=None, data_file='data')
    assert found.source == ('mine',) and found.counts and found.data_file == str(folder / 'data')


def test_a_file_that_is_named():
    write('other.toml', '[tool.condcov]\nsource = ["ours"]\n')
    write('other.cfg', '[run]\nsource = theirs\n')
    write('pyproject.toml', '[tool.condcov]\ncounts = true\n')
    assert config.read('other.toml').source == ('ours',) and not config.read('other.toml').counts
    assert config.read('other.cfg').source == ('theirs',)


def test_data_file_by_environment(monkeypatch, folder):
    monkeypatch.setenv('CONDCOV_FILE', 'elsewhere')
    assert config.read().data_file == str(folder / 'elsewhere')
    assert config.read(data_file='here').data_file == str(folder / 'here')


def test_text_for_other_processes():
    write('pyproject.toml', '[tool.condcov]\nsource = ["a"]\nfail_under = 3\n'
          'accept = [{condition = "a", reason = "b"}]\n[tool.condcov.paths]\nx = ["a", "b"]\n')
    found = config.read(context='c')
    assert config.Config.loads(found.dumps()) == found


@pytest.mark.parametrize('text, message', [
    ('sauce = 1', "pyproject.toml: [tool.condcov] has the unknown key 'sauce'; the keys are "),
    ('source = 1', 'pyproject.toml: source of [tool.condcov] must be a list of strings'),
    ('omit = [1]', 'pyproject.toml: omit of [tool.condcov] must be a list of strings'),
    ('counts = 1', 'pyproject.toml: counts of [tool.condcov] must be true or false'),
    ('data_file = ""', 'pyproject.toml: data_file of [tool.condcov] must be a string'),
    ('exclude_also = ["("]', "pyproject.toml: exclude_also of [tool.condcov] has '(', which is not a regular expression"),
    ('fail_under = 101', 'pyproject.toml: fail_under of [tool.condcov] must be a percentage from 0 to 100, not 101'),
    ('fail_under = true', 'pyproject.toml: fail_under of [tool.condcov] must be a percentage from 0 to 100, not True'),
    ('fail_under = {lime = 1}', "pyproject.toml: fail_under of [tool.condcov] has the unknown level 'lime'; the levels are "),
    ('paths = ["a"]', 'pyproject.toml: paths of [tool.condcov] must be a table of lists of folders'),
    ('accept = ["a"]', 'pyproject.toml: accept of [tool.condcov] must be a list of tables'),
    ('accept = [{condition = "a"}]', "pyproject.toml: accept of [tool.condcov] needs 'reason' in each entry"),
    ('accept = [{condition = "a", reason = ""}]', 'pyproject.toml: accept of [tool.condcov] has a reason that is not a string with text'),
    ('accept = [{condition = "a", reason = "b", line = 1}]', "pyproject.toml: accept of [tool.condcov] has the unknown key 'line'"),
    ('accept = [{condition = "a", reason = "b", level = "line"}]', "pyproject.toml: accept of [tool.condcov] has the unknown level 'line'; the levels are condition and mcdc"),
    ('=', 'pyproject.toml is not valid TOML: '),
])
def test_what_is_wrong_is_told_in_one_line(text, message):
    write('pyproject.toml', f'[tool.condcov]\n{text}\n')
    with pytest.raises(CondcovError) as caught:
        config.read()
    assert str(caught.value).startswith(message) and '\n' not in str(caught.value)


@pytest.mark.parametrize('name', ['no.toml', 'no.cfg'])
def test_a_file_that_is_not_there(name):
    with pytest.raises(CondcovError) as caught:
        config.read(name)
    assert name in str(caught.value)


def test_a_regex_of_coverage_that_is_wrong():
    write('.coveragerc', '[report]\nexclude_also = (\n')
    with pytest.raises(CondcovError, match='exclude_also'):
        config.read()


# Which files are recorded.

def module(path):
    os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
    write(path, '')
    return os.path.abspath(path)


def test_everything_but_the_library_and_packages():
    selection = Selection(config.read())
    path = module('a.py')
    assert selection.path(path) == path
    assert selection.path('a.py') == path
    for other in os.__file__, pytest.__file__, config.__file__, '<string>', '<frozen os>':
        assert selection.path(other) is None


def test_source_folder_and_omit():
    inside, omitted, outside = module('src/a.py'), module('src/b.py'), module('c.py')
    selection = Selection(config.read(source=('src',), omit=('*/b.py',)))
    assert [selection.path(path) for path in (inside, omitted, outside)] == [inside, None, None]
    assert selection.unexecuted() == [inside]


def test_source_package(monkeypatch, folder):
    init, inner, other = module('lib/pkg/__init__.py'), module('lib/pkg/sub/a.py'), module('lib/pkgs.py')
    within = module('lib/pkg/sub/__init__.py')
    names = 'pkg', 'pkg.sub'
    monkeypatch.syspath_prepend(str(folder / 'lib'))
    for name in names:
        selection = Selection(config.read(source=(name,)))
        assert selection.path(inner) == inner and selection.path(within) == within and selection.path(other) is None
        assert selection.path(init) == (init if name == 'pkg' else None)


def test_source_in_a_namespace_package(monkeypatch, folder):
    path = module('lib/space/part/a.py')
    monkeypatch.syspath_prepend(str(folder / 'lib'))
    assert Selection(config.read(source=('space.part',))).path(path) == path


def test_source_that_is_installed():
    path = os.path.join(os.path.dirname(pytest.__file__), '__init__.py')
    assert Selection(config.read(source=('pytest',))).path(path) == path


def test_source_of_the_library():
    import json.decoder
    assert Selection(config.read(source=('json',))).path(json.decoder.__file__) == json.decoder.__file__


def test_include():
    one, two = module('a/one.py'), module('a/two.py')
    selection = Selection(config.read(include=('*/one.py',)))
    assert selection.path(one) == one and selection.path(two) is None


def test_what_reports_have():
    wanted = reported(config.read(report_include=('*/a/*',), report_omit=('*/b.py',)))
    assert wanted('/x/a/c.py') and not wanted('/x/a/b.py') and not wanted('/x/c.py')


@pytest.mark.parametrize('options', [{'source_dirs': ('no',)}, {'source': ('/',)}, {'omit': ('***x',)}])
def test_what_cannot_be_selected(options):
    with pytest.raises(CondcovError):
        Selection(config.read(**options))
