# A builddir: CPython's own configure and make run in it. Sourced after common.sh.
# shellcheck shell=sh

# $DIR/.options says what the builddir was configured with: this repository's place, the release with its fixes, and the
# options, as a line of shell words. It is made last, so that it says that the builddir is configured.
options_of() { # DIR: the options as shell words
    sed -n '3p' "$1/.options"
}

identity() { # OPTIONS: what .options has to be
    printf '%s\n%s\n%s\n' "$ROOT" "$(upstream SHA256)$(sed -n 's/^[^ ]*//p' "$RELEASE" 2>/dev/null)" "$1"
}

configured() { # DIR OPTIONS: whether DIR is configured with exactly these
    [ -f "$1/.options" ] && [ -f "$1/config.status" ] && [ "$(identity "$2")" = "$(cat "$1/.options")" ]
}

# A long command's output goes to a log, and a line to the user now and then. With V=1 the user sees all of it.
progress() { # LOG WHAT COMMAND...
    progress_log=$1
    progress_what=$2
    shift 2
    if [ -n "${V-}" ]; then
        say "$progress_what"
        "$@"
        return
    fi
    say "$progress_what (log: $progress_log)"
    : >"$progress_log" || die "cannot write $progress_log; is the disk full?"
    { { "$@" 2>&1; echo $? >"$progress_log.status"; } | tee "$progress_log" | heartbeat; } || :
    progress_status=$(cat "$progress_log.status" 2>/dev/null || echo 1)
    rm -f "$progress_log.status"
    return "${progress_status:-1}"
}

heartbeat() {
    heartbeat_start=$(date +%s)
    heartbeat_last=0
    heartbeat_lines=0
    heartbeat_every=20
    heartbeat_end='\n'
    if [ -t 1 ]; then heartbeat_every=1; heartbeat_end='\r'; fi
    while read -r heartbeat_line; do
        : "$heartbeat_line"
        heartbeat_lines=$((heartbeat_lines + 1))
        [ $((heartbeat_lines % 10)) = 0 ] || continue
        heartbeat_now=$(($(date +%s) - heartbeat_start))
        [ $((heartbeat_now - heartbeat_last)) -ge $heartbeat_every ] || continue
        heartbeat_last=$heartbeat_now
        # shellcheck disable=SC2059
        printf "%s: ... %d lines of output, %d:%02d$heartbeat_end" "$FORK_AS" "$heartbeat_lines" $((heartbeat_now / 60)) $((heartbeat_now % 60))
    done
    [ ! -t 1 ] || printf '\033[K'
}

objects_configure() { # SOURCE DIR OPTIONS: run CPython's configure in DIR, unless it was run with the same options
    if configured "$2" "$3"; then return 0; fi
    if [ -d "$2" ]; then
        say "$2: configured otherwise or not to the end, so it is begun afresh"
        rm -rf "$2"
    fi
    mkdir -p "$2" 2>/dev/null || die "cannot make $2; is the disk full, or build/ somebody else's?"
    progress "$2/configure.log" "$2: CPython's configure${3:+ with $3}, a minute or so" \
        sh -c "cd '$2' && '$ROOT/$1/configure' --enable-option-checking=fatal $3" </dev/null || {
        tail -n 5 "$2/configure.log" >&2
        objects_cause=$(grep 'error:' "$2/configure.log" | tail -n 1 | sed 's/^configure: error: //') || :
        die "CPython's configure failed in $2: ${objects_cause:-see $2/configure.log and $2/config.log}"
    }
    { identity "$3" >"$2/.options.new" && mv "$2/.options.new" "$2/.options"; } || die "cannot write to $2; is the disk full?"
}

jobs() { # how many commands make runs at once: the user's own make -jN, or one for each processor
    jobs_n=$(printf ' %s \n' "${MAKEFLAGS-}" | sed -n 's/.* -j\([0-9][0-9]*\) .*/\1/p')
    printf '%s\n' "${jobs_n:-$(nproc 2>/dev/null || echo 1)}"
}

objects_make() { # DIR ARGUMENT...: CPython's make in DIR, as if the user had called it there
    objects_dir=$1
    shift
    objects_jobs=$(jobs)
    (unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES; exec make -C "$objects_dir" -j"$objects_jobs" "$@")
}

# $DIR/.built is as old as the beginning of the last build that ended well, and holds what that build was of.
objects_build() { # SOURCE DIR WHAT ARGUMENT...: CPython's make all, unless nothing changed
    objects_source=$1
    objects_at=$2
    objects_what=$3
    shift 3
    if [ -x "$objects_at/python" ] && [ -f "$objects_at/.built" ] && [ "$(cat "$objects_at/.built")" = "$objects_what" ] &&
        [ -z "$(find "$objects_at/.options" -newer "$objects_at/.built")" ] && ! newer "$objects_source" "$objects_at/.built"; then
        say "$objects_at/python is up to date"
        return 0
    fi
    if [ "$(cat "$objects_at/.built" 2>/dev/null)" != "$objects_what" ]; then rm -f "$objects_at/Modules/getbuildinfo.o"; fi
    printf '%s\n' "$objects_what" >"$objects_at/.building" || die "cannot write to $objects_at; is the disk full?"
    progress "$objects_at/build.log" "$objects_at: compiling" objects_make "$objects_at" all "$@" || {
        [ -n "${V-}" ] || tail -n 15 "$objects_at/build.log" >&2
        die "the build in $objects_at failed${V:-; the whole output is in $objects_at/build.log}"
    }
    mv "$objects_at/.building" "$objects_at/.built"
    [ -n "${V-}" ] || warnings "$objects_at/build.log"
    left_out 'The necessary bits to build these optional modules' 'built without these optional modules'
    left_out 'Failed to build these modules' 'WARNING: these modules failed to build'
    left_out 'Following modules built successfully but were removed' 'WARNING: these modules were built and cannot be imported'
    say "$objects_at/python is built"
}

left_out() { # HEADING WORDS: the modules that CPython's build lists below HEADING
    left_out_modules=$(sed -n "/^$1/,/^\$/{/^[a-z_]/p;}" "$objects_at/build.log" 2>/dev/null | tr -s ' \n' ' ')
    [ -z "$left_out_modules" ] || say "$objects_at: $2: $left_out_modules"
}

warnings() { # LOG: the compiler's warnings about files of the overlay
    cut -d' ' -f1 "$LAID" | grep '\.[ch]$' >"$LAID.c" || :
    grep -F ': warning: ' "$1" | grep -F -f "$LAID.c" | sort -u >&2 || :
    rm -f "$LAID.c"
}

newer() { # SOURCE STAMP: whether what is built from SOURCE changed since
    # shellcheck disable=SC2086
    [ -n "$(cd "$1" && find . -mindepth 1 \( $NOT_OURS -o -path ./Doc \) -prune -o -type f -newer "$ROOT/$2" -print | head -n 1)" ]
}
