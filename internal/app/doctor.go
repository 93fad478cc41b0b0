package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"

	"edgegw/internal/adminsock"
	"edgegw/internal/clock"
	"edgegw/internal/config"
	"edgegw/internal/doctor"
	"edgegw/internal/reach"
)

// examineTimeout is for each of the questions to the gateway and to systemd.
const examineTimeout = 3 * time.Second

// Examine looks at the machine and the gateway of cfg, whether that runs or not.
func Examine(ctx context.Context, cfg *config.Config) []doctor.Finding {
	return doctor.Examine(ctx, machineOf(ctx, cfg))
}

func machineOf(ctx context.Context, cfg *config.Config) *doctor.Machine {
	const root = "/"
	host, _ := os.Hostname() // its lack shows in the check of names
	system := clock.System(time.Time{})
	m := &doctor.Machine{
		Root: root, Config: cfg, Now: system.Wall(), Synced: system.Synced(), UID: os.Geteuid(),
		Hostname: host, Addresses: addresses(), Lookup: lookup, TryListen: tryListen, Systemctl: systemctl, Disk: diskOf,
		Memory: func(pid int) (int64, int64) {
			return machineMemory(root), groupMemory(root, "proc/"+process(pid)+"/cgroup")
		},
		LowDisk: lowDiskBytes, StoreBytes: storeBytes(cfg),
		Gateway: askGateway(ctx, cfg),
	}
	list, err := ownBackups(cfg)
	m.BackupsErr = err
	if list = byAge(list, m.Now); len(list) > 0 {
		m.NewestBackup = list[len(list)-1].made
	}
	return m
}

func process(pid int) string {
	if pid == 0 {
		return "self"
	}
	return strconv.Itoa(pid)
}

// askGateway asks the gateway over the network and through its admin socket.
func askGateway(ctx context.Context, cfg *config.Config) (g doctor.Gateway) {
	ctx, cancel := context.WithTimeout(ctx, examineTimeout)
	defer cancel()
	target, err := reach.Local(cfg, "")
	if err == nil {
		var h reach.Health
		h, err = target.Ask(ctx)
		g.Status, g.Clock, g.Checks = h.Status, h.Clock, h.Checks
	}
	g.Answers, g.Err = err == nil, err
	admin, err := adminsock.Dial(ctx, cfg.DataDir)
	if err == nil {
		var c adminsock.Clock
		if c, err = admin.ShowClock(ctx); err == nil {
			g.Floor = time.UnixMilli(c.Floor)
			return g
		}
	}
	// Of a gateway that does not run, nobody asks: its store is left alone.
	if g.Answers && !errors.Is(err, os.ErrNotExist) {
		g.FloorErr = err
	}
	return g
}

func addresses() (list []netip.Addr) {
	all, _ := net.InterfaceAddrs() // without them nothing is compared
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			list = append(list, p.Addr())
		}
	}
	return list
}

func lookup(ctx context.Context, host string) error {
	ctx, cancel := context.WithTimeout(ctx, examineTimeout)
	defer cancel()
	_, err := net.DefaultResolver.LookupHost(ctx, host)
	return err
}

func tryListen(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	return l.Close()
}

// systemctl is in /bin wherever there is systemd: that is a link to /usr/bin, or
// the other way round.
func systemctl(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, examineTimeout)
	defer cancel()
	return output(ctx, "/bin/systemctl", args...)
}

// output is what a program prints, of which there is not much. os/exec would be 33 KB
// on armv6 for this alone.
func output(ctx context.Context, path string, args ...string) (out string, err error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, null.Close()) }()
	r, w, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	child, err := os.StartProcess(path, append([]string{path}, args...), &os.ProcAttr{Files: []*os.File{null, w, null}})
	if err = errors.Join(err, w.Close()); err != nil {
		return "", err
	}
	stop := context.AfterFunc(ctx, func() { _ = child.Kill() })
	defer stop()
	b, err := io.ReadAll(r)
	state, waitErr := child.Wait()
	switch {
	case err != nil || waitErr != nil:
		return "", errors.Join(err, waitErr)
	case !state.Success():
		return "", fmt.Errorf("%s: %v", path, state)
	}
	return string(b), nil
}

func diskOf(path string) (doctor.Disk, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(path, &st); err != nil {
		return doctor.Disk{}, fmt.Errorf("%s: %w", path, err)
	}
	block := int64(st.Bsize)
	return doctor.Disk{Free: int64(st.Bavail) * block, Total: int64(st.Blocks) * block, FreeInodes: int64(st.Ffree), Inodes: int64(st.Files)}, nil
}
