#!/usr/bin/env bash
# Installs what the lock file of a folder names, unless npm has installed that very
# list there before.
#
#   scripts/npm-ci.sh FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# -ne 1 ]; then
    echo "usage: scripts/npm-ci.sh FOLDER" >&2
    exit 2
fi
if ! cmp -s "$1/package-lock.json" "$1/node_modules/.installed-lock.json"; then
    npm --prefix "$1" ci --ignore-scripts --no-audit --no-fund
    cp "$1/package-lock.json" "$1/node_modules/.installed-lock.json"
fi
