package hub_test

import (
	"bytes"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/hub"
	"edgegw/internal/wire"
)

// shelf is a history of messages that are there from the beginning. Its pages
// are slices of them, so that what is measured is the hub's own.
type shelf struct {
	plain
	messages []gateway.Message
}

func newShelf(n int) *shelf {
	s := &shelf{messages: make([]gateway.Message, n)}
	for i := range s.messages {
		s.messages[i] = gateway.Message{
			Seq: gateway.Seq(i + 1), TS: 1, User: "ann",
			Payload: gateway.Payload{Bytes: []byte(`{"t":21.5,"h":40,"where":"greenhouse"}`)},
		}
	}
	s.head = gateway.RoomHead{Epoch: "e1", Oldest: 1, Seq: gateway.Seq(n), TS: 1}
	return s
}

func (s *shelf) Page(_ gateway.RoomID, q gateway.HistoryQuery) (gateway.HistoryPage, error) {
	rest := s.messages[q.After : q.Before-1]
	return gateway.HistoryPage{Head: s.head, Messages: rest[:min(len(rest), q.Limit)]}, nil
}

// last is a socket that takes everything, and tells when a seq has come.
type last struct {
	seq  []byte
	come chan struct{}
}

func (k last) WriteNow(p []byte) (int, error) {
	if bytes.Contains(p, k.seq) {
		close(k.come)
	}
	return len(p), nil
}
func (k last) WriteAll([][]byte, time.Duration) error { panic("it takes everything at once") }
func (k last) Shutdown()                              {}

// resume10000 returns what connects, is brought 10,000 messages, and leaves.
func resume10000(tb testing.TB) func() {
	s := newShelf(10_000)
	f := &figures{}
	metrics := f.metrics()
	metrics.PublishDuration = noSamples{}
	h := hub.New(hub.Options{
		Stored: s, Volatile: s, Settings: settingsOf, Clock: &clock{},
		ClockState: func() string { return "synced" }, Logger: slog.New(slog.DiscardHandler), Metrics: metrics,
		Limits: hub.Limits{RoomsPerConnection: 1, QueueBytes: 1 << 20, PingInterval: time.Minute, WriteTimeout: time.Minute},
	})
	return func() {
		session, err := h.Admit(hub.Connect{
			Principal: member("ann", "*:rw"), Room: "mem", Format: wire.FormatJSON,
			Resume: wire.Resume{HasAfter: true, Epoch: hub.ShownEpoch("mem", "e1")},
		})
		if err != nil {
			tb.Fatal(err)
		}
		k := last{[]byte(`"room":"mem","seq":10000,`), make(chan struct{})}
		if err := session.Start(k); err != nil {
			tb.Fatal(err)
		}
		<-k.come
		session.End(0)
	}
}

func BenchmarkResume10000(b *testing.B) {
	resume := resume10000(b)
	b.ReportAllocs()
	for b.Loop() {
		resume()
	}
}

// A replay takes what one page takes, however long it is: each page's frames go
// into a buffer that is used again.
func TestReplayAllocations(t *testing.T) {
	resume := resume10000(t)
	resume()
	const most = 2 << 20 // bytes; under the race detector pools forget on purpose
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const rounds = 20
	for range rounds {
		resume()
	}
	runtime.ReadMemStats(&after)
	if got := (after.TotalAlloc - before.TotalAlloc) / rounds; got > most {
		t.Errorf("%d bytes are allocated for a replay, want at most %d", got, most)
	} else {
		t.Logf("%d bytes are allocated for a replay", got)
	}
}
