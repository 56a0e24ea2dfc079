"""What a run imports before the program begins, which is most of its cost for a short program, and what it does not."""

import os
import sys

import coverage.config
import pytest

import condcov
from condcov import cli, command, config
from condcov.record.selection import Selection

# Modules that a run does not need, and why they are slow.
HEAVY = {
    'argparse': 'shutil, and with it lzma and bz2, gettext and locale',
    'ast': '100 classes',
    'condcov.analysis': 'only reports need it',
    'condcov.cli': 'argparse',
    'condcov.code.decisions': 'ast; plans of an earlier run make it unnecessary',
    'condcov.model': 'typing',
    'condcov.report': 'only reports need it',
    'configparser': 're',
    'coverage.config': 'inspect, json and tomllib',
    'coverage.files': 'many regular expressions',
    'coverage.inorout': 'dataclasses, inspect, and a tokenizer',
    'coverage.misc': 'inspect',
    'dataclasses': 'inspect',
    'hashlib': 'the libraries of OpenSSL',
    'inspect': 'ast, dis and tokenize',
    'json': 're',
    'platform': 're',
    'pkgutil': 'typing',
    're': 'a parser and a compiler',
    'shutil': 'lzma and bz2',
    'tokenize': 're',
    'tomllib': 're and datetime',
    'typing': 're',
}


@pytest.fixture
def cached(folder, tmp_path_factory):
    """A Folder where Python and condcov keep what they can for the next run."""
    folder.environment['PYTHONPYCACHEPREFIX'] = str(tmp_path_factory.mktemp('pycache'))
    return folder


def test_what_a_run_imports(cached):
    cached.write('prog.py', 'import sys\nif sys.path:\n    print(*sys.modules)\n')
    before = set(cached.python('prog.py').stdout.split())
    for options in (), ('--source=.',), ('--source', '.', '--counts', '--data-file=data', '-p', '--context=c'):
        cached.condcov('run', *options, 'prog.py')
        imported = set(cached.condcov('run', *options, 'prog.py').stdout.split()) - before
        assert not imported & HEAVY.keys(), options
        assert len(imported) < 90, sorted(imported)


def test_what_a_first_run_imports(cached):
    """To make plans, it imports ast, re and typing, but not what takes as long as all of them."""
    cached.write('prog.py', 'import sys\nif sys.path:\n    print(*sys.modules)\n')
    before = set(cached.python('prog.py').stdout.split())
    imported = set(cached.condcov('run', 'prog.py').stdout.split()) - before
    assert 'condcov.code.decisions' in imported
    assert not imported & {'dataclasses', 'dis', 'inspect', 'tokenize'}


# --- The command line ---

USUAL = [
    ['run', 'prog.py'], ['run', 'prog.py', '--source=x', '-m'], ['run', '-m', 'pytest', '-q', '--x'],
    ['run', '--source=a,b', '--source', 'c', '--omit=x,', '--include', '*/y', 'p'],
    ['run', '-a', '-p', '-L', '--counts', '--branch', '--timid', '-m', 'a=b'],
    ['run', '--append', '--parallel', '--pylib', '--config=x', '--data-file', 'd', '--context', '', 'p=q'],
    ['run', '--parallel-mode', '--rcfile', 'x', '--concurrency=thread', 'p', '--', '-x'],
]
UNUSUAL = [
    [], ['report'], ['run'], ['run', '-m'], ['run', '--help'], ['run', '-h', 'p'], ['run', '--sourc=x', 'p'],
    ['run', '--source'], ['run', '--source', '--omit', 'p'], ['run', '--', 'p'], ['run', '-ap', 'p'], ['run', '-', 'x'],
    ['run', '-mpytest'], ['run', '--module', 'pytest'], ['run', '--append=1', 'p'], ['run', '', 'x'], ['--version'],
    ['run', '-m', 'pytest', '--', 'x'],
]


@pytest.mark.parametrize('arguments', USUAL, ids=' '.join)
def test_a_usual_command_line_means_the_same_to_argparse(arguments):
    assert vars(command.usual_options(arguments)) == vars(cli.parser().parse_args(arguments))


@pytest.mark.parametrize('arguments', UNUSUAL, ids=' '.join)
def test_other_command_lines_are_left_to_argparse(arguments):
    assert command.usual_options(arguments) is None


def test_each_option_of_run_can_be_used_on_a_usual_command_line():
    run = cli.parser()._subparsers._group_actions[0].choices['run']
    known = {*command._VALUES, *command._LISTS, *command._FLAGS, '-m', '--module', '-h', '--help'}
    assert known == {option for action in run._actions for option in action.option_strings}
    assert all(f' {option}' in f' {" ".join(map(" ".join, USUAL))}'
               for option in known - {'--module', '-h', '--help'})


