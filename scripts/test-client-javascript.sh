#!/usr/bin/env bash
# Tests firmware-clients/javascript: the vectors, a gateway that the test plays, the
# real binary, the same in Chromium, the fault course, its types, and its package.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/ensure-tools.sh node npm chromium
client=firmware-clients/javascript
scripts/npm-ci.sh $client
scripts/npm-ci.sh e2e # the driver of the browser
# Node.js 20 has its WebSocket behind a flag, 22 has it without.
flags=()
if node --experimental-websocket -e 0 2>/dev/null; then flags=(--experimental-websocket); fi
node "${flags[@]}" --test --test-concurrency=1 $client/test/*.test.mjs
scripts/course.sh javascript node "${flags[@]}" --no-warnings "$PWD/$client/test/course.mjs"
$client/node_modules/.bin/tsc --noEmit --strict --target es2022 --module nodenext --moduleResolution nodenext --lib es2022,dom $client/test/types.ts
$client/node_modules/.bin/publint --strict $client
echo "edgegw.js: $(wc -c <$client/edgegw.js) bytes, $(gzip -9nc $client/edgegw.js | wc -c) compressed"
