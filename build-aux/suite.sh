# Run CPython's test suite (python -m test) and pytest. Sourced after common.sh; our_tests needs overlay.sh too.
# shellcheck shell=sh

our_tests() { # print the names of the fork's own tests, from their place in the overlay
    overlay_files | sed -n 's,^Lib/test/\(test_[A-Za-z0-9_]*\)\.py$,\1,p; s,^Lib/test/\(test_[A-Za-z0-9_]*\)/__init__\.py$,\1,p' | sort
}

# Some tests fail if a signal is ignored, as it is under nohup and in a shell's background jobs.
SIGNALS=
if env --default-signal true 2>/dev/null; then SIGNALS='env --default-signal'; fi

# What python -m test prints after each test file, as a pattern of grep's.
TEST_DONE='^[0-9:]* .*\[ *[0-9]*/[0-9]*'

suite() { # PYTHON TEST...: run the tests, one per processor at a time
    suite_python=$1
    shift
    $SIGNALS "$suite_python" -m test -j"$(nproc)" --timeout=600 "$@" </dev/null
}

temporary_folder() { # give the tests a temporary folder that is removed when the script ends
    TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/fork-test.XXXXXX") || die "cannot make a folder in ${TMPDIR:-/tmp}; is the disk full?"
    export TMPDIR
    temporary=$TMPDIR
    on_exit remove_temporary_folder
}

remove_temporary_folder() {
    chmod -R u+rwX "$temporary" 2>/dev/null
    rm -rf "$temporary"
}

pytest() { # BUILDDIR ARGUMENT...: run pytest on that build, one test per processor at a time
    FORK_BUILDDIR=$1
    export FORK_BUILDDIR
    shift
    $SIGNALS build/venv/bin/python -m pytest -rs -p no:cacheprovider -n "$(nproc)" --dist loadgroup "$@" </dev/null
}

number_of_programs() { # DEFAULT: print how many random programs to try
    case ${PROGRAMS:-$1} in
        0* | *[!0-9]*) die "PROGRAMS is how many programs to try, such as $1; '$PROGRAMS' is not a number of programs" ;;
    esac
    printf '%s\n' "${PROGRAMS:-$1}"
}

failed_in() { # LOG of suite: print the tests that failed, one a line
    awk '/^[0-9]+ tests? failed:$/ { on = 1; next }
         !/^    / { on = 0 }
         on { for (i = 1; i <= NF; i++) print $i }' "$1" | sort -u
}

ended_early() { # LOG of suite that failed without naming a test: show its end, and die
    tail -n 15 "$1" >&2
    die "the test suite ended early; the whole output is in $1"
}
