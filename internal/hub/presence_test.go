package hub_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/hub"
)

func joins(room, user string, count int) string {
	return fmt.Sprintf(`{"type":"presence","room":"%s","user":"%s","event":"join","count":%d}`, room, user, count)
}

func leaves(room, user string, count int) string {
	return fmt.Sprintf(`{"type":"presence","room":"%s","user":"%s","event":"leave","count":%d}`, room, user, count)
}

// sleep lets time pass, in which the peers give signs of life.
func (w *world) sleep(d time.Duration, peers ...*peer) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(min(time.Second, time.Until(end)))
		for _, p := range peers {
			p.session.Touch()
		}
	}
	synctest.Wait()
}

// hears compares the presence and typing frames that have come since the last
// call.
func (p *peer) hears(want ...string) {
	p.t.Helper()
	var got []string
	for _, f := range p.frames() {
		if f.Type == "presence" || f.Type == "typing" {
			got = append(got, f.payload)
		}
	}
	if !slices.Equal(got, want) {
		p.t.Errorf("hears\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func (w *world) present(room gateway.RoomID) string {
	w.t.Helper()
	users, err := w.hub.Presence(admin("root"), room)
	if err != nil {
		w.t.Fatal(err)
	}
	var all []string
	for _, u := range users {
		all = append(all, fmt.Sprintf("%s %d", u.User, u.Connections))
	}
	return strings.Join(all, ", ")
}

// An account is there from its first connection to 15 s after its last, in
// whatever format, and hears nothing of itself.
func TestPresence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		ann, ann2 := w.connect(), w.connect()
		ann.hears()
		bob := w.connect(as("bob"), inRaw)
		ann.hears(joins("mem", "bob", 2))
		bob2 := w.connect(as("bob"))
		eve := w.connect(as("eve"))
		ann.hears(joins("mem", "eve", 3))
		ann2.hears(joins("mem", "bob", 2), joins("mem", "eve", 3))
		bob2.hears(joins("mem", "eve", 3))
		eve.hears()
		if got := w.present("mem"); got != "ann 2, bob 2, eve 1" {
			t.Errorf("present are %s", got)
		}
		bob2.leave()
		w.sleep(20*time.Second, ann, ann2, bob, eve)
		ann.hears() // one of two has left
		bob.leave()
		w.sleep(14*time.Second, ann, ann2, eve)
		ann.hears()
		if got := w.present("mem"); got != "ann 2, bob 0, eve 1" {
			t.Errorf("in the grace, present are %s", got)
		}
		w.sleep(3*time.Second, ann, ann2, eve)
		eve.hears(leaves("mem", "bob", 2))
		ann.hears(leaves("mem", "bob", 2))
		if got := w.present("mem"); got != "ann 2, eve 1" {
			t.Errorf("after the grace, present are %s", got)
		}
		if f := bob.frames(); len(f) != 0 {
			t.Errorf("the raw one got %q", texts(f))
		}
		if n := w.figures.delivered.n.Load(); n != 0 {
			t.Errorf("%d messages delivered, nobody has sent any", n)
		}
	})
}

// Who comes back within the grace was never away, whatever the format, and the
// next grace begins anew.
func TestPresenceGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		ann, bob := w.connect(), w.connect(as("bob"))
		joined := time.Now()
		ann.hears(joins("mem", "bob", 2))
		for round := range 4 {
			bob.leave()
			w.sleep(10*time.Second, ann)
			if round%2 == 0 {
				bob = w.connect(as("bob"), inRaw)
			} else {
				bob = w.connect(as("bob"))
			}
			w.sleep(2*time.Second, ann, bob)
		}
		bob.leave()
		bob = w.connect(as("bob"))
		bob.leave()
		eve := w.connect(as("eve")) // bob counts
		w.sleep(14*time.Second, ann, eve)
		ann.hears(joins("mem", "eve", 3))
		users, _ := w.hub.Presence(admin("root"), "mem")
		if u := users[1]; u.User != "bob" || u.Since != gateway.Timestamp(joined.UnixMilli()) {
			t.Errorf("bob is there since %d, he came at %d", u.Since, joined.UnixMilli())
		}
		w.sleep(3*time.Second, ann, eve)
		ann.hears(leaves("mem", "bob", 2))
		eve.hears(leaves("mem", "bob", 2))
		w.sleep(time.Minute, ann, eve)
		ann.hears()
	})
}

