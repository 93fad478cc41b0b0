package realtime_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"edgegw/internal/gatewaytest"
)

// attempt is one try to publish a message under an id.
type attempt struct{ user, room, id string }

// stamp is what an ack says of a message.
type stamp struct {
	seq uint64
	ts  int64
}

// register is what was answered: whatever is tried how often and in which way,
// all answers have to be the same.
type register struct {
	mu       sync.Mutex
	stamps   map[attempt]stamp
	problems []string

	tries, acks int
}

func (r *register) tried() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tries++
}

// acked takes an answer; who is the account that tried.
func (r *register) acked(user, how string, f frame, durability string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a, s := attempt{user, f.Room, f.ID}, stamp{f.Seq, f.TS}
	r.acks++
	old, known := r.stamps[a]
	switch {
	case known && old != s:
		r.problems = append(r.problems, fmt.Sprintf("%s: %v was acknowledged as %v, and now as %v", how, a, old, s))
	case f.Durability != durability:
		r.problems = append(r.problems, fmt.Sprintf("%s: %v of a %s room", how, f, durability))
	}
	r.stamps[a] = s
}

// wave is a number of ids that are tried at once, each in several ways.
type wave struct {
	s          *site
	r          *register
	room       string
	durability string
	ids        []string
	people     map[string]string // tokens by account
}

// overSocket tries all ids on one connection, in any order, and takes the answers
// until all are there or the connection breaks.
func (w *wave) overSocket(user string, order []int) {
	l, err := w.s.connect(w.people[user], "room=elsewhere")
	if err != nil {
		return // it is being killed
	}
	defer l.cut()
	go func() {
		for _, i := range order {
			w.r.tried()
			l.Send(w.command(user, i))
		}
	}()
	for range order {
		f, err := l.until("ack", "error")
		if err != nil {
			return
		}
		if f.Type == "ack" {
			w.r.acked(user, "WebSocket", f, w.durability)
		}
	}
}

func (w *wave) data(user string, i int) string {
	return fmt.Sprintf(`{"by":%q,"id":%q}`, user, w.ids[i])
}

func (w *wave) command(user string, i int) string {
	return fmt.Sprintf(`{"type":"message","room":%q,"id":%q,"data":%s}`, w.room, w.ids[i], w.data(user, i))
}

func (w *wave) overHTTP(user string, order []int) {
	var all sync.WaitGroup
	for part := range 4 {
		all.Go(func() {
			for k := part; k < len(order); k += 4 {
				w.r.tried()
				body := fmt.Sprintf(`{"id":%q,"data":%s}`, w.ids[order[k]], w.data(user, order[k]))
				a, err := w.s.try("POST", "/rooms/"+w.room+"/messages", w.people[user], body)
				var f frame
				if err != nil || a.Status >= 500 || json.Unmarshal(a.Body, &f) != nil {
					return
				}
				w.r.acked(user, "HTTP", f, w.durability)
			}
		})
	}
	all.Wait()
}

// rush tries every id twice over WebSocket and twice over HTTP as ada, and once in
// each way as bob: for him they are other messages.
func (w *wave) rush(r *rand.Rand) {
	var all sync.WaitGroup
	for _, user := range []string{"ada", "ada", "bob"} {
		socket, http := r.Perm(len(w.ids)), r.Perm(len(w.ids))
		all.Go(func() { w.overSocket(user, socket) })
		all.Go(func() { w.overHTTP(user, http) })
	}
	all.Wait()
}

