#!/usr/bin/env bash
# Writes the software bill of materials of the gateway (CycloneDX, JSON): the modules
# that the armv6 binary says are linked into it; the other boards have the same.
#
#   scripts/sbom.sh TOOLS-FOLDER [OUTPUT]     (dist/edgegw.cdx.json)
set -euo pipefail
cd "$(dirname "$0")/.."

tools=$PWD/${1:?usage: scripts/sbom.sh TOOLS-FOLDER [OUTPUT]}
out=${2:-dist/edgegw.cdx.json}
mkdir -p "$tools" "$(dirname "$out")"
CGO_ENABLED=0 go -C tools build -o "$tools/" github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod
scripts/cross-build.sh armv6
# Without a serial number, so that the same binary gives the same file but for its
# time.
"$tools/cyclonedx-gomod" bin -json -licenses -std -noserial -version "${VERSION:-devel}" -output "$out" dist/edgegw-linux-armv6
# What is linked has to be in it, by go's own word; what stands in for a module is ours.
missing=0
for module in $(GOOS=linux GOARCH=arm go list -deps -tags nethttpomithttp2 -f '{{with .Module}}{{if not (or .Main .Replace)}}{{.Path}}{{end}}{{end}}' ./cmd/edgegw | sort -u); do
    if ! grep -qF "\"name\": \"$module\"" "$out"; then
        echo "sbom: $out lacks $module" >&2
        missing=1
    fi
done
if [ "$missing" -ne 0 ]; then
    exit 1
fi
echo "$out: $(grep -c '"purl"' "$out") components"
