#!/usr/bin/env bash
# Makes the Debian packages and the tarballs for everything else, into DIST (dist).
#
#   VERSION=v1.2.3 scripts/package.sh [deb|tar]:[armv6|armv7|arm64|amd64|386]...
#
# Without arguments: packages for armhf (armv6, which every Raspberry Pi runs), arm64
# and amd64, and a tarball for each board. MAINTAINER is who answers for the packages.
# The same commit gives the same files.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# -eq 0 ]; then
    set -- deb:armv6 deb:arm64 deb:amd64 tar:armv6 tar:armv7 tar:arm64 tar:amd64 tar:386
fi

# Of the last commit, so that nothing depends on when and where this runs.
epoch=$(git log -1 --format=%ct 2>/dev/null || echo 1767225600)
if [ -z "${VERSION:-}" ]; then
    VERSION=v0.0.0~$(date -u -d "@$epoch" +%Y%m%d%H%M)
fi
export VERSION
DEB_VERSION=${VERSION#v}
# A pre-release comes before its release: 1.0.0-rc.1 is 1.0.0~rc.1 for dpkg.
DEB_VERSION=${DEB_VERSION/-/\~}
if ! [[ $DEB_VERSION =~ ^[0-9][0-9A-Za-z.+~]*$ ]]; then
    echo "package: VERSION=$VERSION is no version; give one such as v1.2.3 or v1.2.3-rc.1" >&2
    exit 2
fi
MTIME=$(date -u -d "@$epoch" +%Y-%m-%dT%H:%M:%SZ)
: "${MAINTAINER:=edgegw maintainers <maintainers@edgegw.invalid>}"

dist=${DIST:-dist}
tools=$PWD/.cache/tools
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$tools" "$dist" "$work/man"
CGO_ENABLED=0 go -C tools/nfpm build -o "$tools/" github.com/goreleaser/nfpm/v2/cmd/nfpm

# build TARGET builds the program and prints where it is.
build() {
    local arch=$1 arm=
    case $1 in
    armv6) arch=arm arm=6 ;;
    armv7) arch=arm arm=7 ;;
    arm64 | amd64 | 386) ;;
    *)
        echo "package: $1 is not one of armv6 armv7 arm64 amd64 386" >&2
        exit 2
        ;;
    esac
    if [ ! -e "$work/edgegw-$1" ]; then
        GOOS=linux GOARCH=$arch GOARM=$arm scripts/build.sh "$work/edgegw-$1"
    fi
}

# notices prints the licence of everything that is linked into the program: most of
# them ask to be passed on with it.
notices() {
    local go_root module version dir name
    go_root=$(go env GOROOT)
    printf 'edgegw is linked with the following. The licence of edgegw itself: Apache-2.0.\n'
    printf '\n======== the Go standard library (%s)\n\n' "$(go env GOVERSION)"
    cat "$go_root/LICENSE"
    go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' ./cmd/edgegw | sort -u |
        while read -r module version dir; do
            printf '\n======== %s %s\n' "$module" "$version"
            for name in LICENSE LICENSE.txt LICENSE.md COPYING NOTICE; do
                if [ -e "$dir/$name" ]; then
                    printf '\n'
                    cat "$dir/$name"
                fi
            done
        done
}

# pack FILE compresses it, the same way each time.
pack() { gzip -9n "$1"; }

