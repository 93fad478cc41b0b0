package process

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Metric finds a gauge or counter in the text of /metrics; name is its whole line
// but the value.
func Metric(text, name string) (float64, bool) {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return n, err == nil
		}
	}
	return 0, false
}

// Of reads a number from a file that the kernel has about the process: the one
// behind "name:" in /proc/PID/file.
func (g *Gateway) Of(file, name string) int {
	g.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", g.PID(), file))
	if err != nil {
		g.t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			n, err := strconv.Atoi(strings.Fields(value)[0])
			if err != nil {
				g.t.Fatal(err)
			}
			return n
		}
	}
	g.t.Fatalf("%s has no %s", file, name)
	return 0
}

// CPU is the processor time that the gateway has used: the sum over its threads
// of schedstat's first field. /proc/PID/stat has the same in steps of 10 ms.
func (g *Gateway) CPU() time.Duration {
	g.t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", g.PID()))
	if err != nil || len(files) == 0 {
		g.t.Fatalf("the gateway is gone, or its kernel has no schedstat: %v", err)
	}
	var sum time.Duration
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // the thread has ended since
		}
		first, _, _ := bytes.Cut(b, []byte(" "))
		ns, err := strconv.ParseInt(string(first), 10, 64)
		if err != nil {
			g.t.Fatal(err)
		}
		sum += time.Duration(ns)
	}
	return sum
}
