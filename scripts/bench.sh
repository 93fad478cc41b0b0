#!/usr/bin/env bash
# Measures edgegw beside a bare gws server and prints the table of
# docs/PERFORMANCE.md. The server runs on one core with GOMAXPROCS=1, the load
# generator on another; rounds alternate between the two servers, so that a slow
# minute of the machine falls on both.
#
#   ROUNDS=5           rounds, 1 to 20
#   QUICK=1            one short round, to see that everything works
#   SECONDS_PER_RUN=5  length of each measured part
#   WEAR_SECONDS=60    length of the wear row, which runs once
#   SERVERS="bare edgegw"
#   ROWS="…"           some of: fanout-cpu fanout-max tls latency idle-memory acked
#                      connects start resume storm slow login-flood wear binary
#   SERVER_CORE=0 LOAD_CORE=1
#   BENCH_DIR=DIR      where the data goes; the default is a disk, not memory
#   RESULTS=FILE       keep the JSON lines there
set -euo pipefail
cd "$(dirname "$0")/.."

ROUNDS=${ROUNDS:-5}
SECONDS_PER_RUN=${SECONDS_PER_RUN:-5}
WEAR_SECONDS=${WEAR_SECONDS:-60}
STARTS=5
if [[ ${QUICK:-} == 1 ]]; then
    ROUNDS=1 SECONDS_PER_RUN=1 WEAR_SECONDS=10 STARTS=1
fi
SERVERS=${SERVERS:-bare edgegw}
ROWS=${ROWS:-fanout-cpu fanout-max tls latency idle-memory acked connects start resume storm slow login-flood wear binary}
SERVER_CORE=${SERVER_CORE:-0}
LOAD_CORE=${LOAD_CORE:-1}

fail() { echo "bench: $*" >&2; exit 1; }

[[ $ROUNDS =~ ^[0-9]+$ && $ROUNDS -ge 1 && $ROUNDS -le 20 ]] || fail "ROUNDS is a number from 1 to 20, not $ROUNDS"
command -v taskset >/dev/null || fail "taskset is missing; it comes with util-linux"
[[ $(nproc) -ge 2 ]] || fail "two cores are needed, one for the server and one for the load generator"

dir=$(mktemp -d "${BENCH_DIR:-/var/tmp}/edgegw-bench.XXXXXX")
results=$dir/results.jsonl
load=$dir/edgegw-load
edgegw=$dir/edgegw
addr='' tls_addr='' tls=0 pid='' runs=0 failures=0

stop_server() {
    [[ -n $pid ]] || return 0
    kill "$pid" 2>/dev/null || true
    for _ in {1..100}; do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    kill -9 "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    pid=''
}

cleanup() {
    stop_server
    [[ -z ${RESULTS:-} || ! -s $results ]] || cp "$results" "$RESULTS"
    rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

[[ $(stat -f -c %T "$dir") != tmpfs ]] || echo "bench: $dir is in memory; acked and wear say nothing there (set BENCH_DIR)" >&2

echo "bench: building" >&2
export CGO_ENABLED=0
go build -trimpath -ldflags '-s -w' -o "$load" ./cmd/edgegw-load
if [[ " $SERVERS " == *" edgegw "* ]]; then
    scripts/build.sh "$edgegw"
fi
head -c 32 /dev/urandom | base64 >"$dir/jwt-secret"
head -c 24 /dev/urandom | base64 >"$dir/admin-password"
chmod 600 "$dir/jwt-secret" "$dir/admin-password"

# server_command TARGET DATA_DIR [FLAGS…] fills the array "command".
server_command() {
    local target=$1 data=$2
    shift 2
    addr=$("$load" free-port)
    tls_addr=$("$load" free-port)
    local secured=()
    if [[ $tls == 1 ]]; then secured=(--tls-listen "$tls_addr"); fi
    case $target in
    bare) command=("$load" bare --listen "$addr" "${secured[@]}" "$@") ;;
    edgegw) command=("$edgegw" serve --listen "$addr" "${secured[@]}" --data-dir "$data"
        --jwt-secret-file "$dir/jwt-secret" --admin-password-file "$dir/admin-password"
        --max-connections 100000 --max-connections-per-ip 0 --max-connections-per-account 0
        --message-rate 0 --log-level warn "$@") ;;
    *) fail "SERVERS knows bare and edgegw, not $target" ;;
    esac
}

start_server() {
    server_command "$@"
    GOMAXPROCS=1 EDGEGW_ENV=development taskset -c "$SERVER_CORE" "${command[@]}" >"$dir/server.log" 2>&1 &
    pid=$!
    "$load" await --addr "$addr" || { cat "$dir/server.log" >&2; fail "$1 did not start"; }
}

# run SCENARIO TARGET ROUND [FLAGS…] drives the server that runs.
run() {
    local scenario=$1 target=$2 round=$3
    shift 3
    local to=$addr
    if [[ $tls == 1 ]]; then to=$tls_addr; fi
    timeout 300 taskset -c "$LOAD_CORE" "$load" "$scenario" --target "$target" --round "$round" --addr "$to" \
        --pid "$pid" --jwt-secret-file "$dir/jwt-secret" --duration "${SECONDS_PER_RUN}s" "$@" >>"$results" || {
        failures=$((failures + 1))
        echo "bench: $scenario on $target failed; the server said:" >&2
        tail -n 20 "$dir/server.log" >&2
    }
}

