#!/usr/bin/env bash
# Looks for secrets in what is checked in, and in everything that ever was.
#
#   scripts/secret-scan.sh [--tree]     (--tree: without the history)
#
# A few exact forms, so that a hit is one: private keys, and the keys of services that
# give theirs a form. Tests make their secrets up as they run, or call them canary-...
set -euo pipefail
cd "$(dirname "$0")/.."

patterns=(
    "-----BEGIN ([A-Z]+ )?PRIVATE KEY-----[^\"'\`<\\]"
    '-----BEGIN ([A-Z]+ )?PRIVATE KEY-----$'
    'AKIA[0-9A-Z]{16}'
    'gh[pousr]_[A-Za-z0-9]{36}'
    'github_pat_[A-Za-z0-9_]{60,}'
    'glpat-[A-Za-z0-9_-]{20}'
    'npm_[A-Za-z0-9]{36}'
    'xox[abprs]-[A-Za-z0-9-]{20,}'
    'AIza[A-Za-z0-9_-]{35}'
    'pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,}'
)
all=$(
    IFS='|'
    echo "${patterns[*]}"
)

found=0
# Only the place is shown: what was found is a secret by assumption.
if hits=$(git grep -aInE -e "$all" | cut -d: -f1,2) && [ -n "$hits" ]; then
    echo "secret-scan: a secret is checked in (file, line):" >&2
    echo "$hits" >&2
    found=1
fi
if [ "${1:-}" != --tree ]; then
    if [ "$(git rev-parse --is-shallow-repository)" = true ]; then
        echo "secret-scan: this clone has no history; fetch it, or say --tree" >&2
        exit 1
    fi
    # Each added line with its commit and file in front, and a tab between.
    hits=$(git log --all -p --no-textconv --format='commit %h' | awk '
        /^commit [0-9a-f]+$/ { commit = $2 }
        /^\+\+\+ / { file = $2; next }
        /^\+/ { print commit " " file "\t" substr($0, 2) }' | grep -aE -e "$all" | cut -f1 | sort -u || true)
    if [ -n "$hits" ]; then
        echo "secret-scan: a secret was checked in once (commit, file); make it worthless, then remove it:" >&2
        echo "$hits" >&2
        found=1
    fi
fi
if [ "$found" -ne 0 ]; then
    exit 1
fi
echo "secret-scan: no secret in $(git ls-files | wc -l) files and $(git rev-list --all --count) commits"
