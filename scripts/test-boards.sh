#!/usr/bin/env bash
# Has a conversation with the binary of each board, under qemu where the machine is
# another one, and runs the tests of frames, stores and tokens for the boards whose
# packages no other area runs.
#
#   scripts/test-boards.sh [armv6|armv7|arm64|386]...
#
# test-32bit.sh runs all packages for armv6 and 386. Right or wrong only: nothing
# that is measured under qemu means anything.
set -euo pipefail
cd "$(dirname "$0")/.."

# The store's tests take minutes under qemu. All of them run for armv6 and 386 in
# test-32bit.sh; here are its contract, its models, what kills it and old files.
store='^Test(Suite|HistoryAgainstModel|IdentityAgainstModel|KillNine|IdentityKillNine|OpenMends|Compact|HistoryMigrationFromV1)$'
packages=(./internal/wire ./internal/wsedge ./internal/memstore ./internal/token)

if [ $# -eq 0 ]; then
    set -- armv6 armv7 arm64 386
fi

# as_386 is the command for 386, none where the kernel runs it by itself.
as_386() {
    if ! dist/edgegw-linux-386 version >/dev/null 2>&1; then
        scripts/ensure-tools.sh qemu-i386-static >&2
        echo qemu-i386-static
    fi
}

if [ "$(go test -vet=off -list "$store" ./internal/boltstore | grep -c '^Test')" -ne 8 ]; then
    echo "test-boards: tests of the store that are meant here are gone; see $store" >&2
    exit 1
fi

for board in "$@"; do
    began=$SECONDS arch='' arm=''
    case $board in
    armv6) arch=arm under="qemu-arm-static -cpu arm1176" ;;
    armv7) arch=arm arm=7 under="qemu-arm-static -cpu cortex-a7" ;;
    arm64) arch=arm64 under="qemu-aarch64-static -cpu cortex-a53" ;;
    386) under= ;;
    *)
        echo "test-boards: $board is not one of armv6 armv7 arm64 386" >&2
        exit 2
        ;;
    esac
    scripts/cross-build.sh "$board"
    if [ "$board" = 386 ]; then
        under=$(as_386)
    else
        scripts/ensure-tools.sh "${under%% *}"
    fi
    # Signals that preempt goroutines crash qemu-user now and then.
    EDGEGW_BIN=$PWD/dist/edgegw-linux-$board EDGEGW_UNDER="env GODEBUG=asyncpreemptoff=1 $under" \
        go test -count=1 -vet=off -timeout 2m -v ./e2e/boards
    if [ "$board" = armv7 ] || [ "$board" = arm64 ]; then
        # Tests that start themselves again ask EDGEGW_UNDER for the emulator.
        export EDGEGW_UNDER="$under" GODEBUG=asyncpreemptoff=1 CGO_ENABLED=0
        GOARCH=$arch GOARM=$arm go test -short -count=1 -vet=off -timeout 4m -exec "$under" "${packages[@]}"
        GOARCH=$arch GOARM=$arm go test -short -count=1 -vet=off -timeout 4m -exec "$under" -run "$store" ./internal/boltstore
    fi
    echo "test-boards: $board took $((SECONDS - began)) s"
done
