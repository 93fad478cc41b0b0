#!/usr/bin/env bash
# Cuts the real binary off, over and over, and compares what is left with a ledger
# that lies elsewhere. Needs root, to mount file systems whose power it can cut.
#
#   scripts/torture.sh                 a few faults of each kind, as the tests do
#   scripts/torture.sh --add N KIND    N faults of a kind (the name of a test of
#                                      e2e/torture without "Test", or all), which
#                                      are added to docs/reliability.json
#
# LANES=2 makes them side by side, SEED=… makes the same choices again.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/ensure-tools.sh strace setpriv mkfs.ext4 mkfs.xfs

run=. parallel=3 limit=9m
if [ "${1-}" = --add ]; then
    export EDGEGW_TORTURE_N=$2 EDGEGW_TORTURE_CONTROL=$2 EDGEGW_TORTURE_TOTALS=$PWD/docs/reliability.json
    export EDGEGW_TORTURE_LANES=${LANES:-1}
    if [ "$3" != all ]; then
        run="^Test$3\$"
    fi
    # Bounded, but not by much: a fault takes about a second, slow disks three.
    parallel=${LANES:-2} limit=$((10 + $2 / 5))m
fi
if [ -n "${SEED-}" ]; then
    export EDGEGW_TORTURE_SEED=$SEED
fi
go test -count=1 -parallel "$parallel" -timeout "$limit" -run "$run" -v ./e2e/torture | grep -v '^=== '
