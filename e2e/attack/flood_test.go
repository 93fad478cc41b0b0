package attack_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/lxzan/gws"

	"edgegw/e2e/process"
)

// listener is a subscriber that notes how long each message was on its way.
type listener struct {
	gws.BuiltinEventHandler
	joined chan struct{}
	mu     sync.Mutex
	took   []time.Duration
}

func (l *listener) OnMessage(_ *gws.Conn, m *gws.Message) {
	now := time.Now().UnixNano()
	defer func() { _ = m.Close() }()
	var frame struct {
		Type string
		Data int64
	}
	if json.Unmarshal(m.Bytes(), &frame) != nil {
		return
	}
	switch frame.Type {
	case "subscribed":
		close(l.joined)
	case "message":
		l.mu.Lock()
		l.took = append(l.took, time.Duration(now-frame.Data))
		l.mu.Unlock()
	}
}

// taken returns what was noted since the last time.
func (l *listener) taken() []time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	took := l.took
	l.took = nil
	return took
}

// subscribe connects a listener to a room.
func (g *gateway) subscribe(room string) (*listener, *gws.Conn) {
	g.t.Helper()
	l := &listener{joined: make(chan struct{})}
	conn, _, err := gws.NewClient(l, &gws.ClientOption{
		Addr: "ws://" + g.Addr + "/ws?room=" + room, RequestHeader: http.Header{"Authorization": {"Bearer " + g.token("admin")}},
	})
	if err != nil {
		g.t.Fatal(err)
	}
	go conn.ReadLoop()
	g.t.Cleanup(func() { _ = conn.NetConn().Close() })
	select {
	case <-l.joined:
	case <-time.After(patience):
		g.t.Fatal("no subscription came")
	}
	return l, conn
}

// fanout publishes 50 messages a second for a while and returns the times of all
// deliveries.
func fanout(t *testing.T, publisher *gws.Conn, listeners []*listener, d time.Duration) (all []time.Duration) {
	t.Helper()
	const pause = 20 * time.Millisecond
	n := int(d / pause)
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for range n {
		<-tick.C
		if err := publisher.WriteString(fmt.Sprintf(`{"type":"message","data":%d}`, time.Now().UnixNano())); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(patience); len(all) < n*len(listeners) && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		for _, l := range listeners {
			all = append(all, l.taken()...)
		}
	}
	if len(all) != n*len(listeners) {
		t.Errorf("%d of %d deliveries came", len(all), n*len(listeners))
	}
	return all
}

// watchQueue notes the longest queue of passwords. It returns once there is one,
// and what is returned ends it.
func (g *gateway) watchQueue(t *testing.T) (end func() int) {
	t.Helper()
	const gauge = "edgegw_argon2_queue"
	for deadline := time.Now().Add(patience); g.number(gauge) == 0 && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	stop, longest := make(chan struct{}), make(chan int, 1)
	go func() {
		most := 0
		for {
			most = max(most, int(g.number(gauge)))
			select {
			case <-stop:
				longest <- most
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	return func() int {
		close(stop)
		return <-longest
	}
}

// besideWork does something while another process keeps one core busy, as one
// password does that is hashed after the other.
func besideWork(t *testing.T, do func() []time.Duration) []time.Duration {
	t.Helper()
	busy := exec.CommandContext(t.Context(), "sh", "-c", "while :; do :; done")
	if err := busy.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = busy.Process.Kill()
		_ = busy.Wait() // it was killed
	}()
	return do()
}

// People who only listen shall not notice when 200 others log in at once.
func TestFanoutUnderFlood(t *testing.T) {
	const subscribers, people, queue = 20, 200, 16
	conf := process.WriteFile(t, "edgegw.toml", "[[rooms]]\nmatch = \"live\"\ndurability = \"memory\"\n")
	g := start(t, unlimited("config="+conf)...)
	var listeners []*listener
	for range subscribers {
		l, _ := g.subscribe("live")
		listeners = append(listeners, l)
	}
	_, publisher := g.subscribe("live")
	fanout(t, publisher, listeners, 200*time.Millisecond)

	d := time.Duration(scaled(5000, 1000)) * time.Millisecond
	bearable := 20 * time.Millisecond
	for i := range 3 {
		if i > 0 {
			// What is it that cannot be borne: this gateway, or any work on
			// this machine?
			bearable = max(bearable, 2*quantile(besideWork(t, func() []time.Duration { return fanout(t, publisher, listeners, d) }), 0.99))
			t.Logf("beside a busy loop the p99 is %v", bearable/2)
		}
		quiet := fanout(t, publisher, listeners, d)
		endFlood := g.gather(crowd{Path: "/auth/login", Bodies: []string{loginBody("admin", password)}, Connections: people, Over: true})
		endWatch := g.watchQueue(t)
		under := fanout(t, publisher, listeners, d)
		longest := endWatch()
		f := endFlood()
		p99, p99Under := quantile(quiet, 0.99), quantile(under, 0.99)
		t.Logf("fan-out to %d, publish to receive: quiet p50 %v p99 %v; under %d parallel logins p50 %v p99 %v; %d logins, %d sent away, queue %d at most; memory %d KiB at most",
			subscribers, quantile(quiet, 0.5).Round(time.Microsecond), p99.Round(time.Microsecond), people,
			quantile(under, 0.5).Round(time.Microsecond), p99Under.Round(time.Microsecond), f.OK, f.Busy, longest, g.Of("status", "VmHWM"))
		if longest < 1 || longest > queue {
			t.Errorf("the queue was %d long, want 1 to %d", longest, queue)
		}
		if f.OK == 0 || f.Busy == 0 {
			t.Error("the flood was none: nobody was let in, or nobody sent away")
		}
		if p99Under <= max(2*p99, bearable) {
			return
		}
	}
	t.Error("a flood of logins slows messages down: more than twice the p99, more than 20 ms, and more than twice what a busy loop does")
}
