# Builddirs, in which CPython's own configure and make run. Sourced after common.sh.
# shellcheck shell=sh

# $DIR/.options records how the builddir was configured, in three lines: the path of this repository, the release with
# its fixes, and the options as shell words. It is written last, so a builddir that has it is configured.
options_of() { # DIR: print the options as shell words
    sed -n '3p' "$1/.options"
}

identity() { # OPTIONS: print what .options should be
    printf '%s\n%s\n%s\n' "$ROOT" "$(upstream SHA256)$(sed -n 's/^[^ ]*//p' "$RELEASE" 2>/dev/null)" "$1"
}

configured() { # DIR OPTIONS: whether DIR is configured with exactly these
    [ -f "$1/.options" ] && [ -f "$1/config.status" ] && [ "$(identity "$2")" = "$(cat "$1/.options")" ]
}

objects_check() { # SOURCE OPTIONS: die if CPython's configure is there already and does not know an option
    [ -f "$1/configure" ] || return 0
    output=$(sh -c "cd '$SRC' && '$ROOT/$1/configure' --enable-option-checking=fatal $2 --help=short" 2>&1 </dev/null) ||
        die "$(why "$output" | sed 's/^configure: error: //'); nothing was changed ($1/configure --help lists CPython's options)"
}

# CPython's configure runs in DIR.new, which replaces DIR when it has succeeded. A builddir that works is never lost.
objects_configure() { # SOURCE DIR OPTIONS: run CPython's configure for DIR, unless it was run with the same options
    if configured "$2" "$3"; then return 0; fi
    objects_new=$2.new
    { rm -rf "$objects_new" && mkdir -p "$objects_new"; } 2>/dev/null || full
    progress_of '^checking' 890 checks
    progress "$objects_new/configure.log" "$2: CPython's configure${3:+ with $3}, about a minute" \
        sh -c "cd '$objects_new' && '$ROOT/$1/configure' --enable-option-checking=fatal $3" </dev/null || {
        tail -n 5 "$objects_new/configure.log" >&2
        objects_cause=$(grep 'error:' "$objects_new/configure.log" | tail -n 1 | sed 's/^configure: error: //') || :
        objects_kept=
        [ ! -d "$2" ] || objects_kept="; $2 is unchanged"
        die "CPython's configure failed: ${objects_cause:-see $objects_new/configure.log and $objects_new/config.log}$objects_kept"
    }
    # Correct the files that name the folder, but keep their times, or make would rebuild others.
    grep -rlF "$objects_new" "$objects_new" | while IFS= read -r objects_file; do
        touch -r "$objects_file" "$objects_new/.time"
        sed -i "s,$ROOT/$objects_new,$ROOT/$2,g" "$objects_file"
        touch -r "$objects_new/.time" "$objects_file"
    done
    identity "$3" >"$objects_new/.options" 2>/dev/null || full
    if [ -d "$2" ]; then
        objects_was=$(options_of "$2" 2>/dev/null) || :
        if [ "$objects_was" = "$3" ]; then
            say "$2: starting over, because the release, the security fixes or the folder changed"
        else
            say "$2: starting over, because it was configured with ${objects_was:-no options}"
        fi
        rm -rf "$2"
    fi
    mv "$objects_new" "$2" || full
}

jobs() { # print how many commands make runs at once: the user's own make -jN, or one per processor
    jobs_n=$(printf ' %s \n' "${MAKEFLAGS-}" | sed -n 's/.* -j\([0-9][0-9]*\) .*/\1/p')
    printf '%s\n' "${jobs_n:-$(nproc 2>/dev/null || echo 1)}"
}

objects_make() { # DIR ARGUMENT...: run CPython's make in DIR, as if the user had called it there
    objects_dir=$1
    shift
    objects_jobs=$(jobs)
    (unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES; exec make -C "$objects_dir" -j"$objects_jobs" "$@")
}

objects_files() { # DIR: about how many files a whole build compiles; nothing if this build continues an earlier one
    [ ! -f "$1/Objects/object.o" ] || return 0
    objects_n=$({
        grep -oE '(Modules|Objects|Parser|Programs|Python)/[A-Za-z0-9_/-]+\.o' "$1/Makefile"
        grep -v '^#' "$1/Modules/Setup.stdlib" | grep -oE '[^ ]+\.c'
    } 2>/dev/null | sort -u | wc -l) || :
    # Profile-guided optimization compiles everything twice.
    case $(options_of "$1") in *--enable-optimizations*) objects_n=$((objects_n * 2)) ;; esac
    echo "$objects_n"
}

# $DIR/.built has the time when the last successful build began, and holds WHAT was built.
objects_build() { # SOURCE DIR WHAT ARGUMENT...: run CPython's make all, unless nothing changed
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
    progress_of ' -c .*\.c\( \|$\)' "$(objects_files "$objects_at")" files
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

left_out() { # HEADING WORDS: report the modules that CPython's build lists below HEADING
    left_out_modules=$(sed -n "/^$1/,/^\$/{/^[a-z_]/p;}" "$objects_at/build.log" 2>/dev/null | tr -s ' \n' ' ')
    [ -z "$left_out_modules" ] || say "$objects_at: $2: $left_out_modules"
}

warnings() { # LOG: show the compiler's warnings about files of the overlay
    cut -d' ' -f1 "$LAID" | grep '\.[ch]$' >"$LAID.c" || :
    grep -F ': warning: ' "$1" | grep -F -f "$LAID.c" | sort -u >&2 || :
    rm -f "$LAID.c"
}

newer() { # SOURCE STAMP: whether a file in SOURCE that affects the build changed after STAMP
    # shellcheck disable=SC2086
    [ -n "$(cd "$1" && find . -mindepth 1 \( $NOT_OURS -o -path ./Doc \) -prune -o -type f -newer "$ROOT/$2" -print | head -n 1)" ]
}
