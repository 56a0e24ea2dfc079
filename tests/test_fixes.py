"""Debian's security fixes to the release: where they come from, which are applied, and that a tree has all or none."""

import hashlib
import os
import shutil

import pytest

from support.fake_release import FIXES, TOOLS, diff, full_disk, make_fixes

pytestmark = pytest.mark.slow

SHOWN = 'python9.9 9.9.9-1: 3 fixes'
MISSED = f'{SHOWN}; 9.9.9-10 was listed and could not be fetched'      # of the apt below


@pytest.fixture
def apt(checkout, tmp_path, fixes):
    """An apt that has both archives, and whose mirror lacks the newest version."""
    checkout.cached()
    checkout.stub('apt-config', 'exit 0')
    checkout.stub_mirror(f'''
        *update) ;;
        *--diff-only*) cp {fixes} . ;;
        *) exit 100 ;;''')
    return tmp_path / 'calls'


def offline(checkout):
    for name in 'apt-get', 'apt-cache':
        checkout.stub(name, 'exit 100')


def tree(path):
    return {str(file.relative_to(path)): (file.read_bytes(), file.stat().st_mode) for file in path.rglob('*') if file.is_file()}


def published(checkout, tmp_path):
    """The release as published."""
    shutil.unpack_archive(checkout.release, tmp_path / 'published')
    return tree(tmp_path / 'published/Python-9.9.9')


def stock(checkout):
    return tree(checkout.path / 'build/src/stock')


def fork(checkout):
    return tree(checkout.path / 'build/src/fork')


def shown(checkout):
    return checkout.read('build/src/security-fixes').splitlines()[0]


def test_the_newest_that_the_mirror_has_is_applied_to_both_trees(checkout, apt, tmp_path):
    done = checkout.configure()
    assert apt.read_text().splitlines() == [
        '-q update', '-q source --download-only --diff-only python9.9=9.9.9-10', '-q source --download-only --diff-only python9.9=9.9.9-1']
    assert 'fixes: 9.9.9-10: E: Failed to fetch' in done.stdout
    assert 'fixes: 3 of python9.9 9.9.9-1 applied' in done.stdout
    assert 'fixes: not applied: odd.diff of python9.9 9.9.9-1 (no line of build-aux/security-fixes matches it)' in done.stdout
    assert 'deb-setup' not in done.stdout and done.stderr == ''
    assert stock(checkout) == fork(checkout)
    before, after = published(checkout, tmp_path), stock(checkout)
    assert set(after) - set(before) == {'Lib/test_fix.py', 'Misc/NEWS.d/Core and more/1.rst'} and not set(before) - set(after)
    assert {name for name in before if before[name] != after[name]} == {'Python/ceval.c', 'Python/sysmodule.c', 'Makefile.pre.in'}
    assert b'line 14\na better fix\nline 15' in after['Python/ceval.c'][0]
    assert after['Makefile.pre.in'][0].startswith(before['Makefile.pre.in'][0])
    assert after['Makefile.pre.in'][0].endswith(f'\nSECURITY_FIXES=\t{MISSED}\n'.encode())
    assert checkout.read('build/src/security-fixes').splitlines() == [
        MISSED,
        'leave deb-setup.diff: packaging: compiler flags',
        'take CVE-2099-1.patch: security',
        'unknown odd.diff: no line of build-aux/security-fixes matches it',
        'take CVE-2099-1-test.patch: security',
        'take frame_dealloc-crash.diff: crash: a freed frame is used']
    assert checkout.leftovers() == []


def test_fixes_in_the_cache_are_used_without_asking_apt(checkout, apt):
    checkout.configure()
    apt.unlink()
    state = {path: path.stat().st_mtime_ns for path in checkout.path.rglob('*') if '.git/' not in str(path) and path.is_file()}
    assert checkout.configure().stdout.splitlines() == [
        'configure: build/release is configured already', f'configure: ready, with the security fixes of {MISSED}; now run make']
    assert state == {path: path.stat().st_mtime_ns for path in state}
    checkout.configure('--builddir=build/debug')
    shutil.rmtree(checkout.path / 'build/src')      # from the archive in build/downloads
    assert 'fixes: 3 of' in checkout.configure().stdout
    shutil.rmtree(checkout.path / 'build/downloads')
    checkout.configure()
    assert shown(checkout) == MISSED and not apt.exists()


