package hub_test

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/hub"
)

// writes is a socket that takes everything and counts the calls.
type writes struct{ n *atomic.Int64 }

func (k writes) WriteNow(p []byte) (int, error) {
	k.n.Add(1)
	return len(p), nil
}
func (k writes) WriteAll([][]byte, time.Duration) error { panic("it takes everything at once") }
func (k writes) Shutdown()                              {}

// join has n accounts join one room, and returns their sessions and the counter
// of their writes.
func join(tb testing.TB, n int) (*crowded, []*hub.Session, *atomic.Int64) {
	f, c := &figures{}, &clock{}
	metrics := f.metrics()
	metrics.PublishDuration = noSamples{}
	h := hub.New(hub.Options{
		Stored: &plain{}, Volatile: &plain{}, Settings: settingsOf, Clock: c,
		ClockState: func() string { return "synced" }, Logger: slog.New(slog.DiscardHandler), Metrics: metrics,
		Limits: hub.Limits{RoomsPerConnection: 1, QueueBytes: 1 << 20, PingInterval: 1000 * time.Hour, WriteTimeout: time.Minute},
	})
	all, count := make([]*hub.Session, n), new(atomic.Int64)
	for i := range all {
		s, err := h.Admit(hub.Connect{Principal: member(gateway.AccountName(fmt.Sprintf("u%05d", i)), "*:rw"), Room: "mem", Expires: time.Now().Add(10_000 * time.Hour)})
		if err != nil {
			tb.Fatal(err)
		}
		if err := s.Start(writes{count}); err != nil {
			tb.Fatal(err)
		}
		all[i] = s
	}
	return &crowded{h, c}, all, count
}

// crowded is a hub whose time the test moves on.
type crowded struct {
	*hub.Hub
	clock *clock
}

// second lets a second pass.
func (c *crowded) second() {
	c.clock.jump(time.Second)
	c.Sweep()
	c.Flushed()
}

func endAll(sessions []*hub.Session) {
	for _, s := range sessions {
		s.End(0)
	}
}

// Each that joins is told to all the others, but a whole site that returns at
// once costs its own frames and what the limit lets through.
func TestJoinCost(t *testing.T) {
	for _, n := range []int{100, 1000, 4000} {
		h, all, count := join(t, n)
		h.Flushed()
		if got, most := int(count.Load()), 2*n+min(n*(n-1)/2, 20_000); got > most {
			t.Errorf("%d joins cost %d writes, want at most %d", n, got, most)
		}
		endAll(all)
	}
}

func benchmarkJoin(b *testing.B, n int) {
	for b.Loop() {
		_, all, _ := join(b, n)
		b.StopTimer()
		endAll(all)
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/join")
}

func BenchmarkJoin1000(b *testing.B) { benchmarkJoin(b, 1000) }
func BenchmarkJoin4000(b *testing.B) { benchmarkJoin(b, 4000) }

// typedSecond is one second in a room of 1,000, with 20 messages; so many members
// type, and each of them starts and stops as fast as it can, ten times.
func typedSecond(c *crowded, all []*hub.Session, typists, n int) {
	state := [2][]byte{[]byte(startTyping), []byte(stopTyping)}
	for part := range 20 {
		if part%2 == 0 {
			for i, s := range all[:typists] {
				s.Text(state[(i+n+part/2)%2])
			}
		}
		all[999-part].Text([]byte(`{"type":"message","data":{"t":21.5,"h":40,"where":"greenhouse"}}`))
		c.Flushed()
	}
	c.second()
}

// 50 typists add little to what a room of 1,000 costs: what is told of them in
// one second goes out together.
func TestTypistsCost(t *testing.T) {
	c, all, count := join(t, 1000)
	defer endAll(all)
	c.second()
	const seconds = 10
	var cost [2]int64
	for i, typists := range []int{0, 50} {
		count.Store(0)
		for n := range seconds {
			typedSecond(c, all, typists, n)
		}
		cost[i] = count.Load()
	}
	t.Logf("%d writes without, %d with typists", cost[0], cost[1])
	if cost[0] != seconds*20*1000 || cost[1] <= cost[0] || cost[1] > cost[0]*5/4 {
		t.Errorf("%d s cost %d writes without, %d with typists", seconds, cost[0], cost[1])
	}
}

func benchmarkTypists(b *testing.B, typists int) {
	c, all, count := join(b, 1000)
	defer endAll(all)
	c.second()
	count.Store(0)
	n, before := 0, cpuTime(b)
	for b.Loop() {
		typedSecond(c, all, typists, n)
		n++
	}
	b.ReportMetric(float64(count.Load())/float64(n), "writes/op")
	b.ReportMetric(float64(cpuTime(b)-before)/float64(n), "cpu-ns/op")
}

// cpuTime is what the process has used; the time on the wall also has what
// others use.
func cpuTime(tb testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkRoom1000(b *testing.B)          { benchmarkTypists(b, 0) }
func BenchmarkRoom1000Typists50(b *testing.B) { benchmarkTypists(b, 50) }
