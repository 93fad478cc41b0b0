#!/usr/bin/env bash
# Runs the test areas, two at a time, and says at the end how each of them went. What
# holds a time that people wait for runs alone: next to others it would measure them.
#
#   scripts/test.sh AREA...       (make help names the areas)
#
# An area is a target of the Makefile. Its output goes to a file and is shown
# when it failed. Gateways that tests start write their logs to EDGEGW_TEST_LOGS;
# once the areas are through, those logs and all output are searched for secrets.
set -euo pipefail
cd "$(dirname "$0")/.."

lanes=${LANES:-2}
alone=test-browser

# limit AREA prints how many seconds the area may take. The limits are walls
# against hanging, far above what the areas need.
limit() {
    case $1 in
    test-race | test-arm | test-packages) echo 900 ;;
    fuzz-smoke) echo 900 ;;
    test-boards | test-386 | lint | test-client-* | test-browser | test-attack | test-realtime | test-api | test-conformance | test-boot) echo 600 ;;
    *) echo 300 ;;
    esac
}

work=.cache/test-$$
mkdir -p "$work/gateway-logs"
export EDGEGW_TEST_LOGS=$PWD/$work/gateway-logs

# run_area writes AREA.out, and AREA.result with the exit code and the seconds.
run_area() {
    local area=$1 start=$SECONDS code=0 child
    # timeout leads a process group of its own; ending it ends the whole area.
    timeout --kill-after=10 "$(limit "$area")" \
        make --no-print-directory "$area" >"$work/$area.out" 2>&1 </dev/null &
    child=$!
    trap 'kill "$child" 2>/dev/null' TERM
    wait "$child" || code=$?
    if [ "$code" -eq 124 ] || [ "$code" -eq 137 ]; then
        echo "test: $area took longer than $(limit "$area") s and was ended" >>"$work/$area.out"
    fi
    echo "$code $((SECONDS - start))" >"$work/$area.result"
}

pids=()
stop() {
    trap - INT TERM
    echo "test: stopped; what the areas printed is in $work" >&2
    kill "${pids[@]}" 2>/dev/null || true
    wait
    exit 130
}
trap stop INT TERM

# A variable of an outer make would make the inner ones share its jobs.
unset MAKEFLAGS MFLAGS MAKELEVEL
for area in "$@"; do
    room=$lanes
    if [ "$area" = "$alone" ]; then room=1; fi
    while [ "$(jobs -rp | wc -l)" -ge "$room" ]; do
        wait -n || true
    done
    echo "test: $area ..."
    run_area "$area" &
    pids+=($!)
    if [ "$area" = "$alone" ]; then wait "$!" || true; fi
done
wait

failed=()
for area in "$@"; do
    read -r code _ <"$work/$area.result"
    if [ "$code" -ne 0 ]; then
        failed+=("$area")
        echo
        echo "==== $area failed (exit code $code); the end of $work/$area.out:"
        tail -n 100 "$work/$area.out"
    fi
done

echo
echo "==== secrets in logs and output"
if ! scripts/check-canaries.sh "$work/gateway-logs" "$work"/*.out; then
    failed+=(canaries)
fi

# failures FILE prints what stands around each failure, which may be far above
# the end of what a long area has printed.
failures() {
    grep -nE -B15 -A5 '^ *--- FAIL|^panic:|DATA RACE|^FAIL[[:space:]]|: error:' "$1" | tail -n 150 || true
}

for area in "${failed[@]}"; do
    if [ -e "$work/$area.out" ]; then
        echo
        echo "==== failures of $area"
        failures "$work/$area.out"
    fi
done

echo
echo "==== areas"
for area in "$@"; do
    read -r code seconds <"$work/$area.result"
    if [ "$code" -eq 0 ]; then word=ok; else word=FAILED; fi
    printf '%-16s %-7s %5d s\n' "$area" "$word" "$seconds"
done

if [ -e "$work/test-race.out" ]; then
    echo
    echo "==== packages"
    grep -E '^(ok|FAIL)[[:space:]]' "$work/test-race.out" || true
fi
echo
if [ ${#failed[@]} -gt 0 ]; then
    echo "test: FAILED: ${failed[*]} (after $SECONDS s; everything is in $work)"
    exit 1
fi
rm -rf "$work"
echo "test: all $# areas passed in $SECONDS s"
