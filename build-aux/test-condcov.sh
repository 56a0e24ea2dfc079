#!/bin/sh
# test-condcov.sh own|packages BUILDDIR: the tests of condcov, as it is installed from there; "packages" is those
# of condcov beside coverage.py on packages of the package index, all or those that PACKAGES names.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh
. build-aux/suite.sh

dir=$(builddir_of "$2")
venv=build/condcov-venv
sh build-aux/build.sh fork "$dir"
sh build-aux/condcov-venv.sh condcov-venv condcov/tests/requirements.txt "$ROOT/$dir/python"
case $1 in
    own)
        say "$dir: the tests of condcov"
        $SIGNALS "$venv/bin/python" -m pytest -q -p no:cacheprovider -n "$(nproc)" -c condcov/pyproject.toml \
            condcov/tests </dev/null || die "tests of condcov fail, as told above" ;;
    packages)
        say "$dir: condcov beside coverage.py"
        CONDCOV_PACKAGES=${PACKAGES:-all} $SIGNALS "$venv/bin/python" -m pytest -v -rP -p no:cacheprovider \
            -c condcov/pyproject.toml condcov/tests/test_packages.py </dev/null ||
            die "condcov differs from coverage.py or from the source, as told above" ;;
esac