# --- The configuration ---

def test_without_configuration_a_run_has_the_defaults(folder):
    folder.write('pyproject.toml', '[tool.other]\nsource = ["x"]\n')
    folder.write('setup.cfg', '[run]\nsource = x\n')
    folder.write('empty.cfg', ' \n')
    for name in None, 'empty.cfg':
        found, ignored = config.read_for_run(name, source=('a',), counts=True)
        wanted = config.read(name, source=('a',), counts=True)
        assert (found, ignored) == (wanted.replace(exclude=(), partial=()), ())


def test_each_configuration_file_of_coverage_py_is_found(folder, monkeypatch):
    for name, ours, _ in coverage.config.config_files_to_try(True):
        section = 'run' if ours else 'tool.coverage.run' if name.endswith('.toml') else 'coverage:run'
        value = '["p"]' if name.endswith('.toml') else 'p'
        path = folder.write(name, f'[{section}]\nsource = {value}\nsigterm = true\ntimid = true\n'.replace(
            'true', 'true' if name.endswith('.toml') else 'yes'))
        assert config.read_for_run() == (config.read(), ('[run] timid',)), name
        assert config.read_for_run()[0].source == ('p',)
        os.unlink(path)
    assert config.read_for_run()[0].source is None
    folder.write('other', '[run]\nsource = p\n')
    monkeypatch.setenv('COVERAGE_RCFILE', 'other')
    assert config.read_for_run()[0].source == ('p',)


def test_our_own_configuration_is_found(folder):
    folder.write('pyproject.toml', '[tool.condcov]\nsource = ["p"]\n')
    assert config.read_for_run()[0].source == ('p',)
    assert folder.refused('run', '--config=nosuch.cfg', 'prog.py') == folder.refused('debug', '--config=nosuch.cfg', 'sys')


# --- The selection of files ---

@pytest.fixture
def tree(folder, monkeypatch):
    """Paths of files in and outside of packages, virtual environments and the library; some are links."""
    names = ['main.py', 'src/__init__.py', 'src/a.py', 'src/b.pyw', 'src/c.txt', 'src/odd-name.py', 'src/o=dd.py',
             'src/.hidden.py', 'src/sub/__init__.py', 'src/sub/d.py', 'src/plain/e.py', 'src/plain/deep/__init__.py',
             'srcs/f.py', '.venv/pyvenv.cfg', '.venv/lib/site-packages/g/__init__.py', '.venv/bin/tool.py',
             'src/venv/pyvenv.cfg', 'src/venv/lib/h.py', 'linked/i.py', 'nowhere']
    for name in names:
        folder.write(name, '')
    os.symlink('../linked', folder.path / 'src' / 'link')
    os.symlink('../linked/i.py', folder.path / 'src' / 'j.py')
    os.symlink('../../linked', folder.path / '.venv' / 'lib' / 'link')
    monkeypatch.syspath_prepend(str(folder.path / '.venv' / 'lib' / 'site-packages'))
    monkeypatch.syspath_prepend(str(folder.path / 'src' / 'venv' / 'lib'))
    paths = [str(folder.path / name) for name in (*names, 'src/link/i.py', 'src/j.py', 'src/../main.py', 'src/gone.py',
                                               'linked/../src/a.py', 'linked/./i.py', 'linked//i.py')]
    paths.append(f'/{folder.path}/src/a.py')
    return [*paths, *names, os.__file__, pytest.__file__, condcov.__file__, coverage.config.__file__, sys.executable,
            os.path.join(sys.prefix, 'x.py'), os.path.join(sys.base_prefix, 'x.py'), '/x.py', '<string>', '/\udc80.py']


@pytest.mark.parametrize('options', [
    {}, {'source': ('src',)}, {'source': ('.',)}, {'source_dirs': ('src', 'linked')}, {'source': ('src/link',)},
    {'source': ('src', 'srcs'), 'namespaces': True}, {'source': ('src/venv/lib',)},
    {'source': ('.venv/lib/site-packages',)}], ids=str)
def test_the_selection_is_that_of_coverage_py(tree, options, monkeypatch, folder):
    ours, theirs = (Selection(config.read(**options)) for _ in range(2))
    theirs._simple = None
    assert ours._simple is not None
    assert ours.unexecuted() == theirs.unexecuted()
    assert {path: ours.path(path) for path in tree} == {path: theirs.path(path) for path in tree}
    monkeypatch.syspath_prepend(str(folder.path / '.venv' / 'lib' / 'link'))
    assert {path: ours.path(path) for path in tree} == {path: theirs.path(path) for path in tree}


