#!/bin/sh
# test-differential.sh BUILDDIR: tests of CPython's suite, or those that MODULES names, under each combination of flags
# with a tracer that counts its events, compared with the same tests untraced.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh
. build-aux/suite.sh

dir=$(builddir_of "$1")
stock=$(stockdir_of "$dir")
for module in ${MODULES:-}; do
    case $module in
        *[!A-Za-z0-9_]*)
            die "MODULES is names of tests in Lib/test, such as test_grammar, separated by spaces; not '$module'" ;;
    esac
done
sh build-aux/build.sh fork "$dir"
for module in ${MODULES:-}; do
    [ -e "$FORK/Lib/test/$module.py" ] || [ -e "$FORK/Lib/test/$module/__init__.py" ] ||
        die "MODULES has $module, but there is no such test in $FORK/Lib/test"
done
sh build-aux/build.sh stock "$dir"
say "$dir: tests of the standard library under each combination of flags (report: $dir/test-differential.report)"
# shellcheck disable=SC2086
$SIGNALS "$stock/python" -m qa.compare flags --fork "$dir/python" --stock "$stock/python" \
    --report "$dir/test-differential.report" ${MODULES-} </dev/null ||
    die "the outcome of tests depends on tracing, or the list of those that may is out of date; see above"
