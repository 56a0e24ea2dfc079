# Debian's fixes to the release: find their archive in build/downloads, select its entries and apply them. Sourced after
# common.sh, with LC_ALL=C.
#
# FIXES, here and in the scripts that source this file, is one of:
#   ''      the fixes in build/downloads, else the newest that apt can fetch, else none; if a fetch failed, apt is asked
#           again once a day
#   newest  the newest fixes that apt can fetch
#   none    no fixes
#   a path  the fixes in that archive
# shellcheck shell=sh

FIXES_RULE=build-aux/security-fixes
FIXES_RECORD=$DOWNLOADS/security-fixes          # a line "FILE SHA256 VERSION", written after FILE
FIXES_MISSED=$DOWNLOADS/security-fixes-missed   # a line "SECONDS VERSION REASON": when and why apt failed to fetch the
                                                # newest version that it listed ("-": it listed none)

fixes_cached() { # whether build/downloads has an archive; sets $fixes_file $fixes_sum $fixes_version
    { read -r fixes_file fixes_sum fixes_version <"$FIXES_RECORD"; } 2>/dev/null || return 1
    fixes_file=$DOWNLOADS/$fixes_file
    [ "$(sum_of "$fixes_file" 2>/dev/null)" = "$fixes_sum" ]
}

fixes_miss() { # VERSION REASON: record that it could not be fetched; "-" does not replace the record of a version
    if [ "$1" = - ] && [ -n "$(fixes_newer)" ]; then
        fixes_missed
        set -- "$missed_version" "$missed_why"
    fi
    { mkdir -p "$DOWNLOADS" && echo "$(date +%s) $1 $2" >"$FIXES_MISSED"; } 2>/dev/null || full
}

fixes_missed() { # whether apt failed the last time; sets $missed_at $missed_version $missed_why
    missed_version=-
    missed_why='none was listed'
    { read -r missed_at missed_version missed_why <"$FIXES_MISSED"; } 2>/dev/null
}

fixes_due() { # whether to ask apt again
    fixes_missed && [ $(($(date +%s) - missed_at)) -ge 86400 ]
}

fixes_newer() { # print the version that was listed and could not be fetched, if any
    if fixes_missed && [ "$missed_version" != - ]; then printf '%s\n' "$missed_version"; fi
}

fixes_version_of() { # FILE: print its version; fail if it is not a .debian.tar archive of this release
    fixes_about=$(tar -xOf "$1" debian/changelog 2>/dev/null | sed -n 1p)
    fixes_of=$(printf '%s\n' "$fixes_about" | sed -n "s/^$(upstream DEBIAN_SOURCE) (\($(upstream VERSION)-[A-Za-z0-9.+~-]*\)) .*/\1/p")
    [ -n "$fixes_of" ] || return 1
    tar -tf "$1" debian/patches/series >/dev/null 2>&1 || return 1
    printf '%s\n' "$fixes_of"
}

fixes_keep() { # FILE: move it to build/downloads as the archive of fixes; $fixes_version is its version
    fixes_name=$(upstream DEBIAN_SOURCE)_$fixes_version.debian.tar.xz
    fixes_old=$(cut -d' ' -f1 "$FIXES_RECORD" 2>/dev/null) || fixes_old=
    { rm -f "$FIXES_RECORD" && echo "$fixes_name $(sum_of "$1") $fixes_version" >"$1.record" &&
        mv -f "$1" "$DOWNLOADS/$fixes_name" && mv -f "$1.record" "$FIXES_RECORD"; } 2>/dev/null || full
    if [ -n "$fixes_old" ] && [ "$fixes_old" != "$fixes_name" ]; then rm -f "$DOWNLOADS/$fixes_old"; fi
}

# The base is the release with the fixes. $RELEASE describes the two trees: the checksum of the release and, if they
# have fixes, the checksums of their archive and of the code that applies them, then the newer version that is missing,
# if any.
fixes_ways() {
    cat "$FIXES_RULE" build-aux/fixes.sh | sha256sum | cut -d' ' -f1
}

fixes_laid() { # whether the trees are this release with fixes, selected and applied by the present code
    case $(cat "$RELEASE" 2>/dev/null) in
        "$(upstream SHA256) "*" $(fixes_ways)" | "$(upstream SHA256) "*" $(fixes_ways) "*) return 0 ;;
        *) return 1 ;;
    esac
}

fixes_unavailable() { # whether the trees are this release without fixes, because none were available
    [ "$(cat "$RELEASE" 2>/dev/null)" = "$(upstream SHA256)" ] && [ "$(fixes_in)" = unavailable ]
}

base_wanted() { # FIXES: print what $RELEASE should hold
    if [ "$1" = none ]; then
        upstream SHA256
    elif fixes_cached; then
        fixes_lacks=$(fixes_newer)
        echo "$(upstream SHA256) $fixes_sum $(fixes_ways)${fixes_lacks:+ $fixes_lacks}"
    elif fixes_laid; then
        cat "$RELEASE"
    else
        upstream SHA256
    fi
}

base_laid() { # FIXES: whether the trees are up to date
    [ "$(cat "$RELEASE" 2>/dev/null)" = "$(base_wanted "$1")" ]
}

fixes_judge() { # ENTRY of the series: set $fixes_verdict to take, leave or unknown, and $fixes_reason
    fixes_verdict=unknown
    fixes_reason="no line of $FIXES_RULE matches it"
    while read -r fixes_does fixes_pattern fixes_words; do
        case $fixes_does in
            '' | '#'*) continue ;;
            take | leave) ;;
            *) die "$FIXES_RULE: a line is 'take PATTERN REASON' or 'leave PATTERN REASON', and '$fixes_does $fixes_pattern' is not" ;;
        esac
        # shellcheck disable=SC2254
        case $1 in
            $fixes_pattern)
                fixes_verdict=$fixes_does
                fixes_reason=$fixes_words
                return ;;
        esac
    done <"$FIXES_RULE"
}

