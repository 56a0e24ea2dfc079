#!/bin/sh
# deps.sh check|install: list the missing packages that the build needs and fail, or install them.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh

# Debian's package, and the command that it provides ("-": none, because it is a library for CPython's modules).
packages='
gcc                 cc
libc6-dev           -
make                make
patch               patch
tar                 tar
gzip                gzip
xz-utils            xz
diffutils           diff3
pkg-config          pkg-config
libssl-dev          -
zlib1g-dev          -
libbz2-dev          -
liblzma-dev         -
libreadline-dev     -
libncurses-dev      -
libsqlite3-dev      -
libffi-dev          -
uuid-dev            -
libgdbm-dev         -
libgdbm-compat-dev  -
'

missing() {
    if have dpkg-query; then
        missing_installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p')
    fi
    printf '%s' "$packages" | while read -r package command; do
        [ -n "$package" ] || continue
        if [ "$command" != - ] && have "$command"; then continue; fi
        if have dpkg-query; then
            printf '%s\n' "$missing_installed" | grep -qxF -e "$package" || echo "$package"
        elif [ "$command" != - ]; then
            echo "$command"
        fi
    done | tr '\n' ' ' | sed 's/ $//'
}

wanted=$(missing)
[ -n "$wanted" ] || exit 0
have apt-get || die "these tools are missing: $wanted; install them with this system's package manager and run ./configure again"

if [ "$(id -u)" = 0 ]; then
    sudo=
elif have sudo; then
    sudo=sudo
else
    sudo=none
fi
known() { # whether apt's lists have all missing packages
    # shellcheck disable=SC2086
    apt-cache -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= show $wanted >/dev/null 2>&1
}
command="apt-get install -y --no-install-recommends $wanted"
if [ "$1" = check ]; then
    known || command="apt-get update && ${sudo:+sudo }$command"
    [ -z "$sudo" ] || command="sudo $command"
    say "these packages are missing: $wanted" >&2
    say "to install them: $command" >&2
    die "build dependencies are missing; run the command above, or ./configure --install-deps, which runs it for you"
fi
[ "$sudo" != none ] || die "--install-deps needs root or sudo; as root, run: $command"

log=$(mktemp) || die "cannot write to ${TMPDIR:-/tmp}; is the disk full?"
remove_log() { rm -f "$log"; }
on_exit remove_log
apt() { # WHAT ARGUMENT...: run apt-get and set $output
    apt_what=$1
    shift
    apt_status=0
    # shellcheck disable=SC2086
    progress "$log" "$apt_what" $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q "$@" || apt_status=$?
    output=$(cat "$log")
    return "$apt_status"
}
updated=
update() {
    apt "packages: apt-get update" update || say "packages: apt-get update: $(why "$output")"
    updated=yes
}
install() {
    # shellcheck disable=SC2086
    apt "packages: installing $wanted" install -y --no-install-recommends $wanted
}
known || update
install || {
    [ -z "$updated" ] || die "apt-get could not install the packages: $(why "$output")"
    # The lists may be out of date.
    update
    install || die "apt-get could not install the packages: $(why "$output")"
}
wanted=$(missing)
[ -z "$wanted" ] || die "still missing after apt-get install: $wanted"
