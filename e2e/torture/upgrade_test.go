package torture_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"edgegw/e2e/process"
	"edgegw/internal/gatewaytest"
)

// An update that is killed at any system call is done by the next start, and the
// files as they were stay until the one after it has served.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	n, sum := number("N", 6), total{}
	for i := range n {
		point := 1 + i
		if n < 40 {
			point = 1 + i*40/n
		}
		t.Run(fmt.Sprint(point), func(t *testing.T) { upgrade(t, 1+point%40, []string{writes, syncs}[i/40%2]) })
		sum.Faults++
		sum.Acked += 99 // what both files hold
		sum.Changes += 3
	}
	addUp(t, "upgrade", sum)
}

func upgrade(t *testing.T, point int, calls string) {
	s := &site{t: t}
	s.Gateway = process.New(t, "argon2_memory_kib=7168", "argon2_time=1")
	for _, name := range []string{"identity", "history"} {
		unpack(t, filepath.Join("..", "..", "internal", "boltstore", "testdata", name+"-v1.db.gz"), filepath.Join(s.Dir, name+".db"))
	}
	s.straced(calls, fmt.Sprintf("signal=KILL:when=%d", point))
	if err := s.Try(); err != nil && s.Runs() {
		t.Fatal(err)
	}
	s.kill()
	s.Under = nil
	s.inspect()
	s.Run()
	s.secret = s.Key()
	s.client = newClient()
	defer s.kill()
	for room, want := range map[string]int{"plant.1": 94, "alarms": 5} {
		var page struct{ Messages []message }
		a, err := gatewaytest.Ask(s.client, "GET", s.URL+"/rooms/"+room+"/messages?limit=1000", s.owner(), nil)
		if err == nil {
			err = json.Unmarshal(a.Body, &page)
		}
		if err != nil || len(page.Messages) != want {
			t.Errorf("%s: %d messages, %d %v", room, len(page.Messages), a.Status, err)
		}
	}
	a, err := gatewaytest.Ask(s.client, "GET", s.URL+"/users", s.owner(), nil)
	if users, _ := a.JSON()["users"].([]any); err != nil || len(users) != 3 {
		t.Errorf("people: %d %s %v", a.Status, a.Body, err)
	}
}

// owner is the administrator of the stored files.
func (s *site) owner() string {
	return gatewaytest.SignWith(s.secret, `{"alg":"HS256","typ":"JWT"}`, process.Claims("owner", time.Now().Add(time.Hour).Unix()))
}

func unpack(t *testing.T, from, to string) {
	t.Helper()
	file, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	zip, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(zip)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
