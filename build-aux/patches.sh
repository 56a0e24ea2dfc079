#!/bin/sh
# patches.sh: write the edits made in build/src/fork back to the overlay: an edit of CPython's file NAME to NAME.patch,
# an edit of our own file to that file. Without edits, nothing changes.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh
. build-aux/overlay.sh

[ -f "$RELEASE" ] || die "there is no patched tree yet; run ./configure first"
sh build-aux/lay.sh >/dev/null
tmp=$(mktemp -d "$SRC/tmp.XXXXXX" 2>/dev/null) || full
cleanup() { rm -rf "$tmp"; }
on_exit cleanup

# Look at the files that were laid, and those changed or created since the release was unpacked.
{ cut -d' ' -f1 "$LAID"; touched; } | sort -u >"$tmp/targets" 2>/dev/null || full
odd=$(grep '[[:space:]"\\]' "$tmp/targets" | head -n 1) || :
[ -z "$odd" ] || die "the overlay cannot have a file name with a space, quote or backslash: $FORK/$odd"
sums_in "$FORK" <"$tmp/targets" >"$tmp/fork" || full
sums_in "$STOCK" <"$tmp/targets" >"$tmp/stock" || full
cut -d' ' -f1 "$LAID" | awk -v fork="$tmp/fork" -v stock="$tmp/stock" '
    BEGIN {
        while ((getline < stock) > 0) s[$1] = $2
        while ((getline < fork) > 0) if (s[$1] != $2) print $1
    } { print }' | sort -u >"$tmp/differ" 2>/dev/null || full
gone=$( (cd "$STOCK" && find . -name __pycache__ -prune -o -type f -print) | (cd "$FORK" && while IFS= read -r f; do [ -e "$f" ] || { echo "${f#./}"; break; }; done) )
[ -z "$gone" ] || die "$FORK/$gone was deleted, which an overlay cannot express; restore it with: cp $STOCK/$gone $FORK/$gone"

put() { # NEW FILE: replace FILE with NEW, unless they are equal
    if cmp -s "$1" "$2"; then return 0; fi
    output=$(mkdir -p "$(dirname "$2")" 2>&1 && cp "$1" "$tmp/put" 2>&1 && mv -f "$tmp/put" "$2" 2>&1) || die "cannot write $2: $(why "$output")"
    say "patches: wrote $2"
}
while read -r target; do
    file=$(overlay_of "$target")
    if [ ! -f "$STOCK/$target" ]; then
        put "$FORK/$target" "$file"
        continue
    fi
    if cmp -s "$STOCK/$target" "$FORK/$target"; then
        rm -f "$file.patch"
        say "patches: removed $file.patch, because $target equals CPython's again"
        continue
    fi
    # Lines before the diff are notes of its author.
    [ ! -f "$file.patch" ] || sed '/^--- a\//,$d' "$file.patch" >"$tmp/notes"
    [ -f "$file.patch" ] || : >"$tmp/notes"
    own=$(release_own "$target")
    ours=$FORK/$target
    if [ "$own" != "$STOCK/$target" ]; then
        ours=$tmp/ours
        [ -f "$own" ] || die "$FORK/$target was edited, but it comes from the security fixes and not from the release; restore it with: cp $STOCK/$target $FORK/$target"
        merge "$FORK/$target" "$STOCK/$target" "$own" "$ours" ||
            die "the edits to $FORK/$target change the same lines as the security fixes ($(fixes_in)); make them elsewhere, or after ./configure --without-security-fixes"
    fi
    status=0
    diff -U1 --label "a/$target" --label "b/$target" "$own" "$ours" >"$tmp/diff" || status=$?
    [ "$status" = 1 ] || die "cannot keep the edits to $FORK/$target as a patch: $(head -n 1 "$tmp/diff")"
    cat "$tmp/notes" "$tmp/diff" >"$tmp/patch"
    if [ "$own" != "$STOCK/$target" ]; then
        (produce "$target" patch "$tmp/patch" "$tmp/again" && cmp -s "$tmp/again" "$FORK/$target") >/dev/null 2>&1 ||
            die "the edits to $FORK/$target cannot be separated from the security fixes next to them; make them after ./configure --without-security-fixes"
    fi
    put "$tmp/patch" "$file.patch"
done <"$tmp/differ"

overlay_list >"$tmp/want" || full
sums_in "$FORK" <"$tmp/targets" >"$tmp/fork" || full
awk -v now="$tmp/fork" 'BEGIN { while ((getline < now) > 0) cur[$1] = $2 } { print $0, cur[$1] }' "$tmp/want" >"$tmp/laid" 2>/dev/null || full
mv -f "$tmp/laid" "$LAID"
