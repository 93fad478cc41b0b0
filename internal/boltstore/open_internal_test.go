package boltstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
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
		{"bad an empty file", func(t *testing.T, path string) string { return rewrite(t, path, nil) },
			gateway.CodeUnavailable, "is no edgegw store; move it away"},
		{"bad another program's bbolt file", foreign, gateway.CodeUnavailable, "is no edgegw store; move it away"},
		{"bad cut in the middle", func(t *testing.T, path string) string { return cut(t, path, 20<<10) },
			gateway.CodeUnavailable, "is damaged; keep a copy"},
		{"bad cut inside the meta pages", func(t *testing.T, path string) string { return cut(t, path, 5000) },
			gateway.CodeUnavailable, "is damaged; keep a copy"},
		{"bad both meta pages damaged", func(t *testing.T, path string) string { return flip(t, path, 20, 4096+20) },
			gateway.CodeUnavailable, "is damaged; keep a copy"},
		{"bad schema of the future", func(t *testing.T, path string) string {
			return alter(t, path, keySchema, binary.BigEndian.AppendUint32(nil, 3))
		}, gateway.CodeUnavailable, "has schema version 3 and this edgegw knows up to 2; run the newer edgegw"},
		{"bad the other store's file", func(t *testing.T, path string) string { return alter(t, path, keyKind, []byte("identity")) },
			gateway.CodeUnavailable, "is the identity store, not the history store"},
		{"bad state record", func(t *testing.T, path string) string { return alter(t, path, keyState, []byte("nonsense")) },
			gateway.CodeUnavailable, "is damaged; keep a copy"},
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

// TestDamagedFilesNeverCrash flips, zeroes and cuts a store at random places:
// it either opens and reads, or refuses with an error of its own.
func TestDamagedFilesNeverCrash(t *testing.T) {
	site := storetest.NewSite()
	path := history(t, site)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	refused := 0
	for range 150 {
		data := append([]byte(nil), whole...)
		at := rnd.IntN(len(data))
		switch rnd.IntN(4) {
		case 0:
			data[at] ^= 1 << rnd.IntN(8)
		case 1:
			data = data[:at]
		case 2:
			page := data[at/4096*4096:]
			clear(page[:min(4096, len(page))])
		default:
			copy(data[at/4096*4096:], data[rnd.IntN(len(data))/4096*4096:][:4096])
		}
		h, err := tryOpen(t, site, rewrite(t, path, data), nil)
		if err != nil {
			if code := gateway.CodeOf(err); code != gateway.CodeUnavailable {
				t.Errorf("OpenHistory = %v", err)
			}
			refused++
			continue
		}
		for _, room := range []gateway.RoomID{"room-0", "room-1", "room-2"} {
			page, err := h.Page(room, gateway.HistoryQuery{Limit: 1000})
			if code := gateway.CodeOf(err); code != "" && code != gateway.CodeUnavailable {
				t.Errorf("Page = %v", err)
			}
			for _, m := range page.Messages {
				if s := string(m.Payload.Bytes); s != "in the log" && s != strings.Repeat("x", 100) {
					t.Errorf("a damaged message was served: %q", s)
				}
			}
		}
		h.db.Close()
	}
	if refused == 0 || refused == 150 {
		t.Errorf("%d of 150 damaged files were refused", refused)
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
