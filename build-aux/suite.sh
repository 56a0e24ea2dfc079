# Running CPython's test suite, python -m test. Sourced after overlay.sh.
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

failed_in() { # LOG of suite: the tests that failed, one a line
    awk '/^[0-9]+ tests? failed:$/ { on = 1; next }
         !/^    / { on = 0 }
         on { for (i = 1; i <= NF; i++) print $i }' "$1" | sort -u
}

ended_early() { # LOG of suite that failed and names no test
    tail -n 15 "$1" >&2
    die "the test suite ended early; the whole output is in $1"
}
