#!/bin/sh
# test.sh BUILDDIR: the tests of tracing in CPython's suite and ours, then pytest's tests of the front door and the tools.
cd "$(dirname "$0")/../.." || exit 1
. Tools/fork/common.sh
. Tools/fork/overlay.sh
unset LC_ALL

# CPython's tests that have to do with tracing. The fork's own are found by their place in the overlay.
theirs='test_sys_settrace test_sys test_sys_setprofile test_trace test_bdb test_pdb test_threading test_frame
    test_generators test_coroutines test_dis test_code test_capi test_embed test_audit'
! have gdb || theirs="$theirs test_gdb"
ours=$(overlay_files | sed -n 's,^Lib/test/\(test_[A-Za-z0-9_]*\)\.py$,\1,p; s,^Lib/test/\(test_[A-Za-z0-9_]*\)/__init__\.py$,\1,p' | sort)

dir=$(builddir_of "$1")
sh Tools/fork/build.sh fork "$dir"
sh Tools/fork/build.sh stock "$dir"
FORK_BUILDDIR=$dir
export FORK_BUILDDIR

# Some tests fail if a signal is ignored, as nohup and shells' background jobs have it.
signals=
if env --default-signal true 2>/dev/null; then signals='env --default-signal'; fi

suite=passed
say "$dir: CPython's tests of tracing, and the fork's"
# shellcheck disable=SC2086
$signals "$dir/python" -m test -j"$(nproc)" --timeout=600 $theirs $ours </dev/null || suite=FAILED

outside=passed
if sh Tools/fork/venv.sh venv tests/requirements.txt "$ROOT/$dir/python"; then
    say "$dir: pytest tests"
    $signals build/venv/bin/python -m pytest tests </dev/null || outside=FAILED
else
    outside=FAILED
fi

[ "$suite$outside" = passedpassed ] || die "python -m test: $suite; pytest tests: $outside"
