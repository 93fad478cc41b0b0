package realtime_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"edgegw/e2e/process"
	"edgegw/internal/gatewaytest"
)

// subscriber is a client of a busy room, and what it knows of it.
type subscriber struct {
	l     *link
	epoch string
	at    uint64
	// missed are the messages that it was told are missing, gaps how often
	// it was told so.
	missed, gaps uint64
	wrong        error
	ended        *gatewaytest.CloseError
	// stops is closed when it stops reading, and goes when it goes on; both
	// are nil for those who never stop.
	stops, goes chan struct{}
}

// theatre is a room with its audience.
type theatre struct {
	s        *site
	room     string
	token    string
	pad      string // of each message
	audience []*subscriber
	reading  sync.WaitGroup
	head     atomic.Uint64          // the last message of all, once that is known
	delays   atomic.Pointer[delays] // of this phase, of those who never stop
}

// phase begins a new phase, and returns what the one before was like.
func (th *theatre) phase() *delays { return th.delays.Swap(&delays{}) }

const (
	audience = 500
	sleepers = 20 // they stop reading
	showRate = 100
	// showBytes is what a message carries: so much that a queue of the
	// default size is full after some seconds.
	showBytes = 1200
)

func (th *theatre) fill(t *testing.T) {
	var all sync.WaitGroup
	th.audience = make([]*subscriber, audience)
	for i := range th.audience {
		sub := &subscriber{}
		receive := 0
		if i < sleepers {
			receive = 4096
			sub.stops, sub.goes = make(chan struct{}), make(chan struct{})
		}
		th.audience[i] = sub
		if i%16 == 0 {
			all.Wait()
		}
		all.Go(func() {
			l, err := th.s.connectWith(th.token, "room="+th.room, receive)
			var got frame
			if err == nil {
				l.Patience = time.Minute
				got, err = l.until("subscribed")
			}
			if err != nil {
				t.Errorf("subscriber %d: %v", i, err)
				return
			}
			sub.l, sub.epoch, sub.at = l, got.Epoch, got.Seq
		})
	}
	if all.Wait(); t.Failed() {
		t.FailNow()
	}
	for _, sub := range th.audience {
		th.reading.Go(func() { th.watch(sub) })
	}
}

// watch reads until the end, with a pause if it is one of those.
func (th *theatre) watch(sub *subscriber) {
	for {
		select {
		case <-sub.stops: // never, when it is nil
			<-sub.goes
			sub.stops = nil
		default:
		}
		f, err := sub.l.Read()
		if err != nil {
			if !errors.As(err, &sub.ended) {
				sub.wrong = err
			}
			return
		}
		if err := sub.take(f.Payload); err != nil && sub.wrong == nil {
			sub.wrong = err
		}
		if sub.at == th.head.Load() {
			return
		}
		if sub.goes == nil && isMessage(f.Payload) {
			th.delays.Load().add(time.Duration(time.Now().UnixNano() - int64(numberIn(f.Payload, `"sent":`))))
		}
	}
}

// take wants every seq either in a message or in a gap, in order.
func (sub *subscriber) take(payload []byte) error {
	switch {
	case isMessage(payload):
		if seq := numberIn(payload, `"seq":`); seq != sub.at+1 {
			return fmt.Errorf("behind %d: %.100s", sub.at, payload)
		}
		sub.at++
	case bytes.HasPrefix(payload, []byte(`{"type":"gap"`)):
		from, to := numberIn(payload, `"from":`), numberIn(payload, `"to":`)
		if from != sub.at+1 || to < from {
			return fmt.Errorf("behind %d: %s", sub.at, payload)
		}
		sub.missed, sub.gaps, sub.at = sub.missed+to-sub.at, sub.gaps+1, to
	}
	return nil
}

// publish sends the next message.
func (th *theatre) publish(l *link) {
	l.Send(fmt.Sprintf(`{"type":"message","room":%q,"data":{"sent":%d,"pad":%q}}`, th.room, time.Now().UnixNano(), th.pad))
}

// play publishes at the rate until it is stopped.
func (th *theatre) play(l *link, stop <-chan struct{}) {
	tick := time.NewTicker(time.Second / showRate)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			th.publish(l)
		case <-stop:
			return
		}
	}
}

// losses are what the gateway counts of those who read too slowly.
type losses struct{ dropped, cut float64 }

