# What the overlay is, how its files map onto CPython's tree, and what of it is laid. Sourced after common.sh.
# shellcheck shell=sh

LC_ALL=C
export LC_ALL

# The mapping, in both directions. A file in one of these folders stands for the file of the same path in CPython's tree.
# Whatever else CPython has at its top level (its Makefile.pre.in and configure, which ours would shadow, or Parser/ and
# Programs/) is found below build-aux/toplevel.
OVERLAY_DIRS='Python Include Lib Modules Objects Doc Tools'
TOPLEVEL=build-aux/toplevel

overlay_of() { # TARGET, a path in CPython's tree: where the overlay keeps it
    case $1 in
        Python/* | Include/* | Lib/* | Modules/* | Objects/* | Doc/* | Tools/*) printf '%s\n' "$1" ;;
        *) printf '%s/%s\n' "$TOPLEVEL" "$1" ;;
    esac
}

# What is never part of the overlay, in either tree, as find's arguments: what editors, patch and CPython's own programs
# leave behind.
NOT_OURS='-name __pycache__ -o -name *.py[co] -o -name *~ -o -name *.orig -o -name *.rej -o -name *.sw[op] -o -name .* -o -name #*# -o -path */Lib/lib2to3/*.pickle -o -path */Doc/build'

overlay_files() { # every file of the overlay, one path a line
    for overlay_dir in $OVERLAY_DIRS; do
        # shellcheck disable=SC2086
        [ ! -d "$overlay_dir" ] || find "$overlay_dir" \( $NOT_OURS \) -prune -o -type f -print
    done
    # shellcheck disable=SC2086
    [ ! -d "$TOPLEVEL" ] || find "$TOPLEVEL" \( $NOT_OURS \) -prune -o -type f -print
}

touched() { # the files of the patched tree that were changed or made since it was unpacked, one path a line
    # shellcheck disable=SC2086
    (cd "$FORK" && find . -mindepth 1 \( $NOT_OURS \) -prune -o -type f -cnewer "$ROOT/$RELEASE" -print) | sed 's,^\./,,'
}

# A list of the overlay or of what is laid has lines "TARGET KIND SUM FILE": KIND is `patch` or `file`, SUM the checksum
# of the overlay's FILE. In $LAID there is one field more, the checksum of what was laid at TARGET.
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

sums_in() { # TREE: checksums of the paths on standard input that exist there, in lines "PATH SUM"
    (cd "$1" && while read -r sums_path; do [ ! -f "$sums_path" ] || echo "$sums_path"; done |
        xargs sha256sum /dev/null | awk '$2 != "/dev/null" { print $2, $1 }' 2>/dev/null)
}

release_own() { # TARGET: where the release's own of it is, or would be if it had one
    if [ -f "$FIXED" ] && grep -qxF -e "$1" "$FIXED"; then printf '%s\n' "$BARE/$1"; else printf '%s\n' "$STOCK/$1"; fi
}

# A patch of the overlay is one to the release's own file, whatever the fixes: so there is one form of it. Where the fixes
# change the file too, the two changes are merged, and taken apart again when edits are written back.
merge() { # MINE OLD YOURS RESULT: MINE with the change from OLD to YOURS; false if both changed the same lines
    merge_status=0
    diff3 -m "$1" "$2" "$3" >"$4" 2>/dev/null || merge_status=$?
    [ "$merge_status" -le 1 ] || full
    return "$merge_status"
}

produce() { # TARGET KIND FILE RESULT: what the overlay wants at TARGET, or an error
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
            die "$3 does not apply to CPython $(upstream VERSION), the release that UPSTREAM names ($(why "$(printf '%s\n' "$output" | grep '[Hh]unk #\|malformed\|garbage\|space left' | head -n 1)")); correct it, or take back the last version of it with git" ;;
    esac
    case $produce_own in "$BARE"/*) ;; *) return ;; esac
    { mv "$4" "$tmp/own" && cp "$STOCK/$1" "$4"; } 2>/dev/null || full
    merge "$tmp/own" "$produce_own" "$STOCK/$1" "$4" ||
        die "$3 and the security fixes ($(fixes_in)) change the same lines of $1; ./configure --without-security-fixes builds without the fixes"
}
