#!/bin/sh
# test-sanitized.sh: run the fork's tests, and the tests of CPython's that exercise tracing most, on a separate build of
# the fork with GCC's AddressSanitizer and UndefinedBehaviorSanitizer, build/sanitized. Any report is an error, unless
# build-aux/sanitizer-suppressions names it as CPython's own.
#
# ASAN_OPTIONS and UBSAN_OPTIONS from the environment are appended to the options below. With
# UBSAN_OPTIONS=halt_on_error=0, a process continues after a report, so that one run finds all undefined behaviour.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh
. build-aux/overlay.sh
unset LC_ALL
. build-aux/builddir.sh
. build-aux/suite.sh

dir=build/sanitized
log=$dir/test-sanitized.log
reports=$dir/test-sanitized.reports
asan_logs=$dir/asan-logs

# A debug build also checks CPython's assertions. pymalloc would hide the bounds of objects from AddressSanitizer.
options='--with-pydebug --without-pymalloc --with-address-sanitizer --with-undefined-behavior-sanitizer'

# The tests of CPython's that exercise tracing most, and the fork's tests.
tests="test_sys_settrace test_sys_setprofile test_bdb test_pdb test_trace test_generators test_coroutines test_threading
    $(our_tests)"

# CPython leaks at exit, by design. A failed allocation raises MemoryError and is not a report. Both sanitizers end the
# process with a signal after a report, so that no test can take it for success. AddressSanitizer also reports crashes,
# before faulthandler does. UndefinedBehaviorSanitizer ignores log_path in such a build: its reports are in the tests'
# output.
asan='detect_leaks=0:allocator_may_return_null=1:handle_segv=2:abort_on_error=1'
ubsan="print_stacktrace=1:halt_on_error=1:abort_on_error=1:suppressions=$ROOT/build-aux/sanitizer-suppressions"

[ -f "$RELEASE" ] || die "there is no source tree in $SRC; run ./configure"
ASAN_OPTIONS=$asan${ASAN_OPTIONS:+:$ASAN_OPTIONS}
UBSAN_OPTIONS=$ubsan${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}
export ASAN_OPTIONS UBSAN_OPTIONS
sh build-aux/lay.sh
objects_configure "$FORK" "$dir" "$options"
sh build-aux/build.sh interpreter "$dir"

# Sanitizers make frames on the C stack several times larger.
# shellcheck disable=SC3045
ulimit -s 65536 2>/dev/null || :
{ rm -rf "$asan_logs" && mkdir "$asan_logs"; } 2>/dev/null || full
ASAN_OPTIONS=$ASAN_OPTIONS:log_path=$ROOT/$asan_logs/log
# The hooks of a debug build pad each block, which would hide an access beyond its end.
PYTHONMALLOC=malloc
export PYTHONMALLOC

status=0
# shellcheck disable=SC2086
set -- $tests
progress_of "$TEST_DONE" $# 'test files'
# Tests derive from this limit, in seconds, how long they wait for the programs that they start.
progress "$log" "$dir: CPython's tests of tracing, and the fork's, with sanitizers" \
    suite "$dir/python" --timeout=7200 "$@" || status=$?

# Print each report once. AddressSanitizer's ends with its SUMMARY line, UndefinedBehaviorSanitizer's after its stack.
{ cat "$log" && find "$asan_logs" -type f -exec cat {} +; } | awk '
    !kind && /: runtime error: / { kind = "undefined"; key = $0; sub(/: runtime error: .*/, "", key); text = "" }
    !kind && /==ERROR: AddressSanitizer: / { kind = "address"; text = "" }
    !kind { next }
    { text = text $0 "\n" }
    kind == "undefined" && !NF { done = 1 }
    kind == "address" && /^SUMMARY: / { key = $0; done = 1 }
    done { if (!seen[key]++) print text; kind = ""; done = 0 }
    END { if (kind && !seen[key]++) print text }' >"$reports" || full
count=$(grep -c ': runtime error: \|==ERROR: AddressSanitizer: ' "$reports") || :
if [ "$count" != 0 ]; then
    cat "$reports" >&2
    [ "$count" = 1 ] && what='1 report, which is' || what="$count reports, which are"
    die "the sanitizers made $what above and in $reports (log: $log)"
fi
failed=$(failed_in "$log" | tr '\n' ' ') || full
[ -z "$failed" ] || die "no report of the sanitizers, but these tests fail with them: ${failed% } (see $log)"
if [ "$status" != 0 ]; then
    ended_early "$log"
fi
say "no report of the sanitizers in $# test files"
