# Shared by all scripts in build-aux: the layout of build/, the facts in UPSTREAM, messages and progress lines.
# A script changes to the top of the repository and then sources this file.
# shellcheck shell=sh

set -euf
umask 022
# The user's settings are for another Python than the ones built here.
for name in $(env | sed -n 's/^\(PYTHON[A-Z0-9_]*\)=.*/\1/p'); do unset "$name"; done

ROOT=$(pwd -P)
DOWNLOADS=build/downloads       # the archives of the release and of the security fixes
SRC=build/src
FORK=$SRC/fork                  # the release with the overlay laid over it
STOCK=$SRC/stock                # the release with the security fixes, without the overlay
BARE=$SRC/bare                  # the files that the security fixes change, as published
FIXED=$SRC/.fixed               # the names of the files that the security fixes change or add
FIXES=$SRC/security-fixes       # a line that names the fixes in the two trees, then the decision on each fix
RELEASE=$SRC/.release           # the release that the two trees hold; written last, when both are complete
LAID=$SRC/.laid                 # the overlay files that are laid, see overlay.sh
FORK_AS=${FORK_AS:-make}        # the command that the user ran, for messages
export FORK_AS

say() {
    printf '%s: %s\n' "$FORK_AS" "$*"
}

die() {
    printf '%s: error: %s\n' "$FORK_AS" "$*" >&2
    exit 1
}

full() {
    die "cannot write to build/; is the disk full, or does the folder belong to another user?"
}

have() {
    command -v "$1" >/dev/null 2>&1
}

upstream() { # KEY: print its value in UPSTREAM
    upstream_value=$(sed -n "s/^$1=//p" UPSTREAM)
    [ -n "$upstream_value" ] || die "UPSTREAM has no $1= line; restore the file"
    printf '%s\n' "$upstream_value"
}

fixes_in() { # print the fixes in the trees: "none", "unavailable", or "SOURCE VERSION: NUMBER fixes[; MISSING]"
    sed -n 1p "$FIXES" 2>/dev/null
}

sum_of() { # FILE: print its SHA-256
    sha256sum <"$1" | cut -d' ' -f1
}

why() { # OUTPUT of a command that failed: print its last line, as the cause
    why_line=$(printf '%s\n' "$1" | grep -v '^[[:space:]]*$' | tail -n 1)
    printf '%s\n' "${why_line:-it gave no reason}"
}

# Run a long command with its output in a log, and print a line of progress every twenty seconds even if the command is
# silent. With V=1, show the output too.
progress() { # LOG WHAT COMMAND...
    progress_log=$1
    case ${V-}$1 in
        /*/tmp.* | "$SRC"/tmp.*) say "$2" ;;    # the log is temporary
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
    progress_of . '' 'lines of output'
    return "$progress_status"
}

progress_of() { # PATTERN TOTAL NOUN: the next progress counts the matching lines of its log, of about TOTAL (or empty)
    progress_pattern=$1
    progress_total=$2
    progress_noun=$3
    progress_file=
}
progress_of . '' 'lines of output'

progress_of_file() { # FILE: the next progress shows the size of FILE
    progress_file=$1
}

progress_reached() { # how far the command is: "310 of about 560 files", "12 MB"
    if [ -n "$progress_file" ]; then
        reached=$({ wc -c <"$progress_file"; } 2>/dev/null) || reached=0
        echo "$((reached / 1000000)) MB"
    else
        reached=$(grep -c -e "$progress_pattern" "$progress_log" 2>/dev/null) || :
        echo "${reached:-0}${progress_total:+ of about $progress_total} $progress_noun"
    fi
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
        # shellcheck disable=SC2059
        printf "%s: ... %s, %d:%02d$heartbeat_end" "$FORK_AS" "$(progress_reached)" \
            $((heartbeat_s / 60)) $((heartbeat_s % 60))
    done
}

on_exit() { # FUNCTION: run it however the script ends
    # shellcheck disable=SC2064
    trap "$1" 0
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

# The builddir is always build/NAME, so that everything made is in build/.
builddir_of() { # DIR as the user wrote it: print build/NAME
    builddir_name=$1
    case $builddir_name in "$ROOT"/*) builddir_name=${builddir_name#"$ROOT"/} ;; esac
    builddir_name=${builddir_name#./}
    builddir_name=${builddir_name%/}
    builddir_name=${builddir_name#build/}
    case $builddir_name in
        '' | .* | -* | *[!A-Za-z0-9._-]* | build)
            die "a builddir is build/NAME, with letters, digits and . _ - in NAME; '$1' is not" ;;
        bare.* | downloads | peers | pyodide | src | venv | venv-* | clients | bench | bench-* | lint-* | doc | doc-* | stock | stock-* | *.patch | *.log | *.new)
            die "build/$builddir_name is reserved; choose another NAME for the builddir build/NAME" ;;
    esac
    printf 'build/%s\n' "$builddir_name"
}

stockdir_of() { # BUILDDIR: print the builddir of the same build without the overlay
    case $1 in
        build/release) echo build/stock ;;
        *) echo "build/stock-${1#build/}" ;;
    esac
}

# VERSION: print the path of stock CPython of this version: on PATH, else in pyenv, else one that make condcov-peers has
# built; nothing if there is none.
stock_python() (
    set +f
    for candidate in $(command -v "python$1" || :) "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python \
        "$ROOT"/build/peers/"$1".*/bin/python"$1"; do
        if [ -x "$candidate" ] && "$candidate" -c 'import sys, sysconfig
sys.exit(sys.implementation.name != "cpython" or bool(sysconfig.get_config_var("Py_GIL_DISABLED")))' >/dev/null 2>&1; then
            printf '%s\n' "$candidate"
            break
        fi
    done
)
