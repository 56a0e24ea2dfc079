# What all scripts in build-aux share: the layout of build/, the facts in UPSTREAM, messages and progress lines.
# A script does `cd` to the top of the repository and sources this file.
# shellcheck shell=sh

set -euf
umask 022
# The user's settings for some other Python are not for the ones that are built here.
for name in $(env | sed -n 's/^\(PYTHON[A-Z0-9_]*\)=.*/\1/p'); do unset "$name"; done

ROOT=$(pwd -P)
DOWNLOADS=build/downloads       # the release archive and that of the security fixes
SRC=build/src
FORK=$SRC/fork                  # the release with the overlay laid over it
STOCK=$SRC/stock                # the release with its security fixes, as it is without the overlay
BARE=$SRC/bare                  # the release's own of the files that the security fixes change
FIXED=$SRC/.fixed               # the names of the files that the security fixes change or add
FIXES=$SRC/security-fixes       # which fixes the two trees have, in a line, and what was decided on each
RELEASE=$SRC/.release           # which release the two trees are; made last, so that it says they are complete
LAID=$SRC/.laid                 # what of the overlay is laid, see overlay.sh
FORK_AS=${FORK_AS:-make}        # the command that the user gave, for messages
export FORK_AS

say() {
    printf '%s: %s\n' "$FORK_AS" "$*"
}

die() {
    printf '%s: error: %s\n' "$FORK_AS" "$*" >&2
    exit 1
}

full() {
    die "cannot write to build/; is the disk full, or the folder somebody else's?"
}

have() {
    command -v "$1" >/dev/null 2>&1
}

upstream() { # KEY: its value in UPSTREAM
    upstream_value=$(sed -n "s/^$1=//p" UPSTREAM)
    [ -n "$upstream_value" ] || die "UPSTREAM has no $1= line; restore the file"
    printf '%s\n' "$upstream_value"
}

fixes_in() { # which security fixes the trees have: "none", "unavailable", or "SOURCE VERSION: NUMBER fixes" and what is missing
    sed -n 1p "$FIXES" 2>/dev/null
}

sum_of() { # FILE: its SHA-256
    sha256sum <"$1" | cut -d' ' -f1
}

why() { # TEXT: the last line of what a failed command printed, as the cause
    why_line=$(printf '%s\n' "$1" | grep -v '^[[:space:]]*$' | tail -n 1)
    printf '%s\n' "${why_line:-it gave no reason, or the one above}"
}

shown() { # COMMAND...: run it with all it says in $output, or on a terminal for the user to see as it goes
    output=
    if [ -t 1 ]; then "$@" </dev/null; else output=$("$@" </dev/null 2>&1); fi
}

# A long command's output goes to a log, and every twenty seconds a line to the user, however little the command says. With
# V=1 the user sees all of the output too.
progress() { # LOG WHAT COMMAND...
    progress_log=$1
    case ${V-}$1 in
        /*/tmp.* | "$SRC"/tmp.*) say "$2" ;;    # a log that does not last
        "$1") say "$2 (log: $1)" ;;
        *) say "$2" ;;
    esac
    shift 2
    : >"$progress_log" || die "cannot write $progress_log; is the disk full?"
    progress_status=0
    if [ -n "${V-}" ]; then
        { { "$@" 2>&1 || echo $? >"$progress_log.status"; } | tee "$progress_log"; } || :
        progress_status=$(cat "$progress_log.status" 2>/dev/null || echo 0)
        rm -f "$progress_log.status"
    else
        heartbeat &
        progress_heart=$!
        "$@" >"$progress_log" 2>&1 || progress_status=$?
        kill "$progress_heart" 2>/dev/null || :
        [ ! -t 1 ] || printf '\033[K'
    fi
    progress_pattern=.
    progress_total=
    progress_noun='lines of output'
    return "$progress_status"
}

progress_pattern=.
progress_total=
progress_noun='lines of output'
progress_of() { # PATTERN TOTAL NOUN: what the next progress counts in the log, and how many there will be, or nothing
    progress_pattern=$1
    progress_total=$2
    progress_noun=$3
}

heartbeat() {
    heartbeat_s=0
    heartbeat_every=20
    heartbeat_end='\n'
    if [ -t 1 ]; then heartbeat_every=1; heartbeat_end='\r'; fi
    # The last sleep outlives this function, so it must not hold the output open.
    while sleep 1 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
        heartbeat_s=$((heartbeat_s + 1))
        [ $((heartbeat_s % heartbeat_every)) = 0 ] || continue
        heartbeat_n=$(grep -c -e "$progress_pattern" "$progress_log" 2>/dev/null) || :
        # shellcheck disable=SC2059
        printf "%s: ... %s%s %s, %d:%02d$heartbeat_end" "$FORK_AS" "${heartbeat_n:-0}" \
            "${progress_total:+ of about $progress_total}" "$progress_noun" $((heartbeat_s / 60)) $((heartbeat_s % 60))
    done
}

on_exit() { # FUNCTION: run it however the script ends
    # shellcheck disable=SC2064
    trap "$1" 0
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

# The builddir. It is always build/NAME, so that everything made stays in build/.
builddir_of() { # DIR as the user wrote it: build/NAME
    builddir_name=$1
    case $builddir_name in "$ROOT"/*) builddir_name=${builddir_name#"$ROOT"/} ;; esac
    builddir_name=${builddir_name#./}
    builddir_name=${builddir_name%/}
    builddir_name=${builddir_name#build/}
    case $builddir_name in
        '' | .* | -* | *[!A-Za-z0-9._-]* | build)
            die "a builddir is build/NAME, with letters, digits and . _ - in NAME; '$1' is not" ;;
        bare.* | downloads | src | venv | clients | bench | bench-* | lint-* | doc | doc-* | stock | stock-* | *.patch | *.log | *.new)
            die "build/$builddir_name is taken by the build itself; choose another NAME for the builddir build/NAME" ;;
    esac
    printf 'build/%s\n' "$builddir_name"
}

stockdir_of() { # BUILDDIR: where the same build without the overlay is
    case $1 in
        build/release) echo build/stock ;;
        *) echo "build/stock-${1#build/}" ;;
    esac
}
