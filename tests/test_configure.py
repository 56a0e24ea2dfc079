"""./configure: its options, the dependencies, what it does when run again, and how it refuses."""

import shutil
import subprocess

import pytest

from make_believe import TOOLS


def test_first_run_makes_everything_and_second_does_nothing(door):
    door.cached()
    first = door.configure()
    assert 'unpacking' in first.stdout and 'ready; now run make' in first.stdout
    assert door.exists('Makefile') and door.exists('build/release/config.status')
    state = {path: path.stat().st_mtime_ns for path in door.path.rglob('*') if '.git/' not in str(path) and path.is_file()}
    second = door.configure()
    assert second.stdout.splitlines() == [
        'configure: fixes: none, as there were none to be had before; --with-security-fixes asks again',
        'configure: build/release is configured already', 'configure: ready; now run make']
    assert state == {path: path.stat().st_mtime_ns for path in state}
    assert door.git('status', '--porcelain') == ''
    assert door.leftovers() == []


def test_it_runs_from_another_folder(door):
    door.cached()
    door.run(str(door.path / 'configure'), cwd=door.path.parent)
    assert door.exists('Makefile')


def test_options_reach_cpythons_configure(door):
    door.cached()
    door.configure('--with-pydebug', '--prefix=/opt/a b', 'CC=cc -pipe', "CFLAGS=-DX='1'", env={'LDFLAGS': '-g'})
    args = door.read('build/release/args')
    assert "--with-pydebug --prefix=/opt/a b CC=cc -pipe CFLAGS=-DX='1' LDFLAGS=-g" in args
    again = door.configure('--with-pydebug', '--prefix=/opt/a b', 'CC=cc -pipe', "CFLAGS=-DX='1'", env={'LDFLAGS': '-g'})
    assert 'configured already' in again.stdout


def test_other_options_configure_afresh(door):
    door.cached()
    door.configure()
    door.write('build/release/old.o', '')
    changed = door.configure('--with-pydebug')
    assert 'begun afresh' in changed.stdout
    assert '--with-pydebug' in door.read('build/release/args') and not door.exists('build/release/old.o')


def test_builddirs_live_side_by_side(door):
    door.cached()
    door.configure()
    for spelling in 'build/debug', './build/debug/', 'debug', str(door.path / 'build/debug'):
        door.configure(f'--builddir={spelling}', '--with-pydebug')
    assert '--with-pydebug' not in door.read('build/release/args')
    door.make()
    assert 'build/debug/python' in subprocess.check_output(['readlink', door.path / 'python'], text=True)
    door.make('BUILDDIR=build/release')
    assert 'build/release/python' in subprocess.check_output(['readlink', door.path / 'python'], text=True)


@pytest.mark.parametrize('value', ['/tmp/elsewhere', '../x', 'build', 'build/', 'build/..', 'build/a/b', 'build/src', 'build/stock',
                                   'build/stock-debug', 'build/downloads', 'build/venv', 'build/a b', 'build/-x', '', '/'])
def test_unsafe_builddir(door, value):
    assert 'build/NAME' in door.fails('./configure', f'--builddir={value}')
    assert not door.exists('build')


@pytest.mark.parametrize('option', ['--instal-deps', '--install-dep', '--install-deps=yes', '--with-cpython-src=x', '--with-cpython-source',
                                    '--with-cpython-source=', '--with-security-fixes=', '--with-security-fix', '--without-security-fixes=x', '--without-security', '--build-dir=build/x', '--builddir', '--srcdir=/x', 'release', 'x y'])
def test_misspelt_option(door, option):
    assert option in door.fails('./configure', option)
    assert not door.exists('build')


def test_option_that_cpython_does_not_know(door):
    door.cached()
    done = door.run('./configure', '--with-nothing', status=1)
    assert done.stderr.splitlines()[-1].startswith("configure: error: CPython's configure failed in build/release: unrecognized options")
    assert 'configured already' not in door.configure().stdout


def test_help_changes_nothing(door):
    shown = door.configure('--help').stdout
    for word in '--install-deps', '--with-cpython-source=FILE', '--with-security-fixes=FILE', '--without-security-fixes', '--builddir=build/NAME', '9.9.9':
        assert word in shown
    assert not door.exists('build')


def test_folder_with_a_space_is_refused(door):
    moved = door.path.parent / 'with space'
    door.path.rename(moved)
    door.path = moved
    assert "with space'; move" in door.fails('./configure')
    assert not door.exists('build')


