#!/usr/bin/env bash
# Looks for secrets in everything that the tests logged.
#
#   scripts/check-canaries.sh GATEWAY-LOGS [OUTPUT...]
#
# GATEWAY-LOGS is the folder of EDGEGW_TEST_LOGS, into which every test that
# starts a gateway writes the gateway's log (*.log). OUTPUT are files or folders
# with what the tests printed. Secrets that tests make up contain canary-KIND-,
# for example canary-password-kitchen; tokens and hashes are known by their form.
set -euo pipefail

logs=${1:?usage: scripts/check-canaries.sh GATEWAY-LOGS [OUTPUT...]}

patterns=(
    'canary-[a-z]+-'
    'eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{16,}'
    '\$argon2(i|d|id)\$'
    'BEGIN [A-Z ]*PRIVATE KEY'
)

# A check of no logs would pass for ever.
lines=$(find "$logs" -type f -name '*.log' -exec cat {} + 2>/dev/null | grep -acE '"level":|level=' || true)
if [ "${lines:-0}" -eq 0 ]; then
    echo "canaries: no gateway log line in $logs/*.log; the tests that start a gateway write its log there (see CONTRIBUTING.md)" >&2
    exit 1
fi

found=0
for pattern in "${patterns[@]}"; do
    # Only the place is shown: what was found is a secret by assumption.
    if hits=$(grep -ranoE -e "$pattern" -- "$@" | cut -d: -f1,2 | sort | uniq -c | head -n 20) && [ -n "$hits" ]; then
        echo "canaries: a secret of the form $pattern was logged (times, file, line):" >&2
        echo "$hits" >&2
        found=1
    fi
done
if [ "$found" -ne 0 ]; then
    exit 1
fi
echo "canaries: $lines gateway log lines and the output of the tests hold no secret"
