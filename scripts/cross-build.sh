#!/usr/bin/env bash
# Builds edgegw for the boards that it is for and holds the size budget.
#
#   scripts/cross-build.sh [armv6|armv7|arm64|amd64|386]...
#
# The binaries go to dist/. VERSION is stamped into them when it is set.
set -euo pipefail
cd "$(dirname "$0")/.."

# The budget is for the smallest board's binary; the others follow it.
budget_armv6=10000000

if [ $# -eq 0 ]; then
    set -- armv6 armv7 arm64 amd64 386
fi
mkdir -p dist
for target in "$@"; do
    arm=
    case $target in
    armv6) arch=arm arm=6 ;;
    armv7) arch=arm arm=7 ;;
    arm64 | amd64 | 386) arch=$target ;;
    *)
        echo "cross-build: $target is not one of armv6 armv7 arm64 amd64 386" >&2
        exit 2
        ;;
    esac
    out=dist/edgegw-linux-$target
    GOOS=linux GOARCH=$arch GOARM=$arm scripts/build.sh "$out"
    size=$(stat -c %s "$out")
    echo "$out $size bytes"
    if [ "$target" = armv6 ] && [ "$size" -gt $budget_armv6 ]; then
        echo "cross-build: $out has $size bytes; the budget is $budget_armv6. What the modules cost: make size" >&2
        exit 1
    fi
done