// Rooms do not mix, and leaving a room, or losing it, is like losing the
// connection to it.
func TestPresenceRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		ann, bob := w.connect(), w.connect(as("bob"))
		for _, p := range []*peer{ann, bob} {
			for _, room := range []string{"mem.b", "fs.c", "fs.c"} {
				p.send(`{"type":"subscribe","room":"%s"}`, room)
				synctest.Wait() // rooms do not wait for each other
			}
		}
		w.connect(as("eve"), in("mem.b"), granted("mem.b:w")) // reads nothing, is not there
		ann.hears(joins("mem", "bob", 2), joins("mem.b", "bob", 2), joins("fs.c", "bob", 2))
		bob.send(`{"type":"unsubscribe","room":"mem.b"}`)
		bob.send(`{"type":"unsubscribe","room":"mem.b"}`)
		w.hub.SetPrincipal(member("bob", "mem:rw"))
		w.sleep(17*time.Second, ann, bob)
		f := ann.frames()
		slices.SortFunc(f, func(a, b frame) int { return strings.Compare(a.Room, b.Room) })
		if got, want := texts(f), leaves("fs.c", "bob", 1)+"\n"+leaves("mem.b", "bob", 1)+"\n"; got != want {
			t.Errorf("heard\n%s\nwant\n%s", got, want)
		}
		if got := w.present("mem") + "; " + w.present("mem.b") + "; " + w.present("fs.none"); got != "ann 1, bob 1; ann 1; " {
			t.Errorf("present are %s", got)
		}
		if _, err := w.hub.Presence(member("bob", "mem:w"), "mem"); gateway.CodeOf(err) != gateway.CodeForbidden {
			t.Errorf("without the right to read: %v", err)
		}
	})
}

// A grace outlives the room's last connection: who comes then is told of its
// end, and not of one who is back.
func TestPresenceOfEmptyRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		ann, joe := w.connect(), w.connect(as("joe"))
		ann.leave()
		joe.leave()
		w.sleep(5 * time.Second)
		if _, rooms := w.hub.Live(); rooms != 0 {
			t.Errorf("%d rooms are live, nobody is there", rooms)
		}
		if got := w.present("mem"); got != "ann 0, joe 0" {
			t.Errorf("present are %s", got)
		}
		bob := w.connect(as("bob"))
		joe = w.connect(as("joe"))
		w.sleep(12*time.Second, bob, joe)
		bob.hears(leaves("mem", "ann", 2))
		bob.leave()
		joe.leave()
		w.sleep(17 * time.Second)
		if got := w.present("mem"); got != "" {
			t.Errorf("at the end, present are %s", got)
		}
	})
}

// A socket for which anything waits is not told, and its queue does not grow by
// it; a frame that it took the beginning of goes on.
func TestPresenceIsShed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		slow, quick := w.connect(), w.connect(as("joe"))
		slow.frames()
		slow.socket.limit(10)
		w.connect(as("bob"))
		w.connect(as("eve"))
		synctest.Wait()
		w.publish("mem", "1")
		synctest.Wait()
		chunks, cost, _ := slow.session.Waiting()
		for i := range 50 {
			w.connect(as(gateway.AccountName(fmt.Sprintf("u%d", i))))
		}
		synctest.Wait()
		if c, n, _ := slow.session.Waiting(); c != chunks || n != cost {
			t.Errorf("%d chunks of %d wait, before the joins it was %d of %d", c, n, chunks, cost)
		}
		slow.socket.limit(unlimited)
		f := slow.frames()
		if len(f) != 2 || f[0].payload != joins("mem", "bob", 3) || f[1].Seq != 1 {
			t.Errorf("the slow one got\n%s", texts(f))
		}
		w.connect(as("zoe"))
		slow.hears(joins("mem", "zoe", 55))
		if f := quick.frames(); len(f) != 2+1+53 {
			t.Errorf("the quick one got %d frames:\n%s", len(f), texts(f))
		}
		if _, rest := slow.stream(); len(rest) != 0 {
			t.Errorf("%d bytes of a frame are left", len(rest))
		}
	})
}

