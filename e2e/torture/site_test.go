package torture_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"edgegw/e2e/process"
	"edgegw/internal/gatewaytest"
)

// site is a gateway with its clients, over all its runs on one data folder.
type site struct {
	*process.Gateway
	t      testing.TB
	r      *rand.Rand
	client *http.Client
	books  map[string]*book
	talker *talker
	clerk  *clerk
	// key is that of the device "eternal", secret what tokens are signed with:
	// it cannot be read any more once the power is cut.
	key    string
	secret []byte
	// clean says how the last run has ended.
	clean bool
	// lost are acknowledged messages and changes that were gone or altered.
	lost int
	// met is where faults have struck, and last where the last one has.
	met  tally
	last []string
}

// struck notes where a fault has struck.
func (s *site) struck(at ...string) {
	s.last = at
	for _, one := range at {
		s.met[one]++
	}
}

const roomsFile = `[[rooms]]
match = "mem"
durability = "memory"
[[rooms]]
match = "fs*"
durability = "fsynced"
`

// newSite makes a site whose data is in a folder of its own in dir, starts it, and
// makes its accounts.
func newSite(t testing.TB, dir string, r *rand.Rand) *site {
	t.Helper()
	s := &site{t: t, r: r, books: make(map[string]*book), clean: true, met: make(tally)}
	window := []string{"0s", "0s", "1s"}[r.IntN(3)]
	data := filepath.Join(dir, fmt.Sprintf("data-%016x", r.Uint64()))
	s.Gateway = process.New(t, "data_dir="+data, "config="+process.WriteFile(t, "edgegw.toml", roomsFile), "message_rate=0", "commit_window="+window,
		"argon2_memory_kib=7168", "argon2_time=1", "login_rate_per_ip=0", "login_rate_per_account=0", "log_level=info")
	s.client = newClient()
	for name, class := range map[string]string{"q1": "queued", "q2": "queued", "fs": "fsynced", "mem": "memory"} {
		s.books[name] = newBook(name, class)
	}
	s.talker = newTalker(r, s.books, slices.Sorted(maps.Keys(s.books)))
	s.clerk = newClerk(rand.New(rand.NewPCG(r.Uint64(), 1)))
	s.clerk.s = s
	s.Run()
	s.secret = s.Key()
	s.populate()
	return s
}

func newClient() *http.Client {
	return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{}}
}

// inspect has "edgegw check" look at the files while nobody has them.
func (s *site) inspect() {
	s.t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		out, err := process.Command("check", "--data-dir", s.Dir).CombinedOutput()
		if err == nil || strings.Contains(string(out), "there is no store in") {
			return
		}
		// One that was traced ends a moment after its tracer was killed.
		if !strings.Contains(string(out), "does not answer") && !strings.Contains(string(out), "a gateway runs on") || time.Now().After(deadline) {
			s.t.Errorf("check: %v\n%s", err, out)
			return
		}
	}
}

func (s *site) populate() {
	s.t.Helper()
	for _, name := range []string{"u1", "u2", "u3", "u4", "u5"} {
		s.must("POST", "/users", map[string]string{"username": name, "password": process.Password})
		s.clerk.is["password "+name] = process.Password
	}
	s.key = text(s.must("POST", "/devices", map[string]string{"name": "eternal"}), "device_key")
}

func (s *site) must(method, path string, body any) gatewaytest.Answer {
	s.t.Helper()
	a, err := gatewaytest.Ask(s.client, method, s.URL+path, s.admin(), body)
	if err != nil || a.Status >= 300 {
		s.t.Fatalf("%s %s: %d %s %v", method, path, a.Status, a.Body, err)
	}
	return a
}

func (s *site) admin() string {
	return gatewaytest.SignWith(s.secret, `{"alg":"HS256","typ":"JWT"}`, process.Claims("admin", time.Now().Add(time.Hour).Unix()))
}

// load has the clients at work until the gateway is gone or stop is closed.
func (s *site) load(stop <-chan struct{}) <-chan error {
	done := make(chan error, 2)
	token := s.admin()
	go func() { done <- s.talker.talk(s.Addr, token, stop) }()
	go func() { done <- s.clerk.work(stop) }()
	both := make(chan error, 1)
	go func() { both <- errors.Join(<-done, <-done) }()
	return both
}

// verify compares everything with the ledger, and counts in lost what is
// acknowledged and gone or altered.
func (s *site) verify() error {
	err := s.compare()
	if errors.Is(err, errUndone) {
		s.lost++ // the first that is found
	}
	return err
}

func (s *site) compare() error {
	s.client.CloseIdleConnections()
	if !bytes.Equal(s.secret, s.Key()) {
		return errors.New("the key that tokens are signed with is another one")
	}
	for name, b := range s.books {
		if !b.stored() {
			continue
		}
		a, err := s.clerk.get("/rooms/" + name)
		if err != nil {
			return err
		}
		epoch := text(a, "epoch")
		history, err := s.history(name)
		if err != nil {
			return err
		}
		lost, err := b.compare(epoch, s.clean, history)
		s.lost += lost
		if err != nil {
			return err
		}
	}
	return s.clerk.verify()
}

func (s *site) history(room string) (all []message, err error) {
	for after := uint64(0); ; {
		a, err := s.clerk.get(fmt.Sprintf("/rooms/%s/messages?limit=1000&after=%d", room, after))
		if err != nil {
			return nil, err
		}
		var page struct{ Messages []message }
		if err := json.Unmarshal(a.Body, &page); err != nil {
			return nil, err
		}
		if len(page.Messages) == 0 {
			return all, nil
		}
		all = append(all, page.Messages...)
		after = all[len(all)-1].Seq
	}
}

// compared is how many acknowledged messages were looked for.
func (s *site) compared() (n int) {
	for _, b := range s.books {
		b.mu.Lock()
		n += b.compared
		b.mu.Unlock()
	}
	return n
}
