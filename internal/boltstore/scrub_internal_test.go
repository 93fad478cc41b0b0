package boltstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
	"edgegw/internal/storetest"
)

const scrubbed = 1000

func newScrubbed(t *testing.T) (h *History, path string) {
	site, path := storetest.NewSite(), filepath.Join(t.TempDir(), "history.db")
	h = openTest(t, site, path, nil)
	for i := range scrubbed {
		storetest.Publish(t, h, site, gateway.RoomID(fmt.Sprint("r", i%3)), fmt.Sprintf("here %04d %0100d", i, i))
	}
	h.settle(t)
	return h, path
}

// A scrub finds messages that nobody has asked for.
func TestScrub(t *testing.T) {
	h, _ := newScrubbed(t)
	if found, err := h.Scrub(t.Context()); err != nil || found != (Scrubbed{Messages: scrubbed}) {
		t.Errorf("a sound file: %+v %v", found, err)
	}
	err := h.db.Update(func(tx *bolt.Tx) error {
		for _, seq := range []gateway.Seq{1, 250, 333} {
			if err := harm(t, tx, seqKey(seq), bucketMessages, []byte("r1")); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found, err := h.Scrub(t.Context()); err != nil || found != (Scrubbed{Messages: scrubbed, Damaged: 3}) {
		t.Errorf("three damaged messages: %+v %v", found, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Scrub(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// A page that rots while the file is open ends the store once a scrub comes by, and
// the next start mends it.
func TestScrubOfADamagedPage(t *testing.T) {
	h, path := newScrubbed(t)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndex(b, []byte("here 0500 ")) &^ (os.Getpagesize() - 1)
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt(bytes.Repeat([]byte{0xFF}, os.Getpagesize()), int64(at)); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- h.Run(context.Background()) }()
	if _, err := h.Scrub(t.Context()); gateway.CodeOf(err) != gateway.CodeUnavailable {
		t.Errorf("the scrub returned %v", err)
	}
	if err := <-ended; !isDamaged(err) {
		t.Errorf("the store ended with %v", err)
	}
	if err := h.db.Close(); err != nil {
		t.Fatal(err)
	}
	saved := ""
	again := openTest(t, storetest.NewSite(), path, func(o *HistoryOptions) {
		o.Observer.Quarantined = func(s string) { saved = s }
	})
	if n := len(storetest.All(t, again, "r0")) + len(storetest.All(t, again, "r1")) + len(storetest.All(t, again, "r2")); saved == "" || n < scrubbed*9/10 || n == scrubbed {
		t.Errorf("saved %q, %d messages", saved, n)
	}
}
