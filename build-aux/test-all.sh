#!/bin/sh
# test-all.sh BUILDDIR: CPython's whole suite on the fork and on stock CPython, and what differs, test for test.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh
. build-aux/suite.sh

dir=$(builddir_of "$1")
stock=$(stockdir_of "$dir")
sh build-aux/build.sh fork "$dir"
sh build-aux/build.sh stock "$dir"

say "$dir and $stock: CPython's whole test suite on both, an hour or so"
rm -f "$dir/test-all.report"
status=0
# Stock CPython runs the comparison, so that a fault of the fork cannot spoil it.
$SIGNALS "$stock/python" qa/compare/compare.py run "$dir/test-all" --fork "$dir/python" --stock "$stock/python" \
    ${IGNORE:+--ignore "$IGNORE"} --report "$dir/test-all.report" </dev/null || status=$?
case $status in
    0) say "the report is in $dir/test-all.report" ;;
    1) die "the fork and stock CPython differ, as told above and in $dir/test-all.report" ;;
    *) die "there is no result to compare, for the reason above; the output of the tests is in $dir/test-all" ;;
esac
