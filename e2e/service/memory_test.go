package service_test

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"edgegw/e2e/process"
)

// Where nobody has set GOMEMLIMIT the runtime's limit is a part of what there is.
func TestMemoryLimitOfTheRuntime(t *testing.T) {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		t.Fatal(err)
	}
	total, ok := process.Metric(strings.Join(strings.Fields(strings.SplitN(string(b), "\n", 2)[0])[:2], " "), "MemTotal:")
	if !ok {
		t.Fatal("/proc/meminfo has no MemTotal")
	}
	for name, row := range map[string]struct {
		set      string
		from, to float64 // bytes
	}{
		"ok unset": {"EMPTY=", 1 << 20, total * 1024 * 0.76},
		"ok set":   {"GOMEMLIMIT=100MiB", 100 << 20, 100 << 20},
	} {
		g := process.New(t)
		g.Under = []string{"env", row.set}
		g.Run()
		client := &http.Client{Timeout: process.Patience}
		resp, err := client.Get(g.URL + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		client.CloseIdleConnections()
		if limit, ok := process.Metric(string(text), "go_memlimit_bytes"); err != nil || !ok || limit < row.from || limit > row.to {
			t.Errorf("%s: the limit is %.0f, want %.0f to %.0f (%v)", name, limit, row.from, row.to, err)
		}
	}
}
