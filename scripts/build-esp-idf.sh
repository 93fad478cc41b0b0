#!/usr/bin/env bash
# Builds the example of the C client with ESP-IDF, for each of the chips, and prints
# what it takes. ESP-IDF has to be there: in its image (docker run espressif/idf:v5.5.5),
# or where IDF_PATH says.
#
#   scripts/build-esp-idf.sh [CHIP]...     esp32 and esp32c3 if none is named
set -euo pipefail
cd "$(dirname "$0")/.."

if [ ! -f "${IDF_PATH:-}/export.sh" ]; then
    echo "build-esp-idf: IDF_PATH has to name a folder with ESP-IDF in it" >&2
    exit 2
fi
# shellcheck disable=SC1091 # it is ESP-IDF's
. "$IDF_PATH/export.sh" >/dev/null
if [ $# -eq 0 ]; then
    set -- esp32 esp32c3
fi
for chip in "$@"; do
    build=$PWD/.cache/esp-idf/$chip
    mkdir -p "$build"
    # The configuration lies with what is built, so that chips do not share one.
    idf=(idf.py -C firmware-clients/c/examples/esp-idf -B "$build" -D "SDKCONFIG=$build/sdkconfig" -D "IDF_TARGET=$chip")
    "${idf[@]}" build
    "${idf[@]}" size-components
done
