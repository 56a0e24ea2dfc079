#!/bin/sh
# lay.sh: bring build/src/fork up to date with the overlay. Rewrite a file only if its content changes, and never
# overwrite an edit made in build/src/fork.
# lay.sh --unedited: change nothing; succeed if build/src/fork has no edits that `make patches` would write back.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh
. build-aux/overlay.sh

tmp=$(mktemp -d "$SRC/tmp.XXXXXX" 2>/dev/null) || full
cleanup() { rm -rf "$tmp"; }
on_exit cleanup

overlay_list >"$tmp/want" || full
twice=$(cut -d' ' -f1 "$tmp/want" | uniq -d | head -n 1)
[ -z "$twice" ] || die "the overlay has both $(overlay_of "$twice") and a patch to it; keep one"
[ -f "$LAID" ] || : >"$LAID"
cat "$tmp/want" "$LAID" | cut -d' ' -f1 | sort -u >"$tmp/targets" 2>/dev/null || full
if [ "${1-}" = --unedited ]; then
    # Include edits of files that the overlay does not touch.
    touched >>"$tmp/targets" || full
    if grep -q '[[:space:]"\\]' "$tmp/targets"; then exit 1; fi
fi
sums_in "$FORK" <"$tmp/targets" >"$tmp/now" || full
sums_in "$STOCK" <"$tmp/targets" >"$tmp/stock" || full

# Decide on each target: keep, edited (leave it alone), lay or drop; and note whether the target was edited.
awk -v want="$tmp/want" -v laid="$LAID" -v now="$tmp/now" -v stock="$tmp/stock" '
    BEGIN {
        while ((getline < want) > 0) { w[$1] = $2 " " $3; file[$1] = $4 }
        while ((getline < laid) > 0) { l[$1] = $2 " " $3; was[$1] = $5; if (!($1 in file)) file[$1] = $4 }
        while ((getline < now) > 0) cur[$1] = $2
        while ((getline < stock) > 0) s[$1] = $2
    }
    {
        wanted = ($1 in w)
        before = ($1 in l) ? was[$1] : s[$1]
        edited = ($1 in cur) && cur[$1] != before
        if (!wanted) action = "drop"
        else if (!($1 in l) || w[$1] != l[$1] || !($1 in cur)) action = "lay"
        else action = edited ? "edited" : "keep"
        split(wanted ? w[$1] : l[$1], k, " ")
        print action, edited + 0, $1, k[1], file[$1]
    }' "$tmp/targets" >"$tmp/plan" 2>/dev/null || full

if [ "${1-}" = --unedited ]; then
    if grep -q -v '^[a-z]* 0 ' "$tmp/plan"; then exit 1; fi
    exit 0
fi
if ! grep -q -v '^keep' "$tmp/plan"; then exit 0; fi

# Everything is produced before anything is changed.
mkdir "$tmp/new"
while read -r action edited target kind file; do
    case $action in
        lay)
            mkdir -p "$tmp/new/$(dirname "$target")" 2>/dev/null || full
            produce "$target" "$kind" "$file" "$tmp/new/$target"
            ;;
        drop) [ "$kind" = file ] || { mkdir -p "$tmp/new/$(dirname "$target")" && cp "$STOCK/$target" "$tmp/new/$target"; } 2>/dev/null || full ;;
        *) continue ;;
    esac
    if [ "$edited" = 1 ] && ! cmp -s "$tmp/new/$target" "$FORK/$target"; then
        die "$FORK/$target was edited and so was $file: a conflict, so neither was changed; move $FORK/$target away, run make to lay the overlay's version, and apply your edit again"
    fi
done <"$tmp/plan"

while read -r action edited target kind file; do
    case $action in
        edited)
            say "$FORK/$target has edits that are not in $file yet; make patches writes them there"
            continue ;;
        keep) continue ;;
    esac
    if [ ! -f "$tmp/new/$target" ]; then
        rm -f "$FORK/$target"
        (cd "$FORK" && rmdir -p "$(dirname "$target")") 2>/dev/null || :
    elif ! cmp -s "$tmp/new/$target" "$FORK/$target"; then
        output=$(mkdir -p "$FORK/$(dirname "$target")" 2>&1 && mv -f "$tmp/new/$target" "$FORK/$target" 2>&1) ||
            die "cannot write $FORK/$target: $(why "$output"); make room if the disk is full, and run it again"
    fi
done <"$tmp/plan"

# Record what was laid now, and keep the old line of each file that has edits.
sums_in "$FORK" <"$tmp/targets" >"$tmp/now" || full
awk -v laid="$LAID" -v now="$tmp/now" -v plan="$tmp/plan" '
    BEGIN {
        while ((getline < laid) > 0) old[$1] = $0
        while ((getline < now) > 0) cur[$1] = $2
        while ((getline < plan) > 0) action[$3] = $1
    }
    action[$1] == "edited" { print old[$1]; next }
    { print $0, cur[$1] }' "$tmp/want" >"$tmp/laid" 2>/dev/null || full
mv -f "$tmp/laid" "$LAID"
say "source: $(grep -c '^lay\|^drop' "$tmp/plan" || :) overlay files laid or removed, of $(grep -c . "$tmp/want" || :)"
