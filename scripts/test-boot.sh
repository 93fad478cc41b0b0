#!/usr/bin/env bash
# Boots a Debian in a container, with no network but its own loopback, and tries the
# installed package in it: start, what systemd does after a crash and after a hang,
# reload, upgrade, sockets that outlive a restart, stop, remove, purge.
#
#   scripts/test-boot.sh           (root: it makes a container)
set -euo pipefail
logs=${EDGEGW_TEST_LOGS:-}
unset EDGEGW_TEST_LOGS # the gateway knows no such option
cd "$(dirname "$0")/.."

scripts/ensure-tools.sh systemd-nspawn jq
work=$(mktemp -d)
root=$work/root
console=$work/console
export DIST=$work/dist
container=
trap cleanup EXIT
cleanup() {
    if [ -n "$container" ]; then
        kill -TERM "$container" 2>/dev/null || true
        for _ in $(seq 50); do
            kill -0 "$container" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL "$container" 2>/dev/null || true
        wait "$container" 2>/dev/null || true
    fi
    if [ -n "$logs" ] && [ -d "$root/var/log" ]; then
        journalctl --root="$root" -u edgegw -o cat 2>/dev/null | grep '^{' >"$logs/test-boot.log" || true
    fi
    rm -rf "$work"
}

failures=0
fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}
step() { echo "== $*"; }

# box COMMAND... runs in the container; the leader is its process 1.
box() { nsenter --target "$leader" --mount --uts --ipc --net --pid --cgroup --root -- env -C / "$@"; }
# box_says TEXT COMMAND...: its output has the text. Not in a pipe: grep ends early.
box_says() {
    local text=$1
    shift
    grep -qF -- "$text" <<<"$(box "$@")"
}
property() { box systemctl show --value -p "$1" edgegw.service; }
# until_ SECONDS COMMAND... waits until the command succeeds.
until_() {
    local end=$((SECONDS + $1))
    shift
    until "$@" 2>/dev/null; do
        if [ "$SECONDS" -ge "$end" ]; then return 1; fi
        sleep 0.1
    done
}
active() { [ "$(property ActiveState)" = active ] && [ "$(property SubState)" = running ]; }
pid_is_not() { active && [ "$(property MainPID)" != "$1" ]; }
get() { box python3 /root/get.py "$@"; }
# logged TEXT: the journal of the service has it.
logged() { box_says "$1" journalctl -u edgegw -o cat --no-pager; }

