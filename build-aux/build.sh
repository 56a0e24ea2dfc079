#!/bin/sh
# build.sh fork BUILDDIR: bring the fork's build in BUILDDIR up to date, with condcov, and link ./python to it.
# build.sh interpreter BUILDDIR: the same without condcov and without changing ./python.
# build.sh condcov BUILDDIR: the same as fork, but reinstall condcov.
# build.sh stock BUILDDIR: bring the stock build up to date, the release without the overlay but with BUILDDIR's
# options.
# build.sh install BUILDDIR DESTDIR: build the fork, then run CPython's make altinstall and install condcov.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh
. build-aux/overlay.sh
unset LC_ALL
. build-aux/builddir.sh

what=$1
dir=$(builddir_of "$2")
shift 2
[ -f "$dir/.options" ] || die "$dir is not configured; run ./configure --builddir=$dir"
options=$(options_of "$dir")
configured "$dir" "$options" || die "$dir was configured for another folder, release or set of security fixes; run ./configure --builddir=$dir again${options:+ with $options}"

if [ "$what" = stock ]; then
    stock=$(stockdir_of "$dir")
    objects_configure "$STOCK" "$stock" "$options"
    objects_build "$STOCK" "$stock" stock
    exit
fi

# What `python -VV` shows: the last commit that changed the build, with a + if there are uncommitted changes; then the
# version of the source package whose security fixes are applied, if any.
built='Python Include Lib Modules Objects UPSTREAM build-aux'
commit() {
    # shellcheck disable=SC2086
    commit_of=$(git log -1 --format=%h --abbrev=10 -- $built 2>/dev/null) || commit_of=
    if [ -z "$commit_of" ]; then echo unknown; return; fi
    # shellcheck disable=SC2086
    [ -z "$(git status --porcelain -- $built 2>/dev/null | head -n 1)" ] || commit_of=$commit_of+
    printf '%s\n' "$commit_of"
}
fixes() {
    fixes_in | sed -n 's/^[^ ]* \([^ ]*\): [0-9]* fixes; \([^ ]*\) .*/ fixes:\1 missing:\2/p; s/^[^ ]* \([^ ]*\): [0-9]* fixes$/ fixes:\1/p'
}
sh build-aux/lay.sh
version=$(commit)$(fixes)
destdir=${1-}
set -- "GITTAG=echo settracestate" "GITBRANCH=echo settracestate" "GITVERSION=echo $version"
objects_build "$FORK" "$dir" "$version" "$@"
[ "$what" = interpreter ] || ln -sfn "$dir/python" python
case $what in
    fork | install) sh build-aux/condcov.sh make "$dir" ;;
    condcov) sh build-aux/condcov.sh again "$dir" ;;
esac
[ "$what" = install ] || exit 0

# CPython would also install the file that lets this interpreter find condcov.
put_back() { sh build-aux/condcov.sh make "$dir"; }
on_exit put_back
sh build-aux/condcov.sh out "$dir"
progress "$dir/install.log" "$dir: installing" objects_make "$dir" altinstall "$@" "DESTDIR=$destdir" || {
    [ -n "${V-}" ] || tail -n 15 "$dir/install.log" >&2
    die "make altinstall failed${V:-; the whole output is in $dir/install.log}"
}
sh build-aux/condcov.sh install "$dir" "$destdir"
