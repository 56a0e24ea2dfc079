#!/bin/sh
# venv.sh NAME REQUIREMENTS PYTHON [condcov]: the virtual environment build/NAME of PYTHON with exactly the packages
# that the file REQUIREMENTS lists, and with condcov too if it is named. Does only what has changed since the last time.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh

everything_of() { # REQUIREMENTS: with the files that it names, which add packages (-r) or only versions (-c)
    cat "$1"
    sed -n 's/^-[rc] //p' "$1" | while IFS= read -r included; do everything_of "$(dirname "$1")/$included"; done
}

condcov_sources() { # the files that condcov is built of
    find -L condcov \( -path condcov/tests -o -path condcov/docs -o -name __pycache__ \) -prune -o -type f -print
}

venv=build/$1
want="$ROOT $3 $(everything_of "$2" | sha256sum | cut -d' ' -f1)"
if [ "$(cat "$venv/.made" 2>/dev/null)" != "$want" ]; then
    rm -rf "$venv"
    mkdir -p "$venv"
    install() { # PYTHON REQUIREMENTS
        "$1" -m venv "$venv" && "$venv/bin/python" -m pip install --disable-pip-version-check -r "$2" </dev/null
    }
    progress "$venv/.log" "$venv: installing $2" install "$3" "$2" ||
        die "cannot make $venv with $2: $(why "$(cat "$venv/.log")"); pip needs to reach a package index, or the folder that PIP_FIND_LINKS names"
    printf '%s\n' "$want" >"$venv/.made"
fi

[ "${4-}" = condcov ] || exit 0
want=$(condcov_sources | LC_ALL=C sort | xargs sha256sum)
[ "$(cat "$venv/.condcov" 2>/dev/null)" != "$want" ] || exit 0
progress "$venv/.log" "$venv: installing condcov" "$venv/bin/python" -m pip install -q --disable-pip-version-check \
    --no-deps --no-build-isolation --force-reinstall ./condcov </dev/null ||
    die "cannot install condcov in $venv: $(why "$(cat "$venv/.log")")"
printf '%s\n' "$want" >"$venv/.condcov"
