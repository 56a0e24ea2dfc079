#!/bin/sh
# lint.sh BUILDDIR: check the sources without running them, with the tools that build-aux/requirements/lint.txt pins.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh

dir=$(builddir_of "$1")
sh build-aux/build.sh fork "$dir"
sh build-aux/venv.sh lint-venv build-aux/requirements/lint.txt "$ROOT/$dir/python"
set +f
bin=build/lint-venv/bin
failed=

check() { # COMMAND...
    say "$*"
    "$@" </dev/null || failed="$failed $(basename "$1")"
}

check $bin/ruff check --no-cache .
# The scripts share variables, which shellcheck sees in one file at a time: SC2034, unused, and SC2154, not assigned.
check $bin/shellcheck -x -P . -e SC2034,SC2154 configure .ci/run build-aux/*.sh
[ -z "$failed" ] || die "these found something:$failed"
