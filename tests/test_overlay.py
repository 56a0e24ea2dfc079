"""The overlay is laid over the release, and edits of the patched tree are written back to it."""

import hashlib

import pytest

from support.fake_release import diff, make_archive


def test_the_three_kinds_are_laid(ready):
    ready.write('build-aux/toplevel/Makefile.pre.in.patch', diff('Makefile.pre.in', '@@ -1,2 +1,3 @@', ' # Top-level Makefile', '+# ours', ' # second line'))
    ready.write('build-aux/toplevel/Parser/p.c.patch', diff('Parser/p.c', '@@ -1 +1 @@', '-p line', '+our p line'))
    ready.write('build-aux/toplevel/Programs/new.c', 'new\n')
    ready.make()
    assert ready.fork('Python/ours.c').read_text() == 'int ours;\n'
    assert 'line 4\nour hook\nline 5\n' in ready.fork('Python/ceval.c').read_text()
    assert '# ours\n# second line' in ready.fork('Makefile.pre.in').read_text()
    assert ready.fork('Parser/p.c').read_text() == 'our p line\n'
    assert ready.fork('Programs/new.c').exists()
    assert not ready.fork('build-aux').exists()
    assert 'hook' not in (ready.path / 'build/src/stock/Python/ceval.c').read_text()


def test_exactly_seven_folders_are_laid(ready):
    laid = 'Doc', 'Include', 'Lib', 'Modules', 'Objects', 'Python', 'Tools'
    for folder in *laid, 'Parser', 'build-aux', 'condcov', 'qa', 'tests':
        ready.write(f'{folder}/suites/more/mine.txt', '')
    ready.make()
    fork = ready.path / 'build/src/fork'
    assert sorted(str(path.relative_to(fork)) for path in fork.rglob('mine.txt')) == [f'{folder}/suites/more/mine.txt' for folder in laid]


def test_leftovers_of_editors_are_not_laid(ready):
    for name in 'Python/ours.c~', 'Python/.ours.c.swp', 'Python/ours.c.orig', 'Lib/__pycache__/x.cpython-311.pyc', 'Python/#ours.c#', 'Python/ceval.c.rej':
        ready.write(name, 'x')
    ready.make()
    assert not ready.fork('Python/ours.c~').exists() and not ready.fork('Lib/__pycache__').exists()
    ready.write('build/src/fork/Python/ceval.c.orig', 'x')
    ready.write('build/src/fork/Lib/__pycache__/x.cpython-311.pyc', 'x')
    # A module that only stock CPython has imported.
    ready.write('build/src/stock/Lib/__pycache__/y.cpython-311.pyc', 'x')
    assert ready.make('patches').stdout == ''


def test_removed_files(ready):
    (ready.path / 'Python/ours.c').unlink()
    (ready.path / 'Python/ceval.c.patch').unlink()
    ready.write('Lib/pkg/sub/mod.py', '')
    ready.make()
    assert not ready.fork('Python/ours.c').exists()
    assert 'hook' not in ready.fork('Python/ceval.c').read_text()
    (ready.path / 'Lib/pkg/sub/mod.py').unlink()
    ready.make()
    assert not ready.fork('Lib/pkg').exists()
    assert ready.fork('Lib/os.py').exists()


@pytest.mark.parametrize('name, text, message', [
    ('Lib/os.py', 'x = 2\n', "would replace CPython's own Lib/os.py; keep the edits to it as Lib/os.py.patch"),
    ('Lib/nothing.py.patch', diff('Lib/nothing.py', '@@ -1 +1 @@', '-a', '+b'), 'has no Lib/nothing.py to patch'),
    ('Python/ours.c.patch', diff('Python/ours.c', '@@ -1 +1 @@', '-a', '+b'), 'both Python/ours.c and a patch'),
    ('Lib/os.py.patch', diff('Lib/os.py', '@@ -1 +1 @@', '-x = 7', '+x = 8'), 'does not apply to CPython 9.9.9, the release that UPSTREAM names (Hunk #1 FAILED'),
    ('Lib/os.py.patch', diff('Lib/other.py', '@@ -1 +1 @@', '-x = 1', '+x = 8'), "with the header '--- a/Lib/os.py'"),
    ('Lib/os.py.patch', 'rubbish\n', "with the header '--- a/Lib/os.py'"),
    ('Lib/os.py.patch', diff('Lib/os.py', '@@ -1,4 +1,4 @@', '-x = 1', '+x = 8'), 'does not apply'),
    ('Python/sysmodule.c.patch', diff('Python/sysmodule.c', '@@ -1 +1 @@', '-sys line 2', '+sys'), 'does not apply'),
    ('Lib/a b.py', '', 'a space'),
])
def test_overlay_that_cannot_be_laid(ready, name, text, message):
    before = ready.fork('Python/ceval.c').stat().st_mtime_ns, ready.read('build/src/.laid')
    (ready.path / 'Include/ours.h').unlink()
    ready.write(name, text)
    for command in ['make'], ['make', 'patches'], ['make', 'patch-file'], ['./configure']:
        assert message in ready.fails(*command)
    assert ready.fork('Include/ours.h').exists()
    assert before == (ready.fork('Python/ceval.c').stat().st_mtime_ns, ready.read('build/src/.laid'))
    assert ready.leftovers() == []
    (ready.path / name).unlink()
    ready.make()


