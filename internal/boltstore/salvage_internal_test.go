package boltstore

import (
	"errors"
	"os"
	ossignal "os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/storetest"
)

// What a salvage has no time or space for is left out, and the numbers of the rooms
// go on all the same: nobody resumes into what is not there.
func TestSalvageThatIsCutShort(t *testing.T) {
	for _, c := range []struct {
		name   string
		chunks int // before it is too much
		least  int // messages
	}{{"ok at once", 0, 0}, {"ok in the middle", 3, 100}, {"ok never", 1 << 30, 3200}} {
		t.Run(c.name, func(t *testing.T) {
			o := newOriginal(t)
			dir := t.TempDir()
			bad, path := filepath.Join(dir, "bad"), filepath.Join(dir, "history.db")
			if err := os.WriteFile(bad, o.bytes, 0o600); err != nil {
				t.Fatal(err)
			}
			// Nothing is left in the log, which would tell of the numbers too.
			filled := (&mutant{original: o, t: t, site: storetest.NewSite(), path: bad}).open()
			filled.settle(t)
			if err := filled.db.Close(); err != nil {
				t.Fatal(err)
			}
			n := 0
			report, err := salvage(bad, path, func() bool { n++; return n > c.chunks })
			if err != nil || report.inTime != (c.chunks > 3) {
				t.Fatalf("%+v %v", report, err)
			}
			m := &mutant{original: o, t: t, site: storetest.NewSite(), path: path}
			h := m.open()
			m.saved = "as if it had been put aside"
			if kept := m.checkMessages(h); kept < c.least || c.chunks == 0 && kept > 3000 {
				t.Errorf("%d messages are there", kept)
			}
			for id, want := range o.heads {
				if head, err := h.Head(id); err != nil || head.Seq != want {
					t.Errorf("%s stands at %d, want %d (%v)", id, head.Seq, want, err)
				}
			}
			m.goOn(h)
		})
	}
}

// When the new file cannot be written the damaged one stays, and nothing else takes
// its place.
func TestSalvageThatCannotWrite(t *testing.T) {
	o := newOriginal(t)
	path := filepath.Join(t.TempDir(), "history.db")
	b := append([]byte(nil), o.bytes...)
	clear(b[len(b)/2 : len(b)/2+4096])
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(markOf(path), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	ossignal.Ignore(syscall.SIGXFSZ)
	defer ossignal.Reset(syscall.SIGXFSZ)
	small := limit
	small.Cur = 256 << 10
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small); err != nil {
		t.Fatal(err)
	}
	_, err := tryOpen(t, storetest.NewSite(), path, nil)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, syscall.EFBIG) || gateway.CodeOf(err) != gateway.CodeUnavailable {
		t.Fatalf("opened: %v", err)
	}
	m := &mutant{original: o, t: t, site: storetest.NewSite(), path: path}
	h := m.open()
	if kept := m.checkMessages(h); m.saved == "" || kept < 2000 {
		t.Errorf("%q, %d messages are there", m.saved, kept)
	}
}

// The newest of the files that were set aside stay, by when they were written, and
// not more than so many bytes of them.
func TestTrimBad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "[x]", "history.db")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for i, name := range []string{"00010101-000000", "20270101-000000", "19700101-000000"} {
		name = path + badMark + name
		if err := os.WriteFile(name, make([]byte, 1000), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, now, now.Add(time.Duration(i)*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	have := func(name string) bool { _, err := os.Stat(path + badMark + name); return err == nil }
	if err := trimBad(path, 2, 1<<30); err != nil || have("00010101-000000") || !have("20270101-000000") || !have("19700101-000000") {
		t.Errorf("two of three: %v", err)
	}
	if err := trimBad(path, 2, 1500); err != nil || have("20270101-000000") || !have("19700101-000000") {
		t.Errorf("1500 bytes: %v", err)
	}
	s := &Space{dir: filepath.Dir(path)}
	if !s.dropBad() || s.dropBad() || have("19700101-000000") {
		t.Error("a full disk keeps them")
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
