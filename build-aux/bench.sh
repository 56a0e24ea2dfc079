#!/bin/sh
# bench.sh tracing BUILDDIR: the cost of tracing on the fork and on stock CPython.
# bench.sh pyperformance BUILDDIR: the speed of both without tracing, by the benchmarks of pyperformance.
# bench.sh condcov BUILDDIR: the cost of coverage on the fork and on stock CPython 3.13, with condcov and other tools.
# bench.sh fuzzing BUILDDIR: the speed of a fuzzer on the fork, with three ways to record what an input does.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh
. build-aux/builddir.sh

what=$1
dir=$(builddir_of "$2")
stock=$(stockdir_of "$dir")
out=build/bench
case $(options_of "$dir" 2>/dev/null) in
    *--with-pydebug*)
        [ -n "${FORCE-}" ] ||
            die "$dir is a --with-pydebug build, whose times are meaningless; name another with BUILDDIR=build/NAME, or insist with FORCE=1" ;;
esac
sh build-aux/build.sh fork "$dir"
mkdir -p "$out" || full
if [ "$what" = condcov ]; then
    sh build-aux/venv.sh bench-condcov build-aux/requirements/bench-condcov.txt "$ROOT/$dir/python" condcov
    python=$(stock_python 3.13)
    if [ -n "$python" ]; then
        sh build-aux/venv.sh bench-condcov-3.13 build-aux/requirements/bench-condcov.txt "$python" condcov
        python=build/bench-condcov-3.13/bin/python
    else
        say 'there is no CPython 3.13 on PATH or in pyenv, so only the fork is measured'
    fi
    build/bench-condcov/bin/python -m qa.bench.coverages ${FAST:+--fast} ${CPU:+"--cpu=$CPU"} ${python:+"--stock=$python"} \
        --folder "$out/coverages" --output "$out/coverages.json" </dev/null
    say "all measurements are in $out/coverages.json"
    exit 0
fi
if [ "$what" = fuzzing ]; then
    sh build-aux/venv.sh bench-fuzzing build-aux/requirements/bench-fuzzing.txt "$ROOT/$dir/python"
    build/bench-fuzzing/bin/python -m qa.bench.fuzzing ${FAST:+--fast} </dev/null
    exit 0
fi
sh build-aux/build.sh stock "$dir"
sh build-aux/venv.sh bench-venv build-aux/requirements/bench.txt "$ROOT/$dir/python"

set -- --fork "$dir/python" --stock "$stock/python" ${FAST:+--fast} ${FORCE:+--force} ${CPU:+"--cpu=$CPU"}
case $what in
    tracing)
        build/bench-venv/bin/python -m qa.bench.tracing "$@" ${V:+--verbose} --output "$out/bench.json" --pyperf "$out" \
            --pyperformance "$out/pyperformance.json" </dev/null
        say "all measurements are in $out/bench.json" ;;
    pyperformance)
        build/bench-venv/bin/python -m qa.bench.benchmark_set "$@" --folder "$out" </dev/null
        say "the result is in $out/pyperformance.json; make bench shows it" ;;
esac
