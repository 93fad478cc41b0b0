package app_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"edgegw/internal/gatewaytest"
)

// ledger is what publishers were told: the seq and the data of every message
// that was acknowledged.
type ledger struct {
	mu    sync.Mutex
	acked map[int64]string
}

// publishUntilClosed publishes as fast as acks come back, until the socket ends.
func (l *ledger) publishUntilClosed(t *testing.T, s *gatewaytest.Socket, name string) {
	sent := map[string]string{}
	for i := 0; ; i++ {
		id := fmt.Sprintf("%s-%d", name, i)
		sent[id] = fmt.Sprintf(`{"from":"%s","n":%d}`, name, i)
		s.Send(fmt.Sprintf(`{"type":"message","id":"%s","data":%s}`, id, sent[id]))
		for {
			f, err := s.Read()
			var closed *gatewaytest.CloseError
			if errors.As(err, &closed) {
				if closed.Code != 1012 || !restartReason.MatchString(closed.Reason) {
					t.Errorf("%s was closed with %v", name, closed)
				}
				return
			}
			var m rawMessage
			if err != nil || json.Unmarshal(f.Payload, &m) != nil {
				t.Errorf("%s read %q: %v", name, f.Payload, err)
				return
			}
			if m.Type != "ack" {
				continue
			}
			l.mu.Lock()
			if old, twice := l.acked[m.Seq]; twice {
				t.Errorf("seq %d was given to %s and to %s", m.Seq, old, sent[m.ID])
			}
			l.acked[m.Seq] = sent[m.ID]
			l.mu.Unlock()
			if m.ID == id {
				break
			}
		}
	}
}

// check holds a room's history against the ledger.
func (l *ledger) check(t *testing.T, g *gatewaytest.Gateway, room string) (last int64, epoch string) {
	t.Helper()
	token := g.Token("admin")
	kept := map[int64]string{}
	after := int64(0)
	for {
		page := history(t, g, token, room, fmt.Sprintf("?limit=1000&after=%d", after))
		for _, m := range page.Messages {
			if m.Seq != last+1 {
				t.Errorf("after seq %d history has %d", last, m.Seq)
			}
			last, kept[m.Seq] = m.Seq, string(m.Data)
		}
		epoch = page.Epoch
		if page.Next == nil {
			break
		}
		after = *page.Next
	}
	for seq, data := range l.acked {
		if kept[seq] != data {
			t.Errorf("seq %d was acknowledged as %s, history has %q", seq, data, kept[seq])
		}
	}
	return last, epoch
}

var restartReason = regexp.MustCompile(`^restart retry_after_ms=[1-9][0-9]*$`)

func TestGracefulStop(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := writeConfig(t, "[[rooms]]\nmatch = \"sync\"\ndurability = \"fsynced\"\n")
	g := gatewaytest.StartIn(t, dir, "config="+config, "metrics_listen=127.0.0.1:0")
	token := g.Token("admin")
	ledgers := map[string]*ledger{"lobby": {acked: map[int64]string{}}, "sync": {acked: map[int64]string{}}}
	var publishers sync.WaitGroup
	for room, l := range ledgers {
		for i := range 4 {
			s := g.Dial(token, "?room="+room)
			publishers.Go(func() { l.publishUntilClosed(t, s, fmt.Sprintf("%s-%d", room, i)) })
		}
	}
	var idle []*gatewaytest.Socket
	for i := range 20 {
		idle = append(idle, g.Dial(token, []string{"?room=quiet", "?room=quiet&format=raw"}[i%2]))
	}
	// A client that never ends its request shall not hold the stop up for
	// long, on neither address.
	for _, url := range []string{g.URL, g.MetricsURL} {
		slow, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = slow.Close() }()
		if _, err := slow.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
	}
	scrape := *g
	scrape.URL = g.MetricsURL
	await(t, "some messages", func() bool { return metric(t, &scrape, "edgegw_ws_messages_received_total") > 200 })

	began := time.Now()
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the stop took %v", took)
	}
	publishers.Wait()
	slots := map[string]bool{}
	for i, s := range idle {
		end := s.Ended()
		if end.Code != 1012 || !restartReason.MatchString(end.Reason) {
			t.Errorf("socket %d was closed with %v", i, end)
		}
		slots[end.Reason] = true
	}
	if len(slots) < 10 {
		t.Errorf("20 clients were given %d different times to return", len(slots))
	}
	if _, err := os.Stat(filepath.Join(dir, "admin.sock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the admin socket is still there: %v", err)
	}

	again := gatewaytest.StartIn(t, dir, "config="+config)
	for room, l := range ledgers {
		last, epoch := l.check(t, again, room)
		if len(l.acked) == 0 || last < int64(len(l.acked)) {
			t.Errorf("%s: %d acks, last seq %d", room, len(l.acked), last)
		}
		a := again.Do("POST", "/rooms/"+room+"/messages", again.Token("admin"), `{"data":"next"}`).JSON()
		if a["seq"] != float64(last+1) {
			t.Errorf("%s: after %d came seq %v", room, last, a["seq"])
		}
		if page := history(t, again, again.Token("admin"), room, ""); page.Epoch != epoch {
			t.Errorf("%s: the epoch changed", room)
		}
	}
}

