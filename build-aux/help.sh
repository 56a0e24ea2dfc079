#!/bin/sh
# help.sh BUILDDIR: what make can do.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh

cat <<HELP
make              build the fork with condcov in it; ./python is the interpreter
make test         the tests of tracing, the fork's and CPython's, of the build, and of condcov; builds what they need
make test-quick   what to run while editing, in two minutes: make test without CPython's own tests, and without ours of
                  basic blocks, downloads, security fixes, wheels, browsers and whatever else is marked slow
make lint         check the sources with ruff, mypy, shellcheck and against PEP 7
make test-all     CPython's whole test suite on the fork and on stock CPython, compared test for test
make test-sanitized   the tests of tracing on a build of their own with AddressSanitizer and UndefinedBehaviorSanitizer
make test-leaks   the tests of tracing six times each on a --with-pydebug build: report leaks that stock CPython does not have
make test-bare    run the README's commands in a bare Debian chroot; needs root and debootstrap; about an hour
make test-oracle  compare the events of 10,000 random programs with those of a model; half an hour
make test-differential   run CPython's tests under every combination of flags and compare with untraced runs; half an hour
make test-clients   the tests of coverage.py, hunter, greenlet, pytest and debugpy on the fork and on stock CPython, compared
make test-condcov   the tests of condcov, the coverage tool in condcov
make test-condcov-packages   what condcov and coverage.py record of the tests of six packages, compared line for line; a quarter of an hour
make condcov      reinstall condcov into the build (needs a package index the first time)
make stock        build the same release, with the same fixes and options, without the overlay: $(stockdir_of "$(builddir_of "$1")")/python
make bench        measure what tracing costs on the fork and on stock CPython, side by side; ten minutes
make bench-pyperformance      the benchmarks of pyperformance on both, with tracing off; an hour or two
make bench-condcov   what condcov, coverage.py and SlipCover cost: programs and test suites on the fork; ten minutes
make docs         build the documentation with Sphinx: build/doc/html/index.html
make patches      write the edits made in $FORK back to the overlay
make patch-file   write the whole overlay as one diff, for patch -p1 or pyenv install --patch
make altinstall   install python3.11 and condcov, and leave python3 alone; DESTDIR=/DIR puts them below /DIR,
                  ./configure --prefix=/DIR chooses the prefix
make install      the same: link python3 to python3.11 yourself, if you want it to be the fork
make clean        remove what was compiled; make distclean removes everything that was made
make help         show this help

Variables: BUILDDIR=build/NAME is the build to work on, as named to ./configure --builddir (now $1);
TESTS="test_a test_b" is what make test-all runs, and IGNORE=PATTERN leaves tests out of it, such as those that hang on this machine;
PROGRAMS=N is how many programs make test-oracle tries; MODULES="test_a test_b" is what make test-differential runs;
CLIENTS="coverage hunter" is whose tests make test-clients runs;
PACKAGES="h11 toolz" is whose tests make test-condcov-packages runs;
FAST=1 makes the benchmarks quicker and less precise, CPU=N is the processor that they run on;
-jN and V=1 set how many commands run at once and show all of their output.
HELP
