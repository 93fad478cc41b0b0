#!/usr/bin/env bash
# Tests firmware-clients/c: builds with both compilers, unit tests, the vectors, whom
# it trusts over TLS, a short fuzz, sizes on small processors, and the fault course:
# all of it here, and a part as on ARM boards.
#
#   scripts/test-client-c.sh [STEP...]     build unit vectors trust fuzz size boards course; all
#   FUZZ_SECONDS=600 scripts/test-client-c.sh fuzz
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD client=$PWD/firmware-clients/c out=$PWD/.cache/client-c
steps=("$@")
[ $# -gt 0 ] || steps=(build unit vectors trust fuzz size boards course)
scripts/ensure-tools.sh gcc clang libfuzzer python3 openssl cmocka mbedtls arm-none-eabi-gcc riscv64-unknown-elf-gcc \
    xtensa-lx106-elf-gcc arm-linux-gnueabihf-gcc aarch64-linux-gnu-gcc qemu-arm-static qemu-aarch64-static
mkdir -p "$out"
cd "$client"

strict=(-std=c99 -Wall -Wextra -Werror -Wconversion -Wshadow -pedantic -Isrc -Iports/posix)
checked=(-g -O1 -fno-omit-frame-pointer "-fsanitize=address,undefined" -fno-sanitize-recover=all)
tls=(-lmbedtls -lmbedx509 -lmbedcrypto)
core=(src/edgegw*.c) posix=(ports/posix/*.c)

# objects FOLDER COMPILER FLAGS... -- FILES...: compiles them, two at a time.
objects() {
    local dir=$out/$1 words=()
    shift
    mkdir -p "$dir"
    while [ "$1" != -- ]; do words+=("$1") && shift; done
    shift
    # shellcheck disable=SC2016 # the inner shell expands it
    printf '%s\n' "$@" | DIR=$dir xargs -P 2 -I{} sh -c 'f=$1; shift; exec "$@" -c "$f" -o "$DIR/$(basename "$f" .c).o"' sh {} "${words[@]}"
}

# Everything compiles without a word from either compiler, with TLS and without.
build() {
    local cc
    for cc in gcc clang; do
        objects "$cc-tls" $cc "${strict[@]}" -O2 -DEDGEGW_MBEDTLS -- "${core[@]}" "${posix[@]}" test/course.c examples/device.c
        objects "$cc-plain" $cc "${strict[@]}" -O2 -- "${posix[@]}"
    done
    gcc "$out"/gcc-tls/edgegw*.o "$out"/gcc-tls/device.o "${tls[@]}" -o "$out/device"
    echo "built by gcc $(gcc -dumpversion) and clang $(clang -dumpversion)"
}

# Both compilers' sanitizers look at the unit tests.
unit() {
    local cc t
    for cc in gcc clang; do
        objects "$cc-checked" $cc "${strict[@]}" "${checked[@]}" -- "${core[@]}"
        objects "$cc-unit" $cc -std=c99 -Wall -Wextra -Werror "${checked[@]}" -Isrc -- test/unit/*.c
        for t in test/unit/*_test.c; do
            t=$(basename "$t" .c)
            $cc "${checked[@]}" "$out/$cc-checked"/*.o "$out/$cc-unit/world.o" "$out/$cc-unit/$t.o" -lcmocka -o "$out/$cc-unit/$t"
            "$out/$cc-unit/$t" >"$out/unit.log" 2>&1 || { cat "$out/unit.log"; return 1; }
            echo "$cc $t: $(grep -c '^\[       OK' "$out/unit.log") tests"
        done
    done
}

vectors() {
    gcc -std=c99 -D_GNU_SOURCE -Wall -Wextra -Werror "${checked[@]}" -Isrc -Itest/unit "${core[@]}" test/unit/world.c test/vectors/replay.c -lcmocka -o "$out/replay"
    python3 test/vectors/vectors.py "$out/replay" "$root/testdata/protocol"
}

# Names, addresses, CAs, pins and dates, right and wrong.
trust() {
    objects trust gcc "${strict[@]}" "${checked[@]}" -DEDGEGW_MBEDTLS -- "${core[@]}" "${posix[@]}" test/tls/client.c
    gcc "${checked[@]}" "$out"/trust/*.o "${tls[@]}" -o "$out/trust-client"
    python3 test/tls/tls.py "$out/trust-client"
}

fuzz() {
    local f target pids=()
    for f in test/fuzz/*.c; do
        target=$out/fuzz-$(basename "$f" .c)
        mkdir -p "$target.corpus"
        clang "${strict[@]}" -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all "${core[@]}" "$f" -o "$target"
        "$target" -max_total_time="${FUZZ_SECONDS:-10}" -print_final_stats=1 -artifact_prefix="$target." "$target.corpus" >"$target.log" 2>&1 &
        pids+=("$!:$target")
    done
    for f in "${pids[@]}"; do
        target=${f#*:}
        wait "${f%%:*}" || { tail -40 "$target.log"; return 1; }
        echo "$(basename "$target"): $(awk '/number_of_executed_units/ { print $2 }' "$target.log") inputs"
    done
}

size() {
    test/size/size.sh "$out/size"
}

# The course under qemu, whose programs have no sanitizer and no TLS.
boards() {
    local pair cc
    for pair in arm-linux-gnueabihf-gcc:qemu-arm-static aarch64-linux-gnu-gcc:qemu-aarch64-static; do
        cc=${pair%%:*}
        objects "$cc" "$cc" "${strict[@]}" -O2 -- "${core[@]}" "${posix[@]}" test/course.c
        # Static, so that no libraries of the board are wanted; the resolver would want
        # them, and is not asked for more than addresses.
        "$cc" -static "$out/$cc"/*.o -o "$out/course-$cc" 2>/dev/null
        (cd "$root" && ONLY='^Test(Closes|Hostile|TooLarge|DeepMessage|Conversations|Password|Rooms|WrongKey)$' scripts/course.sh c "${pair#*:}" "$out/course-$cc")
    done
}

course() {
    objects course gcc "${strict[@]}" "${checked[@]}" -DEDGEGW_MBEDTLS -- "${core[@]}" "${posix[@]}" test/course.c
    gcc "${checked[@]}" "$out"/course/*.o "${tls[@]}" -o "$out/course-checked"
    (cd "$root" && scripts/course.sh c "$out/course-checked")
}

for step in "${steps[@]}"; do
    echo "== $step"
    "$step"
done
