#!/usr/bin/env bash
# Sees the checks of these scripts fail: each bad input has to be refused, with
# the message that helps.
#
#   scripts/selftest.sh
set -euo pipefail
cd "$(dirname "$0")/.."

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failures=0

# expect CODE TEXT COMMAND... wants the exit code, and TEXT in the output.
expect() {
    local code=$1 text=$2 got=0
    shift 2
    "$@" >"$dir/out" 2>&1 || got=$?
    if [ "$got" -ne "$code" ] || ! grep -qF -- "$text" "$dir/out"; then
        echo "selftest: $* gave $got, not $code, or does not say: $text"
        sed 's/^/    /' "$dir/out"
        failures=$((failures + 1))
    fi
}

# log LINE starts a fresh folder of gateway logs with one harmless line and LINE.
log() {
    rm -rf "$dir/logs"
    mkdir -p "$dir/logs/below"
    printf '%s\n' '{"time":"t","level":"INFO","msg":"ready"}' "$1" >"$dir/logs/below/gateway.log"
}

canaries=scripts/check-canaries.sh
jwt=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJlLW9mLXRoaXM
log '{"level":"INFO","msg":"bye"}'
expect 0 'hold no secret' $canaries "$dir/logs"
log 'level=WARN msg="login failed" password=canary-password-kitchen'
expect 1 'canary-[a-z]+-' $canaries "$dir/logs"
expect 1 'gateway.log:2' $canaries "$dir/logs"
if grep -q kitchen "$dir/out"; then
    echo "selftest: the search for secrets prints what it found"
    failures=$((failures + 1))
fi
log "level=INFO token=$jwt"
expect 1 'eyJ' $canaries "$dir/logs"
# shellcheck disable=SC2016 # a hash is full of dollars
log 'level=INFO hash=$argon2id$v=19$m=8192,t=1,p=1$c2FsdA$aGFzaA'
expect 1 'argon2' $canaries "$dir/logs"
log '-----BEGIN EC PRIVATE KEY-----'
expect 1 'PRIVATE KEY' $canaries "$dir/logs"
log "$(printf 'binary \001\377 %s' "$jwt")"
expect 1 'eyJ' $canaries "$dir/logs"
log 'level=INFO msg=fine'
echo "got $jwt" >"$dir/area.out"
expect 1 'area.out' $canaries "$dir/logs" "$dir/area.out"
rm "$dir/logs/below/gateway.log"
expect 1 'no gateway log line' $canaries "$dir/logs"
echo 'not a log' >"$dir/logs/gateway.log"
expect 1 'no gateway log line' $canaries "$dir/logs"
expect 1 'no gateway log line' $canaries "$dir/nowhere"

expect 2 'no package is known for frobnicate' scripts/ensure-tools.sh frobnicate
scripts/ensure-tools.sh bash
# A machine without root, sudo and the tool. Nothing but the shell is found there.
mkdir "$dir/bin"
for tool in bash id; do ln -s "$(command -v $tool)" "$dir/bin/$tool"; done
expect 1 'chromium is missing and cannot be installed from here' env PATH="$dir/bin" bash scripts/ensure-tools.sh bash chromium
expect 1 'go is missing' env PATH="$dir/bin" bash scripts/ensure-tools.sh go

