#!/bin/sh
# trees.sh FIXES: unpack the release archive twice, as the stock tree and as the tree that the overlay is laid over, and
# apply the security fixes to both; see fixes.sh for FIXES. Trees that are up to date are left alone.
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
    # The trees are the same, but the reason may have changed.
    [ "$(fixes_in)" = "$without" ] || { echo "$without" >"$FIXES.new" && mv -f "$FIXES.new" "$FIXES"; } 2>/dev/null || full
    exit 0
fi

if [ -f "$RELEASE" ] && [ -f "$LAID" ] && ! sh build-aux/lay.sh --unedited; then
    die "another release or other security fixes are wanted, and $FORK has edits made to the present ones; write them to the overlay with make patches or move them away, then run ./configure again"
fi

new=
cleanup() { [ -z "$new" ] || rm -rf "$new"; }
on_exit cleanup
{ mkdir -p "$SRC" && new=$(mktemp -d "$SRC/tmp.XXXXXX"); } 2>/dev/null ||
    die "cannot write to $SRC; is the disk full, or does the folder belong to another user?"
unpack() {
    for tree in stock fork; do
        mkdir "$new/$tree" && tar -xzf "$DOWNLOADS/$archive" -o --strip-components=1 -C "$new/$tree" || return
    done
}
progress "$new/log" "source: unpacking $archive" unpack ||
    die "cannot unpack $archive into $SRC ($(why "$(grep -v 'Exiting with failure' "$new/log")")); is the disk full?"
case $want in
    *' '*) fixes_cached && fixes_apply "$new" ;;
    *) echo "$without" >"$new/fixes" || full ;;
esac
{ echo "$want" >"$new/release"; } 2>/dev/null || die "cannot write to $SRC; is the disk full?"

# $RELEASE is absent until the last line, so that an interrupted run starts over.
rm -rf "$RELEASE" "$LAID" "$FORK" "$STOCK" "$BARE" "$FIXED" "$FIXES"
mv "$new/stock" "$STOCK"
mv "$new/fork" "$FORK"
if [ -d "$new/bare" ]; then
    mv "$new/bare" "$BARE"
    mv "$new/fixed" "$FIXED"
fi
mv "$new/fixes" "$FIXES"
mv "$new/release" "$RELEASE"
