#!/bin/sh
# clean.sh objects: remove everything that was compiled, and keep the downloads, the source trees and the environments.
# clean.sh all: remove everything that was made.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh

rm -f python
if [ "$1" = all ]; then
    if [ -f "$RELEASE" ] && ! sh build-aux/lay.sh --unedited; then
        die "$FORK has edits that are not in the overlay yet; run make patches first, or delete build/ yourself"
    fi
    rm -rf build Makefile
    exit
fi
find build -mindepth 2 -maxdepth 2 -name configure.log 2>/dev/null | while IFS= read -r log; do
    rm -rf "$(dirname "$log")"
done
say "removed the object trees; ./configure makes them again"
