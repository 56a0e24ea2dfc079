#!/bin/sh
# test-clients.sh BUILDDIR: run the tests of packages that trace on the fork and on stock CPython, and compare the
# outcomes: all packages of qa/clients/clients.toml, or those that CLIENTS names. With RECORDED=1, compare the fork while
# flightrecorder and codeblocks.EdgeRecorder are running with the fork without them.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh
. build-aux/suite.sh

dir=$(builddir_of "$1")
stock=$(stockdir_of "$dir")
sh build-aux/build.sh fork "$dir"
sh build-aux/build.sh stock "$dir"
# Stock CPython runs the comparison, so that a bug in the fork cannot affect it.
# shellcheck disable=SC2086
$SIGNALS "$stock/python" -m qa.compare clients --fork "$dir/python" --stock "$stock/python" \
    --report "$dir/test-clients.report" ${RECORDED:+--recorded} ${CLIENTS-} </dev/null
