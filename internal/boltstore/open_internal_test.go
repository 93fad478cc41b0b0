package boltstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
	"edgegw/internal/storetest"
)

// history makes a history.db with some messages and closes it.
func history(t testing.TB, site *storetest.Site) string {
	h := openTest(t, site, "", nil)
	for i := range 300 {
		storetest.Publish(t, h, site, gateway.RoomID(fmt.Sprint("room-", i%3)), strings.Repeat("x", 100))
	}
	h.settle(t)
	storetest.Publish(t, h, site, "room-0", "in the log")
	h.flush(t)
	path := h.copyFile(t)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenRefuses(t *testing.T) {
	site := storetest.NewSite()
	tests := []struct {
		name string
		harm func(t *testing.T, path string) string
		code gateway.Code
		says string
	}{
		{"bad folder missing", func(t *testing.T, path string) string { return filepath.Join(path+".d", "history.db") },
			gateway.CodeUnavailable, "does not exist; create it"},
		{"bad a folder of that name", func(t *testing.T, path string) string { return filepath.Dir(path) },
			gateway.CodeUnavailable, "is not a regular file; move it away"},
		{"bad a text file", func(t *testing.T, path string) string {
			return rewrite(t, path, []byte(strings.Repeat("hello ", 9999)))
		},
			gateway.CodeUnavailable, "is no edgegw store; move it away"},
		{"bad another program's bbolt file", foreign, gateway.CodeUnavailable, "is no edgegw store; move it away"},
		{"bad schema of the future", func(t *testing.T, path string) string {
			return alter(t, path, keySchema, binary.BigEndian.AppendUint32(nil, 3))
		}, gateway.CodeUnavailable, "has schema version 3 and this edgegw knows up to 2; run the newer edgegw"},
		{"bad the other store's file", func(t *testing.T, path string) string { return alter(t, path, keyKind, []byte("identity")) },
			gateway.CodeUnavailable, "is the identity store, not the history store"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h, err := tryOpen(t, site, test.harm(t, history(t, site)), nil)
			if err == nil {
				h.Close()
			}
			if gateway.CodeOf(err) != test.code || !strings.Contains(fmt.Sprint(err), test.says) {
				t.Errorf("OpenHistory = %v; want %s: …%s…", err, test.code, test.says)
			}
		})
	}
}

