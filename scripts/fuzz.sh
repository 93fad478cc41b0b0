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

# fuzz PACKAGE NAME: returns 1 when Go has given up at the end of the time and found
# nothing, which its race go.dev/issue/75804 does now and then before Go 1.27. Whatever
# else goes wrong ends the script.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
fuzz() {
    local code=0
    go test -run '^$' -fuzz "^$2\$" -fuzztime "$time" -fuzzminimizetime 10x "$1" </dev/null 2>&1 | tee "$log" || code=$?
    if [ "$code" -eq 0 ]; then
        return
    fi
    if [ "$(grep -vE '^(fuzz: elapsed: |FAIL|exit status 1$)' "$log" | grep -vcE "^--- FAIL: $2 \(|^    context deadline exceeded$")" -ne 0 ] || ! grep -q '^    context deadline exceeded$' "$log"; then
        exit "$code"
    fi
    return 1
}

found=0
while read -r dir package; do
    for name in $(grep -hoE '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go 2>/dev/null | awk '{print $2}' | sort -u); do
        echo "== $package $name $time"
        fuzz "$package" "$name" || fuzz "$package" "$name"
        found=$((found + 1))
    done
done < <(go list -f '{{.Dir}} {{.ImportPath}}' "$@")
if [ "$found" -eq 0 ]; then
    echo "fuzz: no fuzz target in: $*" >&2
    exit 1
fi
echo "fuzz: $found targets, $time each"
