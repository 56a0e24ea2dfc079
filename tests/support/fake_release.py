"""A fake CPython release that builds very quickly, and a checkout of this repository to build it with."""

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import textwrap

import pytest

# The build of the release: each .c is "compiled" by a copy, with a line of output that says which.
MAKEFILE = '''\
# Top-level Makefile
# second line
SRC = @SRC@
OBJS = $(patsubst $(SRC)/%.c,%.o,$(wildcard $(SRC)/Python/*.c)) Modules/getbuildinfo.o
all: python
python: $(OBJS)
\t{ echo '#!/bin/sh'; echo "echo built with @ARGS@"; cat $(OBJS) | sed 's/^/# /'; } > $@
\tchmod +x $@
Python/%.o: $(SRC)/Python/%.c $(SRC)/Include/object.h
\t@mkdir -p Python; if grep '#error' $<; then echo "$<:1: error: broken"; exit 1; fi
\tcp $< $@; echo compiled $<
Modules/getbuildinfo.o:
\t@mkdir -p Modules
\techo "tag=`$(GITTAG)` version=`$(GITVERSION)`" > $@
GITTAG = echo main
GITVERSION = :
clean:
\trm -rf Python Modules python
altinstall:
\tmkdir -p $(DESTDIR)/usr/local/bin
\tcp python $(DESTDIR)/usr/local/bin/python3.11
'''

CONFIGURE = '''\
#!/bin/sh
src=$(dirname "$0")
for a do
    case $a in
        --with-nothing) echo "configure: error: unrecognized options: $a" >&2; exit 1 ;;
    esac
done
case $* in *--help=short) exit ;; esac
for a do
    case $a in
        CC=nothing) echo "configure: error: no acceptable C compiler found" >&2; exit 1 ;;
    esac
done
echo "checking args: $*"
echo "$*" > args
pwd > where
sed "s,@SRC@,$src,; s,@ARGS@,$*," "$src/Makefile.pre.in" > Makefile
echo '#!/bin/sh' > config.status
'''

FILES = {
    'configure': CONFIGURE,
    'Makefile.pre.in': MAKEFILE,
    'Python/ceval.c': ''.join(f'line {n}\n' for n in range(1, 21)),
    'Python/sysmodule.c': 'sys line 1\nsys line 2\n',
    'Include/object.h': '#define OBJECT\n',
    'Lib/os.py': 'x = 1\n',
    'Objects/a.c': 'a\n',
    'Modules/m.c': 'm\n',
    'Doc/index.rst': 'Index\n',
    'Parser/p.c': 'p line\n',
    'Tools/scripts/run.py': '#!/usr/bin/env python3\n',
}


# Seconds after which a command counts as hanging: generous, because the machine may be busy.
TIMEOUT = 900

# The commands that ./configure may use.
TOOLS = ('sh dirname sed grep id cat tr mktemp rm env tail head cut sort find sha256sum awk mkdir cp mv cmp xargs '
         'patch tar gzip xz wc date tee chmod ls touch uniq rmdir comm diff3 sleep').split()


def make_archive(folder):
    path = folder / 'Python-9.9.9.tgz'
    tree = folder / 'Python-9.9.9'
    for name, text in FILES.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
        os.utime(tree / name, (1_600_000_000, 1_600_000_000))
    (tree / 'configure').chmod(0o755)
    (tree / 'Lib/ballast.bin').write_bytes(os.urandom(1 << 20))
    with tarfile.open(path, 'w:gz') as tar:
        tar.add(tree, 'Python-9.9.9')
    return path


def diff(target, *lines):
    return f'--- a/{target}\n+++ b/{target}\n' + ''.join(f'{line}\n' for line in lines)


