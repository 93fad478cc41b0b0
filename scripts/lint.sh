#!/usr/bin/env bash
# Checks form and known mistakes with the pinned tools of tools/go.mod.
#
#   scripts/lint.sh TOOLS-FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."

tools=$PWD/${1:?usage: scripts/lint.sh TOOLS-FOLDER}
scripts/ensure-tools.sh go shellcheck
mkdir -p "$tools"
CGO_ENABLED=0 go -C tools build -o "$tools/" ./gosec ./dashboard honnef.co/go/tools/cmd/staticcheck github.com/rhysd/actionlint/cmd/actionlint

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

# A tag of an action can be moved to other code; a commit cannot.
pinned() {
    if grep -nE '^[ -]*uses: ' .github/workflows/*.yml | grep -vE '@[0-9a-f]{40} # v[0-9.]+$'; then
        echo "each action is pinned by its commit, with the release behind it: uses: NAME@COMMIT # v1.2.3"
        return 1
    fi
}

check gofmt formatted
check "go vet" vetted
check staticcheck "$tools/staticcheck" ./...
# The load generator goes where its flags send it and is no part of a release.
check gosec "$tools/gosec" ./cmd/edgegw/... ./internal/... ./firmware-clients/...
check shellcheck shellcheck --severity=warning scripts/*.sh packaging/install.sh packaging/postinst packaging/prerm packaging/postrm .ci/run
check actionlint "$tools/actionlint" .github/workflows/*.yml
check pinned pinned
check dashboard "$tools/dashboard" deploy/grafana/*.json
exit $failed
