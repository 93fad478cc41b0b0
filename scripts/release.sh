#!/usr/bin/env bash
# Makes everything that a release consists of in dist/: the binaries of all boards,
# the bill of materials, and the checksums of it all.
#
#   VERSION=v1.2.3 scripts/release.sh TOOLS-FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."

if ! [[ ${VERSION:-} =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$ ]]; then
    echo "release: VERSION has to be like v1.2.3, and is '${VERSION:-}'" >&2
    exit 2
fi
rm -rf dist
scripts/cross-build.sh
scripts/sbom.sh "${1:?usage: VERSION=v1.2.3 scripts/release.sh TOOLS-FOLDER}"
(cd dist && sha256sum edgegw-linux-* edgegw.cdx.json >SHA256SUMS && cat SHA256SUMS)
if [ "$(dist/edgegw-linux-amd64 version | grep -cF "${VERSION#v}")" -eq 0 ]; then
    echo "release: the binary does not say that it is $VERSION" >&2
    exit 1
fi
