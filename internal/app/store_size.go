package app

import (
	"strconv"
	"syscall"

	"edgegw/internal/config"
)

const (
	leastStoreBytes = 16 << 20
	// diskShare is the part of the disk that the history may take by default: the
	// rest is for backups, for the copy that a compaction or a salvage needs, and
	// for the system.
	diskShare = 4
)

// storeBytes is how large the history may become.
func storeBytes(cfg *config.Config) int64 {
	if cfg.MaxStoreBytes > 0 {
		return cfg.MaxStoreBytes
	}
	most := int64(256 << 20)
	if strconv.IntSize == 64 {
		most = 2 << 30
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(cfg.DataDir, &st); err != nil {
		return most
	}
	return min(most, max(leastStoreBytes, int64(st.Blocks)*int64(st.Bsize)/diskShare))
}
