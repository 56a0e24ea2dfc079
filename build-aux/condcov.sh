#!/bin/sh
# condcov.sh make BUILDDIR: put condcov and its dependencies into the interpreter of BUILDDIR, unless they are there. A
# failure is reported once and is not an error; make does not try again.
# condcov.sh again BUILDDIR: do it again; a failure is an error.
# condcov.sh out BUILDDIR: hide condcov from the interpreter until the next "make".
# condcov.sh install BUILDDIR DESTDIR: install condcov for the interpreter that was installed below DESTDIR.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh
. build-aux/overlay.sh
unset LC_ALL
. build-aux/builddir.sh

PACKAGE=condcov
PINS=build-aux/requirements/condcov.txt
WHEELS=$DOWNLOADS/wheels        # a cache of wheels from the package index

what=$1
dir=$2
put=$dir/condcov                # the wheels, the packages unpacked in site, and in .made the checksum of the sources
failed=$dir/.condcov-failed     # the checksum of the sources for which this failed
log=$dir/condcov.log

contents() { # print one checksum of all sources of condcov
    # shellcheck disable=SC2086
    find build-aux/condcov.sh "$PINS" "$PACKAGE" -path "$PACKAGE/tests" -prune -o -path "$PACKAGE/docs" -prune -o \( $NOT_OURS \) -prune -o -type f -print |
        LC_ALL=C sort | xargs sha256sum | sha256sum | cut -d' ' -f1
}

# The interpreter imports sitecustomize when it starts, and has the folder of its extension modules on its path.
begins_at() {
    printf '%s/%s/sitecustomize.py\n' "$dir" "$(cat "$dir/pybuilddir.txt")"
}
go_in() {
    cmp -s build-aux/condcov-sitecustomize.py "$(begins_at)" || cp build-aux/condcov-sitecustomize.py "$(begins_at)"
}
go_out() {
    rm -f "$(begins_at)"
}

# The interpreter has no pip, but ensurepip's pip runs from its wheel. -s ignores the user's own packages.
pip() { # ARGUMENT...
    "$ROOT/$dir/python" -s "$ROOT/$pip_wheel/pip" "$@" </dev/null
}
pip_here() { # ARGUMENT...: run pip without the user's settings and without a package index
    (
        for name in $(env | sed -n 's/^\(PIP_[A-Z0-9_]*\)=.*/\1/p'); do unset "$name"; done
        PIP_CONFIG_FILE=/dev/null PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INDEX=1 PIP_ROOT_USER_ACTION=ignore
        export PIP_CONFIG_FILE PIP_DISABLE_PIP_VERSION_CHECK PIP_NO_INDEX PIP_ROOT_USER_ACTION
        pip "$@"
    )
}
pip_index() { # ARGUMENT...: run pip with the user's settings, but give up soon unless the environment says otherwise
    (
        [ -n "${PIP_TIMEOUT-}${PIP_DEFAULT_TIMEOUT-}" ] || PIP_TIMEOUT=10
        PIP_RETRIES=${PIP_RETRIES-1} PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_REQUIRE_VIRTUALENV=0
        export PIP_TIMEOUT PIP_RETRIES PIP_DISABLE_PIP_VERSION_CHECK PIP_REQUIRE_VIRTUALENV
        pip "$@"
    )
}

fetch() { # get the wheels of the pinned packages, from the cache if it has them all
    if pip_here wheel -q --no-deps --find-links "$WHEELS" -w "$tmp/wheels" -r "$PINS" >"$tmp/log" 2>&1; then return; fi
    rm -rf "$tmp/wheels"
    pip_index wheel --no-deps -w "$tmp/wheels" -r "$PINS" || return
    mkdir -p "$WHEELS" && for wheel in $(cd "$tmp/wheels" && ls); do
        cp "$tmp/wheels/$wheel" "$WHEELS/.part-$wheel" && mv "$WHEELS/.part-$wheel" "$WHEELS/$wheel" || return
    done
}
assemble() {
    fetch &&
        pip_here wheel --no-deps --find-links "$tmp/wheels" -w "$tmp/wheels" "./$PACKAGE" &&
        pip_here install --find-links "$tmp/wheels" --target "$tmp/site" condcov || return
    # The commands name the interpreter to be installed, and a .pth file has no effect in this folder.
    rm -rf "$tmp/site/bin" "$tmp/log" && find "$tmp/site" -maxdepth 1 -name '*.pth' -exec rm {} + &&
        echo "$want" >"$tmp/.made"
}

