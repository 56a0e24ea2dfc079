#!/bin/sh
# test-clients.sh BUILDDIR: the tests of packages that trace, those of qa/clients/clients.toml or those that CLIENTS names,
# on the fork and on stock CPython.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh
. build-aux/suite.sh

dir=$(builddir_of "$1")
stock=$(stockdir_of "$dir")
sh build-aux/build.sh fork "$dir"
sh build-aux/build.sh stock "$dir"
# Stock CPython runs the comparison, so that a fault of the fork cannot spoil it.
# shellcheck disable=SC2086
$SIGNALS "$stock/python" -m qa.compare clients --fork "$dir/python" --stock "$stock/python" \
    --report "$dir/test-clients.report" ${CLIENTS-} </dev/null
