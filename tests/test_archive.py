"""The roads by which the release archive comes, each of which the checksum judges."""

import shutil
import subprocess

import pytest

from make_believe import TOOLS


def roads_end(door, *options, **how):
    line = door.fails('./configure', *options, **how)
    assert not door.exists('build/src/.release') and door.leftovers() == []
    assert not door.exists(f'build/downloads/{door.release.name}')
    return line


def test_named_file(door, tmp_path):
    elsewhere = tmp_path / 'my copy.tar.gz'
    shutil.copy(door.release, elsewhere)
    door.configure(f'--with-cpython-source={elsewhere}')
    elsewhere.unlink()
    door.run('../configure', '--with-cpython-source=downloads/Python-9.9.9.tgz', cwd=door.path / 'build')
    assert (door.path / 'build/downloads' / door.release.name).read_bytes() == door.release.read_bytes()
    door.configure()


def test_named_file_that_is_wrong_or_cut_or_missing(door, tmp_path):
    cut = tmp_path / 'cut.tgz'
    cut.write_bytes(door.release.read_bytes()[:1000])
    line = roads_end(door, f'--with-cpython-source={cut}')
    assert str(cut) in line and '1000 bytes' in line and door.sum in line
    assert 'no readable file /nowhere' in roads_end(door, '--with-cpython-source=/nowhere')
    assert 'no readable file' in roads_end(door, f'--with-cpython-source={tmp_path}')
    # also where the release is there already
    door.cached()
    door.configure()
    assert str(cut) in door.fails('./configure', f'--with-cpython-source={cut}')
    door.configure()


def test_no_road(door):
    line = roads_end(door)
    for part in ('build/downloads/Python-9.9.9.tgz: not there', "apt's source package python9.9: no version",
                 'https://www.python.invalid/Python-9.9.9.tgz: E: the stub', '--with-cpython-source=FILE'):
        assert part in line
    door.cached()
    door.configure()


def test_damaged_cache_is_fetched_again(door):
    (door.path / 'build/downloads').mkdir(parents=True)
    door.write(f'build/downloads/{door.release.name}', 'damaged')
    door.stub('curl', f'while [ "$1" != -o ]; do shift; done; cp {door.release} "$2"')
    done = door.configure()
    assert 'not the file that UPSTREAM names' in done.stdout and 'fetching https://www.python.invalid' in done.stdout


def test_site_by_curl_or_wget(door):
    door.stub('curl', f'while [ "$1" != -o ]; do shift; done; head -c 500 {door.release} > "$2"')
    assert '500 bytes' in roads_end(door)
    (door.bin / 'curl').unlink()
    door.stub('wget', f'while [ "$1" != -O ]; do shift; done; cp {door.release} "$2"')
    door.configure(env=door.only_commands(*TOOLS))


def test_interrupted_download_leaves_nothing(door):
    door.stub('curl', 'while [ "$1" != -o ]; do shift; done; echo part > "$2"; kill -TERM $PPID; sleep 1')
    door.run('./configure', status=1)
    assert door.leftovers() == [] and not door.exists(f'build/downloads/{door.release.name}')
    door.cached()
    door.configure()


@pytest.fixture
def apt(door, tmp_path):
    """An apt whose sources are of both formats and whose mirror lacks the newest version."""
    etc = tmp_path / 'etc'
    (etc / 'sources.list.d').mkdir(parents=True)
    (etc / 'sources.list').write_text('# comment\ndeb http://mirror.invalid/debian bookworm main\n'
                                      'deb [arch=amd64 signed-by=/k.gpg] http://mirror.invalid/debian-security bookworm-security main contrib\n'
                                      'deb cdrom:[Debian]/ bookworm main\ndeb-src http://mirror.invalid/debian bookworm main\n')
    (etc / 'sources.list.d/more.sources').write_text('Types: deb deb-src\nURIs: http://a.invalid http://b.invalid\n'
                                                     'Suites: x x-updates\nComponents: main\nSigned-By: /k.gpg\n\n'
                                                     'Enabled: no\nTypes: deb\nURIs: http://c.invalid\nSuites: y\n')
    (etc / 'sources.list.d/third.list').write_text('deb http://third.invalid/ ./\n')
    (etc / 'sources.list.d/off.list.disabled').write_text('deb http://off.invalid/ ./\n')
    door.stub('apt-config', f'''
        case $1 in
        shell) echo "main='{etc}/sources.list' parts='{etc}/sources.list.d/'" ;;
        dump) echo 'Acquire::http::Proxy "http://proxy.invalid";'; echo 'Dir::State::lists "/var/lib/apt/lists";'
              echo 'APT::Update::Post-Invoke:: "touch {tmp_path}/hook";' ;;
        esac''')
    door.stub_mirror(f'''
        *update) cp "$APT_CONFIG" {tmp_path}/conf; cat $(dirname "$APT_CONFIG")/parts/* > {tmp_path}/parts ;;
        *) cp {door.release} python9.9_9.9.9.orig.tar.gz ;;''')
    return tmp_path


