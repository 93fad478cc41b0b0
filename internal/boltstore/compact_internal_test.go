package boltstore

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"edgegw/internal/gateway"
	"edgegw/internal/storetest"
)

// A compaction under readers and publishers loses nothing, gives space back, and
// leaves nothing to read of what was deleted.
func TestCompact(t *testing.T) {
	site, path := storetest.NewSite(), filepath.Join(t.TempDir(), "history.db")
	h := openTest(t, site, path, nil)
	stop := running(t, h)
	secret := "what-nobody-shall-read-any-more"
	for i := range 10_000 {
		storetest.Publish(t, h, site, "gone", fmt.Sprintf("%s %d %0200d", secret, i, i))
	}
	for i := range 500 {
		storetest.Publish(t, h, site, "kept", fmt.Sprint(i))
	}
	if err := h.Delete("gone"); err != nil {
		t.Fatal(err)
	}
	// At once, while most of what was deleted still waits to be taken apart.
	if _, err := h.Compact(); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); err != nil || bytes.Contains(b, []byte(secret)) {
		t.Errorf("what was deleted is still in the file, %v", err)
	}
	var others sync.WaitGroup
	others.Go(func() {
		for i := range 500 {
			storetest.Publish(t, h, site, "kept", fmt.Sprint(500+i))
		}
	})
	others.Go(func() {
		for range 200 {
			if page, err := h.Page("kept", gateway.HistoryQuery{Limit: 100, OldestFirst: true}); err != nil || len(page.Messages) != 100 {
				t.Errorf("%d messages, %v", len(page.Messages), err)
			}
		}
	})
	var c Compacted
	for range 3 {
		var err error
		if c, err = h.Compact(); err != nil {
			t.Fatal(err)
		}
	}
	others.Wait()
	if c.After > 1<<20 {
		t.Errorf("compacted from %d to %d bytes", c.Before, c.After)
	}
	if found, err := h.Inspect(); err != nil || found.Damaged > 0 || found.Kind != "history" {
		t.Errorf("while it is open: %+v %v", found, err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil || bytes.Contains(b, []byte(secret)) {
		t.Errorf("what was deleted is still in the file, %v", err)
	}
	again := openTest(t, site, path, nil)
	checkDisk(t, again)
	for i, m := range storetest.All(t, again, "kept") {
		if string(m.Payload.Bytes) != fmt.Sprint(i) {
			t.Fatalf("in place %d is %s", i, m.Payload.Bytes)
		}
	}
	if n := len(storetest.All(t, again, "kept")); n != 1000 {
		t.Errorf("%d messages are left", n)
	}
}

func TestCompactIdentity(t *testing.T) {
	m := &mended{t: t, path: filepath.Join(t.TempDir(), "identity.db")}
	s := m.open()
	fillMended(t, s)
	c, err := s.Compact()
	if err != nil || c.After >= c.Before || !s.Outdated() {
		t.Errorf("%+v %v", c, err)
	}
	m.check(s)
	if found, err := s.Inspect(); err != nil || found.Damaged > 0 || found.Kind != "identity" || found.Values < mendedAccounts {
		t.Errorf("%+v %v", found, err)
	}
	if _, err := OpenIdentity(IdentityOptions{Path: m.path, Now: s.opts.Now}); gateway.CodeOf(err) != gateway.CodeConflict {
		t.Errorf("a second process opens the new file: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	m.check(m.open())
}

// Inspect finds what mutations did, and no fault with what is sound.
func TestInspect(t *testing.T) {
	o := newOriginal(t)
	path := filepath.Join(t.TempDir(), "history.db")
	write := func(b []byte) {
		t.Helper()
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(o.bytes)
	if found, err := Inspect(path); err != nil || found.Damaged > 0 || found.Values < 3200 || found.Schema != 2 {
		t.Errorf("a sound file: %+v %v", found, err)
	}
	write(bytes.ReplaceAll(o.bytes, []byte("room-3 1503 "), []byte("room-3 1503!"))) // freed pages may have it too
	found, err := Inspect(path)
	if err != nil || found.Damaged != 1 || !slices.ContainsFunc(found.Problems, func(p string) bool {
		return strings.Contains(p, "of room room-3 fails its sum: it is left out, and clients are told of a gap")
	}) {
		t.Errorf("an altered message: %+v %v", found, err)
	}
	for what, b := range map[string][]byte{
		"cut": o.bytes[:len(o.bytes)/10], "zeroed": make([]byte, 8192), "foreign": []byte(strings.Repeat("hello ", 2000)), "empty": nil,
	} {
		write(b)
		if found, err := Inspect(path); err != nil || found.Damaged == 0 || len(found.Problems) == 0 {
			t.Errorf("%s: %+v %v", what, found, err)
		}
	}
	write(o.bytes)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if found, err := Inspect(path); err != nil || len(found.Problems) != 1 || !strings.Contains(found.Problems[0], "chmod 600") {
		t.Errorf("readable by all: %+v %v", found, err)
	}
	for _, bad := range []string{filepath.Dir(path), path + ".none"} {
		if _, err := Inspect(bad); gateway.CodeOf(err) != gateway.CodeUnavailable {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
