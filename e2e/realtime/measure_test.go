package realtime_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	kib = 1 << 10
	mib = 1 << 20
)

// memory is what a process holds, in bytes: of its own, which is heap and stacks,
// and of files, which the kernel takes back when it likes.
type memory struct{ own, files int }

func memoryOf(pid int) (m memory, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return m, err
	}
	number := func(name string) int {
		_, rest, _ := bytes.Cut(b, []byte(name))
		n, e := strconv.Atoi(string(bytes.TrimSpace(bytes.TrimSuffix(field(rest, "", "\n"), []byte("kB")))))
		err = errors.Join(err, e) // a process that has just ended has none
		return n * kib
	}
	return memory{number("RssAnon:"), number("RssFile:")}, err
}

// watch follows how much memory of its own the gateway has, until the end that it
// returns is called: that says how much it had at most above the beginning.
func (s *site) watch() (end func() (growth int)) {
	s.t.Helper()
	pid := s.PID()
	before, err := memoryOf(pid)
	if err != nil {
		s.t.Fatal(err)
	}
	most, stop, stopped := before.own, make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
			}
			m, err := memoryOf(pid)
			if err != nil {
				return
			}
			most = max(most, m.own)
		}
	}()
	return func() int {
		close(stop)
		<-stopped
		return most - before.own
	}
}

// delays counts how long messages took, in steps of 50 µs. It is safe for
// concurrent use.
type delays struct {
	steps [100_000]atomic.Uint32 // up to 5 s
	n     atomic.Uint64
}

const delayStep = 50 * time.Microsecond

func (d *delays) add(took time.Duration) {
	d.steps[max(0, min(int(took/delayStep), len(d.steps)-1))].Add(1)
	d.n.Add(1)
}

// quantile is the least time that q of all did not exceed, rounded up to a step.
func (d *delays) quantile(q float64) time.Duration {
	want := uint64(q * float64(d.n.Load()))
	var sum uint64
	for i := range d.steps {
		if sum += uint64(d.steps[i].Load()); sum > want {
			return time.Duration(i+1) * delayStep
		}
	}
	return time.Duration(len(d.steps)) * delayStep
}

// field returns the text behind the key, up to one of the characters of end: for
// frames that come too fast to be parsed.
func field(payload []byte, key, end string) []byte {
	i := bytes.Index(payload, []byte(key))
	if i < 0 {
		return nil
	}
	rest := payload[i+len(key):]
	if n := bytes.IndexAny(rest, end); n >= 0 {
		return rest[:n]
	}
	return rest
}

func numberIn(payload []byte, key string) uint64 {
	n, _ := strconv.ParseUint(string(field(payload, key, ",}")), 10, 64)
	return n
}

func isMessage(payload []byte) bool { return bytes.HasPrefix(payload, []byte(`{"type":"message"`)) }
