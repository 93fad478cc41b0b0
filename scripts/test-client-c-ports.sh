#!/usr/bin/env bash
# Tests what makes firmware-clients/c an ESP-IDF component, a PlatformIO library, an
# Arduino library and a CMake package: the port to ESP-IDF against stand-ins of its
# headers, for the host and for a RISC-V board; the manifests with the tools of those who
# read them; that port and the facade for Arduino in the fault course.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/ensure-tools.sh gcc g++ cmake mbedtls riscv64-unknown-elf-gcc picolibc-riscv64 python3 python3-venv openssl
client=$PWD/firmware-clients/c out=$PWD/.cache/c-ports venv=$PWD/.cache/c-venv
port=$client/ports/esp-idf
warnings=(-Wall -Wextra -Werror -Wconversion -Wshadow)
mkdir -p "$out"
if ! cmp -s "$client/test/requirements.txt" "$venv/.installed"; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$client/test/requirements.txt"
    cp "$client/test/requirements.txt" "$venv/.installed"
fi

# quiet COMMAND...: shows what it says only when it fails.
quiet() {
    "$@" >"$out/said" 2>&1 || {
        cat "$out/said" >&2
        echo "failed: $*" >&2
        return 1
    }
}

# sdkconfig FOLDER [NAME=VALUE]...: what ESP-IDF makes of the Kconfig files.
sdkconfig() {
    local folder=$1
    shift
    mkdir -p "$folder"
    printf 'CONFIG_%s\n' "$@" >"$folder/sdkconfig"
    printf 'source "%s"\n' "$client/Kconfig" "$client/examples/esp-idf/main/Kconfig.projbuild" >"$folder/Kconfig"
    quiet "$venv/bin/python" -m kconfgen --kconfig "$folder/Kconfig" --config "$folder/sdkconfig" --output header "$folder/sdkconfig.h"
}

echo "== Kconfig"
quiet "$venv/bin/python" -m kconfcheck "$client/Kconfig" "$client/examples/esp-idf/main/Kconfig.projbuild"
sdkconfig "$out/board" EDGEGW_ROOMS=2

echo "== the component, for a board (rv32imc)"
quiet cmake -DOUT="$out/sources" -P "$client/test/component.cmake"
if grep -E 'posix|\.cpp|test' "$out/sources"; then
    echo "these are nothing for a component" >&2
    exit 1
fi
rm -rf "$out/objects"
mkdir -p "$out/objects"
while read -r source; do
    riscv64-unknown-elf-gcc -march=rv32imc -mabi=ilp32 -specs=picolibc.specs -std=gnu17 -Os -ffunction-sections "${warnings[@]}" \
        -I"$out/board" -I"$client/src" -I"$port" -I"$port/test/lwip" -I"$port/test/stubs" \
        -c "$client/$source" -o "$out/objects/$(basename "$source").o"
done <"$out/sources"
for example in -UEXAMPLE_CA -DEXAMPLE_CA=1; do
    gcc -std=gnu17 "${warnings[@]}" "$example" -I"$out/board" -I"$client/src" -I"$port" -I"$port/test/stubs" \
        -c "$client/examples/esp-idf/main/main.c" -o "$out/example.o"
done
# How much memory a client takes when it starts, in a symbol of that size.
printf '#include "edgegw_esp_internal.h"\nchar edgegw_esp_start_with_the_defaults[sizeof(struct edgegw_esp)], core[sizeof(struct edgegw)];\n' >"$out/ram.c"
riscv64-unknown-elf-gcc -march=rv32imc -mabi=ilp32 -specs=picolibc.specs -std=gnu17 -fno-common -I"$out/board" -I"$client/src" -I"$port" \
    -I"$port/test/lwip" -I"$port/test/stubs" -c "$out/ram.c" -o "$out/ram.o"
riscv64-unknown-elf-nm -S --radix=d "$out/ram.o" | awk '{ print "RAM on rv32imc: " $4 " " $2 + 0 " bytes" }'
printf 'rv32imc, -Os: the port to ESP-IDF has %s bytes of code; make test-client-c measures the core\n' \
    "$(riscv64-unknown-elf-size -t "$out"/objects/edgegw_esp*.o | awk 'END { print $1 }')"

echo "== Arduino"
for board in -UESP32 -DESP32 -DESP8266; do
    flags=(-std=gnu++11 -Wall -Wextra -Werror -DARDUINO=10819 "$board" -I"$client/src" -I"$client/test/arduino")
    g++ "${flags[@]}" -Wconversion -c "$client/src/EdgeGWClient.cpp" -o "$out/one.o"
    g++ "${flags[@]}" -include Arduino.h -x c++ -c "$client/examples/Publish/Publish.ino" -o "$out/example.o"
done
# Without Arduino the file is empty, so that PlatformIO can build all of src/.
g++ -std=gnu++11 -Wall -Wextra -Werror -c "$client/src/EdgeGWClient.cpp" -o "$out/one.o"

