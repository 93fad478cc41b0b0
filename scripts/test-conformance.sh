#!/usr/bin/env bash
# Runs the Autobahn test suite against bin/edgegw: /ws?format=raw gives back what
# it gets, which is the echo that the suite wants, and every case has a room of
# its own. What came of it has to be what docs/CONFORMANCE.md says.
#
#   CASES='6.* 7.9.1' scripts/test-conformance.sh [--update] [BINARY]
#
# --update writes the results into the document. With CASES only those run, and
# the document is left alone. The suite and the client underneath it come from
# PyPI into .cache/conformance, in the versions of scripts/test-conformance.*.txt.
# `make build` makes bin/edgegw first.
set -euo pipefail
cd "$(dirname "$0")/.."

update=()
if [ "${1:-}" = --update ]; then
    update=(--update)
    shift
fi
binary=${1:-bin/edgegw}
read -ra cases <<<"${CASES:-}"

scripts/ensure-tools.sh python3 python3-venv
if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "test-conformance: $(python3 --version) is older than 3.11, which the suite's client needs" >&2
    exit 1
fi
if ! [ -x "$binary" ]; then
    echo "test-conformance: $binary is missing; build it with: make build" >&2
    exit 1
fi

tools=.cache/conformance pins=scripts/test-conformance.requirements.txt suite=scripts/test-conformance.suite.txt
# The folder is as the lists want it when this copy of them was written last.
if ! cat "$pins" "$suite" | cmp -s - "$tools/installed.txt"; then
    rm -rf "$tools"
    python3 -m venv "$tools"
    pip=("$tools/bin/pip" --quiet --disable-pip-version-check)
    if ! "${pip[@]}" install --require-hashes --only-binary :all: --requirement "$pins" ||
        ! "${pip[@]}" download --require-hashes --only-binary :all: --no-deps --dest "$tools/wheel" \
            --python-version 2.7 --implementation py --abi none --platform any --requirement "$suite"; then
        echo "test-conformance: pip could not fetch what $pins and $suite list" >&2
        exit 1
    fi
    python3 -m zipfile -e "$tools"/wheel/autobahntestsuite-*.whl "$tools/suite"
    cat "$pins" "$suite" >"$tools/installed.txt"
fi

work=$(mktemp -d) pid=
finish() {
    local code=$?
    if [ -n "$pid" ]; then
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || { echo "test-conformance: the gateway did not stop well" >&2 && code=1; }
    fi
    if [ -n "${EDGEGW_TEST_LOGS:-}" ]; then
        cp "$work/log" "$EDGEGW_TEST_LOGS/test-conformance-$$.log"
    fi
    if [ "$code" -ne 0 ]; then
        tail -n 5 "$work/log" >&2
    fi
    rm -rf "$work"
    exit "$code"
}
touch "$work/log"
trap finish EXIT

(umask 077 && echo canary-password-test-conformance >"$work/password")
# options BYTES makes the command that runs the binary with the options of this
# test and no others.
options() {
    edgegw=(env -i PATH="$PATH" EDGEGW_LISTEN=127.0.0.1:0 EDGEGW_DATA_DIR="$work/data" EDGEGW_LOG_FORMAT=json
        EDGEGW_ADMIN_PASSWORD_FILE="$work/password" EDGEGW_MESSAGE_RATE=0
        EDGEGW_MAX_MESSAGE_BYTES="$1" EDGEGW_SEND_QUEUE_BYTES=$((4 * $1)) "$binary")
}
message_bytes=16777216 # the suite's longest message
options "$message_bytes"

"${edgegw[@]}" serve >"$work/log" 2>&1 &
pid=$!
for _ in $(seq 100); do
    if grep -q '"event":"ready"' "$work/log"; then
        break
    fi
    if ! kill -0 "$pid" 2>/dev/null; then
        echo "test-conformance: the gateway did not start" >&2
        exit 1
    fi
    sleep 0.1
done
url=$(sed -n 's/.*"event":"listening","url":"http\([^"]*\)".*/ws\1/p' "$work/log")
(umask 077 && "${edgegw[@]}" token issue admin >"$work/token" 2>"$work/issued")

code=0
PYTHONDONTWRITEBYTECODE=1 timeout 400 "$tools/bin/python" e2e/conformance/fuzzingclient.py --suite "$tools/suite" --url "$url" \
    --token-file "$work/token" --message-bytes "$message_bytes" --seconds 360 --cases "${cases[@]:-*}" \
    --out "$work/results" >"$work/out" 2>&1 || code=$?
if [ "$code" -ne 0 ]; then
    tail -n 50 "$work/out" >&2
    echo "test-conformance: the suite could not run ($code)" >&2
    exit 1
fi
document=(--document docs/CONFORMANCE.md)
if [ ${#cases[@]} -gt 0 ]; then
    document=()
fi
python3 -B e2e/conformance/summary.py "$work/results" "${document[@]}" "${update[@]}" || exit 1
for event in ws_panic http_panic; do
    if grep -q "\"event\":\"$event\"" "$work/log"; then
        echo "test-conformance: the gateway panicked" >&2
        grep -m 3 "\"event\":\"$event\"" "$work/log" >&2
        exit 1
    fi
done
