package token

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

var errDisk = errors.New("the disk is gone")

// faulty is a disk that calls seen before and after each step, as a power cut
// there would find things, and fails at the step with the number fail: before
// anything of it is done, after half of it, or after all.
type faulty struct {
	fail  int
	when  string // before, half or after
	steps []string
	seen  func()
}

func (f *faulty) disk() disk {
	real := osDisk()
	return disk{
		write: func(path string, content []byte, like fs.FileInfo) error {
			if f.fail == len(f.steps) && f.when == "half" {
				f.seen()
				if err := real.write(path, content[:len(content)/2], like); err != nil {
					return err
				}
				f.steps = append(f.steps, "write")
				f.seen()
				return errDisk
			}
			return f.step("write", func() error { return real.write(path, content, like) })
		},
		link:   func(from, to string) error { return f.step("link", func() error { return real.link(from, to) }) },
		rename: func(from, to string) error { return f.step("rename", func() error { return real.rename(from, to) }) },
		sync:   func(folder string) error { return f.step("sync", func() error { return real.sync(folder) }) },
	}
}

func (f *faulty) step(name string, do func() error) error {
	n := len(f.steps)
	f.steps = append(f.steps, name)
	f.seen()
	defer f.seen()
	if f.fail == n && f.when == "before" {
		return errDisk
	}
	if err := do(); err != nil {
		return err
	}
	if f.fail == n && f.when == "after" {
		return errDisk
	}
	return nil
}

func oldRing(t *testing.T) (path string, content []byte) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "keys.json")
	content = []byte(`{"active":"a","keys":{"a":"` + base64.StdEncoding.EncodeToString([]byte("the secret of the key a, 32 bytes")) + `"}}`)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, content
}

// Whatever step fails, and whenever the power goes, the file is the old ring or
// the new one, and the old key verifies.
func TestRotateSurvivesEveryFault(t *testing.T) {
	faults := 0
	for fail := -1; fail < 3; fail++ {
		for _, when := range []string{"before", "half", "after"} {
			path, old := oldRing(t)
			looks := 0
			f := &faulty{fail: fail, when: when}
			f.seen = func() {
				looks++
				ring, err := LoadKeysFile(path)
				if err != nil || len(ring.byID["a"]) != 1 {
					t.Fatalf("fault %d %s, after %q: %v", fail, when, f.steps, err)
				}
				if b, _ := os.ReadFile(path); len(ring.all) == 1 && !bytes.Equal(b, old) {
					t.Fatalf("fault %d %s, after %q: neither the old file nor the new one", fail, when, f.steps)
				}
			}
			kid, err := rotate(f.disk(), path, nil)
			f.seen()
			if injected := fail >= 0 && (when != "half" || fail == 0); injected != errors.Is(err, errDisk) || injected != (kid == "") {
				t.Errorf("fault %d %s: kid %q, %v", fail, when, kid, err)
			}
			if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
				t.Errorf("fault %d %s: %d files are left", fail, when, len(left))
			}
			if fail < 0 && strings.Join(f.steps, " ") != "write rename sync" || looks < 3 {
				t.Errorf("steps %q, looked at %d times", f.steps, looks)
			}
			faults++
		}
	}
	t.Logf("%d runs with a fault in each step: always the old ring or the new one", faults)
}

// The same for a file that was not there: nothing, or the whole ring.
func TestCreateSurvivesEveryFault(t *testing.T) {
	for fail := -1; fail < 3; fail++ {
		for _, when := range []string{"before", "half", "after"} {
			path := filepath.Join(t.TempDir(), "keys.json")
			f := &faulty{fail: fail, when: when}
			f.seen = func() {
				ring, err := LoadKeysFile(path)
				if !errors.Is(err, fs.ErrNotExist) && (err != nil || len(ring.all) != 2) {
					t.Fatalf("fault %d %s, after %q: %v", fail, when, f.steps, err)
				}
			}
			_, err := create(f.disk(), path, []byte("an old secret, made of 32 bytes or more"))
			f.seen()
			// A link that cannot be made is no fault: the rename stands in.
			injected := fail >= 0 && (when != "half" || fail == 0) && fail != 1
			if injected != errors.Is(err, errDisk) {
				t.Errorf("fault %d %s: %v", fail, when, err)
			}
			if left, _ := filepath.Glob(path + ".*"); len(left) != 0 {
				t.Errorf("fault %d %s: %q are left", fail, when, left)
			}
		}
	}
}

// Between the look whether the file is there and the link, another process may
// make it.
func TestPlaceNewLosesTheRace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	d := osDisk()
	write := d.write
	d.write = func(p string, content []byte, like fs.FileInfo) error {
		return errors.Join(write(p, content, like), os.WriteFile(path, []byte("theirs"), 0o600))
	}
	if _, err := create(d, path, []byte("an old secret, made of 32 bytes or more")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("create: %v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "theirs" {
		t.Errorf("the other's file was replaced by %q", b)
	}
	// Where there are no links, the look has to do.
	d = osDisk()
	d.link = func(string, string) error { return syscall.EPERM }
	if _, err := create(d, path, []byte("an old secret, made of 32 bytes or more")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("create without links: %v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "theirs" {
		t.Errorf("without links the other's file was replaced by %q", b)
	}
}

type info struct {
	fs.FileInfo
	sys any
}

func (i info) Mode() fs.FileMode { return 0o664 }
func (i info) Sys() any          { return i.sys }

// A group whose rights were given must not be swapped for another.
func TestGroupThatCannotBeKept(t *testing.T) {
	st := &syscall.Stat_t{Uid: uint32(os.Getuid()), Gid: uint32(os.Getgid())}
	for name, tt := range map[string]struct {
		like fs.FileInfo
		want fs.FileMode
	}{
		"kept":    {info{sys: st}, 0o664},
		"unknown": {info{}, 0o604},
	} {
		path := filepath.Join(t.TempDir(), "keys")
		if err := writeSynced(path, nil, tt.like); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.Stat(path); got.Mode().Perm() != tt.want {
			t.Errorf("%s: mode %v, want %v", name, got.Mode(), tt.want)
		}
	}
}

// A temporary file that is there already is someone else's.
func TestWriteTouchesNoOthersFile(t *testing.T) {
	path, old := oldRing(t)
	if err := writeSynced(path, []byte("x"), nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("writeSynced: %v", err)
	}
	if b, _ := os.ReadFile(path); !bytes.Equal(b, old) {
		t.Errorf("the file holds %q", b)
	}
}

func TestNewKIDDiffers(t *testing.T) {
	const random = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	var others []key
	seen := map[string]bool{}
	for range MaxKeys + 1 {
		kid := newKID(random, others)
		if seen[kid] || !validKeyID(kid) {
			t.Fatalf("%q is taken or no key's name", kid)
		}
		seen[kid] = true
		others = append(others, key{id: kid})
	}
	if !seen["k-abcdefgh"] || !seen["k-abcdefghi"] {
		t.Errorf("names %v", seen)
	}
}
