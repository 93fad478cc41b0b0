package doctor

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// fewInodes is where files become scarce.
const fewInodes = 1000

// wearMBPerDay is what most cards bear for years.
const wearMBPerDay = 5000

func space(_ context.Context, m *Machine) (list []Finding) {
	d, err := m.Disk(m.Config.DataDir)
	if err != nil {
		return []Finding{found(Unknown, "name the folder with --data-dir or --config", "the space for %s: %v", m.Config.DataDir, err)}
	}
	size := int64(0)
	if info, err := os.Stat(m.data("history.db")); err == nil {
		size = info.Size()
	}
	const clean = "free some: `journalctl --vacuum-size=50M`, `apt-get clean`, old backups; or lower max_store_bytes and run `edgegw compact`"
	switch toGrow := m.StoreBytes - size; {
	case d.Free < m.LowDisk:
		list = append(list, found(Problem, clean, "%s are free for %s; below %s the gateway goes without things, and at the end it refuses messages", mib(d.Free), m.Config.DataDir, mib(m.LowDisk)))
	case d.Free < toGrow:
		list = append(list, found(Warning, clean, "%s are free for %s, but the history may grow by %s more", mib(d.Free), m.Config.DataDir, mib(toGrow)))
	}
	if d.Inodes > 0 && d.FreeInodes < fewInodes {
		list = append(list, found(Problem, "remove files: `sudo du --inodes -x / | sort -n | tail` shows where they are", "only %d more files can be made on the file system of %s", d.FreeInodes, m.Config.DataDir))
	}
	if list == nil {
		return good("%s of %s are free for %s", mib(d.Free), mib(d.Total), m.Config.DataDir)
	}
	return list
}

// mount is a line of /proc/self/mountinfo (proc(5)).
type mount struct{ device, point, options, kind, source, super string }

// mountOf is the mount that a path is on.
func (m *Machine) mountOf(path string) (best mount, ok bool) {
	for line := range strings.Lines(m.read("proc/self/mountinfo")) {
		// 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw
		left, right, _ := strings.Cut(line, " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if len(l) < 6 || len(r) < 3 {
			continue
		}
		point := strings.ReplaceAll(l[4], `\040`, " ")
		if (point == "/" || path == point || strings.HasPrefix(path, point+"/")) && len(point) >= len(best.point) {
			best, ok = mount{l[2], point, l[5], r[0], r[1], r[2]}, true
		}
	}
	return best, ok
}

// Kinds of file systems that the stores should not be on, and why.
func unfit(kind string) (why, fix string) {
	switch kind {
	case "tmpfs", "ramfs":
		return "lies in memory: everything is gone after a power cut", "put data_dir on the card or a disk"
	case "overlay", "aufs":
		return "is an overlay, which may lie in memory (overlayroot, a container's own layer): everything may be gone after a restart", "put data_dir on a real file system, or on a volume"
	case "nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "virtiofs":
		return "is on the network, where locks and syncs may not hold", "put data_dir on a disk of this machine, and only backup_dir on the network"
	case "vfat", "exfat", "msdos":
		return "has no owners and modes: everybody may read the secrets", "put data_dir on ext4"
	}
	return "", ""
}

func card(_ context.Context, m *Machine) (list []Finding) {
	dir, err := filepath.EvalSymlinks(m.Config.DataDir)
	if err != nil {
		dir = m.Config.DataDir
	}
	dir, err = filepath.Abs(dir)
	on, ok := m.mountOf(dir)
	if err != nil || !ok {
		return unknown("the file system of %s: /proc/self/mountinfo does not tell", m.Config.DataDir)
	}
	if has(on.options, "ro") || has(on.super, "ro") {
		list = append(list, found(Problem, "see `dmesg`: a card that fails turns read-only; make a backup of what can be read, and change the card. Otherwise `mount -o remount,rw "+on.point+"`", "%s is mounted read-only", on.point))
	}
	if why, fix := unfit(on.kind); why != "" {
		list = append(list, found(Warning, fix, "data_dir %s", why))
	}
	if has(on.super, "nobarrier") || has(on.super, "barrier=0") || has(on.super, "data=writeback") {
		list = append(list, found(Warning, "take it out of /etc/fstab", "%s is mounted with %s, with which a power cut may damage what was synced", on.point, on.super))
	}
	list = append(append(list, m.device(on)...), m.wear()...)
	if list == nil {
		return good("data_dir is on %s (%s), which tells of no fault", on.source, on.kind)
	}
	return list
}

func has(options, one string) bool {
	for o := range strings.SplitSeq(options, ",") {
		if o == one {
			return true
		}
	}
	return false
}

// device looks at what the kernel knows of the device below a mount: errors of
// ext4, and the age of an eMMC (JEDEC eMMC 5.0: life_time in tenths, 0x0b is over;
// pre_eol_info 1 normal, 2 warning, 3 urgent).
func (m *Machine) device(on mount) (list []Finding) {
	part := filepath.Base(on.source)
	disk := part
	if to, err := os.Readlink(m.path("sys/dev/block", on.device)); err == nil {
		part, disk = filepath.Base(to), filepath.Base(to)
		if up := filepath.Base(filepath.Dir(to)); up != "block" {
			disk = up
		}
	}
	if n, err := strconv.Atoi(m.read("sys/fs/ext4", part, "errors_count")); err == nil && n > 0 {
		list = append(list, found(Problem, "make a backup, then have it checked: `sudo touch /forcefsck` and restart, or fsck from another machine; if they come back, change the card", "the file system on %s has counted %d errors", part, n))
	}
	worst := int64(0)
	for f := range strings.FieldsSeq(m.read("sys/block", disk, "device/life_time")) {
		if n, err := strconv.ParseInt(f, 0, 32); err == nil {
			worst = max(worst, n)
		}
	}
	eol, _ := strconv.ParseInt(m.read("sys/block", disk, "device/pre_eol_info"), 0, 32) // absent is 0
	const change = "make a backup and move to a new card soon (`edgegw backup`, `edgegw restore`)"
	switch {
	case worst >= 0x0b || eol >= 3:
		list = append(list, found(Problem, change, "the flash of %s is worn out by its own count", disk))
	case worst >= 9 || eol == 2:
		list = append(list, found(Warning, change, "the flash of %s has used 80 %% of its life or more, by its own count", disk))
	}
	return list
}

// wear is what the gateway says it writes.
func (m *Machine) wear() []Finding {
	text, _, _ := strings.Cut(m.Gateway.Checks["wear"], " ")
	if perDay, err := strconv.ParseFloat(text, 64); err == nil && perDay > wearMBPerDay {
		return []Finding{found(Warning, "raise commit_window, keep busy rooms in memory (durability), make backups less often", "the gateway writes %.0f MB a day, going by its time since the start: cards wear out by that", perDay)}
	}
	return nil
}
