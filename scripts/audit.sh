#!/usr/bin/env bash
# Asks the databases of known weaknesses about what the gateway, its tests and its
# clients are made of. It needs the internet.
#
#   scripts/audit.sh TOOLS-FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."

tools=$PWD/${1:?usage: scripts/audit.sh TOOLS-FOLDER}
mkdir -p "$tools"
CGO_ENABLED=0 go -C tools build -o "$tools/" golang.org/x/vuln/cmd/govulncheck
echo "== govulncheck"
"$tools/govulncheck" -tags nethttpomithttp2 ./...
while IFS= read -r lock; do
    echo "== npm audit ${lock%/*}"
    npm --prefix "${lock%/*}" audit --package-lock-only
done < <(git ls-files '*package-lock.json')
while IFS= read -r lock; do
    echo "== cargo audit $lock"
    if ! cargo audit --version >/dev/null 2>&1; then
        cargo install cargo-audit --locked
    fi
    cargo audit --file "$lock"
done < <(git ls-files '*Cargo.lock')
