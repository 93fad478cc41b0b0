#!/usr/bin/env bash
# Checks form and known mistakes with the pinned tools of tools/go.mod.
#
#   scripts/lint.sh TOOLS-FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."

tools=$PWD/${1:?usage: scripts/lint.sh TOOLS-FOLDER}
scripts/ensure-tools.sh go shellcheck
mkdir -p "$tools"
CGO_ENABLED=0 go -C tools build -o "$tools/" ./gosec honnef.co/go/tools/cmd/staticcheck

failed=0
check() {
    echo "== $1"
    shift
    "$@" || failed=1
}

formatted() {
    local files
    files=$(gofmt -l cmd internal firmware-clients tools)
    if [ -n "$files" ]; then
        echo "not formatted; run gofmt -w on:"
        echo "$files"
        return 1
    fi
}

# Files that are built for some machines only are vetted for those, too.
vetted() {
    go vet ./... && GOARCH=arm GOARM=6 go vet ./... && go -C tools vet ./...
}

check gofmt formatted
check "go vet" vetted
check staticcheck "$tools/staticcheck" ./...
# The load generator goes where its flags send it and is no part of a release.
check gosec "$tools/gosec" ./cmd/edgegw/... ./internal/... ./firmware-clients/...
check shellcheck shellcheck --severity=warning scripts/*.sh packaging/install.sh packaging/postinst packaging/prerm packaging/postrm .ci/run
exit $failed
