package app

import (
	"syscall"
	"testing"

	"edgegw/internal/config"
)

func TestStoreBytes(t *testing.T) {
	cfg := &config.Config{DataDir: t.TempDir()}
	var st syscall.Statfs_t
	if err := syscall.Statfs(cfg.DataDir, &st); err != nil {
		t.Fatal(err)
	}
	got := storeBytes(cfg)
	if got < leastStoreBytes || got > 2<<30 || got > leastStoreBytes && got > int64(st.Blocks)*int64(st.Bsize)/diskShare {
		t.Errorf("by default %d bytes on a disk of %d", got, int64(st.Blocks)*int64(st.Bsize))
	}
	cfg.MaxStoreBytes = 99 << 20
	if got := storeBytes(cfg); got != 99<<20 {
		t.Errorf("as set: %d", got)
	}
	if got := storeBytes(&config.Config{DataDir: "/no such folder"}); got < 256<<20 {
		t.Errorf("of no disk: %d", got)
	}
}
