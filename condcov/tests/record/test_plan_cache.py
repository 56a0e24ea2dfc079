"""Cached plans are used if they fit, and never if they do not."""

import os
import sys
import zipfile

import pytest

from condcov import config
from condcov.record import plan_cache, planner, recorded_file, recording

TEXT = 'def f(a, b):\n    if a and b:\n        return 1\n    return 2\nf(1, 0)\nf(1, 1)\n'
BOTH = {'<module>', 'f'}


@pytest.fixture(autouse=True)
def writing(monkeypatch):
    """Enable writing bytecode, whatever the options of the test run."""
    monkeypatch.setattr(sys, 'dont_write_bytecode', False)
    monkeypatch.setattr(sys, 'pycache_prefix', None)
    yield
    if recording.current():
        recording.current().finish()


@pytest.fixture
def made(monkeypatch):
    """The names of the code objects that a plan is made for, which may have been recorded before and still be there."""
    real, names = planner.plan, set()

    def plan(code, *rest):
        names.add(code.co_name)
        return real(code, *rest)

    monkeypatch.setattr(planner, 'plan', plan)
    return names


def run(folder, text=TEXT, name='mod.py', cached=True):
    """Record a program in this process, as if it had been imported before; return what was seen of the file."""
    path = folder.write(name, text)
    if cached:
        (folder.path / '__pycache__').mkdir(exist_ok=True)
    started = recording.Recording(config.read(include=(path,)))
    started.start()
    try:
        exec(compile(text, path, 'exec'), {})
    finally:
        started.finish()
    assert started.problems() == []
    return folder.data().read()[path][1]


def kept(folder):
    """The names of the cache files."""
    return sorted(path.name for path in folder.path.glob('__pycache__/*'))


NAME = f'mod.{sys.implementation.cache_tag}.condcov'


def test_a_second_run_makes_no_plans(folder, made):
    first = run(folder)
    assert made == BOTH and kept(folder) == [NAME]
    made.clear()
    assert first.paths and run(folder) == first
    assert not made


def test_source_is_parsed_for_new_code_only(folder, made, monkeypatch):
    run(folder)
    made.clear()
    path = str(folder.path / 'mod.py')
    file = recorded_file.RecordedFile(path, path)
    assert file._tables is None
    code = compile('\n' + TEXT, file.path, 'exec')
    file.plan(code)
    assert file._tables and made == {'<module>'}
    file.plans.save()
    assert len(recorded_file.RecordedFile(path, path).plans) == 3


def test_other_source(folder, made):
    run(folder)
    for operator in 'or', 'and':
        made.clear()
        run(folder, TEXT.replace('and', operator))
        assert made == BOTH


def test_another_condcov(folder, made, monkeypatch):
    run(folder)
    made.clear()
    monkeypatch.setattr(plan_cache, '_made', bytes(16))
    run(folder)
    assert made == BOTH


def test_a_change_of_condcov_is_another_one(monkeypatch, tmp_path):
    (tmp_path / 'code').mkdir()
    (tmp_path / 'record').mkdir()
    (tmp_path / 'code/jumps.py').write_text('')
    monkeypatch.setattr(plan_cache, '__file__', str(tmp_path / 'record/plan_cache.py'))
    found = set()
    for time in 1, 2, 2:
        os.utime(tmp_path / 'code/jumps.py', (time, time))
        monkeypatch.setattr(plan_cache, '_made', None)
        found.add(plan_cache._maker())
    assert len(found) == 2


@pytest.mark.parametrize('damage', [
    lambda content: b'', lambda content: content[:40], lambda content: content[:-7],
    lambda content: content[:48] + b'\xff' * 9, lambda content: content[:48] + b'N'])
def test_a_damaged_file(folder, made, damage):
    first = run(folder)
    path = folder.path / '__pycache__' / NAME
    content = path.read_bytes()
    path.write_bytes(damage(content))
    made.clear()
    assert run(folder) == first
    assert made == BOTH
    assert path.stat().st_size == len(content)


def test_where_no_bytecode_is_written(folder, made, monkeypatch):
    monkeypatch.setattr(sys, 'dont_write_bytecode', True)
    run(folder)
    assert kept(folder) == []