# on TARGET SERVER_FLAGS -- SCENARIO ROUND [FLAGS…] runs one scenario on a fresh
# server with a fresh store.
on() {
    local target=$1 data flags=()
    shift
    while [[ $1 != -- ]]; do flags+=("$1"); shift; done
    shift
    local scenario=$1 round=$2
    shift 2
    runs=$((runs + 1))
    data=$dir/data.$runs
    mkdir -m 700 "$data"
    if [[ $target == bare && $scenario =~ ^(acked|wear)$ ]]; then flags=(--store "$data/log.db"); fi
    if [[ $target == bare && ! $scenario =~ ^(acked|wear)$ ]]; then flags=(); fi
    tls=0
    if [[ " $* " == *" --tls "* ]]; then tls=1; fi
    start_server "$target" "$data" "${flags[@]}"
    run "$scenario" "$target" "$round" "$@"
    stop_server
    rm -rf "$data"
}

# starts TARGET ROUND [--tls] measures starts on a store with some messages in it. The
# server is not pinned here: its process is the load generator's own child.
starts() {
    local target=$1 round=$2 data=$dir/data.start
    shift 2
    tls=0
    if [[ ${1:-} == --tls ]]; then tls=1; fi
    mkdir -m 700 "$data"
    if [[ $target == edgegw ]]; then
        start_server edgegw "$data"
        "$load" fill --target edgegw --addr "$addr" --jwt-secret-file "$dir/jwt-secret" --connections 1000 ||
            failures=$((failures + 1))
        stop_server
    fi
    server_command "$target" "$data"
    GOMAXPROCS=1 EDGEGW_ENV=development timeout 300 "$load" start --target "$target" --round "$round" \
        --addr "$addr" --connections "$STARTS" "$@" -- "${command[@]}" >>"$results" || failures=$((failures + 1))
    rm -rf "$data"
}

wanted() { [[ " $ROWS " == *" $1 "* ]]; }

# row ROUND TARGET runs all rows of a round on one server.
rows() {
    local r=$1 t=$2
    if wanted fanout-cpu; then
        on "$t" -- fanout-cpu "$r" --subscribers 100
        on "$t" -- fanout-cpu "$r" --subscribers 1000
    fi
    if wanted fanout-max; then
        on "$t" -- fanout-max "$r" --subscribers 100
        on "$t" -- fanout-max "$r" --subscribers 1000
    fi
    if wanted tls; then
        on "$t" -- fanout-cpu "$r" --subscribers 100 --tls
        on "$t" -- fanout-max "$r" --subscribers 100 --tls
        on "$t" -- fanout-max "$r" --subscribers 1000 --tls
        on "$t" -- idle-memory "$r" --connections 1000 --tls
        starts "$t" "$r" --tls
    fi
    if wanted latency; then on "$t" -- latency "$r" --warmup 3s; fi
    if wanted idle-memory; then on "$t" -- idle-memory "$r" --connections 5000; fi
    if wanted acked; then
        on "$t" --commit-window 0 -- acked "$r" --publishers 1 --window 64
        on "$t" --commit-window 0 -- acked "$r" --publishers 64 --window 1
    fi
    if wanted connects; then on "$t" -- connects "$r"; fi
    if wanted start; then starts "$t" "$r"; fi
    # The baseline has no history, no queue with a bound and no logins.
    if [[ $t == edgegw ]]; then
        if wanted resume; then on "$t" --commit-window 0 -- resume "$r"; fi
        if wanted storm; then on "$t" -- storm "$r"; fi
        if wanted slow; then on "$t" -- slow "$r" --duration "$((SECONDS_PER_RUN * 2))s"; fi
        if wanted login-flood; then
            on "$t" --argon2-memory-kib 19456 --argon2-time 2 --login-rate-per-ip 100000 --login-rate-per-account 1000 -- login-flood "$r"
        fi
    fi
    if [[ $r == 1 ]] && wanted wear; then
        on "$t" -- wear "$r" --duration "${WEAR_SECONDS}s"
    fi
}

echo "bench: load average before: $(cut -d' ' -f1-3 /proc/loadavg); other work on this machine spoils the figures" >&2
for ((round = 1; round <= ROUNDS; round++)); do
    for server in $SERVERS; do
        echo "bench: round $round of $ROUNDS, $server" >&2
        rows "$round" "$server"
    done
done

# The baseline's binary holds the load generator too, so its size is no figure.
if wanted binary && [[ -x $edgegw ]]; then
    GOOS=linux GOARCH=arm GOARM=6 scripts/build.sh "$dir/edgegw-armv6"
    size=$(stat -c %s "$dir/edgegw-armv6")
    printf '{"row":"binary","target":"edgegw","round":1,"figures":{"mb":%d.%06d}}\n' \
        $((size / 1000000)) $((size % 1000000)) >>"$results"
fi

"$load" report "$results"
if [[ $failures -gt 0 ]]; then
    fail "$failures runs failed; see above"
fi
