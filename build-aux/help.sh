#!/bin/sh
# help.sh BUILDDIR: list the targets and variables of the Makefile.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh

cat <<HELP
make                         build the fork, with condcov; ./python runs it

make test                    the tests of tracing (the fork's and CPython's), of the build and of condcov; 15 minutes
make test-quick              the fork's tests and test_sys_settrace, without the slow ones, while editing; 2 minutes
make test-all                CPython's whole test suite on the fork and on stock CPython, compared test by test; an hour
make test-sanitized          the tests of tracing on a build with AddressSanitizer and UndefinedBehaviorSanitizer
make test-leaks              find reference leaks that stock CPython does not have; needs a --with-pydebug build
make test-oracle             compare the events of 10,000 random programs with those of a model; half an hour
make test-differential       compare CPython's tests under every combination of flags with untraced runs; half an hour
make test-clients            the tests of coverage.py, hunter, greenlet, pytest and debugpy, on both; half an hour
make test-condcov            the tests of condcov, the coverage tool
make test-condcov-packages   compare condcov with coverage.py on the tests of 15 packages; 20 minutes
make test-statements         compare condcov with coverage.py on 5,000 random programs; a quarter of an hour
make test-condcov-everywhere the tests of condcov on CPython 3.12, 3.13 and 3.14, on PATH, in pyenv, in build/peers or Node
make test-bare               run the README's commands in a bare Debian chroot; needs root and debootstrap; half an hour
make lint                    check the sources with ruff, mypy, shellcheck and against PEP 7

make bench                   measure what tracing costs on the fork and on stock CPython; ten minutes
make bench-pyperformance     run the pyperformance benchmarks on both, with tracing off; an hour or two
make bench-condcov           measure what condcov, coverage.py and SlipCover cost, also on CPython 3.13; 20 minutes
make bench-fuzzing           measure the speed of a fuzzer on the fork, with three ways to record; two minutes

make condcov                 reinstall condcov into the build (needs a package index the first time)
make condcov-peers           build stock CPython 3.13 for make test-condcov-everywhere, in build/peers
make stock                   build stock CPython with the same fixes and options:
                             $(stockdir_of "$(builddir_of "$1")")/python
make docs                    build the documentation with Sphinx: build/doc/html/index.html
make patches                 write the edits made in $FORK back to the overlay
make patch-file              write the whole overlay as one diff, for patch -p1 or pyenv install --patch
make altinstall              install python3.11 and condcov without replacing python3; DESTDIR=/DIR puts them
                             below /DIR, ./configure --prefix=/DIR chooses the prefix
make install                 the same; to use the fork as python3, link python3 to python3.11 yourself
make clean                   remove compiled files
make distclean               remove everything that was built or downloaded
make help                    show this help

Variables:
BUILDDIR=build/NAME          the build to use, as given to ./configure --builddir (now $1)
TESTS="test_a test_b"        the tests for make test-all; IGNORE=PATTERN skips tests, such as those that hang here
PROGRAMS=N                   the number of programs for make test-oracle and make test-statements
MODULES="test_a test_b"      the tests for make test-differential
CLIENTS="coverage hunter"    the projects whose tests make test-clients runs
RECORDED=1                   make test-clients compares the fork with recorders running with the fork without
PACKAGES="h11 toolz"         the packages whose tests make test-condcov-packages runs
INTERPRETER=python3.13       make test-condcov-packages runs other packages there, with and without condcov
INTERPRETERS=any             make test-condcov-everywhere leaves out interpreters that are missing
FAST=1, CPU=N                quicker, less precise benchmarks; the processor to run them on
-jN, V=1                     run N commands at a time; show their complete output
HELP