# With a DESTDIR, the interpreter is not in its final folder yet, so pip assumes that its name is python.
name_interpreter() { # ROOT: correct the first line of the commands
    bin=$("$ROOT/$dir/python" -c 'import sysconfig; print(sysconfig.get_config_var("BINDIR"))')
    version=$("$ROOT/$dir/python" -c 'import sysconfig; print(sysconfig.get_config_var("VERSION"))')
    [ -x "$bin/python$version" ] || find "$1$bin" -type f -exec grep -lx "#!$bin/python" {} + |
        while IFS= read -r command; do sed -i "1s,^#!$bin/python\$,&$version," "$command"; done
}

# pip also installs the commands of condcov's dependencies, such as coverage and pygmentize.
only_ours() { # ROOT: remove them
    library=$("$ROOT/$dir/python" -c 'import sysconfig; print(sysconfig.get_config_var("LIBDEST"))')
    for wheel in $(cd "$put/wheels" && find . -name '*.whl' ! -name 'condcov-*'); do
        record=$(printf '%s\n' "${wheel#./}" | cut -d- -f1,2).dist-info/RECORD
        record=${1%/}$library/site-packages/$record
        [ -f "$record" ] || continue
        sed -n 's,^\(\(\.\./\)*bin/[^,]*\).*,\1,p' "$record" | while IFS= read -r command; do
            rm -f "$(dirname "$record")/../$command"
        done
        sed -i '/^\(\.\.\/\)*bin\//d' "$record"
    done
}

cause() {
    [ -f "$log" ] || log=/dev/null
    why "$(grep '^ERROR: ' "$log" || cat "$log")"
}

[ -f "$PACKAGE/pyproject.toml" ] || exit 0
if [ -f "$dir/.without-condcov" ]; then
    [ "$what" != again ] || die "$dir is configured --without-condcov; run ./configure without that option"
    go_out
    rm -rf "$put" "$failed" "$log"
    exit
fi
pip_wheel=$(find "$FORK/Lib/ensurepip/_bundled" -name 'pip-*.whl')

case $what in
    out)
        go_out
        exit ;;
    install)
        if [ ! -d "$put" ]; then
            say "condcov is not installed, because it is not in $dir/python; make condcov puts it there"
            exit
        fi
        # With a DESTDIR, pip must not replace packages outside it. A relative DESTDIR is relative to the builddir.
        case $3 in
            '') root=/ old=--force-reinstall ;;
            /*) root=$3 old=--ignore-installed ;;
            *) root=$ROOT/$dir/$3 old=--ignore-installed ;;
        esac
        rm -f "$log"
        if ! progress "$log" "$dir: installing condcov" pip_here install "$old" --no-warn-script-location \
            --find-links "$put/wheels" --root "$root" condcov; then
            say "condcov is not installed ($(cause))"
        else
            only_ours "$root"
            [ -z "$3" ] || name_interpreter "$root"
        fi
        exit ;;
esac

want=$(contents)
[ ! -d "$put" ] || go_in
if [ "$what" = make ]; then
    [ "$(cat "$put/.made" 2>/dev/null)" != "$want" ] || exit 0
    [ "$(cat "$failed" 2>/dev/null)" != "$want" ] || exit 0
fi
tmp=$put.new
cleanup() { rm -rf "$tmp"; }
on_exit cleanup
cleanup
mkdir "$tmp" 2>/dev/null || full
rm -f "$log" "$failed"
if progress "$log" "$dir: preparing condcov and its dependencies" assemble; then
    rm -rf "$put"
    mv "$tmp" "$put"
    go_in
    say "$dir/python -m condcov is ready"
    exit
fi
echo "$want" >"$failed" || full
is="condcov is not in $dir/python"
if [ -d "$put" ]; then is="condcov in $dir/python is unchanged"; else go_out; fi
is="$is ($(cause)); pip needs to reach a package index, or the folder that PIP_FIND_LINKS names; make condcov tries again"
[ "$what" != again ] || die "$is"
say "$is"
