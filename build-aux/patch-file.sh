#!/bin/sh
# patch-file.sh: write the whole overlay as one diff, which `patch -p1` applies to the release as published.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh
. build-aux/overlay.sh

[ -f "$RELEASE" ] || die "there is no patched tree yet; run ./configure first"
sh build-aux/lay.sh >&2
tmp=$(mktemp -d "$SRC/tmp.XXXXXX" 2>/dev/null) || full
cleanup() { rm -rf "$tmp"; }
on_exit cleanup

overlay_list | while read -r target kind sum file; do
    : "$sum"
    case $file in *.png) continue ;; esac       # patch cannot apply a picture; only the documentation has some
    printf 'diff --git a/%s b/%s\n' "$target" "$target"
    if [ "$kind" = patch ]; then
        sed -n '/^--- a\//,$p' "$file"
        continue
    fi
    # git's header expresses what a plain diff cannot: an empty file and the executable bit.
    mode=100644
    [ ! -x "$file" ] || mode=100755
    printf 'new file mode %s\n' "$mode"
    if [ -s "$file" ]; then
        diff -U1 --label /dev/null --label "b/$target" /dev/null "$file" || [ $? = 1 ]
    else
        echo 'index 0000000..e69de29'
    fi
done >"$tmp/patch" || full
result=build/settracestate-$(upstream VERSION).patch
mv -f "$tmp/patch" "$result"
say "patch file: $result"
