#!/usr/bin/env bash
# Runs e2e/*.test.mjs: a real browser, and bin/edgegw started for each test.
#
#   scripts/test-browser.sh
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/ensure-tools.sh node npm chromium
if ! node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)'; then
    echo "test-browser: Node.js is $(node --version); the driver of the browser needs 20 or newer" >&2
    exit 1
fi
shopt -s nullglob
tests=(e2e/*.test.mjs)
if [ ${#tests[@]} -eq 0 ]; then
    echo "test-browser: there is no e2e/*.test.mjs" >&2
    exit 1
fi
scripts/npm-ci.sh e2e
node --test --test-concurrency=1 "${tests[@]}"
