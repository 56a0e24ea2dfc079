"""The sources of the release archive, whose checksum is verified for each."""

import hashlib
import shutil

import pytest

from support.fake_release import TOOLS, full_disk

pytestmark = pytest.mark.slow


def failure(checkout, *options, **how):
    line = checkout.fails('./configure', *options, **how)
    assert not checkout.exists('build/src/.release') and checkout.leftovers() == []
    assert not checkout.exists(f'build/downloads/{checkout.release.name}')
    return line


def test_named_file(checkout, tmp_path):
    elsewhere = tmp_path / 'my copy.tar.gz'
    shutil.copy(checkout.release, elsewhere)
    checkout.configure(f'--with-cpython-source={elsewhere}')
    elsewhere.unlink()
    checkout.run('../configure', '--with-cpython-source=downloads/Python-9.9.9.tgz', cwd=checkout.path / 'build')
    assert (checkout.path / 'build/downloads' / checkout.release.name).read_bytes() == checkout.release.read_bytes()
    checkout.configure()


def test_named_file_that_is_wrong_or_cut_or_missing(checkout, tmp_path):
    cut = tmp_path / 'cut.tgz'
    cut.write_bytes(checkout.release.read_bytes()[:1000])
    line = failure(checkout, f'--with-cpython-source={cut}')
    assert str(cut) in line and '1000 bytes' in line and checkout.sum in line
    assert 'no readable file /nowhere' in failure(checkout, '--with-cpython-source=/nowhere')
    assert 'no readable file' in failure(checkout, f'--with-cpython-source={tmp_path}')
    # The option is checked even if the release is there already.
    checkout.cached()
    checkout.configure()
    assert str(cut) in checkout.fails('./configure', f'--with-cpython-source={cut}')
    checkout.configure()


def test_no_source(checkout):
    line = failure(checkout)
    for part in ('build/downloads/Python-9.9.9.tgz: not there', "apt's source package python9.9: no version",
                 'https://www.python.invalid/Python-9.9.9.tgz: E: the stub', '--with-cpython-source=FILE'):
        assert part in line
    checkout.cached()
    checkout.configure()


def test_damaged_cache_is_fetched_again(checkout):
    (checkout.path / 'build/downloads').mkdir(parents=True)
    checkout.write(f'build/downloads/{checkout.release.name}', 'damaged')
    checkout.stub('curl', f'while [ "$1" != -o ]; do shift; done; cp {checkout.release} "$2"')
    done = checkout.configure()
    assert 'not the file that UPSTREAM names' in done.stdout and 'fetching https://www.python.invalid' in done.stdout


def test_site_by_curl_or_wget(checkout):
    checkout.stub('curl', f'while [ "$1" != -o ]; do shift; done; head -c 500 {checkout.release} > "$2"')
    assert '500 bytes' in failure(checkout)
    (checkout.bin / 'curl').unlink()
    checkout.stub('wget', f'while [ "$1" != -O ]; do shift; done; cp {checkout.release} "$2"')
    checkout.configure(env=checkout.only_commands(*TOOLS))


def test_interrupted_download_leaves_nothing(checkout):
    checkout.stub('curl', 'while [ "$1" != -o ]; do shift; done; echo part > "$2"; kill -TERM $PPID; sleep 1')
    checkout.run('./configure', status=1)
    assert checkout.leftovers() == [] and not checkout.exists(f'build/downloads/{checkout.release.name}')
    checkout.cached()
    checkout.configure()


@pytest.fixture
def apt(checkout, tmp_path):
    """An apt with sources in both formats, and with a mirror that lacks the newest version."""
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
    checkout.stub('apt-config', f'''
        case $1 in
        shell) echo "main='{etc}/sources.list' parts='{etc}/sources.list.d/'" ;;
        dump) echo 'Acquire::http::Proxy "http://proxy.invalid";'; echo 'Dir::State::lists "/var/lib/apt/lists";'
              echo 'APT::Update::Post-Invoke:: "touch {tmp_path}/hook";' ;;
        esac''')
    checkout.stub_mirror(f'''
        *update) cp "$APT_CONFIG" {tmp_path}/conf; cat $(dirname "$APT_CONFIG")/parts/* > {tmp_path}/parts ;;
        *) cp {checkout.release} python9.9_9.9.9.orig.tar.gz ;;''')
    return tmp_path


