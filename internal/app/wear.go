package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// wear says what the card will take in a day, if it goes on as since the start.
func wear(uptime time.Duration, written int64) string {
	if uptime < wearSettles {
		return "not known before a minute"
	}
	return fmt.Sprintf("%.1f MB a day", float64(perDay(uptime, written))/1e6)
}

// perDay is what a day of it would come to.
func perDay(uptime time.Duration, written int64) int64 {
	return int64(float64(written) * float64(24*time.Hour) / float64(uptime))
}

// storageWritten is what the process has had written to disks, in bytes: commits,
// copies, backups, compactions. It is 0 where the kernel does not count it, or all
// files lie in memory. root is / but in tests.
func storageWritten(root string) int64 {
	b, _ := os.ReadFile(filepath.Join(root, "proc/self/io"))
	for line := range strings.Lines(string(b)) {
		if n, ok := strings.CutPrefix(line, "write_bytes:"); ok {
			written, _ := strconv.ParseInt(strings.TrimSpace(n), 10, 64)
			return written
		}
	}
	return 0
}