func (th *theatre) losses(t *testing.T, reason string) losses {
	t.Helper()
	a := th.s.do(http.StatusOK, "GET", "/metrics", "", nil)
	dropped, ok1 := process.Metric(string(a.Body), `edgegw_ws_messages_dropped_total{reason="`+reason+`"}`)
	cut, ok2 := process.Metric(string(a.Body), `edgegw_ws_closed_total{code="4002"}`)
	if !ok1 || !ok2 {
		t.Fatalf("no metrics of losses by %s", reason)
	}
	return losses{dropped, cut}
}

// await looks until what it waits for is there, and returns when that was.
func (th *theatre) await(t *testing.T, what, reason string, most time.Duration, there func(losses) bool) time.Time {
	t.Helper()
	for deadline := time.Now().Add(most); ; time.Sleep(20 * time.Millisecond) {
		now := time.Now()
		if there(th.losses(t, reason)) {
			return now
		}
		if now.After(deadline) {
			t.Fatalf("%s: not in %v", what, most)
		}
	}
}

// Who stops reading is dealt with by the policy of the room, costs little memory,
// and costs nobody else a message or much time.
func TestOverflow(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // of the readers, who shall not be measured
	s := open(t, "[[rooms]]\nmatch = \"drop\"\noverflow = \"drop_oldest\"\n[[rooms]]\nmatch = \"latest\"\noverflow = \"keep_latest\"\n", "log_level=info")
	token := s.person("ada")
	for _, c := range []struct{ room, policy, reason string }{
		{"cut", "disconnect", "slow_consumer"},
		{"drop", "drop_oldest", "drop_oldest"},
		{"latest", "keep_latest", "keep_latest"},
	} {
		t.Run(c.policy, func(t *testing.T) {
			// Others on the machine may need it just now: it is tried again, and
			// the worst of the quiet times is what is usual.
			usual, last := time.Duration(0), time.Duration(0)
			for range 4 {
				th := &theatre{s: s, room: c.room, token: token, pad: strings.Repeat("p", showBytes)}
				was, is := th.show(t, c.policy, c.reason)
				if usual, last = max(usual, was), is; is <= max(2*usual, shared) || t.Failed() {
					return
				}
			}
			t.Errorf("the p99 of the others rose from %v to %v", usual, last)
		})
	}
}

// show has the room busy, first with everyone reading, then with the sleepers
// asleep: half of them until they are woken when their queue is full for a while,
// the others for good. It returns the p99 of those who read all the time, before
// and meanwhile.
func (th *theatre) show(t *testing.T, policy, reason string) (was, is time.Duration) {
	th.phase()
	th.fill(t)
	player := th.s.mustConnect(th.token, "room=elsewhere")
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		th.play(player, stop)
	}()
	time.Sleep(time.Second)
	th.phase()
	time.Sleep(time.Duration(scaled(5, 2)) * time.Second)
	base := th.losses(t, reason)
	grown := th.s.watch()
	calm := th.phase()
	asleep := time.Now()
	for _, sub := range th.audience[:sleepers] {
		close(sub.stops)
	}
	full := th.await(t, "the first loss", reason, 20*time.Second, func(l losses) bool { return l.dropped > base.dropped })
	time.Sleep(time.Until(full.Add(2 * time.Second)))
	for _, sub := range th.audience[:sleepers/2] {
		close(sub.goes)
	}
	cut := sleepers
	if policy != "disconnect" {
		cut = sleepers / 2
	}
	gone := th.await(t, "the end of those who sleep on", reason, 20*time.Second, func(l losses) bool { return l.cut >= base.cut+float64(cut) })
	growth, rough := grown(), th.phase()
	close(stop)
	<-stopped
	head := th.end(t, player)
	t.Logf("overflow, %s: %d subscribers, %d messages of %d bytes a second; %d stop reading, the first loss comes %v later, and %d are cut %v after it; the gateway's memory grew by %.1f MiB at most, %.2f MiB each",
		policy, audience, showRate, showBytes, sleepers, full.Sub(asleep).Round(10*time.Millisecond), cut, gone.Sub(full).Round(10*time.Millisecond), float64(growth)/mib, float64(growth)/mib/sleepers)
	most := 10 * time.Second
	if policy == "keep_latest" {
		// There is no full queue: the first loss is when the socket takes
		// nothing, and from then on there are the 10 s of a write, and half
		// a second in which the end of the connection is waited for.
		most += time.Second
	}
	if took := gone.Sub(full); took > most {
		t.Errorf("those who sleep on were cut %v after the first loss, want %v at most", took, most)
	}
	if growth > sleepers*mib {
		t.Errorf("the gateway's memory grew by %d KiB for %d of them, want 1 MiB each at most", growth/kib, sleepers)
	}
	th.checkAwake(t, head, calm, rough)
	for i, sub := range th.audience[:sleepers/2] {
		th.checkWoken(t, i, sub, policy, head)
	}
	after := th.losses(t, reason)
	told := uint64(0)
	for _, sub := range th.audience[:sleepers] {
		told += sub.missed
	}
	t.Logf("overflow, %s: the metric counts %.0f dropped messages; those who read on were told of %d", policy, after.dropped-base.dropped, told)
	return calm.quantile(0.99), rough.quantile(0.99)
}

