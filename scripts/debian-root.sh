#!/usr/bin/env bash
# Unpacks a small Debian with systemd, and nothing of edgegw, into a folder. The
# archive that it comes from is made once, over the network, and kept in .cache.
#
#   scripts/debian-root.sh FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."

into=${1:?usage: scripts/debian-root.sh FOLDER}
suite=bookworm
archive=.cache/debian-$suite.tar
scripts/ensure-tools.sh mmdebstrap
mkdir -p .cache
exec 9>.cache/debian-root.lock
flock --timeout 600 9
if [ ! -e "$archive" ]; then
    echo "debian-root: making a $suite with mmdebstrap"
    if ! mmdebstrap --variant=apt --include=systemd,systemd-sysv,dbus,python3-minimal "$suite" "${archive%.tar}.new.tar" 9>&- 2>.cache/mmdebstrap.log; then
        tail -n 20 .cache/mmdebstrap.log >&2
        exit 1
    fi
    mv "${archive%.tar}.new.tar" "$archive"
fi
mkdir -p "$into"
tar -C "$into" -xf "$archive"
