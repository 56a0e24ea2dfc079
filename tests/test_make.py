"""make: what is rebuilt and what is not, the stock build, install, clean, and error messages."""

import shutil


def compiled(done, checkout, where='build/release'):
    return sorted(line.split('/')[-1] for line in checkout.read(f'{where}/build.log').splitlines() if line.startswith('compiled'))


def test_build_and_build_again(ready):
    ready.make()
    assert ready.run('./python').stdout == 'built with --enable-option-checking=fatal\n'
    again = ready.make()
    assert again.stdout == 'make: build/release/python is up to date\n'


def test_editing_one_overlay_file_rebuilds_only_that(ready):
    ready.make()
    ready.write('Python/ours.c', 'int changed;\n')
    assert compiled(ready.make(), ready) == ['ours.c']
    ready.fork('Python/ceval.c').write_text('edited in the patched tree\n')
    assert compiled(ready.make(), ready) == ['ceval.c']
    ready.write('Doc/library/ours.rst', 'a page\n')
    assert 'up to date' in ready.make().stdout


def test_touching_an_overlay_file_rebuilds_nothing(ready):
    ready.make()
    (ready.path / 'Python/ours.c').touch()
    assert ready.make().stdout == 'make: build/release/python is up to date\n'


def test_the_commit_is_shown(ready):
    def shown():
        ready.make()
        return [line for line in ready.read('build/release/python').splitlines() if 'tag=' in line]

    def commit():
        return ready.git('log', '-1', '--format=%h', '--abbrev=10').strip()
    first = commit()
    assert shown() == [f'# tag=settracestate version={first}']
    ready.write('Python/ours.c', 'int changed;\n')
    assert shown() == [f'# tag=settracestate version={first}+']
    ready.git('commit', '-qam', 'change')
    second = commit()
    assert shown() == [f'# tag=settracestate version={second}']
    ready.write('README.rst', 'words\n')
    ready.git('add', 'README.rst')
    ready.git('commit', '-qm', 'words')
    assert 'up to date' in ready.make().stdout
    shutil.rmtree(ready.path / '.git')
    assert shown() == ['# tag=settracestate version=unknown']


def test_failed_build(ready):
    ready.write('Python/ours.c', '#error here\n')
    done = ready.run('make', status=1)
    assert 'build/src/fork/Python/ours.c:1: error: broken' in done.stderr
    assert 'make: error: the build in build/release failed; the whole output is in build/release/build.log' in done.stderr
    done = ready.run('make', 'V=1', status=1)
    assert 'Python/ours.c:1: error: broken' in done.stdout
    ready.write('Python/ours.c', 'int good;\n')
    assert compiled(ready.make(), ready) in (['ours.c'], ['ceval.c', 'ours.c', 'sysmodule.c'])
    assert 'up to date' in ready.make().stdout


def test_make_before_configure(checkout):
    checkout.cached()
    checkout.configure()
    assert 'run ./configure --builddir=build/debug' in checkout.fails('make', 'BUILDDIR=build/debug')
    assert 'build/NAME' in checkout.fails('make', 'BUILDDIR=/tmp')
    shutil.rmtree(checkout.path / 'build/release')
    assert 'run ./configure' in checkout.fails('make')


def test_stock_is_the_release_with_the_same_options(ready):
    ready.configure('--with-pydebug', 'CFLAGS=-g -O0')
    ready.make('stock')
    assert ready.run('build/stock/python').stdout == 'built with --enable-option-checking=fatal --with-pydebug CFLAGS=-g -O0\n'
    text = ready.read('build/stock/python')
    assert 'hook' not in text and 'ours' not in text and 'tag=main version=\n' in text
    assert not ready.exists('python')
    assert ready.make('stock').stdout == 'make: build/stock/python is up to date\n'
    ready.write('Python/ours.c', 'int changed;\n')
    assert ready.make('stock').stdout == 'make: build/stock/python is up to date\n'
    ready.configure('--builddir=build/debug')
    ready.make('stock')
    assert ready.run('build/stock-debug/python').stdout == 'built with --enable-option-checking=fatal\n'


def test_install(ready, tmp_path):
    ready.make('install', f'DESTDIR={tmp_path}/dest')
    assert ready.run(str(tmp_path / 'dest/usr/local/bin/python3.11')).stdout.startswith('built with')


def test_altinstall_is_install(ready, tmp_path):
    ready.make('altinstall', f'DESTDIR={tmp_path}/dest')
    assert [path.name for path in (tmp_path / 'dest/usr/local/bin').iterdir()] == ['python3.11']


def test_clean(ready):
    ready.make()
    ready.make('stock')
    ready.make('clean')
    assert not ready.exists('python') and not list((ready.path / 'build/release').rglob('*.o'))
    assert 'build/release/python is built' in ready.make().stdout
    assert compiled(None, ready) == ['ceval.c', 'ours.c', 'sysmodule.c']
    assert 'build/stock/python is built' in ready.make('stock').stdout


def test_clean_removes_a_half_configured_builddir(ready):
    ready.write('build/debug/configure.log', '')
    ready.make('clean')
    assert not ready.exists('build/debug') and ready.exists('build/release/config.status')


def test_distclean(ready):
    ready.make()
    ready.fork('Python/ours.c').write_text('edit\n')
    assert 'make patches' in ready.fails('make', 'distclean')
    ready.make('patches')
    ready.make('distclean')
    assert not ready.exists('build') and not ready.exists('Makefile')


def test_help_names_every_target(ready):
    shown = ready.make('help').stdout
    targets = ready.read('Makefile').split('.PHONY:')[1].split('\n')[0].split()
    for target in set(targets) - {'all'}:
        assert f'make {target} ' in shown
    assert 'build/release' in shown


def test_makefile_follows_its_source(ready):
    ready.make()
    ready.write('Makefile.pre.in', ready.read('Makefile.pre.in') + '\nnew:\n\t@echo new target\n')
    assert 'new target' in ready.make('new', 'BUILDDIR=build/other').stdout
    assert 'CONFIGURED = build/release\n' in ready.read('Makefile')


def test_parallel_make(ready):
    assert ready.make('-j3').stderr == ''
