#!/usr/bin/env bash
# Builds everything twice from scratch, from two copies of the sources in different
# folders and with a build cache of its own each, and compares.
#
#   scripts/reproducible.sh [TARGET]...       (the targets of cross-build.sh)
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The second lies deeper, so that a path in a binary would make it differ.
for copy in "$work/one" "$work/somewhere/else/two"; do
    mkdir -p "$copy"
    git ls-files -z | xargs -0 cp --parents -t "$copy" --
    echo "reproducible: building in a folder of $(printf %s "$copy" | wc -c) letters ..."
    GOCACHE="$work/cache-${copy##*/}" GOFLAGS=-buildvcs=false "$copy/scripts/cross-build.sh" --out "$copy/dist" "$@" >"$copy.log"
    rm -rf "$work/cache-${copy##*/}"
done
cat "$work/one.log"
(cd "$work/one/dist" && sha256sum edgegw-linux-* | tee "$work/sums")
if ! (cd "$work/somewhere/else/two/dist" && sha256sum --check --quiet "$work/sums"); then
    echo "reproducible: the two builds differ" >&2
    exit 1
fi
echo "reproducible: both builds are the same, byte for byte"