// A message is stored once, however often it is tried: at the same time, over
// WebSocket and HTTP, after reconnects, and after kills. What was acknowledged
// once is acknowledged in the same way for ever.
func TestOnce(t *testing.T) {
	t.Parallel()
	seed := fromEnvironment(t, "SEED", rand.Uint64N(1_000_000))
	r := rand.New(rand.NewPCG(seed, 3))
	s := open(t, "[[rooms]]\nmatch = \"fs\"\ndurability = \"fsynced\"\n", "log_level=info")
	reg := &register{stamps: make(map[attempt]stamp)}
	people := map[string]string{"ada": s.person("ada"), "bob": s.person("bob")}
	var waves []*wave
	kills := 0
	for round := range scaled(8, 2) {
		for room, durability := range map[string]string{"q": "queued", "fs": "fsynced"} {
			w := &wave{s: s, r: reg, room: room, durability: durability, people: people}
			for i := range 30 {
				w.ids = append(w.ids, fmt.Sprintf("%s-%d-%d", room, round, i))
			}
			waves = append(waves, w)
		}
		newest := waves[len(waves)-2:]
		killed := make(chan struct{})
		if round%2 == 0 { // in the middle, with much unanswered
			go func() {
				defer close(killed)
				time.Sleep(time.Duration(2+r.IntN(120)) * time.Millisecond)
				s.kill()
			}()
		} else {
			close(killed)
		}
		rushAll(newest, r)
		if <-killed; s.Runs() {
			s.kill()
		}
		kills++
		s.Run("commit_window=" + []string{"0", "1s"}[r.IntN(2)])
		rushAll(newest, r)
		// The first ones are not among the newest 64 of the account any more,
		// but were tried less than five minutes ago.
		rushAll(waves[:2], r)
	}
	rushAll(waves, r)
	for _, p := range reg.problems[:min(len(reg.problems), 10)] {
		t.Error(p)
	}
	stored := 0
	for _, room := range []string{"q", "fs"} {
		stored += checkOnce(t, s, reg, room, people["ada"])
	}
	want := 2 * 30 * len(waves)
	t.Logf("once: seed %d, %d messages tried %d times over WebSocket and HTTP, across %d kills: %d stored, %d acks, %d of them not the same as the first", seed, want, reg.tries, kills, stored, reg.acks, len(reg.problems))
	if stored != want || len(reg.stamps) != want {
		t.Errorf("%d messages are stored and %d were acknowledged, want %d", stored, len(reg.stamps), want)
	}
}

func rushAll(waves []*wave, r *rand.Rand) {
	var all sync.WaitGroup
	for _, w := range waves {
		source := rand.New(rand.NewPCG(r.Uint64(), 1))
		all.Go(func() { w.rush(source) })
	}
	all.Wait()
}

// checkOnce compares the room's history with what was acknowledged.
func checkOnce(t *testing.T, s *site, reg *register, room, token string) (stored int) {
	t.Helper()
	var page struct{ Messages []frame }
	a := s.do(http.StatusOK, "GET", "/rooms/"+room+"/messages?limit=1000", token, nil)
	if err := json.Unmarshal(a.Body, &page); err != nil {
		t.Fatal(err)
	}
	for _, m := range page.Messages {
		if got := reg.stamps[attempt{m.User, room, m.ID}]; got != (stamp{m.Seq, m.TS}) {
			t.Errorf("room %s: %v is stored, and %v was acknowledged", room, stamp{m.Seq, m.TS}, got)
		}
		if want := fmt.Sprintf(`{"by":%q,"id":%q}`, m.User, m.ID); string(m.Data) != want {
			t.Errorf("room %s: seq %d holds %s, want %s", room, m.Seq, m.Data, want)
		}
	}
	return len(page.Messages)
}

// After five minutes an account's newest 64 ids in a room are still known, across
// a restart, and older ones are not. Only here time is made to pass, and so the
// gateway is one inside the test.
func TestOnceByAge(t *testing.T) {
	t.Parallel()
	var clock gatewaytest.Clock
	dir := t.TempDir()
	g := gatewaytest.StartAt(t, &clock, dir)
	token := g.User("ada")
	publish := func(i int) stamp {
		t.Helper()
		a := g.Do("POST", "/rooms/hall/messages", token, fmt.Sprintf(`{"id":"n%d","data":%d}`, i, i))
		var f frame
		if err := json.Unmarshal(a.Body, &f); err != nil || a.Status != http.StatusCreated {
			t.Fatalf("publishing: %d %s", a.Status, a.Body)
		}
		return stamp{f.Seq, f.TS}
	}
	const n = 100
	var first [n]stamp
	for i := range n {
		first[i] = publish(i)
	}
	if got := publish(0); got != first[0] {
		t.Errorf("within five minutes: %v, want %v", got, first[0])
	}
	clock.Step(6 * time.Minute)
	g.AwaitStep()
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	g = gatewaytest.StartAt(t, &clock, dir)
	for i := n - 64; i < n; i++ {
		if got := publish(i); got != first[i] {
			t.Errorf("among the newest 64 after six minutes: %v, want %v", got, first[i])
		}
	}
	if got, want := publish(n-65).seq, uint64(n+1); got != want {
		t.Errorf("the 65th newest after six minutes is seq %d, want a new message, %d", got, want)
	}
	t.Logf("once: after six minutes and a restart the newest 64 of %d ids are known, the 65th is not", n)
}
