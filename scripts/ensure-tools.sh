#!/usr/bin/env bash
# Makes sure that the named tools are there, and installs the Debian packages of
# those that are not. Without the right to install it names what is missing and
# fails: no test is ever left out because a tool is not there.
#
#   scripts/ensure-tools.sh TOOL...
set -euo pipefail
cd "${0%/*}/.."

package_of() {
    case $1 in
    gcc) echo gcc libc6-dev ;;
    mbedtls) echo libmbedtls-dev ;;
    picolibc-riscv64) echo picolibc-riscv64-unknown-elf ;;
    riscv64-unknown-elf-gcc) echo gcc-riscv64-unknown-elf ;;
    promtool) echo prometheus ;;
    vmagent | vmalert) echo victoria-metrics ;;
    fail2ban-regex) echo fail2ban ;;
    qemu-arm-static | qemu-aarch64-static | qemu-i386-static) echo qemu-user-static ;;
    mkfs.ext4) echo e2fsprogs ;;
    mkfs.xfs) echo xfsprogs ;;
    cargo | debian-cargo) echo cargo rustc ;;
    cargo-fmt) echo rustfmt ;;
    cargo-clippy) echo rust-clippy ;;
    arm-linux-gnueabihf-gcc) echo gcc-arm-linux-gnueabihf libc6-dev-armhf-cross ;;
    aarch64-linux-gnu-gcc) echo gcc-aarch64-linux-gnu libc6-dev-arm64-cross ;;
    arm-none-eabi-gcc) echo gcc-arm-none-eabi ;;
    xtensa-lx106-elf-gcc) echo gcc-xtensa-lx106 ;;
    cmocka) echo libcmocka-dev ;;
    libfuzzer) echo libclang-rt-14-dev ;;
    setpriv | nsenter) echo util-linux ;;
    man) echo man-db ;;
    systemd-nspawn) echo systemd-container ;;
    systemd-analyze | systemd-socket-activate) echo systemd ;;
    node) echo nodejs ;;
    python3 | python3-venv) echo python3 python3-venv ;;
    python3-yaml) echo python3-yaml ;;
    chromium | clang | cmake | faketime | g++ | npm | zsh | fish | strace | mmdebstrap | lintian | groff | shellcheck | make | jq | curl | openssl | git | victoria-metrics) echo "$1" ;;
    *) return 1 ;;
    esac
}

# have TOOL: most are commands; some are libraries, Debian keeps a part of Python apart, and
# debian-cargo is its own Rust, whatever another one there is on the PATH.
have() {
    case $1 in
    debian-cargo) [ -x /usr/bin/cargo ] && [ -x /usr/bin/rustc ] ;;
    cmocka) [ -e /usr/include/cmocka.h ] ;;
    libfuzzer) compgen -G '/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a' >/dev/null ;;
    mbedtls) echo '#include <mbedtls/ssl.h>' | cc -E - >/dev/null 2>&1 ;;
    picolibc-riscv64) test -e /usr/lib/picolibc/riscv64-unknown-elf/picolibc.specs || test -e /usr/lib/gcc/riscv64-unknown-elf/*/picolibc.specs ;;
    python3-yaml) python3 -c 'import yaml' 2>/dev/null ;;
    python3-venv) python3 -c 'import venv, ensurepip' 2>/dev/null ;;
    *) command -v "$1" >/dev/null ;;
    esac
}

if [ $# -eq 0 ]; then
    echo "usage: scripts/ensure-tools.sh TOOL..." >&2
    exit 2
fi

missing=() packages=()
for tool in "$@"; do
    if have "$tool"; then
        continue
    fi
    if [ "$tool" = go ]; then
        echo "ensure-tools: go is missing; install the version that go.mod names and put it on the PATH" >&2
        exit 1
    fi
    if ! package=$(package_of "$tool"); then
        echo "ensure-tools: no package is known for $tool; add it to $0" >&2
        exit 2
    fi
    missing+=("$tool")
    read -ra words <<<"$package"
    packages+=("${words[@]}")
done
if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo -n)
fi
if ! command -v apt-get >/dev/null || ! "${as_root[@]}" true 2>/dev/null; then
    for tool in "${missing[@]}"; do
        echo "ensure-tools: $tool is missing and cannot be installed from here; it comes with the Debian package(s): $(package_of "$tool")" >&2
    done
    exit 1
fi

echo "ensure-tools: installing ${packages[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Areas of `make test` run side by side, and each installs what it needs: apt-get
# gives up at once when another holds its lists, so they wait for each other here,
# and with its own option for whoever else is at it.
mkdir -p .cache
exec 9>.cache/apt.lock
flock --timeout 600 9
apt_get() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@" 9>&-
}
install() {
    apt_get update && apt_get -y install --no-install-recommends "${packages[@]}"
}
if ! install >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    echo "ensure-tools: apt-get failed for: ${packages[*]}" >&2
    exit 1
fi
hash -r
for tool in "${missing[@]}"; do
    if ! have "$tool"; then
        echo "ensure-tools: $(package_of "$tool") is installed, but $tool is still missing" >&2
        exit 1
    fi
done
