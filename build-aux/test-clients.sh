#!/bin/sh
# test-clients.sh BUILDDIR: the tests of packages of the package index that trace, on the fork and on stock CPython; all of
# qa/clients/clients.toml, or those that CLIENTS names.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh
. build-aux/suite.sh

dir=$(builddir_of "$1")
stock=$(stockdir_of "$dir")
sh build-aux/build.sh fork "$dir"
sh build-aux/build.sh stock "$dir"
# stock CPython compares, so that nothing depends on the fork but the tests
# shellcheck disable=SC2086
$SIGNALS "$stock/python" qa/clients/clients.py --fork "$dir/python" --stock "$stock/python" \
    --report "$dir/test-clients.report" ${CLIENTS-} </dev/null
