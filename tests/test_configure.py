"""./configure: its options, the dependencies, repeated runs, and errors."""

import subprocess

import pytest

from support.fake_release import TOOLS


def test_first_run_makes_everything_and_second_does_nothing(checkout):
    checkout.cached()
    first = checkout.configure()
    assert 'unpacking' in first.stdout and first.stdout.endswith('; now run make\n')
    assert checkout.exists('Makefile') and checkout.exists('build/release/config.status')
    state = {path: path.stat().st_mtime_ns for path in checkout.path.rglob('*') if '.git/' not in str(path) and path.is_file()}
    second = checkout.configure()
    assert second.stdout.splitlines() == [
        'configure: fixes: none, because apt had none within the last day; --with-security-fixes asks again now',
        'configure: build/release is configured already', first.stdout.splitlines()[-1]]
    assert 'configure: ready, with no security fixes, as apt had none (no version that apt lists' in second.stdout
    assert state == {path: path.stat().st_mtime_ns for path in state}
    assert checkout.git('status', '--porcelain') == ''
    assert checkout.leftovers() == []


def test_it_runs_from_another_folder(checkout):
    checkout.cached()
    checkout.run(str(checkout.path / 'configure'), cwd=checkout.path.parent)
    assert checkout.exists('Makefile')


def test_options_reach_cpythons_configure(checkout):
    checkout.cached()
    checkout.configure('--with-pydebug', '--prefix=/opt/a b', 'CC=cc -pipe', "CFLAGS=-DX='1'", env={'LDFLAGS': '-g'})
    args = checkout.read('build/release/args')
    assert "--with-pydebug --prefix=/opt/a b CC=cc -pipe CFLAGS=-DX='1' LDFLAGS=-g" in args
    again = checkout.configure('--with-pydebug', '--prefix=/opt/a b', 'CC=cc -pipe', "CFLAGS=-DX='1'", env={'LDFLAGS': '-g'})
    assert 'configured already' in again.stdout


def test_other_options_start_over(checkout):
    checkout.cached()
    checkout.configure()
    checkout.write('build/release/old.o', '')
    changed = checkout.configure('--with-pydebug')
    assert 'build/release: starting over, because it was configured with no options\n' in changed.stdout
    assert '--with-pydebug' in checkout.read('build/release/args') and not checkout.exists('build/release/old.o')


def test_builddirs_live_side_by_side(checkout):
    checkout.cached()
    checkout.configure()
    for spelling in 'build/debug', './build/debug/', 'debug', str(checkout.path / 'build/debug'):
        checkout.configure(f'--builddir={spelling}', '--with-pydebug')
    assert '--with-pydebug' not in checkout.read('build/release/args')
    checkout.make()
    assert 'build/debug/python' in subprocess.check_output(['readlink', checkout.path / 'python'], text=True)
    checkout.make('BUILDDIR=build/release')
    assert 'build/release/python' in subprocess.check_output(['readlink', checkout.path / 'python'], text=True)


@pytest.mark.parametrize('value', ['/tmp/elsewhere', '../x', 'build', 'build/', 'build/..', 'build/a/b', 'build/src', 'build/stock',
                                   'build/stock-debug', 'build/downloads', 'build/venv', 'build/x.new', 'build/a b', 'build/-x', '', '/'])
def test_unsafe_builddir(checkout, value):
    assert 'build/NAME' in checkout.fails('./configure', f'--builddir={value}')
    assert not checkout.exists('build')


@pytest.mark.parametrize('option', ['--instal-deps', '--install-dep', '--install-deps=yes', '--with-cpython-src=x', '--with-cpython-source',
                                    '--with-cpython-source=', '--with-security-fixes=', '--with-security-fix', '--without-security-fixes=x', '--without-security', '--build-dir=build/x', '--builddir', '--srcdir=/x', 'release', 'x y'])