def test_the_folder_for_bytecode(folder, made, monkeypatch):
    monkeypatch.setattr(sys, 'pycache_prefix', str(folder.path / 'elsewhere'))
    run(folder)
    made.clear()
    run(folder)
    assert kept(folder) == [] and not made
    assert [path.name for path in (folder.path / 'elsewhere').glob('**/*.condcov')] == [NAME]


def test_a_folder_that_cannot_be(folder, made):
    folder.write('__pycache__', 'a file')
    run(folder, cached=False)
    made.clear()
    run(folder, cached=False)
    assert made == BOTH


def test_no_folder_is_made_beside_a_source(folder, made):
    """Python does not create the folder for a script either, and the program may be about to remove its parent."""
    run(folder, cached=False)
    assert not (folder.path / '__pycache__').exists()


def test_in_an_archive(folder):
    folder.write('prog.py', 'import os, sys\nsys.path.insert(0, "arch.zip")\nimport zipped\nos.unlink("arch.zip")\n')
    with zipfile.ZipFile(folder.path / 'arch.zip', 'w') as archive:
        archive.writestr('zipped.py', 'x = 1\n')
    folder.condcov('run', 'prog.py')
    assert not (folder.path / 'arch.zip').exists()


@pytest.mark.parametrize('name, value', [
    ('importlib.util.cache_from_source', None), ('hashlib.blake2b', None), ('marshal.dumps', None),
    ('sys.implementation.cache_tag', None)])
def test_a_program_that_replaces_what_is_needed(folder, made, monkeypatch, name, value):
    import marshal  # noqa: F401
    monkeypatch.setattr(name, value)
    assert run(folder).paths


def test_an_error_does_no_harm(folder, made, monkeypatch):
    monkeypatch.setattr(plan_cache.Plans, 'save', None)
    assert run(folder).paths


def test_a_child_writes_what_is_new_to_it(folder):
    folder.write('prog.py', """
        import os
        import mod
        from condcov.record import recording
        def new():
            return [file.plans.new for file in recording.current()._files.values() if file and 'mod' in file.path]
        print(new(), flush=True)
        child = os.fork()
        if not child:
            print(new(), flush=True)
            mod.f(1, 1)
            print(new(), flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        """)
    folder.write('mod.py', TEXT.replace('f(1, 0)\nf(1, 1)', ''))
    assert folder.condcov('run', 'prog.py').stdout == '[True]\n[False]\n[True]\n'


def test_two_processes(folder, made):
    path = folder.write('mod.py', TEXT)
    (folder.path / '__pycache__').mkdir()
    one, other = recorded_file.RecordedFile(path, path), recorded_file.RecordedFile(path, path)
    one.plan(compile(TEXT, path, 'exec'))
    other.plan(compile(TEXT, path, 'exec').co_consts[0])
    one.plans.save()
    other.plans.save()
    assert len(recorded_file.RecordedFile(path, path).plans) == 2 and kept(folder) == [NAME]


def test_a_write_that_fails(folder, made, monkeypatch):
    monkeypatch.setattr(plan_cache.os, 'replace', lambda *_: (_ for _ in ()).throw(OSError))
    run(folder)
    assert kept(folder) == []


@pytest.mark.parametrize('most, again', [(1, {'f'}), (TEXT.count('\n'), set())])
def test_more_code_than_is_kept(folder, made, monkeypatch, most, again):
    monkeypatch.setattr(plan_cache, 'MOST', most - TEXT.count('\n'))
    run(folder)
    made.clear()
    run(folder)
    assert made == again


def test_the_level_of_optimization(folder):
    folder.write('mod.py', 'import prog\n')
    folder.write('prog.py', 'def f(a):\n    assert a or a\nf(1)\n')
    for option, paths in ((), True), (('-O',), False), ((), True):
        folder.python(*option, '-m', 'condcov', 'run', 'mod.py')
        (seen,) = [seen for path, (_, seen) in folder.data().read().items() if path.endswith('prog.py')]
        assert bool(seen.paths) == paths