def test_moved_folder_is_configured_again(door):
    door.cached()
    door.configure()
    moved = door.path.parent / 'moved'
    door.path.rename(moved)
    door.path = moved
    assert './configure' in door.fails('make')
    door.configure()
    door.make()


def test_upstream_without_a_key(door):
    door.write('UPSTREAM', 'VERSION=9.9.9\n')
    assert 'UPSTREAM has no' in door.fails('./configure')


def test_missing_packages_are_listed_and_nothing_else_happens(door):
    door.stub('dpkg-query', 'printf "installed %s\\n" libc6-dev libssl-dev zlib1g-dev')
    door.stub('apt-cache', 'exit 0')
    door.stub('sudo', 'exit 9')
    door.stub('id', 'echo 1000')
    done = door.run('./configure', status=1, env=door.only_commands(*TOOLS))
    lines = done.stderr.splitlines()
    assert 'packages are missing: gcc make' in lines[0] and 'libssl-dev' not in lines[0] and 'uuid-dev' in lines[0]
    assert 'to install them: sudo apt-get install -y --no-install-recommends gcc make' in lines[1]
    assert lines[2].startswith('configure: error: ') and '--install-deps' in lines[2] and len(lines) == 3
    assert not door.exists('build')
    door.stub('apt-cache', 'exit 100')      # lists never fetched
    done = door.run('./configure', status=1, env=door.only_commands(*TOOLS))
    assert 'sudo apt-get update && sudo apt-get install' in done.stderr


@pytest.mark.parametrize('user', ['root', 'sudo'])
def test_install_deps(door, user):
    door.cached()
    log, have = door.path.parent / 'apt.log', door.path.parent / 'have'
    have.write_text('')
    door.stub('dpkg-query', f'cat {have}')
    door.stub('id', f'echo {0 if user == "root" else 1000}')
    door.stub('sudo', f'echo sudo >> {log}; exec "$@"')
    door.stub('apt-cache', 'exit 100')
    door.stub('apt-get', f'''
        echo "$DEBIAN_FRONTEND $*" >> {log}
        case $* in *install*) for p do echo "installed $p"; done > {have} ;; esac''')
    door.configure('--install-deps')
    lines = log.read_text().splitlines()
    assert ('sudo' in lines) == (user == 'sudo')
    lines = [line for line in lines if line != 'sudo']
    assert lines[0] == 'noninteractive -q update'
    assert lines[1].startswith('noninteractive -q install -y --no-install-recommends libc6-dev ')
    log.unlink()
    door.configure('--install-deps')
    assert not log.exists()


def test_install_deps_updates_lists_that_are_too_old(door):
    door.cached()
    log, have = door.path.parent / 'apt.log', door.path.parent / 'have'
    have.write_text('')
    door.stub('dpkg-query', f'cat {have}')
    door.stub('id', 'echo 0')
    door.stub('apt-cache', 'exit 0')
    door.stub('apt-get', f'''
        echo "$2" >> {log}
        [ "$2" != install ] || grep -q update {log} || {{ echo "E: Failed to fetch: 404"; exit 100; }}
        for p do echo "installed $p"; done > {have}''')
    door.configure('--install-deps')
    assert log.read_text().split() == ['install', 'update', 'install', 'update']   # the last one asks for the security fixes


def test_install_deps_that_fails(door):
    door.stub('dpkg-query', 'exit 0')
    door.stub('id', 'echo 0')
    door.stub('apt-get', 'echo "E: Unable to locate package libffi-dev"; exit 100')
    assert 'E: Unable to locate package libffi-dev' in door.fails('./configure', '--install-deps')
    door.stub('id', 'echo 1000')
    assert 'needs root or sudo' in door.fails('./configure', '--install-deps', env=door.only_commands(*TOOLS))
    assert not door.exists('build')


def test_tools_are_looked_for_where_there_is_no_dpkg(door):
    (door.bin / 'dpkg-query').unlink()
    (door.bin / 'apt-get').unlink()
    line = door.fails('./configure', env=door.only_commands(*(set(TOOLS) - {'patch'})))
    assert 'tools are missing: cc make patch pkg-config; install them' in line


@pytest.mark.skipif(shutil.which('shellcheck') is None, reason='shellcheck is not installed')
def test_scripts_are_posix_sh(root):
    scripts = sorted(str(path.relative_to(root)) for path in (root / 'build-aux').glob('*.sh'))
    done = subprocess.run(['shellcheck', '-x', '-s', 'sh', '-e', 'SC2034,SC2154', 'configure', *scripts], cwd=root, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout
