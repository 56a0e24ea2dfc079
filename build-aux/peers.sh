#!/bin/sh
# peers.sh: build the stock interpreters that build-aux/peers lists, and install each in build/peers/VERSION. Their
# sources come from build/downloads, or from apt's mirror of Debian. The checksum is always verified.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh
LC_ALL=C
export LC_ALL
. build-aux/apt.sh
. build-aux/builddir.sh

PEERS=build/peers

fetch() { # VERSION SOURCE SUITE SHA256: put the archive into build/downloads, if it is not there
    cached=$DOWNLOADS/Python-$1.tar.xz
    source=$2
    apt_suite=$3
    want=$4
    apt_versions='' apt_why='' tried=
    if [ -f "$cached" ] && ! differs "$cached"; then return 0; fi
    apt_archive ||
        die "cannot get the source of CPython $1 ($tried); get Python-$1.tar.xz by other means, with the SHA-256 $want, and put it into $DOWNLOADS"
}

compile() { # FOLDER PREFIX
    cd "$1" && ./configure --prefix="$2" --without-ensurepip && make -j"$jobs" &&
        make altinstall && "$2/bin/python${version%.*}" -c 'import bz2, ctypes, lzma, sqlite3, ssl, zlib'
}

jobs=$(jobs)
while read -r version package suite sum; do
    case $version in '' | '#'*) continue ;; esac
    if [ "$(cat "$PEERS/$version/.sum" 2>/dev/null)" = "$sum $ROOT" ]; then
        say "$PEERS/$version is up to date"
        continue
    fi
    fetch "$version" "$package" "$suite" "$sum"
    rm -rf "${PEERS:?}/$version" "$PEERS/source"
    { mkdir -p "$PEERS/source" && tar -xf "$DOWNLOADS/Python-$version.tar.xz" -C "$PEERS/source" --strip-components=1; } ||
        die "cannot unpack $DOWNLOADS/Python-$version.tar.xz; is the disk full?"
    progress_of ' -c .*\.c\( \|$\)' '' files
    (
        unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES
        progress "$PEERS/$version.log" "$PEERS/$version: building CPython $version" \
            compile "$PEERS/source" "$ROOT/$PEERS/$version" </dev/null
    ) || die "cannot build CPython $version: $(why "$(cat "$PEERS/$version.log")"); the whole output is in $PEERS/$version.log"
    rm -rf "$PEERS/source"
    printf '%s\n' "$sum $ROOT" >"$PEERS/$version/.sum" || full
    say "$PEERS/$version/bin/python${version%.*} is built"
done <build-aux/peers