# stage TARGET fills a tree as it is on the board, and prints its path.
stage() {
    local tree=$work/tree-$1 doc
    doc=$tree/usr/share/doc/edgegw
    mkdir -p "$tree"/usr/{bin,lib/systemd/system,lib/sysusers.d} "$tree"/usr/share/{man/man1,man/man5,lintian/overrides} \
        "$tree"/usr/share/{bash-completion/completions,zsh/vendor-completions,fish/vendor_completions.d} "$doc"
    install -m 755 "$work/edgegw-$1" "$tree/usr/bin/edgegw"
    install -m 644 systemd/edgegw.service systemd/edgegw.socket "$tree/usr/lib/systemd/system/"
    install -m 644 packaging/sysusers.conf "$tree/usr/lib/sysusers.d/edgegw.conf"
    install -m 644 packaging/lintian-overrides "$tree/usr/share/lintian/overrides/edgegw"
    install -m 644 "$work"/man/*.1 "$tree/usr/share/man/man1/"
    install -m 644 "$work"/man/*.5 "$tree/usr/share/man/man5/"
    install -m 644 "$work/completions/bash" "$tree/usr/share/bash-completion/completions/edgegw"
    install -m 644 "$work/completions/zsh" "$tree/usr/share/zsh/vendor-completions/_edgegw"
    install -m 644 "$work/completions/fish" "$tree/usr/share/fish/vendor_completions.d/edgegw.fish"
    install -m 644 packaging/copyright "$doc/copyright"
    install -m 644 docs/edgegw.reference.toml "$doc/edgegw.reference.toml"
    install -m 644 docs/OPERATIONS.md "$doc/OPERATIONS.md"
    install -m 644 CHANGELOG.md "$doc/changelog"
    install -m 644 "$work/notices" "$doc/third-party-notices"
    printf 'edgegw (%s-1) stable; urgency=medium\n\n  * What is new stands in changelog.gz.\n\n -- %s  %s\n' \
        "$DEB_VERSION" "$MAINTAINER" "$(LC_ALL=C date -u -R -d "@$epoch")" >"$doc/changelog.Debian"
    local file
    for file in "$tree"/usr/share/man/man?/* "$doc/changelog" "$doc/changelog.Debian" "$doc/third-party-notices" "$doc/OPERATIONS.md"; do
        pack "$file"
    done
    find "$tree" -exec touch -h -d "@$epoch" {} +
}

make_deb() {
    local deb_arch=$1
    if [ "$1" = armv6 ]; then deb_arch=armhf; fi
    local out=$dist/edgegw_$DEB_VERSION-1_$deb_arch.deb
    # nfpm itself replaces variables in some places only.
    sed -e "s#\${ARCH}#$deb_arch#; s#\${STAGE}#$work/tree-$1#; s#\${DEB_VERSION}#$DEB_VERSION#; s#\${MTIME}#$MTIME#; s#\${MAINTAINER}#$MAINTAINER#" \
        packaging/nfpm.yaml >"$work/nfpm.yaml"
    SOURCE_DATE_EPOCH=$epoch "$tools/nfpm" package --config "$work/nfpm.yaml" --packager deb --target "$out" >"$work/nfpm.log" ||
        { cat "$work/nfpm.log" >&2 && exit 1; }
    echo "$out $(stat -c %s "$out") bytes"
}

make_tar() {
    local name=edgegw-$DEB_VERSION-linux-$1
    local out=$dist/$name.tar.gz top=$work/$name
    rm -rf "$top"
    cp -a "$work/tree-$1" "$top"
    rm -r "$top/usr/share/lintian"
    mkdir -p "$top/etc/edgegw"
    install -m 644 packaging/edgegw.toml "$top/etc/edgegw/edgegw.toml"
    install -m 755 packaging/install.sh "$top/install.sh"
    find "$top" -exec touch -h -d "@$epoch" {} +
    tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --format=gnu -cf - "$name" | gzip -9n >"$out"
    echo "$out $(stat -c %s "$out") bytes"
}

# The manual and the completions come from the commands, by the machine at hand.
env -u GOOS -u GOARCH EDGEGW_MANUAL="$work/man" go test -run '^TestManual$' -count=1 ./cmd/edgegw >"$work/man.log" ||
    { cat "$work/man.log" >&2 && exit 1; }
mkdir "$work/completions"
env -u GOOS -u GOARCH scripts/build.sh "$work/here"
for shell in bash zsh fish; do
    "$work/here" completion "$shell" >"$work/completions/$shell"
done
notices >"$work/notices"

for wanted in "$@"; do
    target=${wanted#*:}
    build "$target"
    if [ ! -d "$work/tree-$target" ]; then
        stage "$target"
    fi
    case $wanted in
    deb:*) make_deb "$target" ;;
    tar:*) make_tar "$target" ;;
    *)
        echo "package: $wanted is neither deb:BOARD nor tar:BOARD" >&2
        exit 2
        ;;
    esac
done