# The security fixes of a fake Debian, in the order of its series, and what each changes.
FIXES = {
    'deb-setup.diff': diff('Objects/a.c', '@@ -1 +1 @@', '-a', '+packaged a'),
    'CVE-2099-1.patch': diff('Python/ceval.c', '@@ -14,3 +14,4 @@', ' line 14', '+a fix', ' line 15', ' line 16'),
    'odd.diff': diff('Modules/m.c', '@@ -1 +1 @@', '-m', '+odd m'),
    # It builds on the first, and adds a file whose name has a space.
    'CVE-2099-1-test.patch': diff('Python/ceval.c', '@@ -14,4 +14,4 @@', ' line 14', '-a fix', '+a better fix', ' line 15', ' line 16') +
    'diff --git a/Misc/NEWS.d/Core and more/1.rst b/Misc/NEWS.d/Core and more/1.rst\nnew file mode 100644\nindex 0000000..1111111\n'
    '--- /dev/null\n+++ b/Misc/NEWS.d/Core and more/1.rst\t\n@@ -0,0 +1 @@\n+news\n' +
    '--- /dev/null\n+++ b/Lib/test_fix.py\n@@ -0,0 +1 @@\n+new test\n',
    # The line numbers are those of a tree with other patches.
    'frame_dealloc-crash.diff': diff('Python/sysmodule.c', '@@ -7,2 +7,2 @@', ' sys line 1', '-sys line 2', '+sys line two'),
}
SERIES = ''.join(f'{name}\n' for name in FIXES).replace('odd.diff', '# a comment\n\nodd.diff -p1 # another')


