#!/usr/bin/env bash
# Builds edgegw the way it is shipped and measured. GOOS, GOARCH and GOARM are
# taken from the environment.
#
#   VERSION=v1.2.3 scripts/build.sh OUTPUT
#
# nethttpomithttp2 leaves HTTP/2 out of net/http: half a megabyte on armv6, for a
# protocol that carries no WebSocket and that a stranger can make expensive.
#
# adaptivestackstart=0: since Go 1.19 a new goroutine's stack begins at the
# average size of the others'. The HTTP server's few large ones then double the
# stack of every idle connection, 2 KiB each. The setting is known to the runtime
# only, so that no //go:debug line can make it.
#
# cold: packages whose functions are not inlined, 0.8 MB on armv6. None of them
# runs when a message travels over a WebSocket (of net, what a slow reader's
# writer calls; of crypto/tls, over TLS, a few calls for each record, which the
# rows of `make bench` over TLS were measured with).
#
# On 32-bit ARM, where the budget is, everything is built so, but for hot: the
# innermost of what runs for each message or byte. More does not fit. What that
# costs a board was not measured, but for P-256: it signs in one and a half of its
# time under qemu.
#
# -R on 32-bit ARM: where the parts of the file begin. Go takes 64 KiB there; no
# kernel that runs such a program has pages of more than 16.
set -euo pipefail
cd "$(dirname "$0")/.."
cold=(archive/tar compress/... crypto/ecdsa crypto/rsa crypto/tls crypto/x509 encoding/asn1 encoding/csv encoding/json flag
    edgegw/internal/doctor edgegw/internal/reach
    log/slog math/big mime/... net/url os/user regexp/... text/template/... vendor/... github.com/BurntSushi/...
    github.com/spf13/... edgegw/cmd/... edgegw/internal/adminsock edgegw/internal/app
    edgegw/internal/backup edgegw/internal/config edgegw/internal/localca edgegw/internal/webhook fmt os io/fs path/filepath golang.org/x/text/...
    edgegw/internal/accounts edgegw/internal/httpapi edgegw/internal/password reflect net crypto/hpke crypto/internal/fips140/ecdsa
    crypto/internal/fips140/edwards25519/... crypto/internal/fips140/mlkem crypto/internal/fips140/rsa)
hot=(internal/runtime/... internal/bytealg sync/... internal/sync edgegw/internal/wire edgegw/internal/wsedge github.com/lxzan/gws/...
    crypto/internal/fips140/aes/... vendor/golang.org/x/crypto/...)
arch=${GOARCH:-$(go env GOARCH)}
gcflags=()
if [[ $arch == arm ]]; then
    gcflags+=(-gcflags=all=-l)
    for package in "${hot[@]}"; do
        gcflags+=("-gcflags=$package=") # the last one that matches holds
    done
else
    for package in "${cold[@]}"; do
        gcflags+=("-gcflags=$package=-l")
    done
fi
ldflags="-s -w -X runtime.godebugDefault=adaptivestackstart=0${VERSION:+ -X edgegw/internal/buildinfo.version=$VERSION}"
if [[ $arch == arm ]]; then
    ldflags+=" -R 0x4000"
fi
CGO_ENABLED=0 go build -trimpath -tags nethttpomithttp2 -ldflags "$ldflags" "${gcflags[@]}" -o "$1" ./cmd/edgegw
