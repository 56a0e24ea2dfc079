#!/bin/sh
# venv.sh NAME REQUIREMENTS PYTHON: the virtual environment build/NAME of PYTHON with exactly REQUIREMENTS installed;
# made anew only if one of them changed.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh

everything_of() { # REQUIREMENTS: with the files that are included
    cat "$1"
    sed -n 's/^-r //p' "$1" | while IFS= read -r included; do everything_of "$(dirname "$1")/$included"; done
}

venv=build/$1
want="$ROOT $3 $(everything_of "$2" | sha256sum | cut -d' ' -f1)"
if [ "$(cat "$venv/.made" 2>/dev/null)" = "$want" ]; then exit 0; fi
say "$venv: installing $2"
rm -rf "$venv"
mkdir -p "$venv"
output=$("$3" -m venv "$venv" 2>&1 && "$venv/bin/python" -m pip install -q --disable-pip-version-check -r "$2" </dev/null 2>&1) ||
    die "cannot make $venv with $2: $(why "$output"); pip needs to reach a package index, or the folder that PIP_FIND_LINKS names"
printf '%s\n' "$want" >"$venv/.made"