def test_apt_takes_the_newest_version_that_can_be_fetched(checkout, apt):
    done = checkout.configure()
    assert (apt / 'calls').read_text().splitlines() == [
        '-q update', '-q source --download-only --diff-only python9.9=9.9.9-10', '-q source --download-only --diff-only python9.9=9.9.9-1',
        '-q source --download-only --tar-only python9.9=9.9.9-10', '-q source --download-only --tar-only python9.9=9.9.9-1']
    assert '9.9.9-10: E: Failed to fetch' in done.stdout and "archive: fetching Debian's source package python9.9 9.9.9-1" in done.stdout
    assert checkout.leftovers() == []


def test_apt_asks_the_machines_own_sources_in_private(checkout, apt):
    checkout.configure()
    parts = (apt / 'parts').read_text()
    assert parts.count('deb-src http://mirror.invalid/debian bookworm main\n') == 1
    assert 'deb-src [arch=amd64 signed-by=/k.gpg] http://mirror.invalid/debian-security bookworm-security main contrib\n' in parts
    assert 'deb-src http://third.invalid/ ./\n' in parts and 'off.invalid' not in parts and 'cdrom' not in parts
    assert parts.count('Types: deb-src\n') == 2 and 'Enabled: no' in parts and '\ndeb ' not in parts
    conf = (apt / 'conf').read_text()
    assert 'proxy.invalid' in conf and 'Post-Invoke' not in conf and '/var/lib/apt' not in conf


def test_apt_takes_nothing_that_is_not_signed(checkout, apt):
    # The machine's own settings cannot weaken this.
    etc = apt / 'etc'
    (etc / 'sources.list').write_text('deb [trusted=yes] http://one.invalid/ ./\n'
                                      'deb [arch=amd64 allow-insecure=yes trusted=yes signed-by=/k.gpg] http://two.invalid/ ./\n')
    (etc / 'sources.list.d/more.sources').write_text('Types: deb\nTrusted: yes\nURIs: http://a.invalid\nAllow-Insecure: yes\n'
                                                     'allow-weak: yes\nSuites: x\nComponents: main\n')
    checkout.stub('apt-config', f'''
        case $1 in
        shell) echo "main='{etc}/sources.list' parts='{etc}/sources.list.d/'" ;;
        dump) echo 'APT::Get::AllowUnauthenticated "true";'; echo 'Acquire::AllowInsecureRepositories "1";' ;;
        esac''')
    checkout.configure()
    parts = (apt / 'parts').read_text()
    assert 'deb-src http://one.invalid/ ./\n' in parts and 'signed-by=/k.gpg] http://two.invalid/ ./\n' in parts
    assert 'Types: deb-src\nURIs: http://a.invalid\nSuites: x\nComponents: main\n' in parts
    assert 'trusted' not in parts.lower() and 'allow-' not in parts.lower()
    conf = (apt / 'conf').read_text().splitlines()
    for name in 'APT::Get::AllowUnauthenticated', 'Acquire::AllowInsecureRepositories', 'Acquire::AllowWeakRepositories':
        assert [line for line in conf if line.startswith(name)][-1] == f'{name} "false";'


def test_apt_that_gives_another_file(checkout, apt):
    checkout.stub('apt-get', 'case $* in *update) ;; *) echo other > python9.9_9.9.9.orig.tar.gz ;; esac')
    assert 'python9.9 9.9.9-1: not the archive' in failure(checkout).replace('source package ', '')


@pytest.mark.parametrize('size', ['16k', '512k', '1200k', '2500k'])
def test_full_disk(checkout, size):
    done = full_disk(checkout, size, './configure', f'--with-cpython-source={checkout.release}')
    assert done.stderr.startswith('configure: error: ') and done.stderr.count('\n') == 1, done.stderr
    assert 'No space left' in done.stderr or 'is the disk full?' in done.stderr
    assert 'room' in done.stderr or 'disk' in done.stderr


def test_archive_that_cannot_be_unpacked(checkout):
    bad = checkout.release.read_bytes()[:-100]
    checkout.write('UPSTREAM', checkout.read('UPSTREAM').replace(checkout.sum, hashlib.sha256(bad).hexdigest()))
    (checkout.path / 'build/downloads').mkdir(parents=True)
    (checkout.path / 'build/downloads' / checkout.release.name).write_bytes(bad)
    assert 'cannot unpack Python-9.9.9.tgz' in checkout.fails('./configure')
    assert not checkout.exists('build/src/fork') and checkout.leftovers() == []
