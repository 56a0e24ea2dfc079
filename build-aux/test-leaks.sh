#!/bin/sh
# test-leaks.sh BUILDDIR: run the fork's tests and CPython's tests of tracing six times each (-R 3:3), to find
# references, memory blocks and file descriptors that leak each time. A test of CPython's that leaks on the fork runs on
# stock CPython too, and is reported if it does not leak there. Needs a --with-pydebug build.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh
. build-aux/overlay.sh
unset LC_ALL
. build-aux/builddir.sh
. build-aux/suite.sh

theirs='test_sys_settrace test_bdb test_pdb test_threading'

dir=$(builddir_of "$1")
stock=$(stockdir_of "$dir")
case $(options_of "$dir" 2>/dev/null) in
    *--with-pydebug*) ;;
    *) die "only a debug build counts references; run ./configure --builddir=build/debug --with-pydebug and make BUILDDIR=build/debug test-leaks" ;;
esac
sh build-aux/build.sh interpreter "$dir"
sh build-aux/build.sh stock "$dir"

attempt() { # WHAT PYTHON TEST...: run the tests six times each, and list in $log.failed those that leak or fail
    log=$dir/test-leaks-$1.log
    attempt_python=$2
    shift 2
    attempt_status=0
    # Tests derive from this limit, in seconds, how long they wait for the programs that they start.
    progress_of "$TEST_DONE" $# 'test files'
    progress "$log" "${attempt_python%/python}: $# test files, six times each" \
        suite "$attempt_python" -R "3:3:$ROOT/$dir/test-leaks.reflog" --timeout=7200 "$@" || attempt_status=$?
    failed_in "$log" >"$log.failed" || full
    if [ "$attempt_status" != 0 ] && [ ! -s "$log.failed" ]; then
        ended_early "$log"
    fi
}

ours=$(our_tests)
# shellcheck disable=SC2086
set -- $ours $theirs
attempt fork "$dir/python" "$@"
failed=$(cat "$log.failed")
alone=
both=
if [ -n "$failed" ]; then
    # shellcheck disable=SC2086
    say "leaks or failures on the fork:" $failed
    shared=
    for name in $failed; do
        if printf '%s\n' "$ours" | grep -qx "$name"; then alone="$alone $name"; else shared="$shared $name"; fi
    done
    if [ -n "$shared" ]; then
        # shellcheck disable=SC2086
        attempt stock "$stock/python" $shared
        for name in $shared; do
            if grep -qx "$name" "$log.failed"; then both="$both $name"; else alone="$alone $name"; fi
        done
    fi
fi

{
    "$dir/python" -VV
    echo "-R 3:3 over $# test files:"
    echo "$@" | fold -s -w 90 | sed 's/^/    /; s/ $//'
    echo "leaks or fails on the fork alone:${alone:- nothing}"
    echo "leaks or fails on stock CPython too:${both:- nothing}"
    grep -h ' leaked \[' "$dir/test-leaks-fork.log" || :
} >"$dir/test-leaks.report" || full
cat "$dir/test-leaks.report"
[ -z "$alone" ] || die "these tests leak or fail on the fork and not on stock CPython:$alone (see $dir/test-leaks-fork.log)"
say "no leak that stock CPython does not have (report: $dir/test-leaks.report)"