def test_apt_is_asked_once_for_the_release_and_the_fixes(checkout, apt):
    (checkout.path / 'build/downloads' / checkout.release.name).unlink()
    checkout.stub('curl', f'while [ "$1" != -o ]; do shift; done; cp {checkout.release} "$2"')
    checkout.configure()
    assert apt.read_text().count('update') == 1 and shown(checkout) == MISSED


def test_mirror_in_a_folder_of_the_machine(checkout, apt, fixes):
    checkout.stub('apt-get', f'''
        case $* in
        *-10) exit 100 ;;
        *--diff-only*) ln -s {fixes} . ;;
        *--tar-only*) ln -s {checkout.release} python9.9_9.9.9.orig.tar.gz ;;
        esac''')
    (checkout.path / 'build/downloads' / checkout.release.name).unlink()
    checkout.configure()
    assert shown(checkout) == MISSED
    assert not any(path.is_symlink() for path in (checkout.path / 'build/downloads').iterdir())


def test_no_fixes_available(checkout, apt, tmp_path):
    has = [checkout.bin / name for name in ('apt-get', 'apt-cache')]
    for path in has:
        path.rename(f'{path}.has')
    offline(checkout)
    line = 'configure: fixes: none available (no version that apt lists has the archive), so the release is built without; --with-security-fixes asks again now, and so does any run a day later'
    assert line in checkout.configure().stdout.splitlines()
    assert shown(checkout) == 'unavailable' and stock(checkout) == published(checkout, tmp_path) == fork(checkout)
    # With the option, this is an error.
    assert 'apt has none (no version that apt lists' in checkout.fails('./configure', '--with-security-fixes')
    assert 'configured already' in checkout.configure().stdout
    for path in has:
        path.with_name(f'{path.name}.has').rename(path)
    assert 'fixes: none, because apt had none' in checkout.configure().stdout and not apt.exists()
    assert 'starting over' in checkout.configure('--with-security-fixes').stdout
    assert shown(checkout) == MISSED
    offline(checkout)
    assert 'apt has none' in checkout.fails('./configure', '--with-security-fixes')
    checkout.configure()
    assert shown(checkout) == MISSED


def days_later(checkout, days):
    seconds, rest = checkout.read('build/downloads/security-fixes-missed').split(' ', 1)
    checkout.write('build/downloads/security-fixes-missed', f'{int(seconds) - days * 86400} {rest}')


def test_a_failed_fetch_is_tried_again_a_day_later(ready, apt, tmp_path):
    said = ready.configure('--with-security-fixes').stdout
    assert said.splitlines()[-1] == f'configure: ready, with the security fixes of {MISSED}; now run make'
    ready.make()
    assert ' fixes:9.9.9-1 missing:9.9.9-10\n' in ready.read('build/release/python')
    assert f'SECURITY_FIXES=\t{MISSED}\n' in ready.fork('Makefile.pre.in').read_text()
    apt.unlink()
    ready.configure()
    assert not apt.exists()
    days_later(ready, 1)
    assert 'fixes: 9.9.9-1 is in build/downloads' in ready.configure().stdout
    assert apt.read_text().count('update') == 1 and '=9.9.9-1\n' not in apt.read_text() and shown(ready) == MISSED
    assert 'up to date' in ready.make().stdout
    apt.unlink()
    ready.configure()
    assert not apt.exists()
    # An unreachable mirror does not undo this.
    works = [(name, (ready.bin / name).read_text()) for name in ('apt-get', 'apt-cache')]
    days_later(ready, 1)
    offline(ready)
    assert 'fixes: apt has none now (no version that apt lists' in ready.configure().stdout and shown(ready) == MISSED
    for name, text in works:
        (ready.bin / name).write_text(text.replace('*-10) echo "Err', '*-100) echo "Err'))
    newer = make_fixes(tmp_path / 'newer', '9.9.9-10')
    (ready.bin / 'apt-get').write_text((ready.bin / 'apt-get').read_text().replace('cp ', f'cp {newer} . ; exit; '))
    days_later(ready, 1)
    said = ready.configure().stdout
    assert said.endswith('ready, with the security fixes of python9.9 9.9.9-10: 3 fixes; now run make\n')
    assert not ready.exists('build/downloads/security-fixes-missed')
    ready.make()
    assert ' fixes:9.9.9-10\n' in ready.read('build/release/python')


