#!/bin/sh
# lint.sh BUILDDIR: check the sources without running them, with the tools that build-aux/requirements/lint.txt pins.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh

dir=$(builddir_of "$1")
sh build-aux/build.sh fork "$dir"
sh build-aux/venv.sh lint-venv build-aux/requirements/lint.txt "$ROOT/$dir/python"
bin=build/lint-venv/bin
failed=

check() { # NAME COMMAND...
    name=$1
    shift
    say "$name"
    "$@" </dev/null || failed="$failed $name"
}

check ruff $bin/ruff check --quiet --no-cache .
check mypy $bin/mypy --cache-dir=build/lint-venv/mypy --config-file condcov/pyproject.toml condcov/src
check check-pep7 $bin/python build-aux/check-pep7.py
set +f
# The scripts share variables, and shellcheck sees one file at a time: SC2034, not used, and SC2154, not assigned.
check shellcheck $bin/shellcheck -x -P . -e SC2034,SC2154 configure .ci/run build-aux/*.sh
[ -z "$failed" ] || die "these found something, see above:$failed"
