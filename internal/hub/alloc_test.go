package hub_test

import (
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/hub"
	"edgegw/internal/wire"
)

// sink is a socket that takes everything and keeps nothing. The last of all
// sinks tells when a message has reached them all.
type sink struct {
	left *atomic.Int64
	all  chan struct{}
}

func (k sink) WriteNow(p []byte) (int, error) {
	if k.left.Add(-1) == 0 {
		k.all <- struct{}{}
	}
	return len(p), nil
}
func (k sink) WriteAll([][]byte, time.Duration) error { panic("a sink takes everything at once") }
func (k sink) Shutdown()                              {}

// plain is a history that keeps only where its rooms stand.
type plain struct{ head gateway.RoomHead }

func (h *plain) Head(gateway.RoomID) (gateway.RoomHead, error) { return h.head, nil }
func (h *plain) Append(rec *gateway.Record) error {
	h.head.Seq, h.head.TS = rec.Message.Seq, rec.Message.TS
	return nil
}
func (h *plain) Page(gateway.RoomID, gateway.HistoryQuery) (gateway.HistoryPage, error) {
	return gateway.HistoryPage{}, nil
}
func (h *plain) Wait() error                      { return nil }
func (h *plain) Rooms() ([]gateway.RoomID, error) { return nil, nil }

type noSamples struct{}

func (noSamples) Observe(float64) {}

// fanOut makes a room of n subscribers that take everything, and returns what
// publishes one message and waits until all have it.
func fanOut(tb testing.TB, n int) (publish func()) {
	left, all := new(atomic.Int64), make(chan struct{}, 1)
	f := &figures{}
	metrics := f.metrics()
	metrics.PublishDuration = noSamples{}
	h := hub.New(hub.Options{
		Stored: &plain{}, Volatile: &plain{}, Settings: settingsOf, Clock: &clock{},
		ClockState: func() string { return "synced" }, Logger: slog.New(slog.DiscardHandler), Metrics: metrics,
		Limits: hub.Limits{RoomsPerConnection: 1, QueueBytes: 1 << 20, PingInterval: time.Minute, WriteTimeout: time.Minute},
	})
	var first *hub.Session
	for range n {
		s, err := h.Admit(hub.Connect{Principal: member("ann", "*:rw"), Room: "mem", Format: wire.FormatJSON})
		if err != nil {
			tb.Fatal(err)
		}
		if err := s.Start(sink{left, all}); err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { s.End(0) })
		if first == nil {
			first = s
		}
	}
	frame := []byte(`{"type":"message","data":{"t":21.5,"h":40,"where":"greenhouse"}}`)
	return func() {
		left.Store(int64(n))
		first.Text(frame)
		<-all
	}
}

// One message to a hundred subscribers costs its record, its payload, the list
// of pending batches and, when the one before has not come back yet, a batch
// with its buffer: nothing for each subscriber.
func TestFanOutAllocations(t *testing.T) {
	const most = 10
	for _, n := range []int{1, 100} {
		publish := fanOut(t, n)
		if got := testing.AllocsPerRun(200, publish); got > most {
			t.Errorf("%d subscribers: %v allocations a message, want at most %d", n, got, most)
		} else {
			t.Logf("%d subscribers: %v allocations a message", n, got)
		}
	}
}

func BenchmarkFanOut100(b *testing.B) {
	publish := fanOut(b, 100)
	b.ReportAllocs()
	for b.Loop() {
		publish()
	}
}

func BenchmarkFanOut1000(b *testing.B) {
	publish := fanOut(b, 1000)
	b.ReportAllocs()
	for b.Loop() {
		publish()
	}
}

func (h *plain) Flush() {}

func (h *plain) Past(gateway.RoomID) ([]gateway.PastEpoch, error)                  { return nil, nil }
func (h *plain) Delete(gateway.RoomID) error                                       { return nil }
func (h *plain) NewEpoch(gateway.RoomID) error                                     { return nil }
func (h *plain) ForgetEpochs(gateway.RoomID) error                                 { return nil }
func (h *plain) Begin(gateway.RoomID, gateway.RoomHead, []gateway.PastEpoch) error { return nil }
func (h *plain) Behind(gateway.RoomID) gateway.Seq                                 { return 0 }
func (h *plain) Find(gateway.RoomID, gateway.AccountName, gateway.MessageID) (gateway.Found, error) {
	return gateway.Found{}, nil
}