def test_trees_of_before_the_fixes(checkout, apt):
    """The files of an older checkout do not mention fixes; they are requested."""
    checkout.configure('--without-security-fixes')
    (checkout.path / 'build/src/security-fixes').unlink()
    has = (checkout.bin / 'apt-cache').read_text()
    checkout.stub('apt-cache', 'exit 100')
    assert 'fixes: none available' in checkout.configure().stdout and shown(checkout) == 'unavailable'
    (checkout.path / 'build/src/security-fixes').unlink()
    (checkout.bin / 'apt-cache').write_text(has)
    checkout.configure()
    assert shown(checkout) == MISSED


def test_no_debian(checkout):
    checkout.cached()
    for name in 'apt-get', 'apt-cache':
        (checkout.bin / name).unlink()
    checkout.stub('make', '')
    assert 'fixes: none available (this machine has no apt-get)' in checkout.configure(env=checkout.only_commands(*TOOLS)).stdout


def test_without(ready, fixes, tmp_path):
    """The trees follow the option of each ./configure."""
    bare = stock(ready)
    ready.configure('--without-security-fixes')
    assert shown(ready) == 'none' and stock(ready) == bare == published(ready, tmp_path)
    assert ready.configure('--without-security-fixes').stdout.splitlines() == [
        'configure: build/release is configured already', 'configure: ready, with no security fixes; now run make']
    ready.configure('--without-security-fixes', '--builddir=build/other')
    ready.make()
    ready.configure(f'--with-security-fixes={fixes}')
    assert shown(ready) == SHOWN and 'a better fix' in ready.fork('Python/ceval.c').read_text()
    assert 'build/other was configured for another folder, release or set of security fixes' in ready.fails('make', 'BUILDDIR=build/other')
    ready.make()
    ready.configure('--without-security-fixes')
    assert stock(ready) == bare and not ready.exists('build/src/bare') and 'our hook' in ready.fork('Python/ceval.c').read_text()
    ready.make()
    ready.configure()
    assert shown(ready) == SHOWN
    assert ready.git('status', '--porcelain') == ''


def test_named_file(checkout, fixes, apt):
    checkout.run('../configure', f'--with-security-fixes={os.path.relpath(fixes, checkout.path / "build")}', cwd=checkout.path / 'build')
    assert shown(checkout) == SHOWN and not apt.exists()
    newer = make_fixes(fixes.parent, '9.9.9-2+deb1', {'CVE-2099-2.patch': diff('Objects/a.c', '@@ -1 +1 @@', '-a', '+b')})
    checkout.configure(f'--with-security-fixes={newer}')
    assert shown(checkout) == 'python9.9 9.9.9-2+deb1: 1 fixes'
    assert checkout.fork('Objects/a.c').read_text() == 'b\n' and 'fix' not in checkout.fork('Python/ceval.c').read_text()
    assert sorted(path.name for path in (checkout.path / 'build/downloads').iterdir()) == [
        'Python-9.9.9.tgz', 'python9.9_9.9.9-2+deb1.debian.tar.xz', 'security-fixes']
    checkout.configure()
    assert shown(checkout) == 'python9.9 9.9.9-2+deb1: 1 fixes'
    shutil.copy(fixes, checkout.path / 'newest')    # a name like any other
    checkout.configure('--with-security-fixes=newest')
    assert shown(checkout) == SHOWN and not apt.exists()


@pytest.mark.parametrize('make', [
    lambda folder: folder / 'nowhere',
    lambda folder: folder,
    lambda folder: make_fixes(folder, '9.9.10-1'),
    lambda folder: make_fixes(folder, source='python9.8'),
    lambda folder: make_fixes(folder, series=False),
])
def test_named_file_that_is_not_an_archive_of_fixes(checkout, tmp_path, make):
    checkout.cached()
    path = make(tmp_path / 'fixes')
    line = checkout.fails('./configure', f'--with-security-fixes={path}')
    assert str(path) in line and ('no readable file' in line or "not the .debian.tar archive of a version of Debian's python9.9 9.9.9" in line)
    assert not checkout.exists('build/src/.release') and checkout.leftovers() == []
    assert not checkout.exists('build/downloads/security-fixes')


def test_named_file_that_is_truncated(checkout, fixes, tmp_path):
    checkout.cached()
    checkout.configure('--without-security-fixes')
    cut = tmp_path / 'cut.debian.tar.xz'
    for content in fixes.read_bytes()[:200], b'', b'words\n':
        cut.write_bytes(content)
        assert 'is not the .debian.tar archive' in checkout.fails('./configure', f'--with-security-fixes={cut}')
        assert checkout.leftovers() == [] and shown(checkout) == 'none'


