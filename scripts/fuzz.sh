#!/usr/bin/env bash
# Runs every fuzz target of the module for a while, one after the other.
#
#   scripts/fuzz.sh TIME [PACKAGE...]
#
# TIME is for each target, for example 10s. A crasher is written to the package's
# testdata/fuzz and belongs into the repository once it is fixed.
set -euo pipefail
cd "$(dirname "$0")/.."

time=${1:?usage: scripts/fuzz.sh TIME [PACKAGE...]}
shift
if [ $# -eq 0 ]; then
    set -- ./...
fi

found=0
while read -r dir package; do
    for name in $(grep -hoE '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go 2>/dev/null | awk '{print $2}' | sort -u); do
        echo "== $package $name $time"
        go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" -fuzzminimizetime 10x "$package" </dev/null
        found=$((found + 1))
    done
done < <(go list -f '{{.Dir}} {{.ImportPath}}' "$@")
if [ "$found" -eq 0 ]; then
    echo "fuzz: no fuzz target in: $*" >&2
    exit 1
fi
echo "fuzz: $found targets, $time each"
