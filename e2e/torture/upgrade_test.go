package torture_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"edgegw/e2e/process"
	"edgegw/internal/gatewaytest"
)

// An update that loses power at any call that changes files is done by the next
// start, and the files as they were stay until the one after it has served.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	k := &starts{kind: "upgrade", v: process.NewVolume(t, "ext4"), r: rand.New(rand.NewPCG(seedOf(t), 4)), prepare: oldFiles, stage: upgradeStage, verify: upgraded,
		stages: []string{"copying identity.db", "copying history.db", "history.db of schema 1, its copy there"}}
	k.run(t, number("N", 6))
}

func oldFiles(t *testing.T, dir string) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"identity", "history"} {
		unpack(t, filepath.Join("..", "..", "internal", "boltstore", "testdata", name+"-v1.db.gz"), filepath.Join(dir, name+".db"))
	}
}

// upgradeStage tells what an update was at; the accounts come first.
func upgradeStage(t *testing.T, dir string) string {
	for _, name := range []string{"identity.db", "history.db"} {
		switch {
		case exists(dir, name+".v1.tmp"):
			return "copying " + name
		case !exists(dir, name+".v1"):
			return "before the copy of " + name
		case schemaOf(t, filepath.Join(dir, name)) < schemaNow:
			return fmt.Sprintf("%s of schema %d, its copy there", name, schemaOf(t, filepath.Join(dir, name)))
		}
	}
	return "both brought to today's"
}

// schemaNow is what both files are brought to.
const schemaNow = 2

// schemaOf has "edgegw check" look at one file, which has to be sound.
func schemaOf(t *testing.T, path string) int {
	t.Helper()
	out, err := process.Command("check", "--json", path).Output()
	var said struct {
		Good  bool
		Files []struct{ Schema int }
	}
	if err == nil {
		err = json.Unmarshal(out, &said)
	}
	if err != nil || !said.Good || len(said.Files) != 1 {
		t.Fatalf("check of %s: %v %s", filepath.Base(path), err, out)
	}
	return said.Files[0].Schema
}

// upgraded looks for everything that the old files hold, in the new ones and in
// those that are kept.
func upgraded(t *testing.T, s *site) (sum total) {
	var old []string
	for _, name := range []string{"identity.db", "history.db"} {
		path := filepath.Join(s.Dir, name)
		if schemaOf(t, path) < schemaNow {
			old = append(old, path)
		} else if schemaOf(t, path+".v1") != 1 {
			t.Errorf("%s is of another schema", path+".v1")
		}
	}
	s.Run()
	s.secret = s.Key()
	for _, path := range old { // this start has made a copy, if that of before had not
		if schemaOf(t, path+".v1") != 1 {
			t.Errorf("%s is of another schema", path+".v1")
		}
	}
	for room, want := range map[string]int{"plant.1": 94, "alarms": 5} {
		var page struct{ Messages []message }
		a, err := gatewaytest.Ask(s.client, "GET", s.URL+"/rooms/"+room+"/messages?limit=1000", s.owner(), nil)
		if err == nil {
			err = json.Unmarshal(a.Body, &page)
		}
		if err != nil || len(page.Messages) != want {
			sum.Lost += max(0, want-len(page.Messages))
			t.Errorf("%s: %d messages, %d %v", room, len(page.Messages), a.Status, err)
		}
		sum.Acked += want
	}
	a, err := gatewaytest.Ask(s.client, "GET", s.URL+"/users", s.owner(), nil)
	users, _ := a.JSON()["users"].([]any)
	if err != nil || len(users) != 3 {
		sum.Lost += max(0, 3-len(users))
		t.Errorf("people: %d %s %v", a.Status, a.Body, err)
	}
	sum.Changes += 3
	return sum
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