def test_damaged_archive_in_the_cache(checkout, apt):
    checkout.configure()
    name = 'build/downloads/python9.9_9.9.9-1.debian.tar.xz'
    checkout.write(name, 'damaged')
    apt.unlink()
    checkout.configure()        # the trees have the fixes
    assert shown(checkout) == MISSED and not apt.exists()
    shutil.rmtree(checkout.path / 'build/src')
    checkout.configure()
    assert shown(checkout) == MISSED and apt.exists() and checkout.read('build/downloads/security-fixes').split()[1] in {
        hashlib.sha256((checkout.path / name).read_bytes()).hexdigest()}


@pytest.mark.parametrize('name, text, message', [
    ('CVE-2099-3.patch', diff('Lib/os.py', '@@ -1 +1 @@', '-x = 7', '+x = 8'), 'does not apply to CPython 9.9.9 (Hunk #1 FAILED'),
    # One line of context differs, and fuzz is not allowed.
    ('CVE-2099-3.patch', diff('Python/ceval.c', '@@ -2,3 +2,4 @@', ' line two', ' line 3', '+x', ' line 4'), 'does not apply'),
    # The fix is in the file already.
    ('CVE-2099-3.patch', FIXES['frame_dealloc-crash.diff'], 'does not apply'),
    ('CVE-2099-3.patch', diff('Lib/nothing.py', '@@ -1 +1 @@', '-a', '+b'), 'does not apply'),
    ('CVE-2099-3.patch', 'rubbish\n', 'does not apply'),
    ('CVE-2099-3.patch', 'diff --git a/x b/x\nnew file mode 100644\nindex 0000000..1\nGIT binary patch\nliteral 1\nIcmZPo000310RR91\n\n', 'does not apply'),
    ('CVE-2099-3.patch', diff('../../outside.c', '@@ -0,0 +1 @@', '+a'), 'does not apply'),
    ('CVE-2099-3.patch', None, 'names CVE-2099-3.patch, which'),
    ('CVE-2099-3.patch', diff('configure.ac', '@@ -0,0 +1 @@', '+a'), 'change configure.ac and not configure'),
])
def test_fix_that_cannot_be_applied(ready, tmp_path, name, text, message):
    good = make_fixes(tmp_path / 'good')
    bad = make_fixes(tmp_path / 'bad', '9.9.9-2', {**FIXES, name: text})
    for before in '--without-security-fixes', f'--with-security-fixes={good}':
        ready.configure(before)
        state = stock(ready), fork(ready), ready.read('build/src/security-fixes'), ready.read('build/src/.laid')
        line = ready.fails('./configure', f'--with-security-fixes={bad}')
        assert message in line and '9.9.9-2' in line and '--without-security-fixes builds the release as published' in line
        assert state == (stock(ready), fork(ready), ready.read('build/src/security-fixes'), ready.read('build/src/.laid'))
        assert ready.leftovers() == []
        ready.configure(before)
        ready.make()
    shutil.rmtree(ready.path / 'build/src')
    assert message in ready.fails('./configure', f'--with-security-fixes={bad}')
    assert list((ready.path / 'build/src').iterdir()) == []


def test_fix_of_a_module_that_includes_an_internal_header(checkout, tmp_path):
    """Debian builds such a module into the interpreter."""
    macro = '#ifndef Py_BUILD_CORE_BUILTIN\n#  define Py_BUILD_CORE_MODULE 1\n#endif\n'
    checkout.cached()
    checkout.configure('--with-security-fixes=' + str(make_fixes(tmp_path / 'fixes', fixes={
        'CVE-1.patch': diff('Modules/m.c', '@@ -1 +1,2 @@', '+#include "pycore_ceval.h"', ' m') +
        diff('Objects/a.c', '@@ -1 +1,2 @@', '+#include "pycore_ceval.h"', ' a')})))
    assert checkout.fork('Modules/m.c').read_text() == f'{macro}#include "pycore_ceval.h"\nm\n'
    assert checkout.fork('Objects/a.c').read_text() == '#include "pycore_ceval.h"\na\n'
    assert stock(checkout) == fork(checkout) and checkout.make('patches').stdout == ''
    checkout.configure('--with-security-fixes=' + str(make_fixes(tmp_path / 'more', '9.9.9-2', fixes={
        'CVE-1.patch': diff('Modules/m.c', '@@ -1 +1,3 @@', '+#define Py_BUILD_CORE_MODULE 1', '+#include "pycore_ceval.h"', ' m')})))
    assert checkout.fork('Modules/m.c').read_text() == '#define Py_BUILD_CORE_MODULE 1\n#include "pycore_ceval.h"\nm\n'


