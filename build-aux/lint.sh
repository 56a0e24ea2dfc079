#!/bin/sh
# lint.sh BUILDDIR: check the sources without running them, with the tools that build-aux/requirements/lint.txt pins.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh

dir=$(builddir_of "$1")
sh build-aux/build.sh fork "$dir"
sh build-aux/venv.sh lint-venv build-aux/requirements/lint.txt "$ROOT/$dir/python"
bin=build/lint-venv/bin
failed=

check() { # COMMAND...
    say "$(basename "$1")"
    "$@" </dev/null || failed="$failed $(basename "$1")"
}

check $bin/ruff check --quiet --no-cache .
set +f
# The scripts share variables, and shellcheck sees one file at a time: SC2034, not used, and SC2154, not assigned.
check $bin/shellcheck -x -P . -e SC2034,SC2154 configure .ci/run build-aux/*.sh
[ -z "$failed" ] || die "these found something, see above:$failed"
