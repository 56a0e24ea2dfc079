"""A fake Python interpreter, for the tests of what make test and its like run and of how they judge it."""

import sys

# A python that knows `-m test` (which tests there are is in a file beside it, which of them fail in another, one line for
# each run, and in others what the sanitizers say), `-m venv` and, for the environment it makes, pip and pytest. What is
# in qa/compare runs with the interpreter of these tests: a machine may have no python3.
PYTHON = '''#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
echo "$*" >> "$here/calls"
[ -z "$PYTHONPATH$PYTHONUNBUFFERED" ] || exit 1
case $1 in qa/compare/compare.py) exec @PYTHON@ "$@" ;; esac
[ "$1" != qa/compare/differential.py ] || [ ! -f "$here/differs" ] || { echo "test_a fails under lines and passes untraced" >&2; exit 1; }
case $2 in
test)
    echo "PYTHONMALLOC=$PYTHONMALLOC ASAN_OPTIONS=$ASAN_OPTIONS UBSAN_OPTIONS=$UBSAN_OPTIONS" >> "$here/options"
    [ ! -f "$here/undefined" ] || cat "$here/undefined"
    [ ! -f "$here/address" ] || cp "$here/address" "${ASAN_OPTIONS##*log_path=}.1"
    fails=$(head -n 1 "$here/fails" 2>/dev/null); sed -i 1d "$here/fails" 2>/dev/null
    xml=; tests=
    for a do case $a in --junit-xml=*) xml=${a#*=} ;; -* | test) ;; *) tests="$tests $a" ;; esac; done
    if [ -n "$xml" ]; then
        [ -n "$tests" ] || tests=$(cat "$here/tests")
        total=$(echo $tests | wc -w); number=0
        echo "0:00:00 load avg: 1.00 Run tests in parallel using 2 child processes"
        [ "$fails" != crash ] || { echo Killed; exit 137; }
        echo "<testsuites>" > "$xml"
        for name in $tests; do
            number=$((number + 1)); says=passed; inside=
            case " $fails " in *" $name "*) says=failed; inside='<failure message="ValueError: bad"/>' ;; esac
            echo "0:00:00 load avg: 1.00 [$number/$total] $name $says"
            echo "<testsuite><testcase name='test.$name.T.test'>$inside</testcase></testsuite>" >> "$xml"
        done
        echo "</testsuites>" >> "$xml"
        echo "Total duration: 1 sec"; echo "Tests result: whatever"; exit 0
    fi
    [ "$fails" != crash ] || { echo Killed; exit 137; }
    [ -n "$fails" ] || { echo "== Tests result: SUCCESS =="; exit 0; }
    echo "== Tests result: FAILURE =="; echo; echo "400 tests OK."; echo
    echo "$(echo $fails | wc -w) tests failed:"; echo "    $fails" | sed 's/ test_c/\\n    test_c/'; echo
    echo "2 tests skipped:"; echo "    test_devpoll test_msilib"; exit 2 ;;
venv) mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
pip) [ ! -f "$here/../../nopip" ] || { echo "ERROR: No matching distribution found"; exit 1; } ;;
pytest) [ ! -f "$here/../../litters" ] || { mkdir "$TMPDIR/x"; chmod 0 "$TMPDIR/x"; echo "$TMPDIR" > "$here/../../release/litter"; }
    if [ -f "$here/../../red" ]; then echo "1 failed in 0.01s"; exit 1; else echo "3 passed in 0.01s"; fi ;;
esac
'''.replace('@PYTHON@', sys.executable)