def test_fix_that_removes_a_file_or_changes_a_script(checkout, tmp_path):
    checkout.cached()
    checkout.configure('--without-security-fixes')
    checkout.configure('--with-security-fixes=' + str(make_fixes(tmp_path / 'fixes', fixes={
        'CVE-1.patch': '--- a/Parser/p.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-p line\n',
        'CVE-2.patch': diff('configure', '@@ -1,2 +1,3 @@', ' #!/bin/sh', '+# fixed', ' src=$(dirname "$0")') +
        diff('configure.ac', '@@ -0,0 +1 @@', '+a')})))
    assert not checkout.fork('Parser/p.c').exists() and not (checkout.path / 'build/src/stock/Parser/p.c').exists()
    assert '# fixed' in checkout.fork('configure').read_text() and os.access(checkout.fork('configure'), os.X_OK)
    assert checkout.make('patches').stdout == ''


@pytest.mark.parametrize('line', ['takes CVE-* security', 'CVE-*'])
def test_rule_with_a_bad_line(checkout, fixes, line):
    checkout.cached()
    checkout.write('build-aux/security-fixes', f'# words\n\n{line}\n')
    message = checkout.fails('./configure', f'--with-security-fixes={fixes}')
    assert "build-aux/security-fixes: a line is 'take PATTERN REASON'" in message and line.split()[0] in message
    assert not checkout.exists('build/src/.release') and checkout.leftovers() == []


def test_another_rule_is_followed(checkout, apt):
    checkout.configure()
    checkout.write('build-aux/security-fixes', 'take odd.diff crash\n' + checkout.read('build-aux/security-fixes'))
    said = checkout.configure().stdout
    assert 'fixes: 4 of' in said and 'not applied' not in said and checkout.fork('Modules/m.c').read_text() == 'odd m\n'


def test_edits_are_not_lost(ready, fixes):
    for name in 'Python/ours.c', 'Python/ceval.c', 'Lib/os.py':
        before = ready.fork(name).read_text()
        ready.fork(name).write_text(before + 'edited\n')
        assert 'has edits made to the present ones' in ready.fails('./configure', f'--with-security-fixes={fixes}')
        assert ready.fork(name).read_text() == before + 'edited\n'
        ready.fork(name).write_text(before)
    ready.configure(f'--with-security-fixes={fixes}')


# The overlay and the fixes in one file

def test_overlay_patch_has_one_form_with_fixes_and_without(ready, fixes):
    ready.write('build-aux/toplevel/Makefile.pre.in.patch', diff('Makefile.pre.in', '@@ -1,2 +1,3 @@', ' # Top-level Makefile', '+# ours', ' # second line'))
    ready.write('Python/ceval.c.patch', ready.read('Python/ceval.c.patch') +
                '@@ -18,2 +19,3 @@\n line 18\n+our second hook\n line 19\n')
    ready.git('add', '.')
    ready.git('commit', '-qm', 'more')
    ready.make('patch-file')
    bare = ready.read('build/settracestate-9.9.9.patch')
    for options in [f'--with-security-fixes={fixes}'], ['--without-security-fixes'], []:
        ready.configure(*options)
        merged = ready.fork('Python/ceval.c').read_text()
        assert 'line 4\nour hook\n' in merged and 'line 18\nour second hook\nline 19\n' in merged
        assert ('a better fix' in merged) == (options != ['--without-security-fixes'])
        assert ready.make('patches').stdout == '' and ready.git('status', '--porcelain') == ''
        ready.make('patch-file')
        assert ready.read('build/settracestate-9.9.9.patch') == bare
    # make patches separates an edit from the fixes next to it.
    ready.fork('Python/ceval.c').write_text(ready.fork('Python/ceval.c').read_text().replace('our second hook', 'our next hook'))
    ready.fork('Python/sysmodule.c').write_text('our line\n' + ready.fork('Python/sysmodule.c').read_text())
    assert ready.fork('Python/sysmodule.c').read_text() == 'our line\nsys line 1\nsys line two\n'
    ready.make('patches')
    assert '@@ -18,2 +19,3 @@\n line 18\n+our next hook\n line 19\n' in ready.read('Python/ceval.c.patch')
    assert ready.read('Python/sysmodule.c.patch') == diff('Python/sysmodule.c', '@@ -1 +1,2 @@', '+our line', ' sys line 1')
    ready.make()
    assert ready.make('patches').stdout == ''
    ready.configure('--without-security-fixes')
    assert ready.make('patches').stdout == ''
    assert ready.fork('Python/sysmodule.c').read_text() == 'our line\nsys line 1\nsys line 2\n'


