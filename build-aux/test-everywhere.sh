#!/bin/sh
# test-everywhere.sh any|all BUILDDIR: the tests of condcov on the fork and on each stock CPython that it supports, and
# the same random programs on all of them. The interpreters are those on PATH, else in pyenv, else those that make
# condcov-peers has built. If 3.14 is not there, but Node is, the programs and the tests that need no processes run on the
# build of 3.14 for WebAssembly in the npm package pyodide. "any" says what was left out; "all" fails if an interpreter is
# missing. Where the recorder was compiled, the tests run with that form, and those of the recorder also with its form in
# Python. condcov is also installed into fresh environments of each.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh
. build-aux/suite.sh

PYODIDE=314.0.7

in_node() { # PYTHON: make a command PYTHON that runs CPython 3.14 in Node, with the packages of build/venv
    [ -f "build/pyodide/node_modules/pyodide/pyodide.mjs" ] ||
        npm install --no-audit --no-fund --prefix build/pyodide "pyodide@$PYODIDE" >/dev/null 2>&1 || return
    hypothesis=$(grep '^hypothesis==' build-aux/requirements/test.txt)      # a part of it is compiled
    compiled=build/pyodide/$hypothesis
    [ -d "$compiled" ] ||
        build/venv/bin/python -m pip install -q --disable-pip-version-check --no-deps --only-binary :all: \
            --python-version 3.14 --platform pyemscripten_2026_0_wasm32 --target "$compiled" "$hypothesis" || return
    cat >"$1" <<WRAPPER
#!/bin/sh
PYTHONPATH=\$PYTHONPATH:$ROOT/$compiled:$(echo "$ROOT"/build/venv/lib/python3.*/site-packages)
export PYTHONPATH
exec node "$ROOT/build-aux/python-in-node.mjs" "$ROOT/build/pyodide/node_modules/pyodide" "\$@"
WRAPPER
    chmod +x "$1"
}

dir=$(builddir_of "$2")
sh build-aux/build.sh fork "$dir"
sh build-aux/venv.sh venv build-aux/requirements/test.txt "$ROOT/$dir/python" condcov
set +f
programs=
mkdir -p build/pyodide
if ! command -v python3.14 >/dev/null && have node && have npm && in_node "$ROOT/build/pyodide/python"; then
    programs=$ROOT/build/pyodide/python
fi
missing='' peers=''
for version in 3.12 3.13 3.14; do
    python=$(stock_python "$version")
    if [ -z "$python" ]; then
        case $version$programs in 3.14?*) ;; *) missing="$missing $version" ;; esac
        continue
    fi
    sh build-aux/venv.sh "venv-$version" build-aux/requirements/test.txt "$python" condcov
    peers="$peers${peers:+:}$ROOT/build/venv-$version/bin/python"
done
set -f
[ -z "$programs" ] || say 'CPython 3.14 runs in Node, without the tests that need processes or a compiled recorder'
[ -z "$missing" ] || say "left out, because there is no such interpreter on PATH, in pyenv or in build/peers: CPython$missing"
[ -z "$missing" ] || [ "$1" = any ] || die "CPython$missing is missing; see above"

temporary_folder
failed=
CONDCOV_PEERS=$peers${programs:+:$programs}
export CONDCOV_PEERS
say "$dir: random programs on all interpreters, their data files, and fresh environments"
pytest "$dir" -n 0 -c condcov/pyproject.toml condcov/tests/record/test_interpreters.py \
    condcov/tests/test_data_format.py condcov/tests/test_packaging.py || failed=1
if [ -n "$programs" ]; then
    say "CPython 3.14 in Node: the tests of condcov's analysis of bytecode, and of its recorder in Python"
    "$programs" -m pytest -rs -p no:cacheprovider -p no:xdist -c condcov/pyproject.toml \
        condcov/tests/code condcov/tests/record || failed=1
fi
for python in $(echo "$peers" | tr : ' '); do
    say "$("$python" -c 'import platform; print("CPython", platform.python_version())'): the tests of condcov"
    CONDCOV_PEERS='' $SIGNALS "$python" -m pytest -rs -p no:cacheprovider -n "$(nproc)" -c condcov/pyproject.toml \
        condcov/tests </dev/null || failed=1
    if "$python" -c 'import condcov.record._monitoring_core' 2>/dev/null; then
        say 'the tests of the recorder with its form in Python'
        CONDCOV_CORE=python CONDCOV_PEERS='' $SIGNALS "$python" -m pytest -rs -p no:cacheprovider -n "$(nproc)" \
            -c condcov/pyproject.toml condcov/tests/record condcov/tests/code </dev/null || failed=1
    elif [ "$1" = all ]; then
        say "$python has no compiled recorder; is there a C compiler?"
        failed=1
    fi
done
[ -z "$failed" ] || die "tests of condcov fail; see above"
