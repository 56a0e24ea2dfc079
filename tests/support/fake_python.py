"""A fake Python interpreter, for tests of what make test and similar targets run and report."""

import sys

# It supports `-m test`, `-m venv`, and pip and pytest in the environment that it makes. Files next to it control `-m
# test`: `tests` lists the tests, `fails` has a line for each attempt with the tests that fail, and others have
# sanitizer reports. qa.compare runs with the interpreter of these tests, because the machine may have no python3.
PYTHON = '''#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
echo "$*" >> "$here/calls"
[ -z "$PYTHONPATH$PYTHONUNBUFFERED" ] || exit 1
case $3 in suite) exec @PYTHON@ "$@" ;; esac
[ "$3" != flags ] || [ ! -f "$here/differs" ] || { echo "test_a: failed under lines, passed untraced" >&2; exit 1; }
case $1$here in -c*/stock*) echo False 9.9.9; exit ;; -c*) echo True 9.9.9; exit ;; esac
case $2 in
test)
    echo "PYTHONMALLOC=$PYTHONMALLOC ASAN_OPTIONS=$ASAN_OPTIONS UBSAN_OPTIONS=$UBSAN_OPTIONS" >> "$here/options"
    [ ! -f "$here/undefined" ] || cat "$here/undefined"
    [ ! -f "$here/address" ] || cp "$here/address" "${ASAN_OPTIONS##*log_path=}.1"
    [ "$3" != --list-tests ] || { tr ' ' '\\n' < "$here/tests"; exit; }
    xml=; name=
    for a do case $a in --junit-xml=*) xml=${a#*=} ;; -* | test) ;; *) name=$a ;; esac; done
    if [ -n "$xml" ]; then
        attempt=$(grep -c " $name --tempdir" "$here/calls")
        fails=$(sed -n "${attempt}p" "$here/fails" 2>/dev/null)
        [ "$fails" != crash ] || { echo Killed; exit 137; }
        says=passed; inside=
        case " $fails " in *" $name "*) says=failed; inside='<failure message="ValueError: bad"/>' ;; esac
        echo "0:00:00 load avg: 1.00 [1/1] $name $says"
        echo "<testsuites><testsuite><testcase name='test.$name.T.test'>$inside</testcase></testsuite></testsuites>" > "$xml"
        echo "Tests result: whatever"; exit 0
    fi
    fails=$(head -n 1 "$here/fails" 2>/dev/null); sed -i 1d "$here/fails" 2>/dev/null
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
