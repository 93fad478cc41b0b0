package backup_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"edgegw/internal/backup"
	"edgegw/internal/gateway"
)

func archive(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := backup.NewWriter(&b, backup.Manifest{Version: "1.2.3", Site: "plant", Created: 7})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if err := w.Add(fmt.Sprintf("history/%06d", i), bytes.Repeat([]byte{byte(i)}, 700*i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(b []byte) error {
	_, err := backup.Read(bytes.NewReader(b), nil)
	return err
}

func TestRoundTrip(t *testing.T) {
	var names []string
	m, err := backup.Read(bytes.NewReader(archive(t)), func(name string, data []byte) error {
		names = append(names, fmt.Sprint(name, len(data)))
		return nil
	})
	if err != nil || m.Version != "1.2.3" || m.Site != "plant" || m.Created != 7 || m.Format != backup.Format {
		t.Errorf("manifest %+v, %v", m, err)
	}
	if got := strings.Join(names, " "); got != "history/0000000 history/000001700 history/0000021400 history/0000032100 history/0000042800" {
		t.Error(got)
	}
}

// Cut at every byte: the two empty blocks that end a tar are a part of it.
func TestCutOffIsRefused(t *testing.T) {
	whole := archive(t)
	for n := range whole {
		if err := read(whole[:n]); gateway.CodeOf(err) != gateway.CodeUnavailable {
			t.Fatalf("cut after %d of %d bytes: %v", n, len(whole), err)
		}
	}
}

func TestChangedIsRefused(t *testing.T) {
	whole := archive(t)
	random := rand.New(rand.NewPCG(1, 2))
	_, entries := contents(t, whole)
	for range 3000 {
		b := bytes.Clone(whole)
		b[random.IntN(len(b))] ^= 1 << random.IntN(8)
		if err := read(b); err != nil {
			continue
		}
		// What no sum covers (padding, owner and time of an entry) may
		// change, and then changes nothing.
		if _, now := contents(t, b); now != entries {
			t.Fatal("a changed archive was taken")
		}
	}
	out := bytes.Index(whole, []byte("history/000002\x00"))
	for name, b := range map[string][]byte{
		"one left out":   slices.Concat(whole[:out], whole[out+512+1536:]),
		"bytes behind":   append(bytes.Clone(whole), 1),
		"twice":          append(bytes.Clone(whole), whole...),
		"empty":          nil,
		"no tar":         bytes.Repeat([]byte("no tar "), 1000),
		"zeroes":         make([]byte, 4096),
		"sums cut":       bytes.Replace(whole, []byte(`"history/000004":"`), []byte(`"history/000009":"`), 1),
		"one bit of sum": bytes.Replace(whole, []byte(`"history/000004":"`), []byte(`"history/000004":"0`), 1),
	} {
		if err := read(b); gateway.CodeOf(err) != gateway.CodeUnavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func contents(t *testing.T, b []byte) (backup.Manifest, string) {
	t.Helper()
	var all strings.Builder
	m, err := backup.Read(bytes.NewReader(b), func(name string, data []byte) error {
		fmt.Fprintf(&all, "%s %x\n", name, data)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return m, all.String()
}

func TestNewerIsRefused(t *testing.T) {
	whole := archive(t)
	m, err := json.Marshal(backup.Format)
	if err != nil {
		t.Fatal(err)
	}
	b := bytes.Replace(whole, []byte(`"format":`+string(m)), []byte(`"format":9`), 1)
	if err := read(b); err == nil || !strings.Contains(err.Error(), "format 9, made by edgegw 1.2.3") {
		t.Error(err)
	}
}
