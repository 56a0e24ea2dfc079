#!/bin/sh
# test-all.sh BUILDDIR: CPython's whole suite on the fork. What fails there is tried once more, and then on stock CPython;
# what fails on the fork alone is an error.
cd "$(dirname "$0")/../.." || exit 1
. Tools/fork/common.sh
. Tools/fork/overlay.sh
unset LC_ALL
. Tools/fork/suite.sh

dir=$(builddir_of "$1")
stock=$(stockdir_of "$dir")
sh Tools/fork/build.sh fork "$dir"
sh Tools/fork/build.sh stock "$dir"

attempt() { # WHAT PYTHON TEST...: run them, and leave those that fail in $log.failed
    log=$dir/test-all-$1.log
    attempt_python=$2
    shift 2
    attempt_status=0
    suite "$attempt_python" "$@" >"$log" 2>&1 || attempt_status=$?
    failed_in "$log" >"$log.failed" || full
    if [ "$attempt_status" != 0 ] && [ ! -s "$log.failed" ]; then
        tail -n 15 "$log" >&2
        die "the test suite ended early; the whole output is in $log"
    fi
}

say "$dir: CPython's whole test suite, half an hour or so (log: $dir/test-all-fork.log)"
attempt fork "$dir/python"
failed=$(cat "$log.failed")
if [ -n "$failed" ]; then
    # shellcheck disable=SC2086
    say "once more on the fork:" $failed
    # shellcheck disable=SC2086
    attempt again "$dir/python" $failed
    failed=$(cat "$log.failed")
fi
alone=
if [ -n "$failed" ]; then
    ours=$(our_tests)
    theirs=
    for name in $failed; do
        if printf '%s\n' "$ours" | grep -qx "$name"; then alone="$alone $name"; else theirs="$theirs $name"; fi
    done
    if [ -n "$theirs" ]; then
        say "on stock CPython:$theirs"
        # shellcheck disable=SC2086
        attempt stock "$stock/python" $theirs
        for name in $theirs; do
            grep -qx "$name" "$log.failed" || alone="$alone $name"
        done
    fi
fi
[ -z "$alone" ] || die "these tests fail on the fork and not on stock CPython:$alone (see $dir/test-all-again.log)"
say "no test fails on the fork that does not fail on stock CPython"