def test_apt_takes_the_newest_version_that_can_be_fetched(door, apt):
    done = door.configure()
    assert (apt / 'calls').read_text().splitlines() == [
        '-q update', '-q source --download-only --diff-only python9.9=9.9.9-10', '-q source --download-only --diff-only python9.9=9.9.9-1',
        '-q source --download-only --tar-only python9.9=9.9.9-10', '-q source --download-only --tar-only python9.9=9.9.9-1']
    assert '9.9.9-10: E: Failed to fetch' in done.stdout and "taking Debian's source package python9.9 9.9.9-1" in done.stdout
    assert door.leftovers() == []


def test_apt_asks_the_machines_own_sources_in_private(door, apt):
    door.configure()
    parts = (apt / 'parts').read_text()
    assert parts.count('deb-src http://mirror.invalid/debian bookworm main\n') == 1
    assert 'deb-src [arch=amd64 signed-by=/k.gpg] http://mirror.invalid/debian-security bookworm-security main contrib\n' in parts
    assert 'deb-src http://third.invalid/ ./\n' in parts and 'off.invalid' not in parts and 'cdrom' not in parts
    assert parts.count('Types: deb-src\n') == 2 and 'Enabled: no' in parts and '\ndeb ' not in parts
    conf = (apt / 'conf').read_text()
    assert 'proxy.invalid' in conf and 'Post-Invoke' not in conf and '/var/lib/apt' not in conf


def test_apt_takes_nothing_that_is_not_signed(door, apt):
    # whatever the machine's own settings allow
    etc = apt / 'etc'
    (etc / 'sources.list').write_text('deb [trusted=yes] http://one.invalid/ ./\n'
                                      'deb [arch=amd64 allow-insecure=yes trusted=yes signed-by=/k.gpg] http://two.invalid/ ./\n')
    (etc / 'sources.list.d/more.sources').write_text('Types: deb\nTrusted: yes\nURIs: http://a.invalid\nAllow-Insecure: yes\n'
                                                     'allow-weak: yes\nSuites: x\nComponents: main\n')
    door.stub('apt-config', f'''
        case $1 in
        shell) echo "main='{etc}/sources.list' parts='{etc}/sources.list.d/'" ;;
        dump) echo 'APT::Get::AllowUnauthenticated "true";'; echo 'Acquire::AllowInsecureRepositories "1";' ;;
        esac''')
    door.configure()
    parts = (apt / 'parts').read_text()
    assert 'deb-src http://one.invalid/ ./\n' in parts and 'signed-by=/k.gpg] http://two.invalid/ ./\n' in parts
    assert 'Types: deb-src\nURIs: http://a.invalid\nSuites: x\nComponents: main\n' in parts
    assert 'trusted' not in parts.lower() and 'allow-' not in parts.lower()
    conf = (apt / 'conf').read_text().splitlines()
    for name in 'APT::Get::AllowUnauthenticated', 'Acquire::AllowInsecureRepositories', 'Acquire::AllowWeakRepositories':
        assert [line for line in conf if line.startswith(name)][-1] == f'{name} "false";'


def test_apt_that_gives_another_file(door, apt):
    door.stub('apt-get', 'case $* in *update) ;; *) echo other > python9.9_9.9.9.orig.tar.gz ;; esac')
    assert 'python9.9 9.9.9-1: not the archive' in roads_end(door).replace('source package ', '')


def full_disk(door, size, *command):
    """Run command with build/ on a disk of this size; the disk is gone afterwards."""
    (door.path / 'build').mkdir(exist_ok=True)
    script = f'mount -t tmpfs -o size={size} none build && exec "$@"'
    unshare = ['unshare', '-rm', 'sh', '-c']
    if subprocess.run([*unshare, 'mount -t tmpfs none /mnt'], capture_output=True).returncode:
        pytest.skip('this user cannot mount')
    return door.run(*unshare, script, 'sh', *command, status=1)


@pytest.mark.parametrize('size', ['16k', '512k', '1200k', '2500k'])
def test_full_disk(door, size):
    done = full_disk(door, size, './configure', f'--with-cpython-source={door.release}')
    assert done.stderr.startswith('configure: error: ') and done.stderr.count('\n') == 1, done.stderr
    assert 'No space left' in done.stderr or 'is the disk full?' in done.stderr
    assert 'room' in done.stderr or 'disk' in done.stderr


def test_archive_that_cannot_be_unpacked(door):
    bad = door.release.read_bytes()[:-100]
    door.write('UPSTREAM', door.read('UPSTREAM').replace(door.sum, __import__('hashlib').sha256(bad).hexdigest()))
    (door.path / 'build/downloads').mkdir(parents=True)
    (door.path / 'build/downloads' / door.release.name).write_bytes(bad)
    assert 'cannot unpack Python-9.9.9.tgz' in door.fails('./configure')
    assert not door.exists('build/src/fork') and door.leftovers() == []
