#!/usr/bin/env bash
# Prints what the linker is told for every build that is shipped or measured.
#
#   VERSION=v1.2.3 scripts/ldflags.sh
#
# adaptivestackstart=0: since Go 1.19 a new goroutine's stack begins at the
# average size of the others'. The HTTP server's few large ones then double the
# stack of every idle connection, 2 KiB each. The setting is known to the runtime
# only, so that no //go:debug line can make it.
set -euo pipefail
echo "-s -w -X runtime.godebugDefault=adaptivestackstart=0${VERSION:+ -X edgegw/internal/buildinfo.version=$VERSION}"
