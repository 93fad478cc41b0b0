#!/usr/bin/env bash
# Tries the packages where no systemd runs and there is no network, as in the image of
# a card: install, upgrade, remove, purge, and the tarball. lintian finds nothing wrong
# with them, and a second build gives the same files. What systemd makes of them is
# tried by scripts/test-boot.sh.
#
#   scripts/test-packages.sh       (root: it changes into another root)
set -euo pipefail
unset EDGEGW_TEST_LOGS # of other areas; the gateway knows no such option
cd "$(dirname "$0")/.."

scripts/ensure-tools.sh lintian man groff jq zsh fish
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
export DIST=$work/dist
failures=0
fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}
step() { echo "== $*"; }
# box COMMAND... runs in the other root, without a network.
box() { unshare --net --mount --pid --fork --kill-child chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"; }
quiet() { "$@" >"$work/out" 2>&1 || { cat "$work/out" && fail "$*"; }; }

step "build"
for version in v0.1.0 v0.2.0; do VERSION=$version scripts/package.sh deb:amd64 tar:amd64; done
VERSION=v0.2.0 scripts/package.sh deb:armv6 deb:arm64
files=(edgegw_0.2.0-1_armhf.deb edgegw_0.2.0-1_arm64.deb edgegw_0.2.0-1_amd64.deb edgegw-0.2.0-linux-amd64.tar.gz)

step "the same again"
(cd "$DIST" && sha256sum "${files[@]}") >"$work/sums"
VERSION=v0.2.0 scripts/package.sh deb:armv6 deb:arm64 deb:amd64 tar:amd64 >/dev/null
(cd "$DIST" && sha256sum --check --quiet "$work/sums") || fail "a second build gives other files"

step "lintian"
for deb in armhf arm64 amd64; do
    (cd "$DIST" && lintian --allow-root --fail-on error,warning "edgegw_0.2.0-1_$deb.deb") || fail "lintian has something against $deb"
    # What the boards run: nothing beyond ARMv6 in the package of the oldest one.
    dpkg-deb --extract "$DIST/edgegw_0.2.0-1_$deb.deb" "$work/$deb"
done
arch=$(go version -m "$work/armhf/usr/bin/edgegw" | awk '/GOARM=/ { print $2 }')
[ "$arch" = GOARM=6 ] || fail "the armhf package is built with ${arch:-another architecture}"
for name in bin/edgegw share/man/man1/edgegw-user.1.gz share/bash-completion/completions/edgegw share/doc/edgegw/third-party-notices.gz; do
    [ -s "$work/armhf/usr/$name" ] || fail "the package has no /usr/$name"
done
for module in bbolt gws golang-jwt; do
    zcat "$work/armhf/usr/share/doc/edgegw/third-party-notices.gz" >"$work/notices"
    grep -q "^======== .*$module" "$work/notices" || fail "the notices do not name $module"
done

step "completion in zsh and fish"
cat >"$work/complete.zsh" <<'END'
compdef() { :; }
_describe() { print -l -- "${(P@)2}"; }
_files() { print files; }
source "$1"
words=("$2" user a) CURRENT=3
_edgegw
END
for shell in zsh fish; do
    case $shell in
    zsh) said=$(zsh -f "$work/complete.zsh" "$work/amd64/usr/share/zsh/vendor-completions/_edgegw" "$work/amd64/usr/bin/edgegw") ;;
    fish)
        said=$(PATH=$work/amd64/usr/bin:$PATH HOME=$work fish --no-config --command \
            "source $work/amd64/usr/share/fish/vendor_completions.d/edgegw.fish; complete --do-complete 'edgegw user a'")
        ;;
    esac
    [[ $said == add[:$'\t']Make* && $said != *list* ]] || fail "$shell completes 'edgegw user a' by: $said"
done

