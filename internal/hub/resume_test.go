package hub_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"edgegw/internal/gateway"
	"edgegw/internal/hub"
	"edgegw/internal/wire"
)

// after is a client that has everything up to seq; an empty epoch is none.
func after(seq gateway.Seq, epoch gateway.Epoch) func(*hub.Connect) {
	return func(c *hub.Connect) { c.Resume = wire.Resume{After: seq, HasAfter: true, Epoch: epoch} }
}

func latest(c *hub.Connect) { c.Resume.Latest = true }

// resumed tells what a client of the room is answered, and which messages and
// gaps follow.
func (p *peer) resumed(room gateway.RoomID) (answer string, seqs []uint64) {
	p.t.Helper()
	for _, f := range p.frames() {
		switch {
		case f.Room != string(room):
		case f.Type == "subscribed":
			answer = fmt.Sprintf("%s seq %d from %d", kept(room, f.Epoch), f.Seq, f.From)
			if f.Recovered != nil {
				answer += fmt.Sprintf(" recovered %v", *f.Recovered)
			}
			if f.Replay != nil {
				answer += fmt.Sprintf(" replay %d", *f.Replay)
			}
		case f.Type == "message":
			seqs = append(seqs, f.Seq)
		case f.Type == "gap":
			p.t.Errorf("gap %s", f.payload)
		}
	}
	return answer, seqs
}

// What a client that comes back is answered, and what follows. The room has had
// ten messages: two are purged, and its first epoch has durably ended at 6.
func TestResume(t *testing.T) {
	const all, none = "[3 4 5 6 7 8 9 10]", "[]"
	for _, c := range []struct {
		name   string
		ask    func(*hub.Connect)
		answer string // behind epoch, seq and, with after, from
		seqs   string
	}{
		{"ok nothing asked", nil, "", none},
		{"ok current epoch", after(8, "e2"), "recovered true replay 2", "[9 10]"},
		{"ok nothing missed", after(10, "e2"), "recovered true replay 0", none},
		{"ok all that is kept", after(2, "e2"), "recovered true replay 8", all},
		{"ok remembered epoch", after(5, "e1"), "recovered true replay 5", "[6 7 8 9 10]"},
		{"ok remembered epoch to its end", after(6, "e1"), "recovered true replay 4", "[7 8 9 10]"},
		{"bad remembered epoch past its end", after(7, "e1"), "recovered false", none},
		{"bad purged", after(1, "e2"), "recovered false", none},
		{"bad purged, nothing had", after(0, "e2"), "recovered false", none},
		{"bad purged, remembered epoch", after(1, "e1"), "recovered false", none},
		{"bad beyond the head", after(11, "e2"), "recovered false", none},
		{"bad far beyond the head", after(1<<53, "e2"), "recovered false", none},
		{"bad epoch of nobody", after(8, "e77"), "recovered false", none},
		{"bad epoch of another room", after(8, shown("lobby.other", "e2")), "recovered false", none},
		{"bad remembered epoch of another room", after(5, shown("lobby.other", "e1")), "recovered false", none},
		{"ok without epoch", after(8, ""), "replay 2", "[9 10]"},
		{"ok without epoch, purged", after(0, ""), "replay 8", all},
		{"ok without epoch, beyond the head", after(11, ""), "replay 0", none},
		{"ok without epoch, far beyond the head", after(1<<53, ""), "replay 0", none},
		{"ok latest", latest, "", "[10]"},
		{"ok latest beside a recovery", both(after(8, "e2"), latest), "recovered true replay 2", "[9 10]"},
		{"ok latest beside nothing missed", both(after(10, "e2"), latest), "recovered true replay 0", none},
		{"ok latest instead of a recovery", both(after(1, "e2"), latest), "recovered false", "[10]"},
		{"ok latest beside after alone", both(after(9, ""), latest), "replay 1", "[10]"},
		{"ok latest beside after alone, beyond the head", both(after(20, ""), latest), "replay 0", none},
	} {
		for _, room := range []gateway.RoomID{"lobby", "fs", "lobby.latest", "lobby.drop"} {
			t.Run(c.name+" "+string(room), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					w.fill(room, 1, 6)
					if err := w.stored.NewEpoch(room); err != nil {
						t.Fatal(err)
					}
					w.fill(room, 7, 10)
					w.stored.purge(room, 2)
					asks := []func(*hub.Connect){in("fs.other")}
					if c.ask != nil {
						asks = append(asks, c.ask)
					}
					// As the default room, and by a subscribe.
					p, q := w.connect(append(asks, in(room))...), w.connect(in("mem"))
					var resume hub.Connect
					asks[len(asks)-1](&resume)
					q.subscribe(room, resume.Resume)
					want := "e2 seq 10 from 0"
					if resume.Resume.HasAfter {
						want = "e2 seq 10 from 3"
					}
					if c.answer != "" {
						want += " " + c.answer
					}
					for _, peer := range []*peer{p, q} {
						answer, seqs := peer.resumed(room)
						if answer != want || fmt.Sprint(seqs) != c.seqs {
							t.Errorf("answered %q, then came %v; want %q and %s", answer, seqs, want, c.seqs)
						}
					}
					// And then live.
					w.fill(room, 11, 11)
					for _, peer := range []*peer{p, q} {
						if _, seqs := peer.resumed(room); fmt.Sprint(seqs) != "[11]" {
							t.Errorf("then came %v", seqs)
						}
					}
				})
			})
		}
	}
}

