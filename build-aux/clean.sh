#!/bin/sh
# clean.sh objects: remove everything that was compiled, and keep what make needs to compile it again.
# clean.sh all: remove everything that ./configure and make created.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh
. build-aux/builddir.sh

rm -f python
if [ "$1" = all ]; then
    if [ -f "$RELEASE" ] && ! sh build-aux/lay.sh --unedited; then
        die "$FORK has edits that are not in the overlay yet; run make patches first, or delete build/ yourself"
    fi
    rm -rf build Makefile
    exit
fi
find build -mindepth 2 -maxdepth 2 -name configure.log 2>/dev/null | while IFS= read -r log; do
    dir=$(dirname "$log")
    if [ -f "$dir/.options" ] && objects_make "$dir" clean >"$dir/clean.log" 2>&1; then
        rm -f "$dir/.built" "$dir/python"
    else
        rm -rf "$dir"       # half configured, or of another place
    fi
done
say "removed what was compiled; make compiles it again"
