#!/usr/bin/env bash
# Runs the fault course (e2e/course) with a client. Its README.md says what a driver is.
#
#   scripts/course.sh CLIENT [COMMAND...]     the command of its driver; none for go
#
# ONLY=REGEXP: no other tests than those.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# -eq 0 ]; then
    echo "usage: scripts/course.sh CLIENT [COMMAND...]" >&2
    exit 2
fi
scripts/ensure-tools.sh faketime mkfs.ext4
echo "course: $1"
COURSE_CLIENT=$1 COURSE_DRIVER=${*:2} exec go test -count=1 -parallel 10 -timeout 4m ${ONLY:+-run "$ONLY"} ./e2e/course
