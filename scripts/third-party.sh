#!/usr/bin/env bash
# Makes third_party/metrics anew: the files of github.com/VictoriaMetrics/metrics
# that the gateway uses, as released, with third_party/metrics.patch applied.
#
#   scripts/third-party.sh           writes them
#   scripts/third-party.sh --check   compares, and fails when they differ
set -euo pipefail
cd "$(dirname "$0")/.."
module=github.com/VictoriaMetrics/metrics
files=(LICENSE counter.go floatcounter.go gauge.go go_metrics.go histogram.go metrics.go process_metrics_linux.go
    prometheus_histogram.go push.go set.go summary.go validator.go)

version=$(go list -m -f '{{.Version}}' "$module")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Outside of this module, where nothing replaces it.
origin=$(cd "$work" && go mod download -json "$module@$version" | sed -n 's/^\t"Dir": "\(.*\)",\{0,1\}$/\1/p')
mkdir "$work/metrics"
for file in "${files[@]}"; do
    install -m 644 "$origin/$file" "$work/metrics/$file"
done
sed -e /^toolchain/,+1d -e /golang.org.x.sys/d "$origin/go.mod" >"$work/metrics/go.mod"
patch --quiet --directory "$work/metrics" -p1 <third_party/metrics.patch
gofmt -w "$work/metrics"
if [ "${1:-}" = --check ]; then
    if ! diff -r "$work/metrics" third_party/metrics; then
        echo "third-party: third_party/metrics is not $module $version with third_party/metrics.patch; run scripts/third-party.sh" >&2
        exit 1
    fi
    exit 0
fi
rm -rf third_party/metrics
cp -r "$work/metrics" third_party/metrics
