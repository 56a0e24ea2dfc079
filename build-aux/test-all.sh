#!/bin/sh
# test-all.sh BUILDDIR: CPython's test suite, or the files of it that TESTS names, on the fork and on stock CPython,
# compared test by test.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh
. build-aux/suite.sh

dir=$(builddir_of "$1")
stock=$(stockdir_of "$dir")
sh build-aux/build.sh fork "$dir"
sh build-aux/build.sh stock "$dir"

say "$dir and $stock: running ${TESTS:-the whole test suite of CPython, which takes about an hour,} on both"
rm -f "$dir/test-all.report"
status=0
# Stock CPython runs the comparison, so that a bug in the fork cannot affect it.
# shellcheck disable=SC2086
$SIGNALS "$stock/python" -m qa.compare suite --fork "$dir/python" --stock "$stock/python" \
    --report "$dir/test-all.report" ${IGNORE:+--ignore "$IGNORE"} ${TESTS-} </dev/null || status=$?
case $status in
    0) say "the report is in $dir/test-all.report" ;;
    1) die "the fork and stock CPython differ, see above and $dir/test-all.report" ;;
    *) die "there is no result to compare, see above; the output of the tests is in $dir/test-all" ;;
esac
