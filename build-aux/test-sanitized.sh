#!/bin/sh
# test-sanitized.sh: the fork's tests, and CPython's that exercise tracing most, on a build of the fork with GCC's
# AddressSanitizer and UndefinedBehaviorSanitizer: build/sanitized, beside the builddir that is configured. Any report
# is an error, except those of CPython's own that build-aux/sanitizer-suppressions names. Six minutes on two
# processors, and as long again for the first build.
#
# ASAN_OPTIONS and UBSAN_OPTIONS of the environment are added to those below: with UBSAN_OPTIONS=halt_on_error=0 a
# process goes on after a report of undefined behaviour, so that one run lists all that there is.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh
. build-aux/overlay.sh
unset LC_ALL
. build-aux/objects.sh
. build-aux/suite.sh

dir=build/sanitized
log=$dir/test-sanitized.log
reports=$dir/test-sanitized.reports
asan_logs=$dir/asan-logs

# A debug build has CPython's assertions besides. pymalloc hides from AddressSanitizer where objects begin and end.
options='--with-pydebug --without-pymalloc --with-address-sanitizer --with-undefined-behavior-sanitizer'

# CPython's tests that exercise tracing most, and the fork's.
tests="test_sys_settrace test_sys_setprofile test_bdb test_pdb test_trace test_generators test_coroutines test_threading
    $(our_tests)"

# CPython leaks at exit, by design. A failed allocation is a MemoryError and not a report. Both sanitizers end the
# process that they report on with a signal, so that no test can take it for success; and AddressSanitizer reports
# crashes too, before faulthandler does. UndefinedBehaviorSanitizer has no log_path beside it: its reports are in the
# output of the tests.
asan='detect_leaks=0:allocator_may_return_null=1:handle_segv=2:abort_on_error=1'
ubsan="print_stacktrace=1:halt_on_error=1:abort_on_error=1:suppressions=$ROOT/build-aux/sanitizer-suppressions"

[ -f "$RELEASE" ] || die "there is no source tree in $SRC; run ./configure"
ASAN_OPTIONS=$asan${ASAN_OPTIONS:+:$ASAN_OPTIONS}
UBSAN_OPTIONS=$ubsan${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}
export ASAN_OPTIONS UBSAN_OPTIONS
sh build-aux/lay.sh
objects_configure "$FORK" "$dir" "$options"
sh build-aux/build.sh beside "$dir"

# Frames on the C stack are several times as large as otherwise.
# shellcheck disable=SC3045
ulimit -s 65536 2>/dev/null || :
{ rm -rf "$asan_logs" && mkdir "$asan_logs"; } 2>/dev/null || full
ASAN_OPTIONS=$ASAN_OPTIONS:log_path=$ROOT/$asan_logs/log
# Without the hooks of a debug build, whose padding hides an access beyond the end of a block.
PYTHONMALLOC=malloc
export PYTHONMALLOC

say "$dir: CPython's tests of tracing, and the fork's, with sanitizers (log: $log)"
status=0
# The time that a test gives the programs it starts is a part of this one, in seconds.
# shellcheck disable=SC2086
suite "$dir/python" --timeout=7200 $tests >"$log" 2>&1 || status=$?

# The reports, each once: AddressSanitizer's ends with its SUMMARY line, UndefinedBehaviorSanitizer's after its stack.
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
    die "the sanitizers have $what above and in $reports (log: $log)"
fi
failed=$(failed_in "$log" | tr '\n' ' ') || full
[ -z "$failed" ] || die "no report of the sanitizers, but these tests fail with them: ${failed% } (see $log)"
if [ "$status" != 0 ]; then
    ended_early "$log"
fi
# shellcheck disable=SC2086
set -- $tests
say "no report of the sanitizers in $# test files"