// end lets everyone read up to a last message, and returns its seq.
func (th *theatre) end(t *testing.T, player *link) uint64 {
	t.Helper()
	player.Send(`{"type":"ping"}`)
	if f, err := player.until("pong", "error"); err != nil || f.Type == "error" {
		t.Errorf("publishing: %v %v", f, err)
	}
	th.head.Store(th.s.room(th.token, th.room).Seq + 1)
	th.publish(player)
	for _, sub := range th.audience[sleepers/2 : sleepers] {
		close(sub.goes)
	}
	all := make(chan struct{})
	go func() {
		defer close(all)
		th.reading.Wait()
	}()
	select {
	case <-all:
	case <-time.After(process.Patience):
		t.Errorf("not everyone has come to the last message")
	}
	for _, sub := range th.audience {
		sub.l.cut()
	}
	<-all
	return th.head.Load()
}

// checkAwake looks at those who have always read.
func (th *theatre) checkAwake(t *testing.T, head uint64, calm, rough *delays) {
	t.Helper()
	for i, sub := range th.audience[sleepers:] {
		if sub.wrong != nil || sub.missed > 0 || sub.at != head {
			t.Errorf("subscriber %d, who always read, ends at %d of %d, was told of %d missing: %v, %v", sleepers+i, sub.at, head, sub.missed, sub.wrong, sub.ended)
			break
		}
	}
	was, is := calm.quantile(0.99), rough.quantile(0.99)
	t.Logf("overflow: the other %d miss nothing; p50 %v, then %v; p99 %v, then %v (%.2f times; below %v any ratio is good, for the machine is shared)",
		audience-sleepers, calm.quantile(0.5), rough.quantile(0.5), was, is, float64(is)/float64(was), shared)
}

// shared is what 500 readers on the same processors may cost beside the gateway.
const shared = 25 * time.Millisecond

// checkWoken looks at those who stopped for a while.
func (th *theatre) checkWoken(t *testing.T, i int, sub *subscriber, policy string, head uint64) {
	t.Helper()
	if sub.wrong != nil {
		t.Errorf("subscriber %d, who slept: %v", i, sub.wrong)
		return
	}
	if policy == "disconnect" {
		if sub.ended == nil || sub.ended.Code != 4002 || sub.missed > 0 {
			t.Errorf("subscriber %d, who slept, ended with %v at %d, told of %d missing", i, sub.ended, sub.at, sub.missed)
			return
		}
		if err := th.resume(sub, head); err != nil {
			t.Errorf("subscriber %d, who slept, comes back: %v", i, err)
		}
		return
	}
	if sub.at != head || sub.gaps == 0 {
		t.Errorf("subscriber %d, who slept, ends at %d of %d with %d gaps: %v", i, sub.at, head, sub.gaps, sub.ended)
	}
}

// resume comes back where the subscriber was cut, and has the rest.
func (th *theatre) resume(sub *subscriber, head uint64) error {
	l, err := th.s.connect(th.token, from(sub.at, sub.epoch).query(th.room))
	if err != nil {
		return err
	}
	defer l.cut()
	got, err := l.until("subscribed")
	if err != nil || got.Recovered == nil || !*got.Recovered || *got.Replay != head-sub.at {
		return fmt.Errorf("at %d of %d: %v (%v)", sub.at, head, got, err)
	}
	for sub.at < head {
		f, err := l.Read()
		if err == nil {
			err = sub.take(f.Payload)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
