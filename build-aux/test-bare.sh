#!/bin/sh
# test-bare.sh: run the README's two commands in a bare Debian, as a newcomer would, on a clean clone of HEAD.
# "Bare" is what debootstrap --variant=minbase installs. The chroot uses the machine's own package mirror, pip settings,
# CA certificates and proxies. It is removed at the end, also after an interrupt.
cd "$(dirname "$0")/.." || exit 1
. build-aux/common.sh

# This script runs in three places: as the user; in a mount and PID namespace of its own, so that every mount
# and process ends with it; and in the chroot.
commands() { # the README's commands, one a line
    sed -n 's/^ \{1,\}\(\.\/configure --install-deps && make\( .*\)\{0,1\}\|make test\)$/\1/p' README.rst | awk '!seen[$0]++'
}

took() { # START: the time since, in minutes and seconds
    took_s=$(($(date +%s) - $1))
    printf '%d:%02d\n' $((took_s / 60)) $((took_s % 60))
}

sources() { # CODENAME: the machine's apt sources of that Debian release, as lines of sources.list
    apt-get indextargets --format "\$(SITE) \$(RELEASE) \$(COMPONENT)" 'Created-By: Packages' |
        awk -v name="$1" '$2 == name || index($2, name "-") == 1 { print "deb", $1, $2, $3 }' | sort -u
}

pip_files() { # the files that have pip's settings for every user, and this user's
    for file in /etc/pip.conf "${XDG_CONFIG_HOME:-$HOME/.config}/pip/pip.conf" "$HOME/.pip/pip.conf" "${PIP_CONFIG_FILE-}" \
        $(printf '%s\n' "${XDG_CONFIG_DIRS:-/etc/xdg}" | tr ':' '\n' | sed 's,$,/pip/pip.conf,'); do
        [ ! -f "$file" ] || printf '%s\n' "$file"
    done
}

pip_paths() { # what these settings name on this machine: folders of wheels, constraints, certificates, and indexes with
    # the files next to them
    { pip_files | xargs -r cat; env | grep '^PIP_'; } | tr ' =,' '\n' | sed -n 's,^file://,,; s,^\(/.*\)/*$,\1,p' |
        sed 's,/simple$,,' | sort -u | while IFS= read -r path; do [ ! -e "$path" ] || printf '%s\n' "$path"; done
}

bind() { # PATH...: what is there on the machine, read only in the chroot
    for path do
        if [ -d "$path" ]; then
            mkdir -p "$root$path"
        else
            mkdir -p "$root$(dirname "$path")" && : >>"$root$path"
        fi
        mount --bind "$path" "$root$path" && mount -o remount,bind,ro "$root$path"
    done
}

case ${1-} in
    --inside)       # in the namespace
        root=$2
        codename=$3
        list=$(sources "$codename")
        mirror=$(printf '%s\n' "$list" | awk -v name="$codename" '$3 == name && $4 == "main" { print $2; exit }')
        [ -n "$mirror" ] || die "apt's sources on this machine have no mirror of Debian $codename"

        start=$(date +%s)
        progress "$root.log" "debootstrap --variant=minbase $codename" \
            debootstrap --variant=minbase "$codename" "$root" "$mirror" ||
            die "debootstrap failed: $(why "$(cat "$root.log")")"
        printf '%s\n' "$list" >"$root/etc/apt/sources.list"
        apt-config dump | grep -E '^Acquire::(http|https|Check-[A-Za-z-]*)\b' >"$root/etc/apt/apt.conf.d/00machine" || :
        for file in /etc/resolv.conf /etc/hosts; do [ ! -f "$file" ] || cp -L "$file" "$root$file"; done
        mount -t proc proc "$root/proc"
        mount --rbind /sys "$root/sys"
        mount --rbind /dev "$root/dev"
        mount -t tmpfs none "$root/dev/shm"
        # shellcheck disable=SC2046
        bind $(pip_files) $(pip_paths)
        for file in "${SSL_CERT_FILE-}" "${CURL_CA_BUNDLE-}" "${REQUESTS_CA_BUNDLE-}" /etc/ssl/certs/ca-certificates.crt; do
            if [ -f "$file" ] && [ ! -e "$root$file" ]; then bind "$file"; fi
        done
        say "bare: the chroot is ready after $(took "$start")"

        # A user's shell after login, with the settings for the network and for pip alone.
        set -- HOME=/root TERM=dumb LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
        for name in $(env | sed -n 's/^\(PIP_[A-Z_]*\|SSL_CERT_FILE\|REQUESTS_CA_BUNDLE\|[A-Za-z]*_proxy\|[A-Z]*_PROXY\)=.*/\1/p'); do
            eval "value=\$$name"
            set -- "$@" "$name=$value"
        done
        cp -R "$root.clone" "$root/root/fork"
        env -i "$@" chroot "$root" sh -c 'cd ~/fork && exec sh build-aux/test-bare.sh --chroot' </dev/null ;;
    --chroot)
        commands >/tmp/commands
        [ "$(grep -c . /tmp/commands)" = 2 ] || die "README.rst does not have its two commands"
        ! have python3 || die "the chroot is not bare: it has python3"
        while IFS= read -r command; do
            start=$(date +%s)
            say "bare: $command"
            sh -c "$command" </dev/null || die "in a bare Debian this fails after $(took "$start"): $command"
            say "bare: $(took "$start") for: $command"
        done </tmp/commands
        say "bare: $(du -sm --exclude=.git . | cut -f1) MB on disk; left in /tmp: $(du -sm /tmp | cut -f1) MB" ;;
    *)
        [ "$(id -u)" = 0 ] || die "make test-bare needs root, for a chroot and its mounts"
        if ! have debootstrap || ! have unshare; then die "make test-bare needs debootstrap and unshare (util-linux)"; fi
        have git || die "make test-bare needs git, to clone HEAD"
        codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
        root=$(mkdir -p build && mktemp -d "$ROOT/build/bare.XXXXXX") || full
        # No mount of the namespace is seen from here, so this removes nothing but the chroot.
        cleanup() { rm -rf "$root" "$root.clone" "$root.log"; }
        on_exit cleanup
        git clone -q --no-hardlinks . "$root.clone"
        start=$(date +%s)
        unshare --mount --pid --fork --kill-child sh build-aux/test-bare.sh --inside "$root" "$codename" &
        inside=$!
        # unshare ignores other signals while it waits
        stop() { kill -KILL "$inside" 2>/dev/null || :; wait "$inside" 2>/dev/null || :; cleanup; }
        on_exit stop
        wait "$inside" || die "the README's commands do not work in a bare Debian $codename; see above"
        say "bare: both commands work in a bare Debian $codename; $(took "$start") in all" ;;
esac