# Two areas of a fresh machine install something at the same time; an apt-get that
# finds another one at work gives up, as the real one does.
mkdir "$dir/fresh"
for tool in bash env flock mkdir mktemp rm rmdir sleep tail; do ln -s "$(command -v $tool)" "$dir/fresh/$tool"; done
printf '#!/bin/bash\necho 0\n' >"$dir/fresh/id"
cat >"$dir/fresh/apt-get" <<'END'
#!/bin/bash
here=${0%/*}
mkdir "$here/held" || exit 100
sleep 0.2
rmdir "$here/held"
case "$*" in
*install*) printf '#!/bin/bash\n' >"$here/${!#}" && chmod +x "$here/${!#}" ;;
esac
END
ln -s "$(command -v chmod)" "$dir/fresh/chmod"
chmod +x "$dir/fresh/id" "$dir/fresh/apt-get"
PATH="$dir/fresh" bash scripts/ensure-tools.sh strace >"$dir/strace.out" 2>&1 &
expect 0 'installing shellcheck' env PATH="$dir/fresh" bash scripts/ensure-tools.sh shellcheck
if ! wait $!; then
    echo "selftest: two installations at the same time get in each other's way"
    cat "$dir/strace.out"
    failures=$((failures + 1))
fi

expect 2 'it has to be a number from 1 to 65535' env PORT=http DATA_DIR="$dir/data" scripts/run.sh
expect 2 'it has to be a number from 1 to 65535' env PORT=65536 DATA_DIR="$dir/data" scripts/run.sh
if [ -e "$dir/data" ]; then
    echo "selftest: run.sh made its data folder before it looked at PORT"
    failures=$((failures + 1))
fi

expect 2 'mips is not one of' scripts/cross-build.sh mips
expect 2 'mips is not one of' env DIST="$dir/dist" scripts/package.sh tar:mips
expect 2 'is no version' env DIST="$dir/dist" VERSION=new scripts/package.sh
expect 2 'neither deb:BOARD nor tar:BOARD' env DIST="$dir/dist" VERSION=v1.0.0 scripts/package.sh rpm:amd64
expect 2 'mips is none of arm, arm-gateway and 386' scripts/test-32bit.sh mips
expect 2 'mips is not one of' scripts/test-boards.sh mips
expect 2 'VERSION has to be like v1.2.3' env VERSION=1.2 scripts/release.sh .cache/tools

# A repository with a secret in a file, and one that had it once.
mkdir -p "$dir/leaky/scripts"
cp scripts/secret-scan.sh "$dir/leaky/scripts/"
commit() {
    git -C "$dir/leaky" add -A
    git -C "$dir/leaky" -c user.name=test -c user.email=test@example.com commit -q -m "$1"
}
git -C "$dir/leaky" init -q
commit one
expect 0 'no secret in 1 files and 1 commits' "$dir/leaky/scripts/secret-scan.sh"
printf 'key = "AK%s"\n' IAABCDEFGHIJKLMNOP >"$dir/leaky/settings"
commit two
expect 1 'settings:1' "$dir/leaky/scripts/secret-scan.sh" --tree
rm "$dir/leaky/settings"
commit three
expect 0 'no secret' "$dir/leaky/scripts/secret-scan.sh" --tree
expect 1 'b/settings' "$dir/leaky/scripts/secret-scan.sh"

expect 1 'no fuzz target' scripts/fuzz.sh 1s ./internal/archtest
# A go whose first FLAKES runs of a target give up at the end of the time and find
# nothing, and that has found SAID otherwise.
mkdir "$dir/stub"
cat >"$dir/stub/go" <<EOF
#!/usr/bin/env bash
if [ "\$1" != test ]; then exec $(command -v go) "\$@"; fi
echo x >>"$dir/runs"
if [ -n "\${SAID:-}" ]; then printf '%s\n' '--- FAIL: FuzzScrub (1s)' "\$SAID" FAIL; exit 1; fi
if [ "\$(wc -l <"$dir/runs")" -gt "\$FLAKES" ]; then echo PASS; exit; fi
printf '%s\n' 'fuzz: elapsed: 1s, execs: 9 (9/sec)' '--- FAIL: FuzzScrub (1.15s)' '    context deadline exceeded' FAIL 'exit status 1'
exit 1
EOF
chmod +x "$dir/stub/go"
fuzzed() { rm -f "$dir/runs" && PATH="$dir/stub:$PATH" scripts/fuzz.sh 1s ./internal/telemetry; }
FLAKES=1 expect 0 'targets, 1s each' fuzzed
FLAKES=9 expect 1 'context deadline exceeded' fuzzed
FLAKES=0 SAID='    Failing input written to testdata/fuzz' expect 1 'Failing input' fuzzed
if [ "$(wc -l <"$dir/runs")" -ne 1 ]; then
    echo "selftest: a failing input was tried again"
    failures=$((failures + 1))
fi

if [ "$failures" -ne 0 ]; then
    echo "selftest: $failures failed"
    exit 1
fi
echo "selftest: every bad input was refused"