def test_patch_that_would_apply_elsewhere_is_refused(ready):
    ready.write('Python/ceval.c.patch', diff('Python/ceval.c', '@@ -6,3 +6,4 @@', ' line 4', '+our hook', ' line 5', ' line 6'))
    assert 'does not apply' in ready.fails('make')


def test_patches_without_an_edit_changes_nothing(ready):
    stamp = ready.path.joinpath('Python/ceval.c.patch').stat().st_mtime_ns
    assert ready.make('patches').stdout == ''
    assert ready.git('status', '--porcelain') == ''
    assert ready.path.joinpath('Python/ceval.c.patch').stat().st_mtime_ns == stamp


def test_patch_written_by_hand_gets_one_line_of_context(ready):
    ready.write('Python/ceval.c.patch', diff('Python/ceval.c', '@@ -3,4 +3,5 @@', ' line 3', ' line 4', '+our hook', ' line 5', ' line 6'))
    ready.make('patches')
    assert ready.git('status', '--porcelain') == ''


def test_edits_are_written_back(ready):
    ready.fork('Python/ceval.c').write_text(ready.fork('Python/ceval.c').read_text().replace('line 15\n', 'line fifteen\n'))
    ready.fork('Python/sysmodule.c').write_text('sys line 1\nsys line two\n')
    ready.fork('Python/ours.c').write_text('int mine;\n')
    ready.fork('Lib/test').mkdir()
    ready.fork('Lib/test/test_new.py').write_text('new\n')
    ready.fork('configure').write_text(ready.fork('configure').read_text() + '# end\n')
    said = ready.make().stdout
    assert 'Python/ours.c has edits that are not in Python/ours.c yet' in said
    ready.make('patches')
    assert ready.read('Python/ceval.c.patch') == diff(
        'Python/ceval.c', '@@ -4,2 +4,3 @@', ' line 4', '+our hook', ' line 5', '@@ -14,3 +15,3 @@', ' line 14', '-line 15', '+line fifteen', ' line 16')
    assert ready.read('Python/sysmodule.c.patch') == diff('Python/sysmodule.c', '@@ -1,2 +1,2 @@', ' sys line 1', '-sys line 2', '+sys line two')
    assert ready.read('Python/ours.c') == 'int mine;\n'
    assert ready.read('Lib/test/test_new.py') == 'new\n'
    assert '+# end' in ready.read('build-aux/toplevel/configure.patch')
    assert ready.make('patches').stdout == ''
    changed = {line[3:] for line in ready.git('status', '--porcelain', '-uall').splitlines()}
    assert changed == {'Python/ceval.c.patch', 'Python/ours.c', 'Python/sysmodule.c.patch', 'Lib/test/test_new.py', 'build-aux/toplevel/configure.patch'}


def test_edit_that_reverts_a_patch_removes_it(ready):
    stock = ready.path / 'build/src/stock/Python/ceval.c'
    ready.fork('Python/ceval.c').write_text(stock.read_text())
    assert 'removed Python/ceval.c.patch' in ready.make('patches').stdout
    assert not ready.exists('Python/ceval.c.patch')
    ready.make()


def test_notes_above_a_diff_are_kept(ready):
    ready.write('Python/ceval.c.patch', 'Why this hook.\n\n' + ready.read('Python/ceval.c.patch'))
    ready.make()
    ready.fork('Python/ceval.c').write_text(ready.fork('Python/ceval.c').read_text().replace('hook', 'longer hook'))
    ready.make('patches')
    assert ready.read('Python/ceval.c.patch').startswith('Why this hook.\n\n--- a/Python/ceval.c\n')
    assert 'longer' in ready.read('Python/ceval.c.patch')


