#!/bin/sh
# test.sh BUILDDIR: the tests of tracing in CPython's suite and ours, then pytest's tests of the front door and the tools,
# and condcov's.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh
. build-aux/overlay.sh
unset LC_ALL
. build-aux/suite.sh

# CPython's tests that have to do with tracing.
theirs='test_sys_settrace test_sys test_sys_setprofile test_trace test_bdb test_pdb test_doctest test_threading test_frame
    test_generators test_coroutines test_dis test_code test_capi test_embed test_audit'
! have gdb || theirs="$theirs test_gdb"

dir=$(builddir_of "$1")
sh build-aux/build.sh fork "$dir"
sh build-aux/build.sh stock "$dir"
FORK_BUILDDIR=$dir
export FORK_BUILDDIR

inside=passed
say "$dir: CPython's tests of tracing, and the fork's"
# shellcheck disable=SC2046,SC2086
suite "$dir/python" $theirs $(our_tests) || inside=FAILED

outside=passed
if sh build-aux/venv.sh venv tests/requirements.txt "$ROOT/$dir/python"; then
    say "$dir: pytest tests"
    $SIGNALS build/venv/bin/python -m pytest tests </dev/null || outside=FAILED
else
    outside=FAILED
fi

condcov=passed
sh build-aux/test-condcov.sh own "$dir" || condcov=FAILED

[ "$inside$outside$condcov" = passedpassedpassed ] ||
    die "python -m test: $inside; pytest tests: $outside; condcov: $condcov"