// A room's ephemeral frames have a limit. What it drops, the next event makes
// good, or the sweep, when none follows.
func TestPresenceLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 300
		w := newWorld(t)
		peers := make([]*peer, n)
		for i := range peers {
			peers[i] = w.connect(as(gateway.AccountName(fmt.Sprintf("u%d", i))))
			synctest.Wait()
		}
		heard := 0
		for _, p := range peers {
			for _, f := range p.frames() {
				if f.Type == "presence" {
					heard++
					if f.payload != joins("mem", f.User, atoi(f.User[1:])+1) {
						t.Fatalf("told a wrong count: %s", f.payload)
					}
				}
			}
		}
		if heard < 19_000 || heard > 20_000 {
			t.Errorf("%d deliveries, the limit is 20,000 and %d were asked for", heard, n*(n-1)/2)
		}
		w.run()
		w.sleep(1500 * time.Millisecond)
		for _, p := range peers[:n-1] {
			p.hears(joins("mem", "u299", n))
		}
		peers[n-1].hears()
		w.sleep(3 * time.Second)
		peers[0].hears() // once
		for _, p := range peers[1:] {
			p.leave()
		}
		w.sleep(17*time.Second, peers[0])
		if f := peers[0].frames(); f[len(f)-1].payload != leaves("mem", f[len(f)-1].User, 1) {
			t.Errorf("at the end told %s", f[len(f)-1].payload)
		}
	})
}

func atoi(s string) (n int) {
	for _, c := range s {
		n = 10*n + int(c-'0')
	}
	return n
}

// Who walks through rooms leaves no more graces behind than a few.
func TestGraceLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		p := w.connect(as("bob"))
		last := w.connect(in("mem.999"))
		for i := range 1000 {
			p.send(`{"type":"subscribe","room":"mem.%d"}`, i)
			p.send(`{"type":"unsubscribe","room":"mem.%d"}`, i)
		}
		synctest.Wait()
		if n := w.hub.Watched(); n != 256 {
			t.Errorf("%d rooms are held by graces, at most 256 shall be", n)
		}
		last.hears(joins("mem.999", "bob", 2), leaves("mem.999", "bob", 1))
		w.sleep(17*time.Second, p, last)
		if n := w.hub.Watched(); n != 0 {
			t.Errorf("%d rooms are held by graces that are over", n)
		}
	})
}

// Comings and goings at once: at the end everyone knows how many are there.
func TestPresenceRace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		watcher := w.connect(as("watcher"))
		done := make(chan struct{})
		for worker := range 8 {
			peers := make([]*peer, 0, 20)
			for round := range 20 {
				asks := []func(*hub.Connect){as(gateway.AccountName(fmt.Sprintf("u%d", (worker+round)%5)))}
				if round%3 == 0 {
					asks = append(asks, inRaw)
				}
				p, err := w.admit(asks...)
				if err != nil {
					t.Fatal(err)
				}
				peers = append(peers, p)
			}
			go func() {
				defer func() { done <- struct{}{} }()
				for i, p := range peers {
					if err := p.session.Start(p.socket); err != nil {
						t.Error(err)
					}
					p.send(`{"type":"typing","state":"start"}`)
					if i%4 != 3 || worker > 0 {
						p.leave()
					}
				}
			}()
		}
		for range 8 {
			<-done
		}
		w.sleep(10*time.Second, w.peers...)
		stay := w.connect(as("u9"))
		w.sleep(10*time.Second, w.peers...)
		users, _ := w.hub.Presence(admin("root"), "mem")
		f := watcher.frames()
		for len(f) > 0 && f[len(f)-1].Type != "presence" {
			f = f[:len(f)-1]
		}
		if want := fmt.Sprintf(`"count":%d}`, len(users)); !strings.HasSuffix(f[len(f)-1].payload, want) {
			t.Errorf("told %s, there are %d", f[len(f)-1].payload, len(users))
		}
		stay.leave()
	})
}
