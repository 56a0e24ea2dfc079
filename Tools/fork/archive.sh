#!/bin/sh
# archive.sh [FILE]: put the release archive that UPSTREAM names into build/downloads, and say the road it came by.
# The roads in order: FILE if given (then no other), build/downloads, apt's source package, the Python project's site.
# The checksum decides on each.
cd "$(dirname "$0")/../.." || exit 1
. Tools/fork/common.sh
LC_ALL=C
export LC_ALL

archive=$(upstream ARCHIVE)
want=$(upstream SHA256)
url=$(upstream URL)
source=$(upstream DEBIAN_SOURCE)
cached=$DOWNLOADS/$archive

tmp=
cleanup() { [ -z "$tmp" ] || rm -rf "$tmp"; }
on_exit cleanup
workplace() {
    [ -z "$tmp" ] || return 0
    { mkdir -p "$DOWNLOADS" && tmp=$(mktemp -d "$ROOT/$DOWNLOADS/tmp.XXXXXX"); } 2>/dev/null ||
        die "cannot write to $DOWNLOADS; is the disk full, or the folder somebody else's?"
}

differs() { # FILE: true, with the cause in $cause, if it is not the archive
    differs_sum=$(sum_of "$1" 2>/dev/null) || differs_sum='unreadable'
    cause="SHA-256 $differs_sum instead of $want, $(wc -c <"$1" 2>/dev/null || echo 0) bytes"
    [ "$differs_sum" != "$want" ]
}

keep() { # FILE in $tmp: becomes the cached archive
    mv -f "$1" "$cached" || die "cannot write to $DOWNLOADS; is the disk full?"
}

tried=
failed() { # ROAD WHY
    tried="$tried${tried:+; }$1: $2"
    say "archive: $1: $2"
}

if [ -n "${1-}" ]; then
    if [ ! -f "$1" ] || [ ! -r "$1" ]; then die "--with-cpython-source: there is no readable file $1"; fi
    if differs "$1"; then
        die "--with-cpython-source: $1 is not the $archive that UPSTREAM names ($cause); get that file from $url"
    fi
    if [ -f "$cached" ] && ! differs "$cached"; then exit 0; fi
    workplace
    say "archive: taking $1"
    output=$(cp "$1" "$tmp/part" 2>&1) || die "cannot copy $1 to $DOWNLOADS: $(why "$output"); make room and run it again"
    keep "$tmp/part"
    exit 0
fi

if [ -f "$cached" ]; then
    differs "$cached" || exit 0
    failed "$cached" "not the file that UPSTREAM names ($cause), so it is fetched again"
    workplace
else
    tried="$cached: not there"
    workplace
fi

by_apt() {
    road="apt's source package $source"
    if ! have apt-get || ! have apt-cache; then failed "$road" "no apt-get here"; return 1; fi
    apt=$tmp/apt
    output=$(mkdir -p "$apt/parts" "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/got" 2>&1) || {
        failed "$road" "$(why "$output")"; return 1; }

    # The machine's own sources, asked for source packages, and its own settings less the hooks and folders. Nothing
    # outside of build/ is written.
    main=/etc/apt/sources.list
    parts=/etc/apt/sources.list.d
    eval "$(apt-config shell main Dir::Etc::sourcelist/f parts Dir::Etc::sourceparts/d 2>/dev/null)"
    { [ ! -f "$main" ] || cat "$main"; find "$parts" -name '*.list' -exec cat {} + 2>/dev/null || :; } |
        sed -n 's/^[[:space:]]*deb\(-src\)\{0,1\}[[:space:]]/deb-src /p' | grep -v 'cdrom:' | sort -u >"$apt/parts/machine.list" || :
    number=0
    find "$parts" -name '*.sources' 2>/dev/null | sort | while IFS= read -r file; do
        number=$((number + 1))
        sed 's/^[Tt]ypes:.*/Types: deb-src/' "$file" >"$apt/parts/machine-$number.sources"
    done
    apt-config dump 2>/dev/null | grep -v -E '^(DPkg|APT::Update|Dir::Etc::(sourcelist|sourceparts|main|parts)|Dir::(State::lists|Cache))\b' >"$apt/conf" || :
    cat >>"$apt/conf" <<CONF
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$apt/parts";
Dir::State::lists "$apt/lists";
Dir::Cache "$apt/cache";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
Acquire::Retries "1";
CONF
    [ "$(id -u)" != 0 ] || echo 'APT::Sandbox::User "root";' >>"$apt/conf"
    APT_CONFIG=$apt/conf
    export APT_CONFIG

    say "archive: asking this machine's apt sources for the source package $source (half a minute or so)"
    shown apt-get -q update || :
    complaint=$(printf '%s\n' "$output" | grep '^[EW]:' | head -n 1) || :
    versions=$(apt-cache showsrc --only-source "$source" 2>/dev/null |
        awk -v want="$want" '/^Version:/ { v = $2 } $1 == want && $3 ~ /\.orig\.tar/ { print v }' | sort -rVu) || :
    if [ -z "$versions" ]; then
        failed "$road" "no version on offer has the archive${complaint:+ ($complaint)}"
        return 1
    fi
    apt_source() { (cd "$apt/got" && apt-get -q source --download-only --tar-only "$source=$1"); }
    for version in $versions; do
        say "archive: taking Debian's source package $source $version"
        if shown apt_source "$version"; then
            got=$(find "$apt/got" -type f -name '*.orig.tar*' | head -n 1)
            if [ -n "$got" ] && ! differs "$got"; then
                keep "$got"
                return 0
            fi
            failed "$road $version" "not the archive ($cause)"
        else
            failed "$road $version" "$(why "$(printf '%s\n' "$output" | grep '^E' | head -n 1)")"
        fi
    done
    return 1
}

by_site() {
    road=$url
    curl_shows=-sS
    wget_shows=-nv
    if [ -t 1 ]; then curl_shows=-#; wget_shows=--progress=bar; fi
    if have curl; then
        say "archive: fetching $url"
        shown curl -fL $curl_shows --connect-timeout 15 --speed-limit 1000 --speed-time 30 -o "$tmp/part" "$url" || {
            failed "$road" "$(why "$output")"; return 1; }
    elif have wget; then
        say "archive: fetching $url"
        shown wget $wget_shows --tries=1 --timeout=20 -O "$tmp/part" "$url" || {
            failed "$road" "$(why "$output")"; return 1; }
    else
        failed "$road" "neither curl nor wget here"
        return 1
    fi
    if differs "$tmp/part"; then failed "$road" "not the archive ($cause)"; return 1; fi
    keep "$tmp/part"
}

by_apt || by_site ||
    die "no road led to $archive ($tried); get the file from $url by other means and name it with --with-cpython-source=FILE"
