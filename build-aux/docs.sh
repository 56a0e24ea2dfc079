#!/bin/sh
# docs.sh BUILDDIR: build the documentation as build/doc/html. A warning from Sphinx is an error: with the pinned
# versions, stock CPython's documentation causes none.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh
. build-aux/overlay.sh
unset LC_ALL
. build-aux/builddir.sh

dir=$(builddir_of "$1")
sh build-aux/build.sh fork "$dir"
sh build-aux/venv.sh doc-venv build-aux/requirements/docs.txt "$ROOT/$dir/python"

out=build/doc
mkdir -p "$FORK/Doc/build" "$out"
# The changelog page needs this copy, which CPython's Doc/Makefile makes too.
cmp -s "$FORK/Misc/NEWS" "$FORK/Doc/build/NEWS" || cp "$FORK/Misc/NEWS" "$FORK/Doc/build/NEWS"
progress "$out/log" "$out/html: running Sphinx, some minutes the first time" \
    build/doc-venv/bin/python -m sphinx -b html -d "$out/doctrees" -j auto -w "$out/warnings" "$FORK/Doc" "$out/html" || {
    [ -n "${V-}" ] || tail -n 15 "$out/log" >&2
    die "Sphinx failed${V:-; its whole output is in $out/log}"
}
if [ -s "$out/warnings" ]; then
    # Sphinx warns only about pages that it reads, so have it read these again next time.
    sed -n "s,^\($ROOT/$FORK/Doc/[^:]*\):.*,\1,p" "$out/warnings" | sort -u | xargs touch -c
    sed "s,^$ROOT/,," "$out/warnings" >&2
    die "the documentation has the warnings above"
fi
say "documentation: $out/html/index.html"