func both(a, b func(*hub.Connect)) func(*hub.Connect) {
	return func(c *hub.Connect) { a(c); b(c) }
}

// fill publishes the messages of these seqs and commits them.
func (w *world) fill(room gateway.RoomID, from, to int) {
	w.t.Helper()
	p := w.connect(in(room), as("filler"), granted("*:w"))
	for i := from; i <= to; i++ {
		p.send(`{"type":"message","data":%s}`, filler(i, 10))
	}
	w.stored.commit()
	synctest.Wait()
	p.leave()
}

func (p *peer) subscribe(room gateway.RoomID, r wire.Resume) {
	members := ""
	if r.HasAfter {
		members = fmt.Sprintf(`,"after":%d`, r.After)
	}
	if r.Epoch != "" {
		members += fmt.Sprintf(`,"epoch":%q`, shown(room, r.Epoch))
	}
	if r.Latest {
		members += `,"latest":true`
	}
	p.send(`{"type":"subscribe","room":"%s"%s}`, room, members)
}

// Who joins a room of which nothing is kept misses nothing, and nothing comes.
func TestResumeInAnEmptyRoom(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		purged       bool
		ask          func(*hub.Connect)
	}{
		{"ok unused", "e1 seq 0 from 1 recovered true replay 0", false, after(0, "e1")},
		{"ok unused, without epoch", "e1 seq 0 from 1 replay 0", false, after(0, "")},
		{"bad unused, beyond the head", "e1 seq 0 from 1 recovered false", false, after(1, "e1")},
		{"ok unused, latest", "e1 seq 0 from 0", false, latest},
		{"ok all purged", "e1 seq 5 from 6 recovered true replay 0", true, after(5, "e1")},
		{"bad all purged", "e1 seq 5 from 6 recovered false", true, after(4, "e1")},
		{"ok all purged, without epoch", "e1 seq 5 from 6 replay 0", true, after(0, "")},
		{"ok all purged, latest", "e1 seq 5 from 0", true, latest},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				if c.purged {
					w.fill("lobby", 1, 5)
					w.stored.purge("lobby", 5)
				}
				p := w.connect(in("lobby"), c.ask)
				if answer, seqs := p.resumed("lobby"); answer != c.answer || len(seqs) > 0 {
					t.Errorf("answered %q, then came %v; want %q", answer, seqs, c.answer)
				}
			})
		})
	}
}

// Who asks again gets what this connection has not had, as long as that does not
// change the order of messages.
func TestResumeAgain(t *testing.T) {
	type step struct {
		resume wire.Resume
		live   bool // a message is published first
		answer string
		seqs   string
	}
	with := func(seq gateway.Seq) wire.Resume { return wire.Resume{After: seq, HasAfter: true, Epoch: "e1"} }
	for _, c := range []struct {
		name  string
		ask   func(*hub.Connect)
		steps []step
	}{
		{"ok after nothing was sent", latestNot, []step{
			{with(6), false, "e1 seq 10 from 1 recovered true replay 4", "[7 8 9 10]"},
			{with(6), false, "e1 seq 10 from 1 recovered true replay 0", "[]"},
			{with(8), true, "e1 seq 11 from 1 recovered true replay 0", "[11]"},
			{wire.Resume{}, false, "e1 seq 11 from 0", "[]"},
			{with(11), false, "e1 seq 11 from 1 recovered true replay 0", "[]"},
			{with(12), false, "e1 seq 11 from 1 recovered false", "[]"},
			{with(5), false, "e1 seq 11 from 1 recovered false", "[]"},
			{wire.Resume{After: 5, HasAfter: true}, false, "e1 seq 11 from 1 replay 0", "[]"},
			{wire.Resume{Latest: true}, false, "e1 seq 11 from 0", "[]"},
		}},
		{"ok further back while nothing was sent", after(10, "e1"), []step{
			{with(10), false, "e1 seq 10 from 1 recovered true replay 0", "[]"},
			{with(9), false, "e1 seq 10 from 1 recovered true replay 1", "[10]"},
		}},
		{"ok latest", latestNot, []step{
			{wire.Resume{Latest: true}, false, "e1 seq 10 from 0", "[10]"},
			{wire.Resume{Latest: true}, false, "e1 seq 10 from 0", "[]"},
		}},
		{"bad what is older than what was sent", latestNot, []step{
			{with(6), true, "e1 seq 11 from 1 recovered false", "[11]"},
		}},
		{"ok without epoch what is older is not sent either", latestNot, []step{
			{wire.Resume{After: 6, HasAfter: true}, true, "e1 seq 11 from 1 replay 0", "[11]"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.fill("lobby", 1, 10)
				p := w.connect(in("lobby"), c.ask)
				p.frames()
				for i, step := range c.steps {
					if step.live {
						w.fill("lobby", 11, 11)
					}
					p.subscribe("lobby", step.resume)
					if answer, seqs := p.resumed("lobby"); answer != step.answer || fmt.Sprint(seqs) != step.seqs {
						t.Errorf("step %d: answered %q and sent %v, want %q and %s", i, answer, seqs, step.answer, step.seqs)
					}
				}
			})
		})
	}
}

func latestNot(*hub.Connect) {}

// The raw format has no resuming.
func TestRawDoesNotResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.fill("lobby", 1, 5)
		p := w.connect(in("lobby"), inRaw, after(0, "e1"))
		if frames := p.frames(); len(frames) > 0 {
			t.Errorf("frames\n%s", texts(frames))
		}
	})
}
