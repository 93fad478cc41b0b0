#!/bin/sh
# Installs edgegw from this folder on a Linux with systemd, or brings an installed one
# to this version. The configuration stays as it is. For Debian and its relatives there
# are packages.
#
#   sudo ./install.sh              install, or update
#   sudo ./install.sh --remove     remove the program; configuration and data stay
#   sudo ./install.sh --purge      remove everything
#
# DESTDIR=/mnt/card installs into the root of another system.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=${DESTDIR:-}

say() { echo "install: $*"; }
die() {
    echo "install: $*" >&2
    exit 1
}

# The running system is this one, and it has systemd.
live() { [ -z "$root" ] && [ -d /run/systemd/system ]; }

check() {
    [ "$(id -u)" -eq 0 ] || [ -n "$root" ] || die "this needs root: sudo $0"
    "$here/usr/bin/edgegw" version >/dev/null 2>&1 || [ -n "$root" ] ||
        die "the program in this folder does not run here ($(uname -m)); take the tarball for this machine"
    [ -n "$root" ] || [ -d /run/systemd/system ] ||
        die "systemd does not run here; start usr/bin/edgegw serve under the supervisor that you have, see OPERATIONS.md"
}

make_user() {
    if command -v systemd-sysusers >/dev/null; then
        systemd-sysusers ${root:+--root="$root"} edgegw.conf
    elif ! getent passwd edgegw >/dev/null; then
        useradd ${root:+--root "$root"} --system --user-group --home-dir /var/lib/edgegw --shell /usr/sbin/nologin edgegw
    fi
}

install_files() {
    (cd "$here" && find usr -type f) | while read -r file; do
        mkdir -p "$root/${file%/*}" 2>/dev/null || mkdir -p "$root/$(dirname "$file")"
        # By another name first: the running program is not written over.
        cp "$here/$file" "$root/$file.new"
        mv "$root/$file.new" "$root/$file"
    done
    if [ ! -e "$root/etc/edgegw/edgegw.toml" ]; then
        mkdir -p "$root/etc/edgegw"
        cp "$here/etc/edgegw/edgegw.toml" "$root/etc/edgegw/edgegw.toml"
    fi
}

start() {
    if live; then
        systemctl daemon-reload
        systemctl enable edgegw.service
        systemctl restart edgegw.service
        say "edgegw $(/usr/bin/edgegw version) runs. Make its owner: sudo edgegw setup"
    elif [ -n "$root" ]; then
        mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
        ln -sf /usr/lib/systemd/system/edgegw.service "$root/etc/systemd/system/multi-user.target.wants/edgegw.service"
        say "edgegw starts with the next boot of $root"
    fi
}

remove() {
    if live; then
        systemctl disable --now edgegw.service edgegw.socket || true
    fi
    rm -f "$root/etc/systemd/system/multi-user.target.wants/edgegw.service" "$root/etc/systemd/system/sockets.target.wants/edgegw.socket"
    (cd "$here" && find usr -type f) | while read -r file; do
        rm -f "$root/$file"
    done
    rmdir "$root/usr/share/doc/edgegw" 2>/dev/null || true
    if live; then
        systemctl daemon-reload
    fi
}

case ${1:-} in
"")
    check
    install_files
    make_user
    start
    ;;
--remove)
    check
    remove
    say "removed; configuration (/etc/edgegw) and data (/var/lib/edgegw) are left"
    ;;
--purge)
    check
    remove
    rm -rf "$root/etc/edgegw" "$root/var/lib/edgegw"
    say "everything is removed"
    ;;
*)
    die "usage: $0 [--remove | --purge]"
    ;;
esac
