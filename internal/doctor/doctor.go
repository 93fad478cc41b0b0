// Package doctor looks at a gateway's machine from outside: what is wrong or will
// be, and what to do about it. It changes nothing, asks nobody for rights that it
// does not have, and says what it could not look at. How the gateway itself is, is
// told to it: it opens no store.
package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"edgegw/internal/config"
)

// Level says how bad a finding is.
type Level string

// The levels. A problem keeps the gateway from doing its work, now or at the next
// start; a warning will one day; a note is something to know. Unknown is what could
// not be looked at.
const (
	OK      Level = "ok"
	Note    Level = "note"
	Unknown Level = "unknown"
	Warning Level = "warning"
	Problem Level = "problem"
)

// Finding is what one check has found. Fix is what to do about it; for what is in
// order it is empty.
type Finding struct {
	Check   string `json:"check"`
	Level   Level  `json:"level"`
	Message string `json:"message"`
	Fix     string `json:"fix,omitempty"`
}

// Machine is the machine with the gateway as the checks see it.
type Machine struct {
	// Root is / but in tests: /proc, /sys, /etc and /run are looked for below it.
	Root   string
	Config *config.Config
	// Now is the system's time, and Synced what the kernel thinks of it.
	Now      time.Time
	Synced   bool
	UID      int
	Hostname string
	// Addresses are those of the machine's interfaces.
	Addresses []netip.Addr
	// Lookup resolves a host name.
	Lookup func(ctx context.Context, host string) error
	// TryListen takes an address for a moment.
	TryListen func(address string) error
	// Systemctl runs `systemctl show` and returns what it prints.
	Systemctl func(ctx context.Context, args ...string) (string, error)
	// Disk tells of the file system that a path is on.
	Disk func(path string) (Disk, error)
	// Memory is what a process may use, in bytes: the machine's memory, and the
	// limit of its control group, 0 for none.
	Memory func(pid int) (machine, group int64)

	// LowDisk is where the gateway calls itself degraded, and StoreBytes how
	// large the history may become.
	LowDisk, StoreBytes int64
	// NewestBackup is when the newest backup of the timer was made, zero for
	// none; BackupsErr says why that is not known.
	NewestBackup time.Time
	BackupsErr   error

	Gateway Gateway
}

// Gateway is what the gateway says about itself.
type Gateway struct {
	// Answers says that an edgegw answers where the configuration has it, Err
	// why not.
	Answers bool
	Err     error
	// Status, Clock and Checks are those of GET /health.
	Status, Clock string
	Checks        map[string]string
	// Floor is the saved time below which the gateway does not start; zero when
	// it is not known, and FloorErr says why.
	Floor    time.Time
	FloorErr error
}

// Disk is a file system, in bytes and in files. Inodes is 0 where there is no
// limit.
type Disk struct {
	Free, Total        int64
	FreeInodes, Inodes int64
}

type check struct {
	name string
	run  func(context.Context, *Machine) []Finding
}

// checks are in the order in which their findings are of help.
var checks = [...]check{
	{"gateway", gatewayRuns}, {"unit", unitState}, {"lock", oneGateway}, {"port", ports}, {"network", reachable}, {"names", names},
	{"clock", clockState}, {"space", space}, {"card", card}, {"permissions", permissions}, {"stores", stores},
	{"backups", backups}, {"memory", memory}, {"files", openFiles}, {"certificate", certificate}, {"admin", admin},
}

// Examine runs every check.
func Examine(ctx context.Context, m *Machine) []Finding {
	var all []Finding
	for _, c := range checks {
		for _, f := range c.run(ctx, m) {
			f.Check = c.name
			all = append(all, f)
		}
	}
	return all
}

// Worst is the worst level of the findings; what could not be looked at is not bad.
func Worst(list []Finding) Level {
	worst := OK
	for _, f := range list {
		if f.Level == Problem || f.Level == Warning && worst != Problem {
			worst = f.Level
		}
	}
	return worst
}

func good(format string, args ...any) []Finding {
	return []Finding{{Level: OK, Message: fmt.Sprintf(format, args...)}}
}

func unknown(format string, args ...any) []Finding {
	return []Finding{{Level: Unknown, Message: fmt.Sprintf(format, args...), Fix: "run this with sudo, if you may"}}
}

func found(l Level, fix, format string, args ...any) Finding {
	return Finding{Level: l, Message: fmt.Sprintf(format, args...), Fix: fix}
}

// path is one of the system's files.
func (m *Machine) path(elem ...string) string {
	return filepath.Join(append([]string{m.Root}, elem...)...)
}

// read is the text of one of the system's files, "" when there is none.
func (m *Machine) read(elem ...string) string {
	b, err := os.ReadFile(m.path(elem...))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// data is a file in the data folder.
func (m *Machine) data(elem ...string) string {
	return filepath.Join(append([]string{m.Config.DataDir}, elem...)...)
}

func mib(bytes int64) string { return fmt.Sprintf("%d MiB", bytes>>20) }
