#!/bin/sh
# test.sh whole|quick BUILDDIR: run the fork's tests in CPython's test suite, and with pytest the tests of the build, the
# command-line tools, of qa and of condcov. "whole" also runs CPython's own tests of tracing, and builds stock CPython
# to compare with; "quick" runs only test_sys_settrace of these, and leaves out the slow tests.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh
. build-aux/overlay.sh
unset LC_ALL
. build-aux/suite.sh

# CPython's tests that involve tracing.
theirs='test_sys_settrace test_sys test_sys_setprofile test_trace test_bdb test_pdb test_doctest test_threading test_frame
    test_generators test_coroutines test_dis test_code test_capi test_embed test_audit'
! have gdb || theirs="$theirs test_gdb"
# The first computes the basic blocks of the whole standard library. These two take longer than all others together.
slow='^test_codeblocks$\|^test_lltrace_module$'

dir=$(builddir_of "$2")
sh build-aux/build.sh fork "$dir"
case $1 in
    whole)
        sh build-aux/build.sh stock "$dir"
        inside="$theirs $(our_tests)"
        chosen= ;;
    quick)
        inside="test_sys_settrace $(our_tests | grep -v "$slow")"
        chosen='not slow' ;;
esac
temporary_folder

tests=$(ls -d tests qa/tests 2>/dev/null || :)
failed=
say "$dir: $(printf '%s\n' "$inside" | wc -w) files of CPython's test suite"
# shellcheck disable=SC2086
suite "$dir/python" $inside || failed="$failed, python -m test"
if sh build-aux/venv.sh venv build-aux/requirements/test.txt "$ROOT/$dir/python" condcov; then
    say "$dir: pytest, the tests of the build and the tools"
    # shellcheck disable=SC2086
    pytest "$dir" ${chosen:+-m "$chosen"} $tests || failed="$failed, pytest tests"
    say "$dir: pytest, the tests of condcov"
    pytest "$dir" ${chosen:+-m "$chosen"} -c condcov/pyproject.toml condcov/tests || failed="$failed, pytest condcov/tests"
else
    failed="$failed, pytest (not run)"
fi
[ -z "$failed" ] || die "these failed: ${failed#, }"
