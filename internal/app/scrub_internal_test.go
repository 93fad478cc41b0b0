package app

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"edgegw/internal/config"
	"edgegw/internal/gateway"
)

// Health tells of messages that rot while nobody reads them.
func TestHealthTellsOfDamagedMessages(t *testing.T) {
	cfg, err := config.Load(config.Sources{Flags: map[string]string{
		"env": "development", "listen": "127.0.0.1:0", "log_format": "json", "data_dir": t.TempDir(), "commit_window": "0",
	}})
	if err != nil {
		t.Fatal(err)
	}
	run := func(do func(*App)) {
		t.Helper()
		a, err := New(t.Context(), cfg, Deps{Log: io.Discard})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- a.Run(ctx) }()
		do(a)
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
	run(func(a *App) {
		for _, text := range []string{`"one"`, `"what rots"`, `"three"`} {
			p := gateway.Principal{Name: "ann", Role: gateway.RoleAdmin}
			if _, err := a.hub.Publish(t.Context(), p, "lobby", "", gateway.Payload{Kind: gateway.PayloadJSON, Bytes: []byte(text)}); err != nil {
				t.Fatal(err)
			}
		}
	})
	path := filepath.Join(cfg.DataDir, historyFile)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.ReplaceAll(b, []byte("what rots"), []byte("what rot!")), 0o600); err != nil {
		t.Fatal(err)
	}
	run(func(a *App) {
		if h := a.health(); h.Checks["history"] != "" {
			t.Errorf("before anyone has looked: %v", h.Checks)
		}
		a.scrub(t.Context())
		if h := a.health(); h.Status == "ok" || !strings.HasPrefix(h.Checks["history"], "damaged messages, which are left out: 1;") {
			t.Errorf("%s %v", h.Status, h.Checks)
		}
	})
}
