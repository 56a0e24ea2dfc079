# Get a source package of Debian's from the apt sources of this machine. Sourced by archive.sh and peers.sh, which set
# $source to the name of the package, $want to the SHA-256 of its .orig archive, and $cached to the archive's place.
# shellcheck shell=sh

tmp=
cleanup() { [ -z "$tmp" ] || rm -rf "$tmp"; }
on_exit cleanup
workplace() {
    [ -z "$tmp" ] || return 0
    { mkdir -p "$DOWNLOADS" && tmp=$(mktemp -d "$ROOT/$DOWNLOADS/tmp.XXXXXX"); } 2>/dev/null ||
        die "cannot write to $DOWNLOADS; is the disk full, or does the folder belong to another user?"
}

# Set $apt_versions to the versions whose .orig archive is the one that is wanted, newest first. A run asks apt once.
# If $apt_suite is not empty, the sources of this machine's release of Debian are changed to that suite.
apt_suite=
apt_versions=
apt_why=
apt_ask() { # fail, with the cause in $apt_why, if there are none
    [ -z "$apt_versions$apt_why" ] || { [ -n "$apt_versions" ]; return; }
    apt_update || return
    apt_versions=$(apt-cache showsrc --only-source "$source" 2>/dev/null |
        awk -v want="$want" '/^Version:/ { v = $2 } $1 == want && $3 ~ /\.orig\.tar/ { print v }' | sort -rVu) || :
    [ -n "$apt_versions" ] || { apt_why="no version that apt lists has the archive${complaint:+ ($complaint)}"; return 1; }
}

apt=
apt_update() { # make the private lists, or fail with the cause in $apt_why
    [ -z "$apt" ] || return 0
    if ! have apt-get || ! have apt-cache; then apt_why='this machine has no apt-get'; return 1; fi
    workplace
    apt=$tmp/apt
    output=$(mkdir -p "$apt/parts" "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/got" 2>&1) || {
        apt_why=$(why "$output"); return 1; }

    # Use the machine's sources, changed to source packages, and its settings without hooks and folders, so that nothing
    # outside build/ is written. Require a signature whatever the settings say: the signature alone proves that the
    # security fixes are Debian's.
    main=/etc/apt/sources.list
    parts=/etc/apt/sources.list.d
    eval "$(apt-config shell main Dir::Etc::sourcelist/f parts Dir::Etc::sourceparts/d 2>/dev/null)"
    { [ ! -f "$main" ] || cat "$main"; find "$parts" -name '*.list' -exec cat {} + 2>/dev/null || :; } |
        sed -n 's/^[[:space:]]*deb\(-src\)\{0,1\}[[:space:]]/deb-src /p' | grep -v 'cdrom:' |
        sed 's/\([[ ]\)\(trusted\|allow-[a-z-]*\)=[^] ]*/\1/g; s/\[ *\] *//' | sort -u >"$apt/parts/machine.list" || :
    number=0
    find "$parts" -name '*.sources' 2>/dev/null | sort | while IFS= read -r file; do
        number=$((number + 1))
        sed '/^\([Tt]rusted\|[Aa]llow-[A-Za-z-]*\):/d; s/^[Tt]ypes:.*/Types: deb-src/' "$file" >"$apt/parts/machine-$number.sources"
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
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
APT::Get::AllowUnauthenticated "false";
CONF
    [ -z "$apt_suite" ] || apt_change_suite
    [ "$(id -u)" != 0 ] || echo 'APT::Sandbox::User "root";' >>"$apt/conf"
    APT_CONFIG=$apt/conf
    export APT_CONFIG

    apt_run "apt: asking this machine's apt sources for the source package $source" apt-get -q update || :
    complaint=$(printf '%s\n' "$output" | grep '^[EW]:' | head -n 1) || :
}

apt_change_suite() { # whose checksums are known, so old lists will do: the clock may be wrong, or the mirror behind
    codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    sed -i -n "s/ $codename / $apt_suite /p" "$apt/parts/machine.list"
    find "$apt/parts" -name '*.sources' | while IFS= read -r file; do
        awk -v RS= -v ORS='\n\n' -v codename="$codename" '$0 ~ "Suites:[^\n]* " codename "( |\n|$)"' "$file" |
            sed "s/^Suites:.*/Suites: $apt_suite/" >"$apt/stanzas"
        mv "$apt/stanzas" "$file"
    done
    echo 'Acquire::Check-Valid-Until "false";' >>"$apt/conf"
}

apt_run() { # WHAT COMMAND...: set $output and show none of it: apt adds advice that does not apply here
    progress "$apt/log" "$@"
    apt_status=$?
    output=$(cat "$apt/log")
    return "$apt_status"
}

apt_source() { (cd "$apt/got" && apt-get -q source --download-only "$1" "$source=$2"); }
apt_get() { # --tar-only|--diff-only VERSION NAME WHAT: fetch an archive of the package as $apt_got, or set $apt_why
    rm -rf "$apt/got"
    mkdir "$apt/got" 2>/dev/null || full
    apt_run "$4" apt_source "$1" "$2" || { apt_why=$(why "$(printf '%s\n' "$output" | grep '^E:' | head -n 1)"); return 1; }
    apt_got=$(find -L "$apt/got" -type f -name "$3" | head -n 1)
    [ -n "$apt_got" ] || { apt_why='apt did not fetch the file'; return 1; }
    # If the mirror is a local folder, apt makes a symbolic link.
    if [ -L "$apt_got" ]; then
        cp "$apt_got" "$apt/file" 2>/dev/null || full
        apt_got=$apt/file
    fi
}

differs() { # FILE: whether it is not the .orig archive; sets $cause
    differs_sum=$(sum_of "$1" 2>/dev/null) || differs_sum='unreadable'
    cause="SHA-256 $differs_sum instead of $want, $(wc -c <"$1" 2>/dev/null || echo 0) bytes"
    [ "$differs_sum" != "$want" ]
}

keep() { # FILE in $tmp: move it to build/downloads as the archive
    mv -f "$1" "$cached" || die "cannot write to $DOWNLOADS; is the disk full?"
}

tried=
failed() { # SOURCE WHY
    tried="$tried${tried:+; }$1: $2"
    say "archive: $1: $2"
}

apt_archive() { # fetch the newest version of the package that has the archive, and keep that; causes are added to $tried
    apt_from="apt's source package $source"
    apt_ask || { failed "$apt_from" "$apt_why"; return 1; }
    for apt_version in $apt_versions; do
        if ! apt_get --tar-only "$apt_version" '*.orig.tar*' "archive: fetching Debian's source package $source $apt_version"; then
            failed "$apt_from $apt_version" "$apt_why"
        elif differs "$apt_got"; then
            failed "$apt_from $apt_version" "not the archive ($cause)"
        else
            keep "$apt_got"
            return 0
        fi
    done
    return 1
}