def make_fixes(folder, version='9.9.9-1', fixes=FIXES, series=None, source='python9.9'):
    """The .debian.tar archive of Debian's packaging. A fix of None is listed in the series only; series=False omits the series."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f'{source}_{version}.debian.tar.xz'
    members = {'changelog': f'{source} ({version}) bookworm; urgency=medium\n\n  * Fixes.\n', 'rules': 'build:\n',
               **{f'patches/{name}': text for name, text in fixes.items()}}
    members['patches/series'] = series if series is not None else SERIES if fixes is FIXES else ''.join(f'{name}\n' for name in fixes)
    with tarfile.open(path, 'w:xz') as tar:
        for name, text in members.items():
            if text not in (None, False):
                member = tarfile.TarInfo(f'debian/{name}')
                member.size = len(text.encode())
                tar.addfile(member, io.BytesIO(text.encode()))
    return path


class Checkout:
    """The build scripts of this repository, in a git repository of their own whose UPSTREAM names the fake release."""

    def __init__(self, root, path, release):
        self.path = path
        self.release = release
        self.sum = hashlib.sha256(release.read_bytes()).hexdigest()
        path.mkdir(parents=True)
        for name in 'configure', 'Makefile.pre.in', '.gitignore':
            shutil.copy(root / name, path)
        shutil.copytree(root / 'build-aux', path / 'build-aux', ignore=shutil.ignore_patterns('toplevel'))
        self.write('UPSTREAM', f'# a comment\nVERSION=9.9.9\nARCHIVE={release.name}\nSHA256={self.sum}\n'
                               f'URL=https://www.python.invalid/{release.name}\nDEBIAN_SOURCE=python9.9\n')
        self.bin = path.parent / 'bin'
        self.bin.mkdir()
        # Every source of the release fails unless a test replaces its stub.
        for name in 'apt-get', 'apt-cache', 'apt-config', 'curl', 'wget':
            self.stub(name, 'echo "E: the stub of $0 fails" >&2; exit 22')
        self.stub('dpkg-query', 'sed -n "/^[a-z0-9-]* *[a-z-]*$/s/^\\([a-z][a-z0-9+-]*\\)  *[a-z-]*$/installed \\1/p" build-aux/deps.sh')
        if shutil.which('git'):
            self.git('init', '-q')
            self.git('add', '.')
            self.git('commit', '-qm', 'first')

    # the folder

    def write(self, name, text):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def read(self, name):
        return (self.path / name).read_text()

    def exists(self, name):
        return (self.path / name).exists()

    def fork(self, name):
        return self.path / 'build/src/fork' / name

    def stub(self, name, script):
        """A command of this name, ahead of the machine's own."""
        path = self.bin / name
        path.write_text(f'#!/bin/sh\n{textwrap.dedent(script)}\n')
        path.chmod(0o755)

    def stub_mirror(self, script):
        """An apt that lists two versions of the package and one of another release; the mirror lacks the newest.

        script has the further cases of apt-get, whose arguments it appends to ../calls.
        """
        self.stub('apt-cache', f'''
            echo "Version: 9.9.9-1"; echo " {self.sum} 1 python9.9_9.9.9.orig.tar.gz"
            echo "Version: 9.9.9-10"; echo " {self.sum} 1 python9.9_9.9.9.orig.tar.gz"
            echo "Version: 9.9.10-1"; echo " 0123 1 python9.9_9.9.10.orig.tar.gz"''')
        self.stub('apt-get', f'''
            echo "$*" >> {self.path.parent}/calls
            case $* in
            *-10) echo "Err:1 http://mirror.invalid bookworm/main python9.9"
                  echo "E: Failed to fetch http://mirror.invalid/x  404  Not Found"; exit 100 ;;
            {script}
            esac''')

    def only_commands(self, *names):
        """A PATH with the stubs and only these commands of the machine."""
        for name in names:
            if not (self.bin / name).exists():
                (self.bin / name).symlink_to(shutil.which(name))
        return {'PATH': str(self.bin)}

    def cached(self):
        """Put the release into build/downloads."""
        (self.path / 'build/downloads').mkdir(parents=True, exist_ok=True)
        shutil.copy(self.release, self.path / 'build/downloads')

    # commands

    def run(self, *command, status=0, env=None, cwd=None):
        __tracebackhide__ = True
        clean = {name: value for name, value in os.environ.items()
                 if name not in ('CC', 'CFLAGS', 'MAKEFLAGS', 'MFLAGS', 'MAKELEVEL', 'V', 'FORK_AS', 'FORK_BUILDDIR')}
        clean['PATH'] = f'{self.bin}:{clean["PATH"]}'
        # a repository around the temporary folder is not ours
        clean['GIT_CEILING_DIRECTORIES'] = str(self.path.parent)
        done = subprocess.run(command, cwd=cwd or self.path, env={**clean, **(env or {})}, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT)
        assert (done.returncode == 0) == (status == 0), done.stdout + done.stderr
        return done

    def configure(self, *options, **how):
        return self.run('./configure', *options, **how)

    def make(self, *arguments, **how):
        return self.run('make', *arguments, **how)

    def fails(self, *command, **how):
        """Run what must fail with one line of explanation, and return that line."""
        __tracebackhide__ = True
        done = self.run(*command, status=1, **how)
        errors = [line for line in done.stderr.splitlines() if ': error: ' in line]
        others = [line for line in done.stderr.splitlines() if line not in errors and not line.startswith('make: ***')]
        assert len(errors) == 1 and not others, done.stderr
        assert errors[0].startswith(f'{"make" if command[0] == "make" else "configure"}: error: ')
        return errors[0]

    def git(self, *arguments):
        if not shutil.which('git'):
            pytest.skip('git is not installed')
        done = subprocess.run(['git', '-c', 'user.name=T', '-c', 'user.email=t@example.org', *arguments],
                              cwd=self.path, text=True, capture_output=True, check=True)
        return done.stdout

    def leftovers(self):
        """Temporary files in build/."""
        return [str(path) for path in (self.path / 'build').rglob('*') if 'tmp.' in path.name or '.part' in path.name]


def full_disk(checkout, size, *command):
    """Run command with build/ on a disk of this size; the disk is gone afterwards."""
    (checkout.path / 'build').mkdir(exist_ok=True)
    script = f'mount -t tmpfs -o size={size} none build && exec "$@"'
    unshare = ['unshare', '-rm', 'sh', '-c']
    if subprocess.run([*unshare, 'mount -t tmpfs none /mnt'], capture_output=True).returncode:
        pytest.skip('this user cannot mount')
    return checkout.run(*unshare, script, 'sh', *command, status=1)