VERSION=v0.1.0 scripts/package.sh deb:amd64 >/dev/null
VERSION=v0.2.0 scripts/package.sh deb:amd64 >/dev/null
scripts/debian-root.sh "$root"
mv "$DIST"/*.deb "$root/root/"
# One request at a time, as often as possible, for some seconds: prints a line for
# each that got no answer.
cat >"$root/root/get.py" <<'END'
import socket, sys, time
path, seconds = sys.argv[1], float(sys.argv[2])
asked = worst = 0
end = time.monotonic() + seconds
while True:
    began = time.monotonic()
    try:
        with socket.create_connection(("127.0.0.1", 8080), 15) as s:
            s.sendall(b"GET " + path.encode() + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = b""
            while chunk := s.recv(65536):
                answer += chunk
        if not answer:
            print("closed without an answer")
    except OSError as e:
        answer = b""
        print(type(e).__name__)
    asked, worst = asked + 1, max(worst, time.monotonic() - began)
    if time.monotonic() >= end:
        break
    time.sleep(0.002)
if seconds:
    print(f"asked {asked} times, the longest took {worst * 1000:.0f} ms")
else:
    sys.stdout.write(answer.decode().partition("\r\n\r\n")[2])
END

step "boot"
systemd-nspawn --quiet --directory="$root" --boot --register=no --keep-unit --private-network --system-call-filter=adjtimex --machine="edgegw-$$" </dev/null >"$console" 2>&1 &
container=$!
# The leader is the container's first process.
find_leader() { leader=$(pgrep -P "$container" -o) && [ -n "$leader" ]; }
if ! until_ 20 find_leader || ! until_ 60 box systemctl is-active --quiet multi-user.target; then
    tail -n 30 "$console"
    echo "test-boot: the container does not boot here" >&2
    exit 1
fi
box ip link set lo up 2>/dev/null || true

step "install, with no network"
began=$(date +%s%N)
box env DEBIAN_FRONTEND=noninteractive dpkg -i /root/edgegw_0.1.0-1_amd64.deb >"$work/dpkg" 2>&1 || { cat "$work/dpkg" && fail "dpkg -i"; }
until_ 20 active || { box systemctl status --no-pager edgegw || true; fail "it does not run after the installation"; }
echo "figure: install to READY in a booted root: $((($(date +%s%N) - began) / 1000000)) ms"
[ "$(box systemctl is-enabled edgegw.service)" = enabled ] || fail "it is not enabled"
if [ "$(box systemctl is-enabled edgegw.socket || true)" = enabled ]; then fail "the socket is enabled"; fi
[ "$(box stat -c '%U %a' /var/lib/edgegw)" = 'edgegw 700' ] || fail "the data folder: $(box stat -c '%U %a' /var/lib/edgegw)"
box_says 'listening on 127.0.0.1:8080' systemctl show -p StatusText --value edgegw || fail "no status: $(property StatusText)"
echo "figure: systemd-analyze security of the running unit: $(box systemd-analyze security --no-pager edgegw.service | tail -n 1)"
# The filter of the unit (and that of the container, which is told to) lets the kernel be asked for the state of the clock.
clock() { jq -r .clock; }
inside=$(get /health 0 | clock)
"$root/usr/bin/edgegw" serve --data-dir "$work/data" --listen 127.0.0.1:18080 2>/dev/null &
outside_pid=$!
sleep 1
outside=$(curl -s http://127.0.0.1:18080/health | clock)
kill "$outside_pid" && wait "$outside_pid" || true
[ "$inside" = "$outside" ] || fail "the clock is $inside in the unit and $outside outside of it"

step "commands of root, while it runs"
echo 'canary-password-of-a-boot' | box edgegw user add owner --role admin >/dev/null || fail "edgegw user add"
box_says owner edgegw user list || fail "edgegw user list"
box edgegw backup /root/backup.edgegw >/dev/null || fail "edgegw backup"
box edgegw compact >/dev/null || fail "edgegw compact"
box edgegw check >/dev/null || fail "edgegw check"
[ -z "$(box find /var/lib/edgegw ! -user edgegw)" ] || fail "not the gateway's: $(box find /var/lib/edgegw ! -user edgegw)"

step "a credential, which is optional"
box test ! -e /run/credentials/edgegw.service/admin_password || fail "there is a credential that nobody gave"
box mkdir -p /etc/credstore
box sh -c 'echo canary-password-of-a-card >/etc/credstore/admin_password && chmod 600 /etc/credstore/admin_password'
box systemctl restart edgegw
box_says canary-password cat /run/credentials/edgegw.service/admin_password || fail "the credential does not reach the service"

step "reload"
box systemctl reload edgegw || fail "reload"
until_ 5 active || fail "after the reload it is $(property ActiveState)/$(property SubState)"

step "crash"
pid=$(property MainPID)
box sh -c "kill -KILL $pid"
until_ 20 pid_is_not "$pid" || fail "it was not started again after kill -9"
[ "$(property NRestarts)" = 1 ] || fail "$(property NRestarts) restarts after one crash"

step "hang"
box mkdir -p /run/systemd/system/edgegw.service.d
box sh -c 'printf "[Service]\nWatchdogSec=2s\nTimeoutAbortSec=1s\n" >/run/systemd/system/edgegw.service.d/test.conf'
box systemctl daemon-reload
box systemctl restart edgegw
pid=$(property MainPID)
sleep 5
[ "$(property MainPID)" = "$pid" ] || fail "a healthy gateway was taken for one that hangs"
box sh -c "kill -STOP $pid"
until_ 20 pid_is_not "$pid" || fail "it hangs, and nobody noticed"
logged 'Watchdog timeout' || fail "the journal does not know the watchdog"
box rm /run/systemd/system/edgegw.service.d/test.conf
box systemctl daemon-reload

step "a wrong configuration is said, and mended without a hand on the service"
box sh -c 'echo "lissten = 1" >>/etc/edgegw/edgegw.toml'
box systemctl restart edgegw 2>/dev/null || true
until_ 5 logged lissten || fail "the journal does not say what is wrong"
box sed -i /lissten/d /etc/edgegw/edgegw.toml
until_ 20 active || fail "it stays down after the configuration was mended"

step "restart without the socket"
get /livez 4 >"$work/plain" &
asking=$!
sleep 1
box systemctl restart edgegw
wait "$asking"
sed 's/^/    /' "$work/plain" | sort | uniq -c
grep -q ConnectionRefused "$work/plain" || echo "    (nobody was refused even so)"

step "restart with the socket"
box systemctl stop edgegw
box systemctl enable --now edgegw.socket 2>/dev/null || fail "the socket does not start"
box systemctl start edgegw || fail "it does not start with the socket"
get /livez 4 >"$work/socket" &
asking=$!
sleep 1
box systemctl restart edgegw
wait "$asking"
sed 's/^/    /' "$work/socket" | sort | uniq -c
if grep -q ConnectionRefused "$work/socket"; then fail "somebody was refused during a restart"; fi

step "a socket that no option asks for"
box mkdir -p /run/systemd/system/edgegw.socket.d
box sh -c 'printf "[Socket]\nListenStream=127.0.0.1:9999\n" >/run/systemd/system/edgegw.socket.d/test.conf'
box systemctl daemon-reload
box systemctl stop edgegw.service edgegw.socket
box systemctl start edgegw.socket
box systemctl start edgegw.service 2>/dev/null && fail "it starts with a socket that nobody answers on"
logged 'no option asks for' || fail "the journal does not name the socket"
box rm -r /run/systemd/system/edgegw.socket.d
box systemctl stop edgegw.service edgegw.socket
box systemctl disable edgegw.socket 2>/dev/null
box systemctl daemon-reload
box systemctl reset-failed

step "upgrade"
box systemctl start edgegw
pid=$(property MainPID)
box sh -c 'echo "site = \"kept\"" >>/etc/edgegw/edgegw.toml'
box env DEBIAN_FRONTEND=noninteractive dpkg -i /root/edgegw_0.2.0-1_amd64.deb >"$work/dpkg" 2>&1 || { cat "$work/dpkg" && fail "the upgrade"; }
until_ 20 pid_is_not "$pid" || fail "the upgrade did not restart the service"
[ "$(get /health 0 | jq -r .version)" = v0.2.0 ] || fail "after the upgrade $(get /health 0) runs"
box grep -q kept /etc/edgegw/edgegw.toml || fail "the upgrade took the configuration"
box_says owner edgegw user list || fail "the upgrade lost the accounts"

step "stop"
began=$(date +%s%N)
box systemctl stop edgegw || fail "stop"
echo "figure: systemctl stop took $((($(date +%s%N) - began) / 1000000)) ms"
[ "$(property Result)" = success ] || fail "it stopped with $(property Result)"
box systemctl start edgegw

step "remove and purge"
box env DEBIAN_FRONTEND=noninteractive dpkg -r edgegw >"$work/dpkg" 2>&1 || { cat "$work/dpkg" && fail "dpkg -r"; }
box test -e /var/lib/edgegw/identity.db || fail "removing took the data"
box test -e /etc/edgegw/edgegw.toml || fail "removing took the configuration"
box env DEBIAN_FRONTEND=noninteractive dpkg -P edgegw >"$work/dpkg" 2>&1 || { cat "$work/dpkg" && fail "dpkg -P"; }
for left in /var/lib/edgegw /etc/edgegw /usr/bin/edgegw /etc/systemd/system/multi-user.target.wants/edgegw.service; do
    if box test -e "$left" || box test -L "$left"; then fail "purging left $left"; fi
done

if [ "$failures" -ne 0 ]; then
    box journalctl -u edgegw --no-pager -o cat | tail -n 40 || true
    echo "test-boot: $failures failed"
    exit 1
fi
echo "test-boot: passed in $SECONDS s"