func TestPathErrorsSayWhatToDo(t *testing.T) {
	if err := refusePath("/data/history.db", fs.ErrPermission); !strings.Contains(err.Error(), "give the folder and the file to the user") {
		t.Error(err)
	}
	if err := refusePath("/data/history.db", errors.New("input/output error")); !strings.Contains(err.Error(), "check the disk") {
		t.Error(err)
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	site := storetest.NewSite()
	h := openTest(t, site, "", nil)
	started := time.Now()
	_, err := tryOpen(t, site, h.opts.Path, nil)
	if gateway.CodeOf(err) != gateway.CodeConflict || !strings.Contains(err.Error(), "is in use by another process; stop it first") {
		t.Errorf("a second OpenHistory = %v", err)
	}
	if took := time.Since(started); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestLeftoversOfAFirstOpen finds what a power cut during the first open leaves.
func TestLeftoversOfAFirstOpen(t *testing.T) {
	site := storetest.NewSite()
	path := filepath.Join(t.TempDir(), "history.db")
	rewrite(t, path+".tmp", []byte("half a file"))
	h := openTest(t, site, path, nil)
	storetest.Publish(t, h, site, "r", "x")
	if _, err := os.Stat(path + ".tmp"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the leftover is still there: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// TestOpenMends opens what a card has damaged: the file is put aside as it was,
// and what is sound of it is there.
func TestOpenMends(t *testing.T) {
	site := storetest.NewSite()
	for _, test := range []struct {
		name string
		harm func(t *testing.T, path string) string
		all  bool // nothing is lost
	}{
		{"ok an empty file", func(t *testing.T, path string) string { return rewrite(t, path, nil) }, false},
		{"ok cut in the middle", func(t *testing.T, path string) string { return cut(t, path, 20<<10) }, false},
		{"ok cut inside the meta pages", func(t *testing.T, path string) string { return cut(t, path, 5000) }, false},
		{"ok both meta pages damaged", func(t *testing.T, path string) string { return flip(t, path, 20, 4096+20) }, false},
		{"ok other pages in the place of the meta pages", func(t *testing.T, path string) string {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			return rewrite(t, path, slices.Concat(b[3*4096:5*4096], b[2*4096:]))
		}, false},
		{"ok state record", func(t *testing.T, path string) string { return alter(t, path, keyState, []byte("nonsense")) }, true},
		{"ok a bit of its kind", func(t *testing.T, path string) string { return alter(t, path, keyKind, []byte("higtory")) }, true},
		{"ok a bit of its schema version", func(t *testing.T, path string) string { return alter(t, path, keySchema, []byte{64, 0, 0, 2}) }, true},
		{"ok damage that was met before", func(t *testing.T, path string) string {
			rewrite(t, markOf(path), nil)
			return path
		}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := test.harm(t, history(t, site))
			damaged, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			saved := ""
			h := openTest(t, site, path, func(o *HistoryOptions) { o.Observer.Quarantined = func(s string) { saved = s } })
			if !strings.Contains(saved, "messages in") {
				t.Errorf("told was %q", saved)
			}
			bad, err := filepath.Glob(path + badMark + "*")
			if err != nil || len(bad) != 1 {
				t.Fatalf("%v, %v", bad, err)
			}
			if kept, err := os.ReadFile(bad[0]); err != nil || !bytes.Equal(kept, damaged) {
				t.Errorf("%d of %d bytes were kept, %v", len(kept), len(damaged), err)
			}
			if all := storetest.All(t, h, "room-0"); test.all && (len(all) == 0 || string(all[len(all)-1].Payload.Bytes) != "in the log") {
				t.Errorf("%d messages are left", len(all))
			}
			storetest.Publish(t, h, site, "room-0", "new")
			h.settle(t)
			if err := h.db.Close(); err != nil {
				t.Fatal(err)
			}
			saved = ""
			openTest(t, site, path, func(o *HistoryOptions) { o.Observer.Quarantined = func(s string) { saved = s } })
			if saved != "" {
				t.Errorf("it is damaged again: %s", saved)
			}
		})
	}
}

// Of damaged files the newest few are kept.
func TestOldDamagedFilesGo(t *testing.T) {
	site := storetest.NewSite()
	path := filepath.Join(t.TempDir(), "history.db")
	for range keptBad + 2 {
		h := openTest(t, site, path, func(o *HistoryOptions) { o.Observer.Quarantined = nil })
		if err := h.db.Close(); err != nil {
			t.Fatal(err)
		}
		rewrite(t, markOf(path), nil)
		site.Advance(time.Second)
	}
	if bad, err := filepath.Glob(path + badMark + "*"); err != nil || len(bad) != keptBad {
		t.Errorf("%v, %v", bad, err)
	}
}

func rewrite(t testing.TB, path string, data []byte) string {
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func cut(t *testing.T, path string, size int64) string {
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	return path
}

func flip(t *testing.T, path string, offsets ...int) string {
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range offsets {
		data[at] ^= 1
	}
	return rewrite(t, path, data)
}

// alter puts a value into the meta bucket behind the store's back.
func alter(t *testing.T, path string, key, value []byte) string {
	edit(t, path, func(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Put(key, value) })
	return path
}

func foreign(t *testing.T, path string) string {
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	edit(t, path, func(tx *bolt.Tx) error {
		_, err := tx.CreateBucket([]byte("other"))
		return err
	})
	return path
}

func edit(t testing.TB, path string, fn func(*bolt.Tx) error) {
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(fn), db.Close()); err != nil {
		t.Fatal(err)
	}
}