def test_overlay_patch_that_changes_what_a_fix_changes(ready, fixes):
    ready.write('Python/ceval.c.patch', diff('Python/ceval.c', '@@ -14,2 +14,3 @@', ' line 14', '+ours', ' line 15'))
    ready.make()
    line = ready.fails('./configure', f'--with-security-fixes={fixes}')
    assert f'Python/ceval.c.patch and the security fixes ({SHOWN}) change the same lines of Python/ceval.c' in line
    assert ready.leftovers() == []
    ready.configure('--without-security-fixes')
    ready.make()


def test_edit_that_changes_what_a_fix_changes(ready, fixes):
    ready.configure(f'--with-security-fixes={fixes}')
    ceval, news = 'Python/ceval.c', 'Lib/test_fix.py'
    for name, text, message in [
            (ceval, ready.fork(ceval).read_text().replace('a better fix', 'our fix'), 'change the same lines as the security fixes'),
            (ceval, ready.fork(ceval).read_text().replace('a better fix\n', ''), 'change the same lines as the security fixes'),
            ('Python/sysmodule.c', 'sys line 1\nsys line 2\n', 'change the same lines as the security fixes'),
            (news, 'our test\n', "was edited, but it comes from the security fixes and not from the release")]:
        patch = ready.read('Python/ceval.c.patch')
        before = ready.fork(name).read_text()
        ready.fork(name).write_text(text)
        assert message in ready.fails('make', 'patches')
        assert ready.fork(name).read_text() == text and ready.read('Python/ceval.c.patch') == patch
        assert not ready.exists('Lib/test_fix.py.patch') and ready.leftovers() == []
        ready.fork(name).write_text(before)
    assert ready.make('patches').stdout == '' and ready.git('status', '--porcelain') == ''


def test_overlay_patch_to_a_file_that_a_fix_adds(ready, fixes):
    ready.write('Lib/test_fix.py.patch', diff('Lib/test_fix.py', '@@ -1 +1 @@', '-new test', '+our test'))
    assert 'CPython 9.9.9 has no Lib/test_fix.py to patch' in ready.fails('./configure', f'--with-security-fixes={fixes}')


def test_what_is_built_says_which_fixes_are_in(ready, fixes):
    def built(where):
        ready.make() if where == 'release' else ready.make('stock')
        return ready.read(f'build/{where}/python')
    assert 'fixes' not in built('release')
    ready.configure(f'--with-security-fixes={fixes}')
    commit = ready.git('log', '-1', '--format=%h', '--abbrev=10').strip()
    assert f'# tag=settracestate version={commit} fixes:9.9.9-1\n' in built('release')
    assert '# a better fix\n' in built('release') and '# our hook\n' in built('release')
    assert '# a better fix\n' in built('stock') and 'our hook' not in built('stock')
    ready.configure('--without-security-fixes')
    assert f'# tag=settracestate version={commit}\n' in built('release') and 'fix' not in built('release') + built('stock')


def test_interrupted(checkout, fixes):
    checkout.cached()
    checkout.configure('--without-security-fixes')
    checkout.stub('comm', 'kill -TERM $PPID; sleep 1')
    checkout.run('./configure', f'--with-security-fixes={fixes}', status=1)
    assert checkout.leftovers() == [] and shown(checkout) == 'none' and stock(checkout) == fork(checkout)
    (checkout.bin / 'comm').unlink()
    checkout.configure()
    assert shown(checkout) == SHOWN


@pytest.mark.parametrize('size', ['2300k', '3175k', '3200k', '3225k'])
def test_full_disk(checkout, fixes, size):
    done = full_disk(checkout, size, './configure', f'--with-cpython-source={checkout.release}', f'--with-security-fixes={fixes}')
    assert done.stderr.startswith('configure: error: ') and done.stderr.count('\n') == 1, done.stderr
    assert 'No space left' in done.stderr or 'is the disk full' in done.stderr
