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
	const settled = time.Minute // the start writes a little by itself
	if uptime < settled {
		return "not known before a minute"
	}
	perDay := float64(written) * float64(24*time.Hour) / float64(uptime)
	return fmt.Sprintf("%.1f MB a day", perDay/1e6)
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
