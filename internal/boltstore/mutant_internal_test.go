package boltstore

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/storetest"
)

// original is a sound history, as a process leaves it that is killed.
type original struct {
	bytes    []byte
	messages map[gateway.RoomID]map[gateway.Seq]string
	heads    map[gateway.RoomID]gateway.Seq
}

const mutantRooms = 6

func newOriginal(t *testing.T) *original {
	site, path := storetest.NewSite(), filepath.Join(t.TempDir(), "history.db")
	h := openTest(t, site, path, nil)
	o := &original{messages: make(map[gateway.RoomID]map[gateway.Seq]string), heads: make(map[gateway.RoomID]gateway.Seq)}
	write := func(n int) {
		for i := range n {
			room := gateway.RoomID(fmt.Sprint("room-", i%mutantRooms))
			rec := storetest.Next(t, h, site, room, fmt.Sprintf("%s %d %0150d", room, i, i))
			if err := h.Append(rec); err != nil {
				t.Fatal(err)
			}
			if o.messages[room] == nil {
				o.messages[room] = make(map[gateway.Seq]string)
			}
			o.messages[room][rec.Message.Seq] = string(rec.Message.Payload.Bytes)
			o.heads[room] = rec.Message.Seq
		}
	}
	write(3000)
	h.settle(t)
	if err := h.PutSettings("room-1", site.Settings("room-1")); err != nil {
		t.Fatal(err)
	}
	if err := h.NewEpoch("room-2"); err != nil {
		t.Fatal(err)
	}
	write(200)
	h.flush(t) // stays in the log
	if err := h.db.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	o.bytes = b
	return o
}

// mutate does to a copy what cards do, and says what.
func mutate(r *rand.Rand, b []byte) ([]byte, string) {
	const size = 4096
	pages := len(b) / size
	page := func() []byte { n := r.IntN(pages); return b[n*size : (n+1)*size] }
	times := 1 + r.IntN(4)
	switch kind := r.IntN(6); kind {
	case 0:
		for range times {
			page()[r.IntN(size)] ^= 1 << r.IntN(8)
		}
		return b, "flipped bits"
	case 1:
		for range times {
			clear(page())
		}
		return b, "zeroed pages"
	case 2:
		for range times {
			one, other := page(), page()
			kept := append([]byte(nil), one...)
			copy(one, other)
			copy(other, kept)
		}
		return b, "swapped pages"
	case 3:
		return b[:r.IntN(len(b))], "cut off"
	case 4:
		p := page()
		for i := range p {
			p[i] = byte(r.Uint32())
		}
		return b, "a page of noise"
	default:
		return append(b[:0:0], b[:pages/2*size]...), "half of it"
	}
}

// No damage keeps the gateway from starting, nothing altered is ever served, and
// where a client may be told that it has everything nothing is missing. MUTANTS
// says how many damaged files are tried, SEED repeats a run.
func TestMutants(t *testing.T) {
	n, seed := 60, uint64(time.Now().UnixNano())
	if v, err := strconv.Atoi(os.Getenv("MUTANTS")); err == nil {
		n = v
	}
	if v, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64); err == nil {
		seed = v
	}
	t.Logf("mutants: SEED=%d", seed)
	o := newOriginal(t)
	r := rand.New(rand.NewPCG(seed, 1))
	quarantined, slowest, kept, all := 0, time.Duration(0), 0, 0
	for i := range n {
		b, how := mutate(r, append([]byte(nil), o.bytes...))
		t.Run(fmt.Sprintf("%d %s", i, how), func(t *testing.T) {
			m := &mutant{original: o, t: t, site: storetest.NewSite(), path: filepath.Join(t.TempDir(), "history.db")}
			if err := os.WriteFile(m.path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			h := m.open()
			slowest = max(slowest, time.Since(began))
			if m.saved != "" {
				quarantined++
			}
			kept += m.checkMessages(h)
			m.goOn(h)
		})
		for _, room := range o.messages {
			all += len(room)
		}
	}
	if quarantined == 0 || slowest > 10*time.Second || kept < all/2 {
		t.Errorf("%d were put aside, the slowest took %v, %d of %d messages are left", quarantined, slowest, kept, all)
	}
	t.Logf("mutants: %d damaged files, all opened, in %v at most; %d were put aside; %.1f %% of all messages are still there, none altered",
		n, slowest.Round(time.Millisecond), quarantined, 100*float64(kept)/float64(all))
}

type mutant struct {
	*original
	t     *testing.T
	site  *storetest.Site
	path  string
	saved string
}

func (m *mutant) open() *History {
	m.t.Helper()
	return openTest(m.t, m.site, m.path, func(o *HistoryOptions) {
		o.Observer.Quarantined = func(saved string) { m.saved = saved }
	})
}

// checkMessages compares what is served with what was stored.
func (m *mutant) checkMessages(h *History) (kept int) {
	m.t.Helper()
	for room, want := range m.messages {
		have := make(map[gateway.Seq]bool)
		for _, msg := range storetest.All(m.t, h, room) {
			if text, ok := want[msg.Seq]; !ok || text != string(msg.Payload.Bytes) {
				m.t.Errorf("%s: seq %d is served as %.40q", room, msg.Seq, msg.Payload.Bytes)
			}
			have[msg.Seq] = true
		}
		kept += len(have)
		if m.saved == "" {
			continue // a record that fails its sum is told of as a gap
		}
		past, err := h.Past(room)
		if err != nil {
			m.t.Fatal(err)
		}
		for _, p := range past {
			for seq := gateway.Seq(1); seq <= p.End; seq++ {
				if !have[seq] {
					m.t.Errorf("%s: seq %d is missing, and epoch %s is said to be whole up to %d", room, seq, p.Epoch, p.End)
					break
				}
			}
			if p.End < m.heads[room] && m.heads[room] > 0 && len(past) > 0 && p == past[len(past)-1] && int(p.End) != len(have) {
				m.t.Errorf("%s: epoch %s ends at %d, %d messages are there", room, p.Epoch, p.End, len(have))
			}
		}
	}
	return kept
}

// goOn uses what was opened, and opens it again.
func (m *mutant) goOn(h *History) {
	m.t.Helper()
	stop := running(m.t, h)
	for room := range m.messages {
		rec := storetest.Next(m.t, h, m.site, room, "new")
		if err := h.Append(rec); err != nil {
			m.t.Fatal(err)
		}
	}
	// A damaged page that nothing has touched so far may end the store now: the
	// next start then finds it.
	err := stop()
	if err := h.db.Close(); err != nil {
		m.t.Fatal(err)
	}
	m.saved = ""
	again := m.open()
	m.checkOnly(again, err == nil)
}

// checkOnly wants the new messages in a store that had stopped well.
func (m *mutant) checkOnly(h *History, stopped bool) {
	m.t.Helper()
	for room, want := range m.messages {
		all := storetest.All(m.t, h, room)
		for _, msg := range all {
			if text, ok := want[msg.Seq]; ok && text != string(msg.Payload.Bytes) && string(msg.Payload.Bytes) != "new" {
				m.t.Errorf("%s: seq %d is served as %.40q", room, msg.Seq, msg.Payload.Bytes)
			}
		}
		if stopped && m.saved == "" && (len(all) == 0 || string(all[len(all)-1].Payload.Bytes) != "new") {
			m.t.Errorf("%s: what was written is not there", room)
		}
	}
}