step "the shipped configuration"
"$work/amd64/usr/bin/edgegw" config check --config packaging/edgegw.toml >/dev/null || fail "it is refused"
# Every option that it shows in a comment is one.
sed -E 's/^#([a-z_]+ = |\[\[|match|$)/\1/' packaging/edgegw.toml >"$work/shown.toml"
"$work/amd64/usr/bin/edgegw" config check --config "$work/shown.toml" >/dev/null || fail "what it shows in comments is refused"

step "install where no systemd runs"
scripts/debian-root.sh "$root"
for version in 0.1.0 0.2.0; do cp "$DIST/edgegw_$version-1_amd64.deb" "$root/root/"; done
quiet box dpkg -i /root/edgegw_0.1.0-1_amd64.deb
quiet box getent passwd edgegw
[ -L "$root/etc/systemd/system/multi-user.target.wants/edgegw.service" ] || fail "the service is not enabled for the first boot"
[ ! -L "$root/etc/systemd/system/sockets.target.wants/edgegw.socket" ] || fail "the socket is enabled"

step "upgrade: configuration, data and a disabled service stay as they are"
echo 'site = "kept"' >>"$root/etc/edgegw/edgegw.toml"
mkdir -p "$root/var/lib/edgegw" && echo precious >"$root/var/lib/edgegw/identity.db"
quiet box systemctl disable edgegw
quiet box dpkg -i /root/edgegw_0.2.0-1_amd64.deb
grep -q kept "$root/etc/edgegw/edgegw.toml" || fail "the upgrade took the configuration"
grep -q precious "$root/var/lib/edgegw/identity.db" || fail "the upgrade took the data"
[ ! -L "$root/etc/systemd/system/multi-user.target.wants/edgegw.service" ] || fail "the upgrade enabled a disabled service"
box edgegw version >"$work/version"
grep -q v0.2.0 "$work/version" || fail "after the upgrade: $(cat "$work/version")"

step "downgrade"
quiet box dpkg -i /root/edgegw_0.1.0-1_amd64.deb
grep -q kept "$root/etc/edgegw/edgegw.toml" || fail "the downgrade took the configuration"

step "remove and purge"
quiet box dpkg -r edgegw
[ ! -e "$root/usr/bin/edgegw" ] || fail "removing left the program"
grep -q precious "$root/var/lib/edgegw/identity.db" || fail "removing took the data"
grep -q kept "$root/etc/edgegw/edgegw.toml" || fail "removing took the configuration"
quiet box dpkg -P edgegw
[ ! -e "$root/var/lib/edgegw" ] || fail "purging left the data"
[ ! -e "$root/etc/edgegw" ] || fail "purging left the configuration"

step "tarball"
tar -C "$work" -xf "$DIST"/edgegw-0.2.0-linux-amd64.tar.gz
tree=$work/edgegw-0.2.0-linux-amd64
quiet env DESTDIR="$root" "$tree/install.sh"
quiet box edgegw config check --config /etc/edgegw/edgegw.toml
[ -L "$root/etc/systemd/system/multi-user.target.wants/edgegw.service" ] || fail "the service of the tarball is not enabled"
echo 'site = "kept"' >>"$root/etc/edgegw/edgegw.toml"
quiet env DESTDIR="$root" "$tree/install.sh"
grep -q kept "$root/etc/edgegw/edgegw.toml" || fail "installing again took the configuration"
mkdir -p "$root/var/lib/edgegw" && echo precious >"$root/var/lib/edgegw/identity.db"
quiet env DESTDIR="$root" "$tree/install.sh" --remove
[ ! -e "$root/usr/bin/edgegw" ] && [ -e "$root/etc/edgegw" ] && [ -e "$root/var/lib/edgegw/identity.db" ] || fail "--remove took too much or too little"
quiet env DESTDIR="$root" "$tree/install.sh" --purge
[ ! -e "$root/etc/edgegw" ] && [ ! -e "$root/var/lib/edgegw" ] || fail "--purge left something"

if [ "$failures" -ne 0 ]; then
    echo "test-packages: $failures failed"
    exit 1
fi
echo "test-packages: passed in $SECONDS s"
