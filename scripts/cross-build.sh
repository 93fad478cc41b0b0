#!/usr/bin/env bash
# Builds edgegw for the boards that it is for, holds the size budget, and prints a
# table of sizes.
#
#   scripts/cross-build.sh [--out FOLDER] [armv6|armv7|arm64|amd64|386]...
#
# The binaries go to dist/, or to FOLDER. VERSION is stamped into them when it is set.
# Without targets all are built, and SHA256SUMS names what is there.
set -euo pipefail
cd "$(dirname "$0")/.."

# The budget is for the smallest board's binary; the others follow it.
budget_armv6=10000000

folder=dist
if [ "${1:-}" = --out ]; then
    folder=${2:?usage: scripts/cross-build.sh [--out FOLDER] [TARGET]...}
    shift 2
fi
all=
if [ $# -eq 0 ]; then
    set -- armv6 armv7 arm64 amd64 386
    all=1
fi
mkdir -p "$folder"
table=()
over=
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
    out=$folder/edgegw-linux-$target
    GOOS=linux GOARCH=$arch GOARM=$arm scripts/build.sh "$out"
    # A loader of another libc would be asked for; a static binary names none.
    if grep -qaE '/lib[0-9a-z]*/ld[-.]' "$out"; then
        echo "cross-build: $out asks for a dynamic loader; it has to be static" >&2
        exit 1
    fi
    size=$(stat -c %s "$out")
    table+=("$(printf '| %-6s | %10d | %5.2f |' "$target" "$size" "$((size / 10000))e-2")")
    if [ "$target" = armv6 ] && [ "$size" -gt $budget_armv6 ]; then
        over="cross-build: $out has $size bytes; the budget is $budget_armv6. What the modules cost: make size"
    fi
done
echo "| board  |      bytes |    MB |"
echo "|--------|-----------:|------:|"
printf '%s\n' "${table[@]}"
if [ -n "$over" ]; then
    echo "$over" >&2
    exit 1
fi
if [ -n "$all" ]; then
    (cd "$folder" && sha256sum edgegw-linux-* >SHA256SUMS)
fi
