"""make condcov-peers: the sources of other interpreters come from a suite of this machine's mirror, and are verified."""

import hashlib
import platform
import tarfile

import pytest

pytestmark = pytest.mark.slow

# What configure and make of a release do here.
CONFIGURE = '''\
#!/bin/sh
for a do case $a in --prefix=*) prefix=${a#--prefix=} ;; esac; done
printf 'all:\\n\\techo compiled >>log\\naltinstall:\\n\\tmkdir -p %s/bin\\n\\tprintf "%%s\\\\n" "#!/bin/sh" >%s/bin/python9.9\\n' \
    "$prefix" "$prefix" >Makefile
printf '\\tchmod +x %s/bin/python9.9\\n' "$prefix" >>Makefile
'''
SOURCES = '''\
Types: deb
URIs: http://mirror.invalid/debian
Suites: {0} {0}-updates
Components: main
Signed-By: /usr/share/keyrings/debian.gpg

Types: deb
URIs: http://mirror.invalid/security
Suites: {0}-security
Components: main
'''


@pytest.fixture
def peer(checkout, tmp_path):
    """The archive of a peer that the mirror has, and that build-aux/peers lists."""
    source = tmp_path / 'Python-9.9.9'
    source.mkdir()
    (source / 'configure').write_text(CONFIGURE)
    (source / 'configure').chmod(0o755)
    archive = tmp_path / 'python9.9_9.9.9.orig.tar.xz'
    with tarfile.open(archive, 'w:xz') as tar:
        tar.add(source, 'Python-9.9.9')
    checkout.sum = hashlib.sha256(archive.read_bytes()).hexdigest()
    checkout.write('build-aux/peers', f'# a comment\n9.9.9 python9.9 newer {checkout.sum}\n')
    (tmp_path / 'parts').mkdir()
    try:
        codename = platform.freedesktop_os_release()['VERSION_CODENAME']
    except (OSError, KeyError):
        pytest.skip('this system has no codename')
    (tmp_path / 'parts/debian.sources').write_text(SOURCES.format(codename))
    (tmp_path / 'parts/other.list').write_text(
        f'deb [arch=amd64] http://list.invalid/debian {codename} main\ndeb http://list.invalid/other stable main\n')
    checkout.stub('apt-config', f'[ "$1" != shell ] || echo "main=/nowhere parts={tmp_path}/parts"')
    checkout.stub_mirror(f"""*update*) cat $(dirname $APT_CONFIG)/parts/* >{tmp_path}/asked ;;
        *source*) cp {archive} . ;;""")
    checkout.configure('--without-security-fixes', f'--with-cpython-source={checkout.release}')
    return archive


def test_fetched_once_and_built_once(checkout, peer, tmp_path):
    done = checkout.make('condcov-peers')
    assert 'build/peers/9.9.9/bin/python9.9 is built' in done.stdout
    asked = (tmp_path / 'asked').read_text()
    assert 'http://mirror.invalid/debian' in asked and 'Suites: newer\n' in asked
    assert 'deb-src [arch=amd64] http://list.invalid/debian newer main' in asked
    assert 'security' not in asked and 'other' not in asked and 'Types: deb\n' not in asked
    assert checkout.exists('build/peers/9.9.9/bin/python9.9') and not checkout.exists('build/peers/source')
    assert checkout.exists('build/downloads/Python-9.9.9.tar.xz') and checkout.leftovers() == []
    assert checkout.make('condcov-peers').stdout == 'make: build/peers/9.9.9 is up to date\n'


def test_another_checksum(checkout, peer):
    peer.write_bytes(b'other')
    line = checkout.fails('make', 'condcov-peers')
    for part in ('cannot get the source of CPython 9.9.9', "apt's source package python9.9 9.9.9-1: not the archive", ' 5 bytes', checkout.sum):
        assert part in line
    assert not checkout.exists('build/peers/9.9.9') and checkout.leftovers() == []


def test_not_on_the_mirror(checkout, peer):
    checkout.stub('apt-cache', ':')
    line = checkout.fails('make', 'condcov-peers')
    assert 'no version that apt lists has the archive' in line and 'put it into build/downloads' in line


def test_an_archive_that_is_there(checkout, peer):
    checkout.write('build/downloads/x', '')
    (checkout.path / 'build/downloads/Python-9.9.9.tar.xz').write_bytes(peer.read_bytes())
    checkout.stub('apt-get', 'exit 1')
    assert 'is built' in checkout.make('condcov-peers').stdout


def test_a_build_that_fails(checkout, peer):
    checkout.write('build-aux/peers', checkout.read('build-aux/peers').replace('9.9.9 ', '8.8.8 '))
    line = checkout.fails('make', 'condcov-peers')
    assert 'cannot build CPython 8.8.8' in line and 'build/peers/8.8.8.log' in line