# Debian links some modules into the interpreter that the release builds as extension modules. A fix to one of them may
# include an internal header, which an extension module may only do if it defines a macro.
fixes_core() { # BARE FILE: define that macro in FILE, if the fix adds the first such header
    if grep -q '^#include "pycore_' "$2" && ! grep -q '^#include "pycore_' "$1" && ! grep -q Py_BUILD_CORE "$2"; then
        fixes_text=$(cat "$2")
        printf '%s\n' '#ifndef Py_BUILD_CORE_BUILTIN' '#  define Py_BUILD_CORE_MODULE 1' '#endif' "$fixes_text" 2>/dev/null >"$2" || full
    fi
}

# Apply the fixes to two equal trees, NEW/stock and NEW/fork. Keep in NEW/bare the published version of each file that
# they change, in NEW/fixed the names of the files that they change or add, and in NEW/fixes the decisions.
fixes_apply() { # NEW
    fixes_whose="$(upstream DEBIAN_SOURCE) $fixes_version"
    fixes_other="--without-security-fixes builds the release as published, --with-security-fixes=FILE uses another archive"
    output=$(mkdir "$1/deb" "$1/bare" 2>&1 && tar -xf "$fixes_file" -C "$1/deb" debian/patches 2>&1) ||
        die "cannot unpack $fixes_file: $(why "$(printf '%s\n' "$output" | grep -v 'Exiting with failure')"); make room if the disk is full, and run it again"
    fixes_from=$ROOT/$1/deb/debian/patches
    # Read it as dpkg-source does: a comment begins at the start or after a space, and -p1 may follow a name.
    sed 's/^#.*//; s/[[:space:]]#.*//; s/[[:space:]]*$//; s/[[:space:]]-p1$//; s/^[[:space:]]*//; /^$/d' \
        "$fixes_from/series" 2>/dev/null >"$1/series" || full
    (cd "$1/fork" && find . -type f -exec sha256sum {} +) | sort 2>/dev/null >"$1/before" || full
    fixes_count=0
    while IFS= read -r fixes_entry; do
        fixes_judge "$fixes_entry"
        echo "$fixes_verdict $fixes_entry: $fixes_reason" 2>/dev/null >>"$1/verdicts" || full
        case $fixes_verdict in
            leave) continue ;;
            unknown) say "fixes: not applied: $fixes_entry of $fixes_whose ($fixes_reason)"; continue ;;
        esac
        [ -f "$fixes_from/$fixes_entry" ] ||
            die "the series of $fixes_whose names $fixes_entry, which is not in $fixes_file; $fixes_other"
        # Like dpkg-source, accept another line number but no other context.
        output=$(patch -d "$1/stock" -p1 -t -N -F 0 -u -V never -E --no-backup-if-mismatch -r - \
            -i "$fixes_from/$fixes_entry" 2>&1 </dev/null) || {
            case $output in *'space left'*) full ;; esac
            fixes_cause=$(printf '%s\n' "$output" | grep -v '^patching file' | head -n 1)
            die "the fix $fixes_entry of $fixes_whose does not apply to CPython $(upstream VERSION) ($(why "$fixes_cause")); $fixes_other"
        }
        fixes_count=$((fixes_count + 1))
    done <"$1/series"
    # sysconfig reads every variable of CPython's Makefile.
    fixes_say="$fixes_whose: $fixes_count fixes"
    fixes_lacks=$(fixes_newer)
    [ -z "$fixes_lacks" ] || fixes_say="$fixes_say; $fixes_lacks was listed and could not be fetched"
    { echo; echo "SECURITY_FIXES=	$fixes_say"; } 2>/dev/null >>"$1/stock/Makefile.pre.in" || full
    { echo "$fixes_say" && cat "$1/verdicts"; } >"$1/fixes" 2>/dev/null || full

    (cd "$1/stock" && find . -type f -exec sha256sum {} +) | sort 2>/dev/null >"$1/after" || full
    comm -3 "$1/before" "$1/after" | sed 's/^[[:space:]]*//' | cut -c67- | sed 's,^\./,,' | sort -u 2>/dev/null >"$1/fixed" || full
    if grep -qx configure.ac "$1/fixed" && ! grep -qx configure "$1/fixed"; then
        die "the fixes of $fixes_whose change configure.ac and not configure, which this build does not regenerate; $fixes_other"
    fi
    while IFS= read -r fixes_path; do
        case $fixes_path in
            Modules/*.c) [ ! -f "$1/fork/$fixes_path" ] || fixes_core "$1/fork/$fixes_path" "$1/stock/$fixes_path" ;;
        esac
        if [ -f "$1/fork/$fixes_path" ]; then
            { mkdir -p "$(dirname "$1/bare/$fixes_path")" && mv "$1/fork/$fixes_path" "$1/bare/$fixes_path"; } 2>/dev/null || full
        fi
        if [ -f "$1/stock/$fixes_path" ]; then
            { mkdir -p "$(dirname "$1/fork/$fixes_path")" && cp -p "$1/stock/$fixes_path" "$1/fork/$fixes_path"; } 2>/dev/null || full
        fi
    done <"$1/fixed"
    say "fixes: $fixes_count of $fixes_whose applied; $FIXES lists these and the others"
}
