#!/usr/bin/env bash
# Tests firmware-clients/rust: its form, the vectors, its package; and the fault course:
# whole, natively, with TLS, by a driver that checks for overflows; and a part of it on
# armhf under qemu, by one of Debian's own compiler, which is the oldest that the crate
# promises to do with, and also builds it natively.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/ensure-tools.sh cargo cargo-fmt cargo-clippy debian-cargo gcc arm-linux-gnueabihf-gcc qemu-arm-static
client=firmware-clients/rust cache=$PWD/.cache/rust arm=armv7-unknown-linux-gnueabihf
mkdir -p "$cache"

# The crates come over the network once, here, and Debian's cargo, which is too old for
# the registry's protocol of today, finds them in a folder.
if ! cmp -s $client/Cargo.lock "$cache/vendor.lock"; then
    rm -rf "$cache/vendor"
    cargo vendor --quiet --locked --manifest-path $client/Cargo.toml "$cache/vendor" >"$cache/vendor.toml"
    cp $client/Cargo.lock "$cache/vendor.lock"
fi
# The standard library for armhf, of the same package as the compiler: apt fetches it with
# lists of its own, so the machine's architectures stay as they are.
std=$cache/armhf-$(dpkg-query -W -f '${Version}' rustc)
if [ ! -d "$std" ]; then
    rm -rf "$cache/apt" "$std.new"
    mkdir -p "$cache/apt/lists/partial" "$cache/apt/archives/partial"
    apt=(apt-get -q -o APT::Architecture=armhf -o APT::Architectures::=armhf -o "Dir::State::lists=$cache/apt/lists" -o "Dir::Cache=$cache/apt" -o APT::Sandbox::User=root)
    if ! (cd "$cache/apt" && "${apt[@]}" update && "${apt[@]}" download "libstd-rust-dev=${std##*/armhf-}") >"$cache/apt.log" 2>&1; then
        tail -n 20 "$cache/apt.log" >&2
        exit 1
    fi
    dpkg-deb -x "$cache"/apt/libstd-rust-dev_*_armhf.deb "$std.new"
    rm -rf "$cache/apt"
    mv "$std.new" "$std"
fi

offline=(--offline --locked --manifest-path "$client/Cargo.toml" --config "source.crates-io.replace-with='vendored'" --config "source.vendored.directory='$cache/vendor'")
debian() {
    CARGO=/usr/bin/cargo RUSTC=/usr/bin/rustc nice /usr/bin/cargo build --quiet --release "${offline[@]}" --target-dir "$cache/debian" "$@"
}
# One link after the other has one core busy, and waits for whoever else wants it; the tests
# take the other one meanwhile.
build() {
    /usr/bin/rustc --version
    debian --example device
    cp "$cache/debian/release/examples/device" "$cache/device"
    debian --features rustls --example device
    export CARGO_TARGET_ARMV7_UNKNOWN_LINUX_GNUEABIHF_LINKER=arm-linux-gnueabihf-gcc
    export CARGO_TARGET_ARMV7_UNKNOWN_LINUX_GNUEABIHF_RUSTFLAGS="--sysroot $std/usr"
    debian --target $arm --example device --example course
}
build &
building=$!
trap wait EXIT # also when a test fails: nothing goes on behind it

(cd $client && cargo fmt --check)
export CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0 # neither is of use to a test that runs once
for features in --no-default-features --all-features; do
    cargo clippy --quiet "${offline[@]}" --target-dir "$cache/target" --all-targets $features -- -D warnings
done
cargo test --quiet "${offline[@]}" --target-dir "$cache/target" --all-features
cargo build --quiet "${offline[@]}" --target-dir "$cache/target" --all-features --example course
cargo package --quiet "${offline[@]}" --target-dir "$cache/target" --allow-dirty --no-verify --all-features
scripts/course.sh rust "$cache/target/debug/examples/course"
wait $building

size() { echo "device, $1: $(stat -c %s "$2") bytes"; }
size "without TLS" "$cache/device"
size "with rustls" "$cache/debian/release/examples/device"
size "armhf, without TLS" "$cache/debian/$arm/release/examples/device"

# As much as shows that 32 bits do the same: every close, every wrong thing that a gateway
# can say, and of the real one overload and several rooms.
cat >"$cache/armhf-driver" <<END
#!/bin/sh
exec qemu-arm-static -L /usr/arm-linux-gnueabihf $cache/debian/$arm/release/examples/course
END
chmod +x "$cache/armhf-driver"
ONLY='^(TestCloses|TestHostile|TestDeepMessage|TestTooLarge|TestOverload|TestRooms)$' scripts/course.sh rust "$cache/armhf-driver"
