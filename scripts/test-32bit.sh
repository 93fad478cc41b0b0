#!/usr/bin/env bash
# Runs the tests as 32-bit programs: for the oldest Raspberry Pi under qemu, and
# for 386. Correctness only; nothing that is measured under qemu means anything.
#
#   scripts/test-32bit.sh [arm|arm-gateway|386]...
#
# arm leaves out internal/app and the clients: those tests wait for real time on
# real sockets, and beside other work the emulator is too slow for their
# deadlines. They run on 386 every time, and those of internal/app for ARM with
# arm-gateway, alone.
set -euo pipefail
cd "$(dirname "$0")/.."

# 386 runs on the machine itself where the kernel allows it.
runs_386() {
    local dir ok=1
    dir=$(mktemp -d)
    printf 'package main\nfunc main() {}\n' >"$dir/main.go"
    if GOARCH=386 CGO_ENABLED=0 go build -o "$dir/probe" "$dir/main.go" && "$dir/probe"; then
        ok=0
    fi
    rm -rf "$dir"
    return $ok
}

# The house rules judge source, which is the same on every machine; the commands'
# tests run their own binary, which qemu does not pass on.
packages_but() {
    go list ./internal/... | grep -vE "/(archtest|$1)\$"
}

run() {
    local arch=$1 packages=$2
    shift 2
    echo "== $arch"
    # Signals that preempt goroutines crash qemu-user now and then.
    # shellcheck disable=SC2086 # the packages are a list
    env CGO_ENABLED=0 GOARCH="$arch" GOARM=6 GODEBUG=asyncpreemptoff=1 \
        go test -short -count=1 -vet=off -timeout 8m "$@" $packages
}

for arch in "${@:-arm}"; do
    case $arch in
    arm)
        scripts/ensure-tools.sh qemu-arm-static openssl
        run arm "$(packages_but app)" -exec "qemu-arm-static -cpu arm1176"
        ;;
    arm-gateway)
        scripts/ensure-tools.sh qemu-arm-static openssl curl
        run arm ./internal/app -exec "qemu-arm-static -cpu arm1176"
        ;;
    386)
        scripts/ensure-tools.sh openssl curl
        if runs_386 2>/dev/null; then
            run 386 "$(packages_but none) ./firmware-clients/..."
        else
            scripts/ensure-tools.sh qemu-i386-static
            run 386 "$(packages_but none) ./firmware-clients/..." -exec qemu-i386-static
        fi
        ;;
    *)
        echo "test-32bit: $arch is none of arm, arm-gateway and 386" >&2
        exit 2
        ;;
    esac
done
