#!/bin/sh
# bench.sh tracing BUILDDIR: what tracing costs on the fork and on stock CPython, side by side.
# bench.sh pyperformance BUILDDIR: how fast both are without it, by the benchmarks of pyperformance.
# bench.sh condcov BUILDDIR: what coverage costs on the fork, with condcov and with other tools.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh
. build-aux/objects.sh

what=$1
dir=$(builddir_of "$2")
stock=$(stockdir_of "$dir")
out=build/bench
case $(options_of "$dir" 2>/dev/null) in
    *--with-pydebug*)
        [ -n "${FORCE-}" ] ||
            die "$dir is a --with-pydebug build, whose times tell nothing; name another with BUILDDIR=build/NAME, or insist with FORCE=1" ;;
esac
sh build-aux/build.sh fork "$dir"
mkdir -p "$out" || full
if [ "$what" = condcov ]; then
    sh build-aux/venv.sh bench-condcov build-aux/requirements/bench-condcov.txt "$ROOT/$dir/python" condcov
    build/bench-condcov/bin/python qa/bench/coverages.py ${FAST:+--fast} ${CPU:+"--cpu=$CPU"} \
        --folder "$out/coverages" --output "$out/coverages.json" </dev/null
    say "$out/coverages.json has all that was measured"
    exit 0
fi
sh build-aux/build.sh stock "$dir"
sh build-aux/venv.sh bench-venv build-aux/requirements/bench.txt "$ROOT/$dir/python"

set -- --fork "$dir/python" --stock "$stock/python" ${FAST:+--fast} ${FORCE:+--force} ${V:+--verbose} ${CPU:+"--cpu=$CPU"}
case $what in
    tracing)
        build/bench-venv/bin/python qa/bench/bench.py "$@" --output "$out/bench.json" --suites "$out" \
            --pyperformance "$out/pyperformance.json" </dev/null
        say "$out/bench.json has all that was measured" ;;
    pyperformance)
        build/bench-venv/bin/python qa/bench/suite.py "$@" --folder "$out" </dev/null
        say "$out/pyperformance.json has the result, and make bench shows it" ;;
esac
