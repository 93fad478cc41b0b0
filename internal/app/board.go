package app

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	clients "edgegw/firmware-clients"
	"edgegw/internal/adminsock"
	"edgegw/internal/httpapi"
	"edgegw/internal/localca"
)

// wearSettles is how long a gateway has to run before what it has written says
// something of a day: the start writes a little by itself.
const wearSettles = time.Minute

// board is what administrators see of gateway and machine.
type board struct{ *App }

func (b board) Status() httpapi.BoardStatus {
	a, h, now := b.App, b.health(), b.trend.newest()
	connections, rooms := a.hub.Live()
	stats, live := a.accounts.Stats(), a.hub.LiveDevices()
	return httpapi.BoardStatus{
		Version: a.info.Version, Site: a.cfg.Site, Uptime: int64(h.Uptime / time.Second), ServerTime: a.clock.NowMS(),
		Clock: h.Clock, Health: h.Status, Checks: h.Checks, Pressure: int(a.hub.Pressure()),
		Memory:      httpapi.MemoryStatus{Used: residentBytes("/"), Limit: MemoryLimit()},
		Disk:        a.diskStatus(),
		Stores:      httpapi.StoreStatus{Identity: a.identity.SizeBytes(), History: a.history.SizeBytes(), Limit: storeBytes(a.cfg)},
		Wear:        wearStatus(h.Uptime, storageWritten("/")),
		Temperature: temperature("/"), BackupAge: known(a.backupAge()), TLS: a.tlsStatus(), URLs: a.urls(),
		Connections: connections, Rooms: rooms, Received: now.received, Delivered: now.delivered, Dropped: a.metrics.MessagesDropped.Total(),
		Devices: httpapi.DeviceStatus{Connected: live, Never: stats.DevicesNever, Offline: max(0, stats.Devices-stats.DevicesNever-live)},
	}
}

func (b board) Trend() httpapi.Trend { return b.trend.show() }

func (b board) Settings() []httpapi.Setting {
	list := make([]httpapi.Setting, 0, len(b.cfg.Settings()))
	for _, s := range b.cfg.Settings() {
		list = append(list, httpapi.Setting{Name: s.Name, Value: s.Value, Origin: string(s.Origin), Where: s.Where})
	}
	return list
}

func (b board) Time(context.Context) (httpapi.SiteTime, error) {
	return httpapi.SiteTime{Time: b.clock.NowMS(), State: string(b.clock.State())}, nil
}

func (b board) SetTime(ctx context.Context, to time.Time) (httpapi.SiteTime, error) {
	own := siteClock{b.clock, b.identity, b.accounts.Note, &b.clockReset}
	if _, err := own.Set(ctx, adminsock.NewTime{At: to}); err != nil {
		return httpapi.SiteTime{}, err
	}
	return b.Time(ctx)
}

// known is nil for what is not known, which is below 0.
func known(n int64) *int64 {
	if n < 0 {
		return nil
	}
	return &n
}

func (a *App) diskStatus() httpapi.DiskStatus {
	var st syscall.Statfs_t
	if err := syscall.Statfs(a.cfg.DataDir, &st); err != nil {
		return httpapi.DiskStatus{}
	}
	return httpapi.DiskStatus{Free: int64(st.Bavail) * int64(st.Bsize), Total: int64(st.Blocks) * int64(st.Bsize)}
}

func (a *App) tlsStatus() *httpapi.TLSStatus {
	if a.certificates == nil {
		return nil
	}
	s := &httpapi.TLSStatus{Expires: a.certificates.left()}
	if block, _ := pem.Decode(a.certificates.caPEM()); block != nil {
		if ca, err := x509.ParseCertificate(block.Bytes); err == nil {
			s.Pin = localca.Pin(ca)
		}
	}
	return s
}

func wearStatus(uptime time.Duration, written int64) httpapi.WearStatus {
	w := httpapi.WearStatus{Written: written}
	if uptime >= wearSettles {
		w.PerDay = perDay(uptime, written)
	}
	return w
}

// residentBytes is the process's resident memory; 0 where /proc does not tell.
func residentBytes(root string) int64 {
	b, _ := os.ReadFile(filepath.Join(root, "proc/self/statm"))
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// temperature is of the board's first thermal zone, in degrees Celsius, nil where
// it has none.
func temperature(root string) *float64 {
	b, err := os.ReadFile(filepath.Join(root, "sys/class/thermal/thermal_zone0/temp"))
	if err != nil {
		return nil
	}
	milli, err := strconv.ParseFloat(strings.TrimSpace(string(b)), 64)
	if err != nil {
		return nil
	}
	celsius := milli / 1000
	return &celsius
}

// shelf has the clients' files.
type shelf struct{}

func (shelf) Names() []string { return clients.Names() }

func (shelf) File(name string) ([]byte, bool) { return clients.File(name) }
