#!/bin/sh
# archive.sh FILE FIXES: put the release archive that UPSTREAM names and the archive of Debian's security fixes into
# build/downloads, and print where they come from. FILE and FIXES are the values of ./configure's --with-cpython-source
# and --with-security-fixes, see fixes.sh. Nothing is fetched if the source trees already have both.
# The release comes from FILE if one is given, else from the first of these that has it: build/downloads, apt's source
# package, the Python project's site. Its checksum is always verified.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh
LC_ALL=C
export LC_ALL
. build-aux/fixes.sh
. build-aux/apt.sh

archive=$(upstream ARCHIVE)
want=$(upstream SHA256)
url=$(upstream URL)
source=$(upstream DEBIAN_SOURCE)
cached=$DOWNLOADS/$archive

release_named() { # FILE: use it as the release archive
    if [ ! -f "$1" ] || [ ! -r "$1" ]; then die "--with-cpython-source: there is no readable file $1"; fi
    if differs "$1"; then
        die "--with-cpython-source: $1 is not the $archive that UPSTREAM names ($cause); get that file from $url"
    fi
    if [ -f "$cached" ] && ! differs "$cached"; then return 0; fi
    workplace
    say "archive: using $1"
    output=$(cp "$1" "$tmp/part" 2>&1) || die "cannot copy $1 to $DOWNLOADS: $(why "$output"); make room and run it again"
    keep "$tmp/part"
}
[ -z "${1-}" ] || release_named "$1"

fixes_named() { # FILE: use it as the archive of fixes
    if [ ! -f "$1" ] || [ ! -r "$1" ]; then die "--with-security-fixes: there is no readable file $1"; fi
    if fixes_cached && [ "$(sum_of "$1")" = "$fixes_sum" ]; then return 0; fi
    workplace
    output=$(cp "$1" "$tmp/named" 2>&1) || die "cannot copy $1 to $DOWNLOADS: $(why "$output"); make room and run it again"
    fixes_version=$(fixes_version_of "$tmp/named") ||
        die "--with-security-fixes: $1 is not the .debian.tar archive of a version of Debian's $source $(upstream VERSION); apt-get source --download-only $source gets one"
    say "fixes: using $1, of version $fixes_version"
    fixes_keep "$tmp/named"
    rm -f "$FIXES_MISSED"
}

fixes_by_apt() { # get the newest archive of fixes, or fail with the cause in $fixes_why
    fixes_why=
    apt_ask || { fixes_why=$apt_why; fixes_miss - "$apt_why"; return 1; }
    newest=${apt_versions%%[!A-Za-z0-9.+~-]*}
    for version in $apt_versions; do
        if fixes_cached && [ "$fixes_version" = "$version" ]; then
            say "fixes: $version is in $DOWNLOADS"
            fixes_got "$version"
            return 0
        fi
        if apt_get --diff-only "$version" '*.debian.tar*' "fixes: fetching Debian's $source $version"; then
            if fixes_version=$(fixes_version_of "$apt_got"); then
                fixes_keep "$apt_got"
                fixes_got "$version"
                return 0
            fi
            apt_why="not an archive of Debian's packaging"
        fi
        fixes_why="$fixes_why${fixes_why:+; }$version: $apt_why"
        say "fixes: $version: $apt_why"
    done
    fixes_miss "$newest" "$fixes_why"
    return 1
}

fixes_got() { # VERSION: record whether a newer one was listed and could not be fetched
    if [ "$1" = "$newest" ]; then rm -f "$FIXES_MISSED"; else fixes_miss "$newest" "$fixes_why"; fi
}

case ${2-} in
    none) ;;
    newest)
        fixes_by_apt ||
            die "--with-security-fixes: apt has none ($fixes_why); name an archive with --with-security-fixes=FILE.debian.tar.xz, or leave the option out to use the one in $DOWNLOADS, if any" ;;
    '')
        if { fixes_cached && ! fixes_due; } || { fixes_laid && ! fixes_cached; }; then
            :
        elif fixes_unavailable && fixes_missed && ! fixes_due; then
            say "fixes: none, because apt had none within the last day; --with-security-fixes asks again now"
        elif fixes_cached; then
            fixes_by_apt || say "fixes: apt has none now ($fixes_why), so those in $DOWNLOADS are used"
        elif ! fixes_by_apt; then
            say "fixes: none available ($fixes_why), so the release is built without; --with-security-fixes asks again now, and so does any run a day later"
        fi ;;
    *) fixes_named "$2" ;;
esac

if base_laid "${2-}"; then exit 0; fi
if [ -f "$cached" ]; then
    differs "$cached" || exit 0
    failed "$cached" "not the file that UPSTREAM names ($cause), so it is fetched again"
    workplace
else
    tried="$cached: not there"
    workplace
fi

by_site() {
    if have curl; then
        set -- curl -fL -sS --connect-timeout 15 --speed-limit 1000 --speed-time 30 -o "$tmp/part" "$url"
    elif have wget; then
        set -- wget -nv --tries=1 --timeout=20 -O "$tmp/part" "$url"
    else
        failed "$url" "this machine has neither curl nor wget"
        return 1
    fi
    progress_of_file "$tmp/part"
    progress "$tmp/log" "archive: fetching $url" "$@" || { failed "$url" "$(why "$(cat "$tmp/log")")"; return 1; }
    if differs "$tmp/part"; then failed "$url" "not the archive ($cause)"; return 1; fi
    keep "$tmp/part"
}

apt_archive || by_site ||
    die "cannot get $archive ($tried); download it from $url by other means and name it with --with-cpython-source=FILE"
