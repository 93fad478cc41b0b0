package course_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"edgegw/e2e/process"
	"edgegw/internal/gatewaytest"
)

// rooms: what is announced in a queued room before it is on disk may be taken back
// by a power cut. A ledger that is to be equal needs a room where nothing is.
const rooms = "[[rooms]]\nmatch = \"course\"\ndurability = \"fsynced\"\n"

// site is a gateway behind a proxy, with a device that is to run the course.
type site struct {
	*process.Gateway
	t      *testing.T
	client *http.Client
	proxy  *gatewaytest.Proxy
	key    string
	// admin is a token of the administrator.
	admin string
}

// open runs a gateway with options "name=value".
func open(t *testing.T, options ...string) *site {
	t.Helper()
	own := []string{
		"config=" + process.WriteFile(t, "edgegw.toml", rooms), "message_rate=0", "argon2_memory_kib=7168", "argon2_time=1",
	}
	s := &site{t: t, Gateway: process.New(t, append(own, options...)...), client: &http.Client{Timeout: process.Patience}}
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		s.Stop()
	})
	s.Run()
	s.admin = s.Token("admin", time.Hour)
	s.proxy = gatewaytest.NewProxy(t, s.URL)
	s.key = s.device("device", "course")
	return s
}

// device makes a device with a room, and returns its key.
func (s *site) device(name, room string) string {
	s.t.Helper()
	a := s.do(http.StatusCreated, "POST", "/devices", map[string]any{"name": name, "room": room, "grants": []map[string]string{{"room": room, "rights": "rw"}}})
	return a.JSON()["device_key"].(string)
}

// do sends a request as the administrator.
func (s *site) do(status int, method, path string, body any) gatewaytest.Answer {
	s.t.Helper()
	a, err := gatewaytest.Ask(s.client, method, s.URL+path, s.admin, body)
	if err != nil || a.Status != status {
		s.t.Fatalf("%s %s: %d %s %v, want %d", method, path, a.Status, a.Code(), err, status)
	}
	return a
}

// drive starts the client as the device, by the proxy.
func (s *site) drive(variables ...string) *driver {
	s.t.Helper()
	return drive(s.t, append([]string{"COURSE_URL=" + s.proxy.URL, "COURSE_ROOM=course", "COURSE_DEVICE_KEY=" + s.key}, variables...)...)
}

// again starts the gateway again, after it was ended.
func (s *site) again() {
	s.t.Helper()
	s.client.CloseIdleConnections()
	s.Run()
	s.admin = s.Token("admin", time.Hour)
	s.proxy.To(s.URL)
}

// kill ends the gateway as a power cut would, as far as processes go.
func (s *site) kill() {
	s.t.Helper()
	if err := s.End(syscall.SIGKILL); err == nil {
		s.t.Error("the gateway survived a kill")
	}
}

// traffic is what goes on while something fails: the client publishes, and so do
// others.
type traffic struct {
	s    *site
	end  chan struct{}
	over sync.WaitGroup

	mu  sync.Mutex
	ids []string // what the client was told to publish
}

// run has the client publish in the default room every so often, and somebody else
// by HTTP five times less often, until finish.
func (s *site) run(d *driver, every time.Duration) *traffic {
	tr := &traffic{s: s, end: make(chan struct{})}
	tr.over.Go(func() {
		tr.each(every, func(n int) {
			id := fmt.Sprintf("d%d", n)
			tr.mu.Lock()
			tr.ids = append(tr.ids, id)
			tr.mu.Unlock()
			d.publish(id, map[string]any{"n": n, "text": "grün \u0001 \"\\"})
		})
	})
	tr.over.Go(func() {
		tr.each(5*every, func(n int) {
			// While the gateway is down, nothing is published here.
			_, _ = gatewaytest.Ask(s.client, "POST", s.proxy.Target()+"/rooms/course/messages", s.admin, map[string]any{"data": []int{n}})
		})
	})
	return tr
}

func (tr *traffic) each(every time.Duration, do func(n int)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-tr.end:
			return
		case <-tick.C:
			do(n)
		}
	}
}

// finish ends the traffic, and returns what the client was told to publish.
func (tr *traffic) finish() []string {
	close(tr.end)
	tr.over.Wait()
	return tr.ids
}

// stored is a message of the history.
type stored struct {
	Seq  uint64
	ID   string
	User string
	Data any
}

// history is the whole of a room.
func (s *site) history(room string) (list []stored) {
	s.t.Helper()
	for after, more := uint64(0), true; more; {
		a := s.do(http.StatusOK, "GET", fmt.Sprintf("/rooms/%s/messages?limit=1000&after=%d", room, after), nil)
		var page struct {
			Messages []stored
			Next     *uint64
		}
		if err := json.Unmarshal(a.Body, &page); err != nil {
			s.t.Fatal(err)
		}
		list = append(list, page.Messages...)
		if more = page.Next != nil; more {
			after = *page.Next
		}
	}
	return list
}

// logged reports whether the gateway has logged a line with all of the texts.
func (s *site) logged(texts ...string) bool {
	for line := range strings.Lines(s.Logged()) {
		all := true
		for _, text := range texts {
			all = all && strings.Contains(line, text)
		}
		if all {
			return true
		}
	}
	return false
}
