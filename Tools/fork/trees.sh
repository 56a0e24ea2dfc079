#!/bin/sh
# trees.sh: unpack the release archive twice, as published and as the tree that the overlay is laid over.
cd "$(dirname "$0")/../.." || exit 1
. Tools/fork/common.sh
LC_ALL=C
export LC_ALL

want=$(upstream SHA256)
archive=$(upstream ARCHIVE)
if [ -f "$RELEASE" ] && [ "$(cat "$RELEASE")" = "$want" ]; then exit 0; fi

if [ -f "$RELEASE" ] && [ -f "$LAID" ] && ! sh Tools/fork/lay.sh --unedited; then
    die "UPSTREAM names another release, and $FORK has edits that belong to the old one; move them away or delete $SRC, and run it again"
fi

new=
cleanup() { [ -z "$new" ] || rm -rf "$new"; }
on_exit cleanup
{ mkdir -p "$SRC" && new=$(mktemp -d "$SRC/tmp.XXXXXX"); } 2>/dev/null ||
    die "cannot write to $SRC; is the disk full, or the folder somebody else's?"
rm -rf "$RELEASE" "$LAID" "$FORK" "$STOCK"
say "source: unpacking $archive"
for tree in "$STOCK" "$FORK"; do
    output=$(mkdir "$new/tree" && tar -xzf "$DOWNLOADS/$archive" -o --strip-components=1 -C "$new/tree" 2>&1) ||
        die "cannot unpack $archive into $SRC: $(why "$(printf '%s\n' "$output" | grep -v 'Exiting with failure')"); make room if the disk is full, and run it again"
    mv "$new/tree" "$tree"
done
{ echo "$want" >"$new/release"; } 2>/dev/null || die "cannot write to $SRC; is the disk full?"
mv "$new/release" "$RELEASE"
