#!/bin/sh
# trees.sh FIXES: unpack the release archive twice, as the stock tree and as the tree that the overlay is laid over, and
# apply the security fixes to both; FIXES says which, see fixes.sh. Trees that are so already are left alone.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh
LC_ALL=C
export LC_ALL
. build-aux/fixes.sh

want=$(base_wanted "${1-}")
archive=$(upstream ARCHIVE)
without=unavailable
[ "${1-}" != none ] || without=none
if base_laid "${1-}"; then
    case $want in
        *' '*) exit 0 ;;
    esac
    # the same trees, but perhaps for another reason
    [ "$(fixes_in)" = "$without" ] || { echo "$without" >"$FIXES.new" && mv -f "$FIXES.new" "$FIXES"; } 2>/dev/null || full
    exit 0
fi

if [ -f "$RELEASE" ] && [ -f "$LAID" ] && ! sh build-aux/lay.sh --unedited; then
    die "another release or other security fixes are wanted, and $FORK has edits that belong to the old one; write them to the overlay with make patches or move them away, and run it again"
fi

new=
cleanup() { [ -z "$new" ] || rm -rf "$new"; }
on_exit cleanup
{ mkdir -p "$SRC" && new=$(mktemp -d "$SRC/tmp.XXXXXX"); } 2>/dev/null ||
    die "cannot write to $SRC; is the disk full, or the folder somebody else's?"
unpack() {
    for tree in stock fork; do
        mkdir "$new/$tree" && tar -xzf "$DOWNLOADS/$archive" -o --strip-components=1 -C "$new/$tree" || return
    done
}
progress "$new/log" "source: unpacking $archive" unpack ||
    die "cannot unpack $archive into $SRC: $(why "$(grep -v 'Exiting with failure' "$new/log")"); make room if the disk is full, and run it again"
case $want in
    *' '*) fixes_cached && fixes_apply "$new" ;;
    *) echo "$without" >"$new/fixes" || full ;;
esac
{ echo "$want" >"$new/release"; } 2>/dev/null || die "cannot write to $SRC; is the disk full?"

# From here on there is no release until the last line.
rm -rf "$RELEASE" "$LAID" "$FORK" "$STOCK" "$BARE" "$FIXED" "$FIXES"
mv "$new/stock" "$STOCK"
mv "$new/fork" "$FORK"
if [ -d "$new/bare" ]; then
    mv "$new/bare" "$BARE"
    mv "$new/fixed" "$FIXED"
fi
mv "$new/fixes" "$FIXES"
mv "$new/release" "$RELEASE"
