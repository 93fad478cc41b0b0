package boltstore

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/storetest"
)

// Nothing is acknowledged that goes into files which nobody will find again.
func TestFilesThatAreGone(t *testing.T) {
	for what, lose := range map[string]func(dir string) error{
		"removed":  os.RemoveAll,
		"moved":    func(dir string) error { return os.Rename(dir, dir+".old") },
		"replaced": func(dir string) error { return replaceAll(dir) },
	} {
		t.Run("bad "+what, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			site := storetest.NewSite()
			acked := 0
			h := openTest(t, site, filepath.Join(dir, "history.db"), func(o *HistoryOptions) {
				o.Committed = func(r []*gateway.Record) { acked += len(r) }
			})
			s, err := OpenIdentity(IdentityOptions{Path: filepath.Join(dir, "identity.db"), Now: site.Now})
			if err != nil {
				t.Fatal(err)
			}
			add := func(name string) error {
				return s.Update(func(tx *IdentityTx) error { return tx.PutAccount(account(name)) })
			}
			if err := add("ann"); err != nil {
				t.Fatal(err)
			}
			if err := lose(dir); err != nil {
				t.Fatal(err)
			}
			if err := add("bob"); err == nil {
				t.Error("an account went nowhere")
			}
			if err := add("eve"); gateway.CodeOf(err) != gateway.CodeUnavailable {
				t.Errorf("and another: %v", err)
			}
			ended := make(chan error, 1)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			go func() { ended <- h.Run(ctx) }()
			if err := h.Append(storetest.Next(t, h, site, "r", "lost")); err != nil {
				t.Fatal(err)
			}
			if err := <-ended; err == nil || acked > 0 {
				t.Errorf("the writer ended with %v after %d acks", err, acked)
			}
			_ = s.Close()
		})
	}
}

// replaceAll puts copies of the files in their places.
func replaceAll(dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	for _, name := range names {
		var b []byte
		if b, err = os.ReadFile(name); err == nil {
			err = os.WriteFile(name+".x", b, 0o600)
		}
		if err == nil {
			err = os.Rename(name+".x", name)
		}
		if err != nil {
			return err
		}
	}
	return err
}