echo "== CMake"
rm -rf "$out/cmake" "$out/prefix" "$out/consumer"
quiet cmake -S "$client" -B "$out/cmake" -DEDGEGW_MBEDTLS=ON -DCMAKE_C_FLAGS="-Wall -Wextra -Werror" -DCMAKE_INSTALL_PREFIX="$out/prefix"
quiet cmake --build "$out/cmake"
quiet cmake --install "$out/cmake"
quiet cmake -S "$client/test/cmake" -B "$out/consumer" -DCMAKE_PREFIX_PATH="$out/prefix"
quiet cmake --build "$out/consumer"
quiet openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=test -keyout "$out/key.pem" -out "$out/ca.pem"
"$out/consumer/consumer" "$out/ca.pem"
# The first program of README.md.
awk '/^```c$/ { on = 1; next } /^```$/ && on { exit } on' "$client/README.md" >"$out/readme.c"
gcc -std=c99 -Wall -Wextra -Werror -I"$client/src" -I"$client/ports/posix" "$out/readme.c" "$client"/src/edgegw_*.c "$client"/ports/posix/*.c -o "$out/readme"

echo "== manifests"
version=$(sed -n 's/^#define EDGEGW_VERSION "\(.*\)"$/\1/p' "$client/src/edgegw.h")
rm -rf "$out/idf" "$out/pio.tar.gz"
quiet "$venv/bin/compote" component pack --project-dir "$client" --name edgegw --dest-dir "$out/idf"
tar tzf "$out/idf/edgegw_$version.tgz" >"$out/idf/names"
PLATFORMIO_CORE_DIR=$out/pio PLATFORMIO_SETTING_ENABLE_TELEMETRY=no \
    quiet "$venv/bin/python" "$client/test/pio_pack.py" "$client" "$out/pio.tar.gz"
tar tzf "$out/pio.tar.gz" >"$out/pio.names"
# The one for ESP-IDF has what its CMakeLists.txt names, and neither has a test or the
# port of another system.
while read -r source; do
    grep -qx "./$source" "$out/idf/names" || { echo "$source is not in the component" >&2; exit 1; }
done <"$out/sources"
for name in src/edgegw.h src/EdgeGWClient.h src/edgegw_client.c examples/Publish/Publish.ino library.properties; do
    grep -qx "$name" "$out/pio.names" || { echo "$name is not in the library" >&2; exit 1; }
done
if grep -E 'posix|test/' "$out/idf/names" "$out/pio.names"; then
    echo "these are not to be packed" >&2
    exit 1
fi
grep -qx "version=$version" "$client/library.properties"
echo "edgegw $version: $(wc -l <"$out/idf/names") files for ESP-IDF, $(wc -l <"$out/pio.names") for PlatformIO and Arduino"

# course NAME ARGUMENT...: runs tests of the fault course with the drivers in the folders
# NAME-131072 and NAME-1024, whose receive buffer has so many bytes.
course() {
    local driver=$out/$1
    cat >"$driver" <<'END'
#!/bin/sh
exec "$0-${COURSE_MAX_MESSAGE:-131072}/course"
END
    chmod +x "$driver"
    shift
    COURSE_CLIENT=c COURSE_DRIVER=$driver go test -count=1 -parallel 10 -timeout 4m "$@" ./e2e/course
}

# esp_driver FOLDER FLAG...: the driver of the port to ESP-IDF, with the sdkconfig.h there.
esp_driver() {
    local folder=$1
    shift
    gcc -std=gnu17 -g -O1 "$@" "${warnings[@]}" -pthread -I"$folder" -I"$client/src" -I"$port" -I"$port/test/stubs" \
        "$client"/src/*.c "$port"/*.c "$port"/test/*.c -lmbedtls -lmbedx509 -lmbedcrypto -o "$folder/course"
}

memory=(-fsanitize=address -fsanitize=undefined -fno-sanitize-recover)
scripts/ensure-tools.sh faketime mkfs.ext4
for rx in 131072 1024; do # COURSE_MAX_MESSAGE
    for name in esp tsan; do
        sdkconfig "$out/$name-$rx" EDGEGW_RX_BYTES=$rx EDGEGW_OUTBOX_BYTES=1048576 EDGEGW_TOKENS_BYTES=4096 EDGEGW_ROOMS=8
    done
    esp_driver "$out/esp-$rx" "${memory[@]}"
done
esp_driver "$out/tsan-131072" -fsanitize=thread
echo "== the port to ESP-IDF in the fault course"
course esp
echo "== the same, with an eye on its threads"
TSAN_OPTIONS=halt_on_error=1 course tsan -run '^Test(Traffic|Conversations|Closes)$'

echo "== the facade for Arduino in the fault course; TLS is the sketch's"
rm -rf "$out/arduino"
mkdir -p "$out/arduino" "$out/facade-131072" "$out/facade-1024"
(
    cd "$out/arduino"
    gcc -std=gnu17 -g -O1 "${memory[@]}" -I"$client/src" -I"$port" -I"$port/test/stubs" -c "$client"/src/*.c "$port/test/course.c"
    g++ -std=gnu++11 -g -O1 "${memory[@]}" -Wall -Wextra -Werror -DARDUINO=10819 -I"$client/src" -I"$client/test/arduino" -I"$port" \
        -I"$port/test/stubs" -c "$client/src/EdgeGWClient.cpp" "$client/test/arduino/host.cpp"
    g++ "${memory[@]}" -pthread ./*.o -o "$out/facade-131072/course"
)
ln -sf "$out/facade-131072/course" "$out/facade-1024/course" # it asks for its buffer when it runs
course facade -skip '^TestTLS$'
