#!/usr/bin/env bash
# Checks deploy/cloud-init/user-data.example: its YAML, its schema as far as it
# is used, its shell, and what its script does on a board, with the real edgegw
# and stand-ins for dpkg and systemctl. The power fails at each of its steps.
#
#   scripts/test-cloud-init.sh
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/ensure-tools.sh shellcheck python3 python3-yaml
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "test-cloud-init: $*" >&2
    exit 1
}

# The files of write_files go to $work/files under the last part of their path.
python3 - deploy/cloud-init/user-data.example "$work" <<'PYTHON'
import os, sys, yaml
source, work = sys.argv[1:]
text = open(source, encoding="utf-8").read()
assert text.startswith("#cloud-config\n"), "cloud-init knows the file by its first line"
data = yaml.safe_load(text)
# The schema of cloud-init, for the modules that are used here.
assert set(data) == {"hostname", "write_files"}, sorted(data)
assert isinstance(data["hostname"], str)
for f in data["write_files"]:
    assert set(f) <= {"path", "permissions", "content", "owner", "encoding", "append", "defer", "source"}, sorted(f)
    for key in ("path", "permissions", "content"):
        assert isinstance(f[key], str), f"{key} of {f['path']} has to be a string in quotes"
    assert f["path"].startswith("/") and len(f["permissions"]) == 4, f["path"]
    os.makedirs(os.path.join(work, "files"), exist_ok=True)
    with open(os.path.join(work, "files", os.path.basename(f["path"])), "w", encoding="utf-8") as out:
        out.write(f["content"])
modes = {f["path"]: f["permissions"] for f in data["write_files"]}
assert modes["/etc/edgegw/admin-password"] == "0600", "others may read the password"
assert modes["/var/lib/cloud/scripts/per-boot/50-edgegw"] == "0755", "the script is not run"
PYTHON
script=$work/files/50-edgegw
shellcheck "$script"

# A board: its folders are below $root, and so is where the stand-ins note things.
go build -o "$work/edgegw" ./cmd/edgegw
root=$work/root
board() {
    rm -rf "$root"
    mkdir -p "$root/etc/edgegw" "$root/boot/firmware" "$root/bin"
    cp "$work/files/admin-password" "$root/etc/edgegw/"
    touch "$root/boot/firmware/edgegw_1.9.0_armhf.deb" "$root/boot/firmware/edgegw_1.10.0_armhf.deb" "$root/boot/firmware/edgegw_2.0.0_arm64.deb"
    sed -e "s#/etc/edgegw#$root/etc/edgegw#; s#/boot#$root/boot#g" "$script" >"$root/script"
    cat >"$root/bin/dpkg" <<END
#!/bin/sh
[ "\$1" = --print-architecture ] && { echo armhf; exit; }
[ -e "$root/cut-dpkg" ] && { touch "$root/half"; exit 1; }
echo "dpkg \$*" >>"$root/done"
ln -sf "$work/edgegw" "$root/bin/edgegw"
touch "$root/installed"
END
    cat >"$root/bin/dpkg-query" <<END
#!/bin/sh
[ -e "$root/half" ] && [ ! -e "$root/installed" ] && { printf 'install ok half-configured'; exit; }
[ -e "$root/installed" ] && printf 'install ok installed'
END
    cat >"$root/bin/systemctl" <<END
#!/bin/sh
[ -e "$root/cut-systemctl" ] && exit 1
echo "systemctl \$*" >>"$root/done"
END
    cat >"$root/bin/rm" <<END
#!/bin/sh
[ -e "$root/cut-rm" ] && exit 1
exec /bin/rm "\$@"
END
    chmod +x "$root"/bin/*
}
boot() {
    env -i PATH="$root/bin:/usr/bin:/bin" EDGEGW_DATA_DIR="$root/data" EDGEGW_ENV=development sh "$root/script" >"$root/out" 2>&1
}
owners() {
    env -i "$work/edgegw" user list --data-dir "$root/data" --json | grep -o '"role":"admin"' | wc -l
}
password() { printf 'canary-password-cloud-init\n' >"$root/etc/edgegw/admin-password"; }

board
! boot || fail "the example's own password was taken"
grep -q 'in place of CHANGE-ME' "$root/out" || fail "the example's own password: $(cat "$root/out")"

board
password
rm "$root"/boot/firmware/*armhf.deb
! boot || fail "there is no package, and that is fine?"
grep -q 'there is no edgegw_\*_armhf.deb in' "$root/out" || fail "no package: $(cat "$root/out")"

for cut in none dpkg systemctl rm; do
    board
    password
    if [ "$cut" != none ]; then
        touch "$root/cut-$cut"
        ! boot || fail "cut at $cut, and the script saw nothing"
        rm "$root/cut-$cut"
    fi
    boot || fail "cut at $cut: $(cat "$root/out")"
    [ "$(owners)" = 1 ] || fail "cut at $cut: there is no owner"
    [ ! -e "$root/etc/edgegw/admin-password" ] || fail "cut at $cut: the password file stays"
    grep -qx "dpkg --force-confold -i $root/boot/firmware/edgegw_1.10.0_armhf.deb" "$root/done" || fail "cut at $cut: $(cat "$root/done")"
    grep -qx 'systemctl enable --now edgegw.service' "$root/done" || fail "cut at $cut: $(cat "$root/done")"
    rm "$root/done"
    boot && [ ! -e "$root/done" ] || fail "cut at $cut: the next start does something again"
done
echo "test-cloud-init: the example makes an owner, wherever the power fails"
