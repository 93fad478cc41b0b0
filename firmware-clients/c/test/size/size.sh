#!/usr/bin/env bash
# Prints what the core takes on small processors, and fails when that is more than
# its budgets: 12 KB of program on a Cortex-M0+ and on RISC-V without floats, and 2 KB
# of RAM a connection without the buffers of the caller.
#
#   test/size/size.sh OUT-FOLDER
set -euo pipefail
cd "$(dirname "$0")/../.."
out=${1:?usage: size.sh OUT-FOLDER}

most_program=12288 most_state=2048
# -Os, less what it does for speed: tables for jumps, copies of code for threads of it,
# and registers that outlive loops.
small=(-Os -std=c99 -ffreestanding -ffunction-sections -fdata-sections -fno-jump-tables -fno-thread-jumps -fno-move-loop-invariants -isystem test/size)
failed=0

# Everything public is kept; what a program has anyway (memcpy and so on) does not
# count, the compiler's own helpers do.
keep=()
while read -r name; do
    keep+=("-Wl,-u,$name")
done < <(grep -ohE '^[a-z].*\bedgegw_[a-z_]+\(' src/edgegw.h | grep -oE 'edgegw_[a-z_]+\(' | tr -d '(' | sort -u)

# sections FILE: the size of its sections, and sizes DIR COMPILER...: of the program, of
# static RAM and of the client's state, in bytes.
sections() { "${compiler[0]%gcc}size" -A "$1"; }
sizes() {
    local dir=$1 f
    compiler=("${@:2}")
    rm -rf "$dir" && mkdir -p "$dir"
    for f in src/edgegw*.c; do
        "${compiler[@]}" -c "$f" -o "$dir/$(basename "$f" .c).o"
    done
    "${compiler[@]}" -w -fno-builtin -c test/size/libc.c -o "$dir/libc.o"
    "${compiler[@]}" -nostdlib -nostartfiles -T test/size/size.ld -Wl,--gc-sections -Wl,-e,edgegw_init "${keep[@]}" "$dir"/*.o -lgcc -o "$dir/core.elf"
    printf '#include "edgegw.h"\nchar state[sizeof(struct edgegw)], room[sizeof(struct edgegw_room)], event[sizeof(struct edgegw_event)];\n' >"$dir/ram.c"
    "${compiler[@]}" -Isrc -c "$dir/ram.c" -o "$dir/ram.o"
    sections "$dir/core.elf" | awk '$1 == ".core" { core = $2 } $1 == ".ram" { ram = $2 } END { printf "%d %d ", core, ram }'
    sections "$dir/ram.o" | awk '{ size[$1] = $2 } END { printf "%d %d %d\n", size[".bss.state"], size[".bss.room"], size[".bss.event"] }'
}

# target NAME BUDGET COMPILER...: prints a line of the table.
target() {
    local name=$1 budget=$2 program ram state room event
    read -r program ram state room event < <(sizes "$out/$name" "${@:3}")
    printf '%-22s %7d %8s %7d %7d %6d %6d\n' "$name" "$program" "$budget" "$ram" "$state" "$room" "$event"
    if [ -z "${event:-}" ] || [ "$program" -lt 4096 ] || [ "$ram" -ne 0 ] || [ "$state" -gt $most_state ] || { [ "$budget" != - ] && [ "$program" -gt "$budget" ]; }; then
        echo "size: $name is over its budget: $budget bytes of program, none of static RAM, $most_state of state" >&2
        failed=1
    fi
}

printf '%-22s %7s %8s %7s %7s %6s %6s\n' "core of the C client" program budget static state room event
target cortex-m0plus $most_program arm-none-eabi-gcc -mcpu=cortex-m0plus -mthumb "${small[@]}"
target rv32imc $most_program riscv64-unknown-elf-gcc -march=rv32imc -mabi=ilp32 -msave-restore -malign-data=natural "${small[@]}"
target esp8266 - xtensa-lx106-elf-gcc -mlongcalls "${small[@]}"
exit $failed
