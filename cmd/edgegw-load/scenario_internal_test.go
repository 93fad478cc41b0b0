package main

import (
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// serveBaseline starts a baseline on a free port and returns options for it.
func serveBaseline(t *testing.T, store bool) options {
	t.Helper()
	s := &baseline{rooms: map[string]*baselineRoom{}}
	if store {
		var err error
		if s.log, err = openAppendLog(filepath.Join(t.TempDir(), "log.db"), 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.log.close(); err != nil {
				t.Error(err)
			}
		})
	}
	server := httptest.NewServer(s.routes())
	t.Cleanup(server.Close)
	return options{
		target: targetBare, user: "admin", addr: strings.TrimPrefix(server.URL, "http://"),
		duration: 200 * time.Millisecond, warmup: 50 * time.Millisecond,
	}
}

func TestScenariosOnTheBaseline(t *testing.T) {
	for name, tc := range map[string]struct {
		run    func(*bench) error
		store  bool
		set    func(*options)
		figure string
		least  float64
		most   float64
	}{
		"ok fixed rate": {run: runFanoutCPU, set: func(o *options) { o.subscribers, o.rate = 10, 2000 },
			figure: "deliveries_per_s", least: 500, most: 2200},
		"ok saturated": {run: runFanoutMax, set: func(o *options) { o.subscribers, o.window = 10, 16 },
			figure: "deliveries_per_s", least: 500, most: 1e9},
		"ok latency": {run: runLatency, set: func(o *options) { o.rooms, o.subscribers, o.rate = 5, 4, 2000 },
			figure: "p50_us", least: 1, most: 1e6},
		"ok acked": {run: runAcked, store: true, set: func(o *options) { o.publishers, o.window = 3, 2 },
			figure: "acks_per_s", least: 5, most: 1e9},
		"ok connects": {run: runConnects, set: func(o *options) { o.publishers, o.connections = 2, 20 },
			figure: "connects_per_s", least: 1, most: 1e9},
	} {
		t.Run(name, func(t *testing.T) {
			o := serveBaseline(t, tc.store)
			tc.set(&o)
			b := newBench("test", o)
			if err := tc.run(b); err != nil {
				t.Fatal(err)
			}
			if v := b.out.Figures[tc.figure]; v < tc.least || v > tc.most {
				t.Errorf("%s is %g, want %g to %g", tc.figure, v, tc.least, tc.most)
			}
		})
	}
}

// A server that keeps messages to itself must not look fast.
func TestDrainCountsWhatNeverCame(t *testing.T) {
	o := serveBaseline(t, false)
	b := newBench("test", o)
	publishers, err := b.openRooms(1, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer b.loop.close()
	b.enc.publish(publishers[0], b.now(), false)
	if err := b.loop.flush(publishers[0]); err != nil {
		t.Fatal(err)
	}
	publishers[0].room.published += 3 // of which the server knows nothing
	if err := b.drain(100 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if b.out.Faults.Missing != 6 {
		t.Errorf("%d messages are missing, want 3 for each of 2 subscribers", b.out.Faults.Missing)
	}
}