@pytest.mark.parametrize('target, overlay', [('Python/ours.c', 'Python/ours.c'), ('Python/ceval.c', 'Python/ceval.c.patch')])
def test_conflict_loses_nothing(ready, target, overlay):
    ready.fork(target).write_text(ready.fork(target).read_text() + 'fork edit\n')
    ready.write(overlay, ready.read(overlay).replace('our', 'OUR'))
    both = ready.fork(target).read_text(), ready.read(overlay)
    for command in ['make'], ['make', 'patches'], ['./configure']:
        line = ready.fails(*command)
        assert f'build/src/fork/{target} was edited and so was {overlay}: a conflict' in line
    assert both == (ready.fork(target).read_text(), ready.read(overlay))
    ready.fork(target).rename(ready.path.parent / 'mine')
    ready.make()
    assert 'OUR' in ready.fork(target).read_text() and 'fork edit' not in ready.fork(target).read_text()


def test_the_same_edit_on_both_sides_does_not_conflict(ready):
    ready.fork('Python/ours.c').write_text('same\n')
    ready.write('Python/ours.c', 'same\n')
    ready.make()
    ready.write('Python/ours.c', 'next\n')
    ready.make()
    assert ready.fork('Python/ours.c').read_text() == 'next\n'


def test_new_overlay_file_where_the_patched_tree_was_edited(ready):
    ready.fork('Python/sysmodule.c').write_text('edited\n')
    ready.write('Python/sysmodule.c.patch', diff('Python/sysmodule.c', '@@ -2 +2 @@', '-sys line 2', '+sys line II'))
    assert 'a conflict' in ready.fails('make')


def test_deleted_cpython_file(ready):
    ready.fork('Lib/os.py').unlink()
    assert 'Lib/os.py was deleted' in ready.fails('make', 'patches')


def test_interrupted_lay_heals(ready):
    ready.write('Python/ours.c', 'int two;\n')
    ready.fork('Python/ours.c').write_text('int two;\n')    # laid, but not recorded
    ready.make()
    assert ready.make('patches').stdout == ''


def test_another_release(ready, tmp_path):
    (tmp_path / 'new').mkdir()
    archive = make_archive(tmp_path / 'new')
    ready.write('UPSTREAM', ready.read('UPSTREAM').replace(ready.sum, hashlib.sha256(archive.read_bytes()).hexdigest()))
    assert 'run ./configure' in ready.fails('make')
    ready.fork('Python/ours.c').write_text('edited\n')
    assert 'edits made to the present ones' in ready.fails('./configure', f'--with-cpython-source={archive}')
    assert ready.fork('Python/ours.c').read_text() == 'edited\n'
    ready.make('patches')
    ready.configure(f'--with-cpython-source={archive}')
    ready.make()
    assert ready.fork('Python/ours.c').read_text() == 'edited\n'


def test_edits_to_files_that_the_overlay_does_not_touch_are_not_lost(ready, tmp_path):
    (tmp_path / 'new').mkdir()
    archive = make_archive(tmp_path / 'new')
    for name in 'Lib/os.py', 'Lib/mine.py', 'Lib/my own.py':
        ready.fork(name).write_text('edited\n')
        assert 'run make patches first' in ready.fails('make', 'distclean')
        ready.write('UPSTREAM', ready.read('UPSTREAM').replace(ready.sum, hashlib.sha256(archive.read_bytes()).hexdigest()))
        assert 'has edits' in ready.fails('./configure', f'--with-cpython-source={archive}')
        ready.git('checkout', 'UPSTREAM')
        assert ready.fork(name).read_text() == 'edited\n'
        ready.fork(name).write_text('x = 1\n')
        if name != 'Lib/os.py':
            ready.fork(name).unlink()
    ready.make('distclean')


def test_patch_file_gives_the_patched_tree(ready):
    ready.write('Lib/empty/__init__.py', '')
    ready.write('Tools/demo/run.sh', '#!/bin/sh').chmod(0o755)
    ready.make('patch-file')
    ready.run('sh', '-c', 'mkdir t && tar -xzf "$0" -C t --strip-components=1 && cd t && patch -s -p1 < ../build/settracestate-9.9.9.patch', str(ready.release))
    assert ready.run('diff', '-r', 't', 'build/src/fork').stdout == ''
    assert (ready.path / 't/Tools/demo/run.sh').stat().st_mode & 0o100
    first = ready.read('build/settracestate-9.9.9.patch')
    ready.make('patch-file')
    assert first == ready.read('build/settracestate-9.9.9.patch')


def test_patch_file_leaves_out_pictures(ready):
    """patch cannot apply them."""
    ready.write('Doc/howto/picture.png', '')
    (ready.path / 'Doc/howto/picture.png').write_bytes(b'\x89PNG\r\n\x1a\n\0\xff')
    ready.make('patch-file')
    assert (ready.path / 'build/src/fork/Doc/howto/picture.png').read_bytes().endswith(b'\xff')
    assert 'picture' not in ready.read('build/settracestate-9.9.9.patch')
