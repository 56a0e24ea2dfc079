#!/bin/sh
# condcov-venv.sh NAME REQUIREMENTS PYTHON: the virtual environment of venv.sh, and condcov installed as it is now.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh

sh build-aux/venv.sh "$@"
output=$("build/$1/bin/python" -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation \
    --force-reinstall ./condcov </dev/null 2>&1) || die "cannot install condcov in build/$1: $(why "$output")"
