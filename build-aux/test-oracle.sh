#!/bin/sh
# test-oracle.sh BUILDDIR: the events of 10,000 random programs, or as many as PROGRAMS says, different each
# time, compared with those that a model computes. make test has a few hundred, the same each time.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh
. build-aux/suite.sh

dir=$(builddir_of "$1")
ORACLE_PROGRAMS=$(number_of_programs 10000) || exit 1
sh build-aux/build.sh fork "$dir"
sh build-aux/venv.sh venv build-aux/requirements/test.txt "$ROOT/$dir/python" condcov
export ORACLE_PROGRAMS
temporary_folder
say "$dir: the events of $ORACLE_PROGRAMS random programs"
pytest "$dir" -n 0 -s qa/tests/test_oracle.py || die "what the fork announced is not what the model expects; the program is above"
