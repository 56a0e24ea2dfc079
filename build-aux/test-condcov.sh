#!/bin/sh
# test-condcov.sh own|packages|statements BUILDDIR: the tests of condcov, as it is installed from there; "packages"
# compares condcov and coverage.py on packages of the package index, all or those that PACKAGES names, or with INTERPRETER
# the outcomes of the tests of other packages there, with and without condcov; and "statements"
# on 5,000 random programs, or as many as PROGRAMS says, different each time. make test has 200, the same each time.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh
. build-aux/suite.sh

dir=$(builddir_of "$2")
[ "$1" != statements ] || STATEMENT_PROGRAMS=$(number_of_programs 5000) || exit 1
sh build-aux/build.sh fork "$dir"
sh build-aux/venv.sh venv build-aux/requirements/test.txt "$ROOT/$dir/python" condcov
temporary_folder
case $1 in
    own)
        say "$dir: the tests of condcov"
        pytest "$dir" -c condcov/pyproject.toml condcov/tests || die "tests of condcov fail; see above" ;;
    packages)
        say "$dir: condcov and coverage.py on the tests of packages"
        CONDCOV_PACKAGES=${PACKAGES:-all}
        export CONDCOV_PACKAGES
        if [ -n "${INTERPRETER-}" ]; then
            python=$(command -v "$INTERPRETER") || die "INTERPRETER is $INTERPRETER, which is not a command"
            version=$("$python" -c 'import platform; print(platform.python_version())') || die "$python does not run"
            sh build-aux/venv.sh "venv-$version" build-aux/requirements/test.txt "$python" condcov
            CONDCOV_INTERPRETER=$ROOT/build/venv-$version/bin/python
            export CONDCOV_INTERPRETER
        fi
        pytest "$dir" -n 0 -v -rP qa/tests/test_packages.py ||
            die "condcov differs from coverage.py or from the source; see above" ;;
    statements)
        export STATEMENT_PROGRAMS
        say "$dir: condcov and coverage.py on $STATEMENT_PROGRAMS random programs"
        pytest "$dir" -n 0 -s qa/tests/test_statements.py ||
            die "condcov differs from coverage.py in a way that is not explained; the program is above" ;;
esac
