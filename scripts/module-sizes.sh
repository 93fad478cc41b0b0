#!/usr/bin/env bash
# Prints what each third-party module that is linked into the gateway costs on
# armv6: the size of a small stripped program that uses the module as the gateway
# does, less that of the same program without it. Both import net/http, log/slog
# and encoding/json, which the gateway links anyway.
#
#   scripts/module-sizes.sh
set -euo pipefail
cd "$(dirname "$0")/.."

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# build NAME IMPORTS BODY prints the size of the program in bytes. The program is
# laid over the module, so that go.mod's versions hold and no file is left behind.
build() {
    local name=$1 imports=$2 body=$3
    cat >"$dir/$name.go" <<END
package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
$imports
)

func main() {
	slog.New(slog.NewJSONHandler(os.Stderr, nil)).Info("start")
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { _ = json.NewEncoder(w).Encode(r.Header) })
	s := &http.Server{Addr: ":0", Handler: mux}
	$body
	_ = s.Shutdown(context.Background())
	_ = s.ListenAndServe()
}
END
    printf '{"Replace":{"%s/cmd/size-%s/main.go":"%s/%s.go"}}' "$PWD" "$name" "$dir" "$name" >"$dir/overlay.json"
    CGO_ENABLED=0 GOARCH=arm GOARM=6 go build -overlay "$dir/overlay.json" -trimpath -ldflags '-s -w' -o "$dir/$name" "./cmd/size-$name"
    stat -c %s "$dir/$name"
}

base=$(build base '' '')
printf '%-40s %8s\n' module KB
row() {
    local module=$1 size
    size=$(build "$2" "$3" "$4")
    printf '%-40s %8d\n' "$module" $(((size - base + 500) / 1000))
}
row github.com/lxzan/gws gws '"github.com/lxzan/gws"' \
    'u := gws.NewUpgrader(&gws.BuiltinEventHandler{}, nil); mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) { if c, err := u.Upgrade(w, r); err == nil { c.ReadLoop() } })'
row go.etcd.io/bbolt bbolt '"go.etcd.io/bbolt"' \
    'if db, err := bbolt.Open("x", 0o600, nil); err == nil { _ = db.Update(func(tx *bbolt.Tx) error { b, _ := tx.CreateBucketIfNotExists([]byte("a")); return b.Put([]byte("k"), nil) }); for range db.Stats().TxN { } }'
row golang.org/x/crypto argon2 '"golang.org/x/crypto/argon2"' \
    '_, _ = os.Stdout.Write(argon2.IDKey([]byte("p"), []byte("s"), 1, 8192, 1, 32))'
row golang.org/x/text norm '"golang.org/x/text/unicode/norm"' \
    '_, _ = os.Stdout.WriteString(norm.NFKC.String(os.Args[0]))'
row github.com/golang-jwt/jwt/v5 jwt '"github.com/golang-jwt/jwt/v5"' \
    't, err := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"})).ParseWithClaims(os.Args[0], &jwt.RegisteredClaims{}, func(*jwt.Token) (any, error) { return []byte("k"), nil }); if err == nil { _, _ = t.SignedString([]byte("k")) }'
row github.com/VictoriaMetrics/metrics metrics '"github.com/VictoriaMetrics/metrics"' \
    'set := metrics.NewSet(); set.NewCounter("a").Inc(); set.NewPrometheusHistogram("h").Update(1); set.WritePrometheus(os.Stdout); metrics.WriteProcessMetrics(os.Stdout)'
row github.com/BurntSushi/toml toml '"github.com/BurntSushi/toml"' \
    'var m map[string]any; meta, err := toml.DecodeFile("x", &m); if err == nil { _, _ = os.Stdout.WriteString(meta.Undecoded()[0].String()) }'
row github.com/spf13/pflag pflag '"github.com/spf13/pflag"' \
    'f := pflag.NewFlagSet("x", pflag.ContinueOnError); f.String("a", "", ""); _ = f.Parse(os.Args); _, _ = os.Stdout.WriteString(f.FlagUsages())'
row github.com/coreos/go-systemd/v22 systemd '"github.com/coreos/go-systemd/v22/activation"; "github.com/coreos/go-systemd/v22/daemon"' \
    '_, _ = daemon.SdNotify(false, daemon.SdNotifyReady); _, _ = daemon.SdWatchdogEnabled(false); _ = activation.Files(true)'
row golang.org/x/time rate '"golang.org/x/time/rate"' \
    'if !rate.NewLimiter(1, 1).Allow() { return }'
row rsc.io/qr qr '"rsc.io/qr"' \
    'if c, err := qr.Encode(os.Args[0], qr.L); err == nil && c.Black(1, 1) { return }'
row golang.org/x/term term '"golang.org/x/term"' \
    '_, _ = term.ReadPassword(0)'
row golang.org/x/sys unix '"golang.org/x/sys/unix"' \
    'var tx unix.Timex; _, _ = unix.Adjtimex(&tx); var ts unix.Timespec; _ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts)'
printf '%-40s %8d\n' '(the program without any of them)' $(((base + 500) / 1000))