def test_a_folder_is_resolved_each_time(folder):
    for name in 'one', 'two':
        folder.write(f'src/{name}/{name}.py', '')
    link = folder.path / 'src' / 'link'
    selection = Selection(config.read(source=('src',)))
    for name in 'one', 'two':
        link.symlink_to(name)
        assert selection.path(str(link / f'{name}.py')) == str(folder.path / 'src' / name / f'{name}.py')
        link.unlink()


@pytest.mark.parametrize('options', [
    {'source': (sys.base_prefix,)}, {'source': (os.path.dirname(os.path.dirname(os.__file__)),)}, {'cover_pylib': True},
    {'source': ('json',)}, {'omit': ('x',)}, {'include': ('x',)}, {'source_pkgs': ('x',)}], ids=str)
def test_what_is_not_simple_is_left_to_coverage_py(folder, options):
    assert Selection(config.read(**options)).has_library


# --- What is imported while the program runs ---

NAMES = ['_ast', 'ast', 'bisect', 'contextlib', 'dataclasses', 'dis', 'enum', 'hashlib', 'inspect', 'json', 'linecache',
         'opcode', 're', 'sqlite3', 'token', 'tokenize', 'typing', 'warnings']
LATER = """
    def late(a, b):
        if a and b:
            return 1
        return 2
    late(1, 0)
"""


@pytest.mark.parametrize('place', ['app', 'app/lib'])
def test_a_program_with_modules_named_like_standard_ones(cached, place):
    """In its folder, or in a folder that it adds to sys.path, before condcov imports what makes plans."""
    cached.write(f'{place}/later.py', LATER)
    for name in NAMES:
        cached.write(f'{place}/{name}.py', 'mine = __name__\n')
    names = [name for name in NAMES if name not in sys.builtin_module_names]
    cached.write('app/prog.py', f"""
        import os
        import sys
        if len(sys.argv) > 1:
            sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', {place!r}))
            for name in {names!r}:
                sys.modules.pop(name, None)
                __import__(name)
            import later
            print(*[sys.modules[name].mine for name in {names!r}])
        """)
    cached.condcov('run', 'app/prog.py')
    done = cached.condcov('run', 'app/prog.py', 'x')
    assert (done.stdout.split(), done.stderr) == (names, '')
    later = os.path.realpath(cached.path / place / 'later.py')
    assert 'return 2' in cached.lines(os.path.relpath(later, cached.path))
    assert 'return 1' not in cached.lines(os.path.relpath(later, cached.path))


PLACES = {
    'thread': 'import threading\nthread = threading.Thread(target=later)\nthread.start(), thread.join()',
    'signal': 'import os, signal\nsignal.signal(signal.SIGUSR1, lambda *_: later())\nos.kill(os.getpid(), signal.SIGUSR1)',
    'atexit': 'import atexit\natexit.register(later)',
    'fork': 'import os\nif not os.fork():\n    later()\n    os._exit(0)\nos.wait()',
    'folder': 'import os, tempfile\nfolder = tempfile.mkdtemp()\nos.chdir(folder), os.rmdir(folder)\nlater()',
    'path': 'path = sys.path[:]\nsys.path[:] = [path[0]]\nlater()\nsys.path[:] = path',
    'blocked': 'import sys\nsys.modules["ast"] = None\nlater()',
    'finder': 'import sys\nclass Finder:\n    def find_spec(name, *rest):\n        raise ImportError(name)\n'
              'import later as module\ndel sys.modules["later"]\nsys.meta_path.insert(0, Finder)\nmodule.late(1, 0)',
}


@pytest.mark.parametrize('place', PLACES)
def test_plans_are_made_late(cached, place):
    cached.write('later.py', LATER)
    program = f"""
import sys
def later():
    import later
if len(sys.argv) > 1:
    {PLACES[place].replace(chr(10), chr(10) + '    ')}
"""
    cached.write('prog.py', program)
    cached.condcov('run', 'prog.py')
    done = cached.condcov('run', 'prog.py', 'x')
    assert done.stderr == ''
    assert 'return 2' in cached.lines('later.py') and 'return 1' not in cached.lines('later.py')


def test_the_library_is_recorded_when_the_program_imports_it(folder):
    folder.write('prog.py', 'import colorsys, later\n')
    folder.write('later.py', LATER)
    folder.condcov('run', '-L', 'prog.py')
    recorded = folder.data().read()
    assert os.path.join(os.path.dirname(os.__file__), 'colorsys.py') in recorded
    assert str(folder.path / 'later.py') in recorded
