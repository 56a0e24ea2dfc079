# Running CPython's test suite, python -m test, and the tests that pytest runs. Sourced after overlay.sh.
# shellcheck shell=sh

our_tests() { # the fork's own tests, by their place in the overlay
    overlay_files | sed -n 's,^Lib/test/\(test_[A-Za-z0-9_]*\)\.py$,\1,p; s,^Lib/test/\(test_[A-Za-z0-9_]*\)/__init__\.py$,\1,p' | sort
}

# Some tests fail if a signal is ignored, as nohup and the background jobs of a shell have it.
SIGNALS=
if env --default-signal true 2>/dev/null; then SIGNALS='env --default-signal'; fi

suite() { # PYTHON TEST...: the tests, as many at once as there are processors
    suite_python=$1
    shift
    $SIGNALS "$suite_python" -m test -j"$(nproc)" --timeout=600 "$@" </dev/null
}

# What tests leave behind goes when the script ends.
temporary_folder() {
    TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/fork-test.XXXXXX") || die "cannot make a folder in ${TMPDIR:-/tmp}; is the disk full?"
    export TMPDIR
    temporary=$TMPDIR
    on_exit remove_temporary_folder
}

remove_temporary_folder() {
    chmod -R u+rwX "$temporary" 2>/dev/null
    rm -rf "$temporary"
}

pytest() { # BUILDDIR ARGUMENT...: pytest on that build, as many tests at once as there are processors
    FORK_BUILDDIR=$1
    export FORK_BUILDDIR
    shift
    $SIGNALS build/venv/bin/python -m pytest -rs -p no:cacheprovider -n "$(nproc)" --dist loadgroup "$@" </dev/null
}

failed_in() { # LOG of suite: the tests that failed, one a line
    awk '/^[0-9]+ tests? failed:$/ { on = 1; next }
         !/^    / { on = 0 }
         on { for (i = 1; i <= NF; i++) print $i }' "$1" | sort -u
}

ended_early() { # LOG of suite that failed and names no test
    tail -n 15 "$1" >&2
    die "the test suite ended early; the whole output is in $1"
}