def test_misspelt_option(checkout, option):
    assert option in checkout.fails('./configure', option)
    assert not checkout.exists('build')


def test_option_that_cpython_does_not_know(checkout):
    checkout.cached()
    done = checkout.run('./configure', '--with-nothing', status=1)
    assert done.stderr.splitlines()[-1] == "configure: error: CPython's configure failed: unrecognized options: --with-nothing"
    assert 'configured already' not in checkout.configure().stdout


@pytest.mark.parametrize('options, message', [
    (['--with-nothing'], 'unrecognized options: --with-nothing; nothing was changed'),
    (['--with-nothing', '--without-security-fixes'], 'unrecognized options: --with-nothing; nothing was changed'),
    (['CC=nothing'], 'no acceptable C compiler found; build/release is unchanged'),
    (['CC=nothing', '--prefix=/opt/x'], 'no acceptable C compiler found; build/release is unchanged'),
])
def test_options_that_cpython_refuses_leave_a_finished_build_alone(ready, fixes, options, message):
    ready.configure(f'--with-security-fixes={fixes}', '--prefix=/opt/a')
    ready.make()
    state = {path: path.stat().st_mtime_ns for path in (ready.path / 'build/release').rglob('*')}
    done = ready.run('./configure', f'--with-security-fixes={fixes}', *options, status=1)
    assert message in done.stderr.splitlines()[-1]
    assert state == {path: path.stat().st_mtime_ns for path in (ready.path / 'build/release').rglob('*')}
    assert ready.make().stdout == 'make: build/release/python is up to date\n'
    assert ready.run('./python').stdout == 'built with --enable-option-checking=fatal --prefix=/opt/a\n'


def test_interrupted_configure_leaves_a_finished_build_alone(ready):
    ready.make()
    ready.stub('touch', 'kill -TERM $PPID; sleep 1')
    ready.run('./configure', '--prefix=/opt/x', status=1)
    (ready.bin / 'touch').unlink()
    assert ready.make().stdout == 'make: build/release/python is up to date\n'
    said = ready.configure('--prefix=/opt/x').stdout
    assert 'build/release: starting over, because it was configured with no options\n' in said
    ready.make()
    assert ready.run('./python').stdout == 'built with --enable-option-checking=fatal --prefix=/opt/x\n'
    assert not ready.exists('build/release.new')


def test_builddir_does_not_name_the_temporary_one(checkout):
    checkout.cached()
    checkout.configure('--prefix=/opt/x')
    assert checkout.read('build/release/where') == f'{checkout.path}/build/release\n'


def test_help_changes_nothing(checkout):
    shown = checkout.configure('--help').stdout
    for word in '--install-deps', '--with-cpython-source=FILE', '--with-security-fixes=FILE', '--without-security-fixes', '--builddir=build/NAME', '9.9.9':
        assert word in shown
    assert not checkout.exists('build')


@pytest.mark.parametrize('name', ['with space', 'a:b', 'a%b', 'a=b', 'a,b', 'a#b', 'a$b', 'a~b', 'é'])
def test_path_that_make_cannot_handle(checkout, name):
    moved = checkout.path.parent / name
    checkout.path.rename(moved)
    checkout.path = moved
    assert f"may contain only letters, digits and . _ - + @ /; move or rename it: '{moved}'" in checkout.fails('./configure')
    assert not checkout.exists('build')


def test_moved_folder_is_configured_again(checkout):
    checkout.cached()
    checkout.configure()
    moved = checkout.path.parent / 'moved'
    checkout.path.rename(moved)
    checkout.path = moved
    assert './configure' in checkout.fails('make')
    checkout.configure()
    checkout.make()


def test_upstream_without_a_key(checkout):
    checkout.write('UPSTREAM', 'VERSION=9.9.9\n')
    assert 'UPSTREAM has no' in checkout.fails('./configure')


