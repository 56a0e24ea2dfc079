#!/bin/sh
# test-everywhere.sh any|all BUILDDIR: the tests of condcov on the fork and on each stock CPython that it supports, and
# the same random programs on all of them. The interpreters are those on PATH, else in pyenv, else those that make
# condcov-peers has built. If 3.14 is not there, but Node is, the programs run on the build of 3.14 for WebAssembly in the
# npm package pyodide. "any" says what was left out; "all" fails if an interpreter is missing. Where the recorder was
# compiled, the tests run with that form, and those of the recorder also with its form in Python.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh
. build-aux/suite.sh

PYODIDE=314.0.7

in_node() { # PYTHON: make a command PYTHON that runs CPython 3.14 in Node
    [ -f "build/pyodide/node_modules/pyodide/pyodide.mjs" ] ||
        npm install --no-audit --no-fund --prefix build/pyodide "pyodide@$PYODIDE" >/dev/null 2>&1 || return
    cat >"$1" <<WRAPPER
#!/bin/sh
PYTHONPATH=\$PYTHONPATH:$(echo "$ROOT"/build/venv/lib/python3.*/site-packages)
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
        missing="$missing $version"
        continue
    fi
    sh build-aux/venv.sh "venv-$version" build-aux/requirements/test.txt "$python" condcov
    peers="$peers${peers:+:}$ROOT/build/venv-$version/bin/python"
done
set -f
[ -z "$programs" ] || say 'CPython 3.14 in Node runs only the random programs'
[ -z "$missing" ] || say "left out, because there is no such interpreter on PATH, in pyenv or in build/peers: CPython$missing"
[ -z "$missing" ] || [ "$1" = any ] || die "CPython$missing is missing; see above"

temporary_folder
failed=
CONDCOV_PEERS=$peers${programs:+:$programs}
export CONDCOV_PEERS
say "$dir: random programs on all interpreters, and their data files"
pytest "$dir" -n 0 -c condcov/pyproject.toml condcov/tests/record/test_interpreters.py \
    condcov/tests/test_data_format.py || failed=1
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
