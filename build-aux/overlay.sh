# The overlay: its files, how they map to CPython's tree, and which are laid. Sourced after common.sh.
# shellcheck shell=sh

LC_ALL=C
export LC_ALL

# A file in one of these folders maps to the same path in CPython's tree. Everything else at CPython's top level is in
# build-aux/toplevel: Makefile.pre.in and configure, whose names ours have, and folders such as Parser/.
OVERLAY_DIRS='Python Include Lib Modules Objects Doc Tools'
TOPLEVEL=build-aux/toplevel

overlay_of() { # TARGET, a path in CPython's tree: print its path in the overlay
    case $1 in
        Python/* | Include/* | Lib/* | Modules/* | Objects/* | Doc/* | Tools/*) printf '%s\n' "$1" ;;
        *) printf '%s/%s\n' "$TOPLEVEL" "$1" ;;
    esac
}

# find's arguments for files that never belong to the overlay: leftovers of editors, patch and CPython's own programs.
NOT_OURS='-name __pycache__ -o -name *.py[co] -o -name *~ -o -name *.orig -o -name *.rej -o -name *.sw[op] -o -name .* -o -name #*# -o -path */Lib/lib2to3/*.pickle -o -path */Doc/build'

overlay_files() { # print every file of the overlay, one path a line
    for overlay_dir in $OVERLAY_DIRS; do
        # shellcheck disable=SC2086
        [ ! -d "$overlay_dir" ] || find "$overlay_dir" \( $NOT_OURS \) -prune -o -type f -print
    done
    # shellcheck disable=SC2086
    [ ! -d "$TOPLEVEL" ] || find "$TOPLEVEL" \( $NOT_OURS \) -prune -o -type f -print
}

touched() { # print the files of the patched tree that were changed or created since it was unpacked, one path a line
    # shellcheck disable=SC2086
    (cd "$FORK" && find . -mindepth 1 \( $NOT_OURS \) -prune -o -type f -cnewer "$ROOT/$RELEASE" -print) | sed 's,^\./,,'
}

# A line for each file of the overlay, "TARGET KIND SUM FILE": KIND is `patch` or `file`, SUM the checksum of the
# overlay's FILE. $LAID has the same lines with one more field, the checksum of what was laid at TARGET.
overlay_list() {
    overlay_files >"$tmp/files" || full
    if grep -q '[[:space:]"\\]' "$tmp/files"; then
        die "the overlay cannot have a file name with a space, quote or backslash: $(grep '[[:space:]"\\]' "$tmp/files" | head -n 1)"
    fi
    xargs sha256sum /dev/null <"$tmp/files" | awk -v top="$TOPLEVEL/" '
        $2 != "/dev/null" {
            target = $2; kind = "file"
            if (index(target, top) == 1) target = substr(target, length(top) + 1)
            if (sub(/\.patch$/, "", target)) kind = "patch"
            print target, kind, $1, $2
        }' | sort 2>/dev/null
}

sums_in() { # TREE: print "PATH SUM" for each path on standard input that exists in TREE
    (cd "$1" && while read -r sums_path; do [ ! -f "$sums_path" ] || echo "$sums_path"; done |
        xargs sha256sum /dev/null | awk '$2 != "/dev/null" { print $2, $1 }' 2>/dev/null)
}

release_own() { # TARGET: print the path of its published version, even if the release has no such file
    if [ -f "$FIXED" ] && grep -qxF -e "$1" "$FIXED"; then printf '%s\n' "$BARE/$1"; else printf '%s\n' "$STOCK/$1"; fi
}

# Overlay patches always apply to the published file, with or without the fixes. If the fixes change the file too, the
# two changes are merged, and separated again when edits are written back.
merge() { # MINE OLD YOURS RESULT: write MINE with the change from OLD to YOURS; fail if both changed the same lines
    merge_status=0
    diff3 -m "$1" "$2" "$3" >"$4" 2>/dev/null || merge_status=$?
    [ "$merge_status" -le 1 ] || full
    return "$merge_status"
}

produce() { # TARGET KIND FILE RESULT: write what belongs at TARGET, or die
    if [ "$2" = file ]; then
        [ ! -e "$STOCK/$1" ] ||
            die "$3 would replace CPython's own $1; keep the edits to it as $3.patch (edit $FORK/$1 and run make patches)"
        output=$(cp "$3" "$4" 2>&1) || die "cannot lay $3: $(why "$output"); make room if the disk is full, and run it again"
        return
    fi
    produce_own=$(release_own "$1")
    [ -f "$produce_own" ] || die "$3: CPython $(upstream VERSION) has no $1 to patch"
    if [ "$(grep -c "^--- a/$1\$" "$3")" != 1 ] || [ "$(grep -c '^--- a/' "$3")" != 1 ]; then
        die "$3 is not one unified diff with the header '--- a/$1' and '+++ b/$1'"
    fi
    output=$(cp "$produce_own" "$4" 2>&1) || die "cannot lay $3: $(why "$output"); make room if the disk is full, and run it again"
    produced=yes
    output=$(patch --fuzz=0 --no-backup-if-mismatch -r - "$4" "$3" 2>&1 </dev/null) || produced=no
    case $produced$output in
        *'space left'*) full ;;
        no* | *'(offset '* | *' with fuzz '*)
            die "$3 does not apply to CPython $(upstream VERSION), the release that UPSTREAM names ($(why "$(printf '%s\n' "$output" | grep '[Hh]unk #\|malformed\|garbage\|space left' | head -n 1)")); correct it, or restore its last version with git" ;;
    esac
    case $produce_own in "$BARE"/*) ;; *) return ;; esac
    { mv "$4" "$tmp/own" && cp "$STOCK/$1" "$4"; } 2>/dev/null || full
    merge "$tmp/own" "$produce_own" "$STOCK/$1" "$4" ||
        die "$3 and the security fixes ($(fixes_in)) change the same lines of $1; ./configure --without-security-fixes builds without the fixes"
}