func TestCleanRestartKeepsTheEpoch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var epoch string
	var ts float64
	for run := range 3 {
		g := gatewaytest.StartIn(t, dir)
		token := g.Token("admin")
		a := g.Do("POST", "/rooms/a/messages", token, `{"data":1}`).JSON()
		if a["seq"] != float64(run+1) || a["ts"].(float64) < ts {
			t.Errorf("run %d: %v, before it ts %v", run, a, ts)
		}
		ts = a["ts"].(float64)
		page := history(t, g, token, "a", "")
		if run > 0 && page.Epoch != epoch || page.Epoch == "" {
			t.Errorf("run %d: epoch %s, before it %s", run, page.Epoch, epoch)
		}
		epoch = page.Epoch
		if err := g.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

// copyDir copies a data folder as a power cut would leave it.
func copyDir(t *testing.T, from string) (to string) {
	t.Helper()
	to = t.TempDir()
	for _, name := range []string{"identity.db", "history.db", "jwt-secret"} {
		b, err := os.ReadFile(filepath.Join(from, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return to
}

func TestUncleanStopBeginsANewEpoch(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	token := g.Token("admin")
	l := &ledger{acked: map[int64]string{}}
	s := g.Dial(token, "?room=a")
	s.Joined()
	for i := range 100 {
		data := fmt.Sprintf(`{"n":%d.50}`, i)
		s.Send(fmt.Sprintf(`{"type":"message","id":"i%d","data":%s}`, i, data))
		l.acked[nextOf(t, s, "ack").Seq] = data
	}
	before := history(t, g, token, "a", "").Epoch
	dir := copyDir(t, g.Dir)

	after := gatewaytest.StartIn(t, dir)
	last, epoch := l.check(t, after, "a")
	if epoch == before || epoch == "" {
		t.Errorf("the epoch is still %s", epoch)
	}
	// The token of before the cut is good, the account is there, and seq goes
	// on.
	a := after.Do("POST", "/rooms/a/messages", token, `{"data":1}`).JSON()
	if a["seq"] != float64(last+1) || last != 100 {
		t.Errorf("after %d came %v", last, a)
	}
	if err := after.Stop(); err != nil {
		t.Fatal(err)
	}
	third := gatewaytest.StartIn(t, dir)
	if page := history(t, third, token, "a", ""); page.Epoch != epoch {
		t.Errorf("a clean stop after it changed the epoch from %s to %s", epoch, page.Epoch)
	}
}

func TestTwoGatewaysInOneProcess(t *testing.T) {
	t.Parallel()
	one, two := gatewaytest.Start(t, "site=one"), gatewaytest.Start(t, "site=two")
	s1, s2 := one.Dial(one.Token("admin"), ""), two.Dial(two.Token("admin"), "")
	s1.Joined()
	s2.Joined()
	s1.Send("for one")
	s1.Expect("message")
	if a := two.Do("GET", "/auth/me", one.Token("admin"), nil); a.Status != 401 {
		t.Errorf("the token of one at two: %d", a.Status)
	}
	if page := history(t, two, two.Token("admin"), "lobby", ""); len(page.Messages) != 0 {
		t.Errorf("two has the messages of one: %v", page.Messages)
	}
	if n, m := metric(t, one, "edgegw_ws_messages_received_total"), metric(t, two, "edgegw_ws_messages_received_total"); n != 1 || m != 0 {
		t.Errorf("one counts %v messages, two %v", n, m)
	}
	if err := one.Stop(); err != nil {
		t.Fatal(err)
	}
	s2.Send("for two")
	if m := s2.Expect("message"); m["data"] != "for two" {
		t.Errorf("two says %v once one has stopped", m)
	}
}

// A request that waits for its commit when the stop comes still gets its answer.
func TestRequestsEndBeforeTheStop(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "commit_window=1s")
	token := g.Token("admin")
	g.Do("POST", "/rooms/a/messages", token, `{"data":"opens the window"}`)
	answers := make(chan gatewaytest.Answer, 8)
	for range cap(answers) {
		go func() {
			a, err := g.Try("POST", "/rooms/a/messages", token, `{"data":1}`)
			if err != nil {
				t.Error(err)
			}
			answers <- a
		}()
	}
	await(t, "the messages on their way", func() bool {
		return g.Do("GET", "/rooms/a", token, nil).JSON()["seq"] == float64(1+cap(answers))
	})
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	for range cap(answers) {
		if a := <-answers; a.Status != 201 {
			t.Errorf("a request of before the stop: %d %s", a.Status, a.Body)
		}
	}
}