def test_missing_packages_are_listed_and_nothing_else_happens(checkout):
    checkout.stub('dpkg-query', 'printf "installed %s\\n" libc6-dev libssl-dev zlib1g-dev')
    checkout.stub('apt-cache', 'exit 0')
    checkout.stub('sudo', 'exit 9')
    checkout.stub('id', 'echo 1000')
    done = checkout.run('./configure', status=1, env=checkout.only_commands(*TOOLS))
    lines = done.stderr.splitlines()
    assert 'packages are missing: gcc make' in lines[0] and 'libssl-dev' not in lines[0] and 'uuid-dev' in lines[0]
    assert 'to install them: sudo apt-get install -y --no-install-recommends gcc make' in lines[1]
    assert lines[2].startswith('configure: error: ') and '--install-deps' in lines[2] and len(lines) == 3
    assert not checkout.exists('build')
    checkout.stub('apt-cache', 'exit 100')      # apt's lists were never fetched
    done = checkout.run('./configure', status=1, env=checkout.only_commands(*TOOLS))
    assert 'sudo apt-get update && sudo apt-get install' in done.stderr


@pytest.mark.parametrize('user', ['root', 'sudo'])
def test_install_deps(checkout, user):
    checkout.cached()
    log, have = checkout.path.parent / 'apt.log', checkout.path.parent / 'have'
    have.write_text('')
    checkout.stub('dpkg-query', f'cat {have}')
    checkout.stub('id', f'echo {0 if user == "root" else 1000}')
    checkout.stub('sudo', f'echo sudo >> {log}; exec "$@"')
    checkout.stub('apt-cache', 'exit 100')
    checkout.stub('apt-get', f'''
        echo "$DEBIAN_FRONTEND $*" >> {log}
        case $* in *install*) for p do echo "installed $p"; done > {have} ;; esac''')
    checkout.configure('--install-deps')
    lines = log.read_text().splitlines()
    assert ('sudo' in lines) == (user == 'sudo')
    lines = [line for line in lines if line != 'sudo']
    assert lines[0] == 'noninteractive -q update'
    assert lines[1].startswith('noninteractive -q install -y --no-install-recommends libc6-dev ')
    log.unlink()
    checkout.configure('--install-deps')
    assert not log.exists()


def test_install_deps_updates_lists_that_are_too_old(checkout):
    checkout.cached()
    log, have = checkout.path.parent / 'apt.log', checkout.path.parent / 'have'
    have.write_text('')
    checkout.stub('dpkg-query', f'cat {have}')
    checkout.stub('id', 'echo 0')
    checkout.stub('apt-cache', 'exit 0')
    checkout.stub('apt-get', f'''
        echo "$2" >> {log}
        [ "$2" != install ] || grep -q update {log} || {{ echo "E: Failed to fetch: 404"; exit 100; }}
        for p do echo "installed $p"; done > {have}''')
    checkout.configure('--install-deps')
    assert log.read_text().split() == ['install', 'update', 'install', 'update']   # the last one asks for the security fixes


def test_install_deps_that_fails(checkout):
    checkout.stub('dpkg-query', 'exit 0')
    checkout.stub('id', 'echo 0')
    checkout.stub('apt-get', 'echo "E: Unable to locate package libffi-dev"; exit 100')
    assert 'E: Unable to locate package libffi-dev' in checkout.fails('./configure', '--install-deps')
    checkout.stub('id', 'echo 1000')
    assert 'needs root or sudo' in checkout.fails('./configure', '--install-deps', env=checkout.only_commands(*TOOLS))
    assert not checkout.exists('build')


def test_tools_are_checked_without_dpkg(checkout):
    (checkout.bin / 'dpkg-query').unlink()
    (checkout.bin / 'apt-get').unlink()
    line = checkout.fails('./configure', env=checkout.only_commands(*(set(TOOLS) - {'patch'})))
    assert 'tools are missing: cc make patch pkg-config; install them' in line
