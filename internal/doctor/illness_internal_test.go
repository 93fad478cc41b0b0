package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// illnesses are what the checks are for: what is wrong, and what is said of it.
var illnesses = []struct {
	name  string
	flags []string
	make  func(*sick)
	check string
	level Level
	says  string
}{
	{"stores held, nobody answers", nil, func(s *sick) { s.down(); s.TryListen = free }, "gateway", Problem, "holds the stores (pid 812)"},
	{"failing", nil, func(s *sick) { s.Gateway.Status = "failing" }, "gateway", Problem, "starts or stops"},
	{"damaged messages", nil, func(s *sick) { s.Gateway.Checks["history"] = "damaged messages: 3" }, "gateway", Warning, "damaged messages: 3"},
	{"pressure", nil, func(s *sick) { s.Gateway.Checks["pressure"] = "level 2" }, "gateway", Warning, "level 2"},
	{"no admin", nil, func(s *sick) { s.Gateway.Checks["admin"] = "missing" }, "admin", Problem, "no administrator"},
	{"two gateways", nil, func(s *sick) { s.fake("proc/locks", s.lock("identity.db", 812)+s.lock("history.db", 913)) }, "lock", Problem, "pids [812 913]"},
	{"few files", nil, func(s *sick) {
		s.fake("proc/812/limits", "Max open files            1024                 1024                files\n")
	}, "files", Warning, "may open 1024 files, and max_connections is 10000"},
	{"limits unreadable", nil, func(s *sick) { s.fake("proc/812/limits", "") }, "files", Unknown, "cannot be read"},

	{"unit failed", nil, func(s *sick) {
		s.units("ActiveState=active", "ActiveState=failed", "Result=success", "Result=exit-code")
	}, "unit", Problem, "failed: exit-code"},
	{"unit restarts", nil, func(s *sick) { s.units("NRestarts=0", "NRestarts=7") }, "unit", Warning, "restarted 7 times"},
	{"unit between two tries", nil, func(s *sick) { s.units("SubState=running", "SubState=auto-restart") }, "unit", Problem, "failed"},
	{"unit disabled", nil, func(s *sick) { s.units("UnitFileState=enabled", "UnitFileState=disabled") }, "unit", Warning, "does not start at boot"},
	{"not as a unit", nil, func(s *sick) { s.units("ActiveState=active", "ActiveState=inactive") }, "unit", Note, "not as edgegw.service"},
	{"no unit", nil, func(s *sick) { s.units("LoadState=loaded", "LoadState=not-found") }, "unit", Note, "no edgegw.service"},
	{"no systemd", nil, func(s *sick) { s.remove("run/systemd") }, "unit", Unknown, "does not run here"},
	{"systemctl fails", nil, func(s *sick) {
		s.Systemctl = func(context.Context, ...string) (string, error) { return "", errors.New("boom") }
	}, "unit", Unknown, "boom"},
	{"socket elsewhere", nil, func(s *sick) {
		s.units("LoadState=not-found\nActiveState=inactive", "LoadState=loaded\nActiveState=active\nListen=[::]:80 (Stream)")
	}, "unit", Warning, "disagree: listen = :8080"},

	{"port taken by another", nil, func(s *sick) {
		s.remove("proc/812/fd")
		s.fake("proc/44/comm", "nginx\n")
		s.link("proc/44/fd/3", "socket:[4711]")
	}, "port", Problem, "another program: nginx (pid 44)"},
	{"port not ours", []string{"listen=192.168.9.9:8080"}, func(s *sick) { s.TryListen = fails(syscall.EADDRNOTAVAIL) }, "port", Problem, "no address of this machine"},
	{"port privileged", []string{"listen=:80"}, func(s *sick) { s.TryListen = fails(syscall.EACCES) }, "port", Problem, "below 1024"},
	{"loopback only", []string{"listen=127.0.0.1:8080"}, func(*sick) {}, "network", Note, "loopback only"},
	{"name unknown", nil, func(s *sick) {
		s.Lookup = func(context.Context, string) error { return errors.New("no such host") }
	}, "names", Warning, "board, does not resolve"},
	{"no avahi", nil, func(s *sick) { s.remove("run/avahi-daemon") }, "names", Note, "board.local"},

	{"1970", nil, func(s *sick) { s.Now, s.NewestBackup = time.Unix(3600, 0), time.Unix(60, 0) }, "clock", Problem, "1970-01-01T01:00:00Z, which cannot be"},
	{"not synchronised", nil, func(s *sick) { s.Synced, s.Gateway.Clock = false, "floor" }, "clock", Warning, "nobody vouches"},
	{"no battery", nil, func(s *sick) { s.remove("sys/class/rtc") }, "clock", Note, "no battery-backed clock"},
	{"floor ahead", nil, func(s *sick) { s.Gateway.Floor = today.Add(48 * time.Hour) }, "clock", Problem, "ahead of the system's by 48h0m0s"},
	{"floor unknown", nil, func(s *sick) { s.Gateway.FloorErr = errors.New("permission denied") }, "clock", Unknown, "permission denied"},

	{"disk full", nil, func(s *sick) { s.disk(Disk{Free: 10 << 20, Total: 8 << 30}) }, "space", Problem, "10 MiB are free"},
	{"disk too small to grow", nil, func(s *sick) { s.disk(Disk{Free: 1 << 30, Total: 8 << 30}) }, "space", Warning, "may grow by 2047 MiB more"},
	{"no inodes", nil, func(s *sick) { s.disk(Disk{Free: 8 << 30, Total: 8 << 30, Inodes: 5000, FreeInodes: 12}) }, "space", Problem, "only 12 more files"},
	{"read-only", nil, func(s *sick) { s.mount("ro,noatime", "ext4", "rw") }, "card", Problem, "read-only"},
	{"read-only after an error", nil, func(s *sick) { s.mount("rw", "ext4", "ro,errors=remount-ro") }, "card", Problem, "read-only"},
	{"in memory", nil, func(s *sick) { s.mount("rw", "tmpfs", "rw") }, "card", Warning, "lies in memory"},
	{"overlay", nil, func(s *sick) { s.mount("rw", "overlay", "rw") }, "card", Warning, "overlay"},
	{"on the network", nil, func(s *sick) { s.mount("rw", "nfs4", "rw") }, "card", Warning, "on the network"},
	{"without owners", nil, func(s *sick) { s.mount("rw", "vfat", "rw") }, "card", Warning, "no owners"},
	{"no barriers", nil, func(s *sick) { s.mount("rw", "ext4", "rw,nobarrier") }, "card", Warning, "nobarrier"},
	{"file system errors", nil, func(s *sick) { s.fake("sys/fs/ext4/mmcblk0p2/errors_count", "3") }, "card", Problem, "mmcblk0p2 has counted 3 errors"},
	{"flash old", nil, func(s *sick) { s.fake("sys/block/mmcblk0/device/life_time", "0x02 0x09") }, "card", Warning, "80 %"},
	{"flash over", nil, func(s *sick) { s.fake("sys/block/mmcblk0/device/pre_eol_info", "0x03") }, "card", Problem, "worn out"},
	{"much is written", nil, func(s *sick) { s.Gateway.Checks["wear"] = "9000.5 MB a day" }, "card", Warning, "9000 MB a day"},
	{"no mountinfo", nil, func(s *sick) { s.fake("proc/self/mountinfo", "") }, "card", Unknown, "does not tell"},

	{"folder open", nil, func(s *sick) { s.chmod(".", 0o777) }, "permissions", Warning, "others may change files"},
	{"store open", nil, func(s *sick) { s.chmod("history.db", 0o644) }, "permissions", Warning, "history.db (mode 0644)"},
	{"key open", nil, func(s *sick) { s.write(s.data("tls/ca.key"), "x"); s.chmod("tls/ca.key", 0o640) }, "permissions", Warning, "ca.key"},
	{"no store", nil, func(s *sick) { s.write(s.data("history.db"), strings.Repeat("x", 8<<10)) }, "stores", Problem, "history.db is no store"},
	{"put aside", nil, func(s *sick) { s.write(s.data("history.db.bad-20270101-000000"), "x") }, "stores", Warning, "was damaged and put aside"},
	{"damage met", nil, func(s *sick) { s.write(s.data("history.db.damaged"), "") }, "stores", Problem, "damage was met in"},
	{"restored", nil, func(s *sick) { s.write(s.data("replaced-20270101/identity.db"), "x") }, "stores", Note, "a restore has kept"},

	{"no backups", []string{"backup_every=0"}, func(*sick) {}, "backups", Note, "no backups are made"},
	{"no backup yet", nil, func(s *sick) { s.NewestBackup = time.Time{} }, "backups", Warning, "no backup in"},
	{"old backup", nil, func(s *sick) { s.NewestBackup = today.Add(-72 * time.Hour) }, "backups", Warning, "72h0m0s old"},
	{"backup failed", nil, func(s *sick) { s.Gateway.Checks["backup"] = "failed: no space" }, "backups", Problem, "failed: no space"},
	{"backup on the same disk", []string{"backup_dir="}, func(*sick) {}, "backups", Note, "same disk"},
	{"backups unreadable", nil, func(s *sick) { s.BackupsErr = errors.New("denied") }, "backups", Unknown, "denied"},

	{"group too small", nil, func(s *sick) { s.Memory = func(int) (int64, int64) { return 1 << 30, 32 << 20 } }, "memory", Warning, "may take 32 MiB"},
	{"no memory left", nil, func(s *sick) { s.fake("proc/meminfo", "MemTotal: 1000000 kB\nMemAvailable: 9000 kB\n") }, "memory", Warning, "only 8 MiB are free"},
	{"swap on the card", nil, func(s *sick) { s.fake("proc/swaps", "Filename Type Size\n/var/swap file 102396 0 -2\n") }, "memory", Note, "/var/swap"},
}

func free(string) error { return nil }

func fails(err error) func(string) error {
	return func(a string) error { return fmt.Errorf("listen %s: %w", a, err) }
}

func (s *sick) down() {
	s.Gateway = Gateway{Err: errors.New("nothing listens there"), Checks: map[string]string{}}
}

func (s *sick) units(oldnew ...string) {
	out := strings.NewReplacer(oldnew...).Replace(wellUnits)
	s.Systemctl = func(context.Context, ...string) (string, error) { return out, nil }
}

func (s *sick) disk(d Disk) { s.Disk = func(string) (Disk, error) { return d, nil } }

func (s *sick) mount(options, kind, super string) {
	s.fake("proc/self/mountinfo", fmt.Sprintf("36 35 179:2 / / %s - %s /dev/mmcblk0p2 %s\n", options, kind, super))
}

func (s *sick) chmod(name string, mode os.FileMode) {
	if err := os.Chmod(s.data(name), mode); err != nil {
		s.t.Fatal(err)
	}
}

func (s *sick) remove(name string) {
	if err := os.RemoveAll(s.path(name)); err != nil {
		s.t.Fatal(err)
	}
}
