#!/usr/bin/env bash
# Makes the list of the commonest passwords anew, which the gateway refuses:
# internal/password/blocklist/passwords.txt. Its README says what it holds.
#
#   scripts/blocklist.sh          writes the list and the licence
#   scripts/blocklist.sh --check  fails if they are not what the package gives
#
# It fetches one package with npm and is no part of the build or of its tests. To
# take a newer version, change the two lines below and the README.
set -euo pipefail
cd "$(dirname "$0")/.."

package=@zxcvbn-ts/language-common@4.1.3
integrity=sha512-g2bg4skmlJG9aJqC/nWziZzgYpSe/f3rKeGobrkdFiOrfZVFqqzUgC6BUQWuX54Sua9j0Jxxt+1bf4f/Mal1Kg==
most=100000 # bytes of the list

scripts/ensure-tools.sh node npm
list=internal/password/blocklist
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

npm pack --silent --ignore-scripts --pack-destination "$dir" "$package" >/dev/null
archive=$(echo "$dir"/*.tgz)
got=sha512-$(openssl dgst -sha512 -binary "$archive" | base64 -w 0)
if [ "$got" != "$integrity" ]; then
    echo "blocklist: $package is $got, not $integrity" >&2
    exit 1
fi
tar -xzf "$archive" -C "$dir"

mkdir "$dir/new"
cp "$dir/package/LICENSE.txt" "$dir/new/LICENSE"
# The package's list is ordered by how common a password is. The long ones are
# rare in it and all taken, since they are the ones that the usual least length
# lets through; the commonest of the others fill the rest.
node - "$dir/package/src/passwords.json" "$most" >"$dir/new/passwords.txt" <<'END'
const [file, most] = process.argv.slice(2);
const length = (s) => [...s].length;
const folded = require(file).map((s) => s.normalize('NFKC').toUpperCase().toLowerCase());
const words = [...new Set(folded)].filter((s) => length(s) >= 8 && /^[\x21-\x7e]+$/.test(s));
const ranked = [...words.filter((s) => length(s) >= 12), ...words.filter((s) => length(s) < 12)];
const taken = [];
let bytes = 0;
for (const word of ranked) {
  bytes += word.length + 1;
  if (bytes > Number(most)) break;
  taken.push(word);
}
process.stdout.write(taken.sort().join('\n') + '\n');
END

if [ "${1:-}" = --check ]; then
    diff -u "$list/LICENSE" "$dir/new/LICENSE"
    diff -u "$list/passwords.txt" "$dir/new/passwords.txt"
else
    cp "$dir/new/LICENSE" "$dir/new/passwords.txt" "$list/"
    gzip -9nc "$list/passwords.txt" >"$list/passwords.txt.gz" # what the binary holds
fi
wc -lc "$list/passwords.txt"
