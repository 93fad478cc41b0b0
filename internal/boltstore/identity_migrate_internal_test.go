package boltstore

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"edgegw/internal/gateway"
)

// identityV1 is a file that the gateway of schema version 1 wrote.
func identityV1(t *testing.T) []byte {
	t.Helper()
	return unzipped(t, "testdata/identity-v1.db.gz")
}

func unzipped(t *testing.T, path string) []byte {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	zip, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(zip)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// accountsV1 is what stands in it.
func accountsV1() []gateway.Account {
	everywhere := gateway.Grants{{Pattern: "*", Rights: gateway.RightRead | gateway.RightWrite}}
	return []gateway.Account{
		{
			Name: "ann", Kind: gateway.KindUser, Role: gateway.RoleMember, Created: 1795465046654,
			Grants:       gateway.Grants{{Pattern: "plant.*", Rights: gateway.RightRead | gateway.RightWrite}, {Pattern: "alarms", Rights: gateway.RightRead}},
			PasswordHash: "$argon2id$v=19$m=8192,t=1,p=1$9cao2/GJ5Uou/wt6WDoQJg$hzCUEO6qjYtTS0nbeH8BHBOr0tUcvhtgt6FFzG60qsA",
		},
		{
			Name: "bob", Kind: gateway.KindUser, Role: gateway.RoleMember, Created: 1795465046699, Disabled: true, Grants: everywhere,
			PasswordHash: "$argon2id$v=19$m=8192,t=1,p=1$srrWB/XpxyD69CWohL91yQ$yv14C+rCuDDkd581EQz3RZquwHq/R7A0VcfNihzAklo",
		},
		{
			Name: "owner", Kind: gateway.KindUser, Role: gateway.RoleAdmin, Created: 1795465046620, Grants: everywhere,
			PasswordHash: "$argon2id$v=19$m=8192,t=1,p=1$O2XnLXBb47TJVxghyajyBQ$COaakWydS7P59QgC/fKGZPeskV01b+vLs55xN9Q2M5s",
		},
	}
}

func checkV1Accounts(t *testing.T, s *Identity) {
	t.Helper()
	var got []gateway.Account
	err := s.View(func(tx *IdentityTx) error {
		return tx.Accounts(func(a gateway.Account) bool { got = append(got, a); return true })
	})
	if diff := cmp.Diff(accountsV1(), got); diff != "" || err != nil {
		t.Errorf("the accounts (%v, -want +got):\n%s", err, diff)
	}
}

func TestMigrationFromV1(t *testing.T) {
	path := rewrite(t, filepath.Join(t.TempDir(), "identity.db"), identityV1(t))
	s := openIdentity(t, path, nil)
	checkV1Accounts(t, s)
	var key []byte
	err := s.Update(func(tx *IdentityTx) (err error) {
		if key, err = tx.RefreshKey(); len(key) != 32 || bytes.Equal(key, make([]byte, 32)) {
			t.Errorf("RefreshKey = %x", key)
		}
		ann, _, err2 := tx.Account("ann")
		ann.ResetRequested = 5
		return errors.Join(err, err2, tx.PutAccount(ann), tx.PutSession(gateway.Session{Account: "ann", ID: "s"}),
			tx.AddEvent(event(gateway.EventResetRequested, "ann")))
	})
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	s = openIdentity(t, path, nil)
	err = s.View(func(tx *IdentityTx) error {
		ann, _, err := tx.Account("ann")
		want := accountsV1()[0]
		want.ResetRequested = 5
		if diff := cmp.Diff(want, ann); diff != "" {
			t.Errorf("ann, written anew (-want +got):\n%s", diff)
		}
		again, err2 := tx.RefreshKey()
		if !bytes.Equal(again, key) {
			t.Errorf("RefreshKey went from %x to %x", key, again)
		}
		return errors.Join(err, err2)
	})
	if err != nil {
		t.Error(err)
	}
}

func TestRefreshKeysDiffer(t *testing.T) {
	seen := make(map[string]bool)
	for range 3 {
		s := openIdentity(t, "", nil)
		if err := s.View(func(tx *IdentityTx) error { key, err := tx.RefreshKey(); seen[string(key)] = true; return err }); err != nil {
			t.Error(err)
		}
	}
	if len(seen) != 3 {
		t.Errorf("%d keys in 3 stores", len(seen))
	}
}

// TestMigrationCutOff keeps any part of what the migration writes from reaching
// the disk, or its meta page, as a power cut does.
func TestMigrationCutOff(t *testing.T) {
	before := identityV1(t)
	path := rewrite(t, filepath.Join(t.TempDir(), "identity.db"), before)
	if err := openIdentity(t, path, nil).Close(); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const page, metas = 4096, 2
	var changed []int // pages of data
	for at := metas * page; at < len(after); at += page {
		if at >= len(before) || !bytes.Equal(before[at:at+page], after[at:at+page]) {
			changed = append(changed, at)
		}
	}
	if len(changed) == 0 {
		t.Fatal("the migration changed nothing")
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	for round := range 40 {
		cut := append([]byte(nil), before...)
		for _, at := range changed {
			if rnd.IntN(2) == 0 {
				cut = append(cut, make([]byte, max(0, at+page-len(cut)))...)
				copy(cut[at:], after[at:at+rnd.IntN(page+1)])
			}
		}
		if round%2 == 1 { // the meta page was being written
			n := rnd.IntN(60)
			for m := range metas {
				if old, now := before[m*page:][:page], after[m*page:][:page]; !bytes.Equal(old, now) {
					copy(cut[m*page+16:], now[16:16+n])
				}
			}
		}
		rewrite(t, path, cut)
		if got := schemaOf(t, path); got != 1 {
			t.Fatalf("round %d left schema version %d", round, got)
		}
		s := openIdentity(t, path, nil)
		checkV1Accounts(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if got := schemaOf(t, path); got != 2 {
			t.Fatalf("round %d was migrated to schema version %d", round, got)
		}
	}
}

func schemaOf(t *testing.T, path string) (version uint32) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.View(func(tx *bolt.Tx) error {
		version = binary.BigEndian.Uint32(tx.Bucket(bucketMeta).Get(keySchema))
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return version
}

// TestFailedMigrationLeavesV1 has the step fail behind its last write.
func TestFailedMigrationLeavesV1(t *testing.T) {
	path := rewrite(t, filepath.Join(t.TempDir(), "identity.db"), identityV1(t))
	failing := identitySchema()
	failing.steps = []func(*bolt.Tx) error{func(tx *bolt.Tx) error { return errors.Join(addSessions(tx), errors.New("no")) }}
	_, err := openStore(storeFile{path: path, schema: failing, mapBytes: 1 << 20})
	if gateway.CodeOf(err) != gateway.CodeUnavailable {
		t.Errorf("openStore = %v", err)
	}
	if data, err := os.ReadFile(path); err != nil || !bytes.Equal(data, identityV1(t)) {
		t.Errorf("the file changed (%v)", err)
	}
	checkV1Accounts(t, openIdentity(t, path, nil))
}
