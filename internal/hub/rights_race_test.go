package hub_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"edgegw/internal/gateway"
	"edgegw/internal/hub"
	"edgegw/internal/wire"
)

// registry stands for the accounts and their sessions: a change is made there
// first, and then told to the hub.
type registry struct {
	w        *world
	revision atomic.Uint64
	serial   atomic.Int64 // of marks and sessions

	mu       sync.Mutex
	accounts map[gateway.AccountName]gateway.Principal // those that are enabled
	over     map[gateway.SessionID]bool
	peers    map[*peer]login
	marks    map[string]login // messages that may not come, and to whom
}

// login is an account, and one of its sessions or "" for all of them.
type login struct {
	account gateway.AccountName
	session gateway.SessionID
}

func (g *registry) authenticate(l login) (p gateway.Principal, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p, ok = g.accounts[l.account]
	return p, ok && !g.over[l.session]
}

func (g *registry) change(how func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	how()
	g.revision.Add(1)
}

// mark publishes a message that l may not be given any more.
func (g *registry) mark(l login, room gateway.RoomID) {
	text := fmt.Sprintf("mark %d for %s %s", g.serial.Add(1), l.account, l.session)
	g.mu.Lock()
	g.marks[text] = l
	g.mu.Unlock()
	g.w.publish(room, `"`+text+`"`)
}

// connect does what the edge does: what changes between looking the account up
// and admitting the session is looked up again.
func (g *registry) connect(l login, asks ...func(*hub.Connect)) *peer {
	seen := g.revision.Load()
	principal, ok := g.authenticate(l)
	if !ok {
		return nil
	}
	g.mu.Lock() // peers are listed
	p, err := g.w.admit(append(asks, withToken(l.session), func(c *hub.Connect) { c.Principal = principal })...)
	if err == nil {
		g.peers[p] = l
	}
	g.mu.Unlock()
	if err != nil {
		return nil
	}
	for now := g.revision.Load(); now != seen; now = g.revision.Load() {
		seen = now
		if principal, ok = g.authenticate(l); !ok || p.session.SetPrincipal(principal) != nil {
			p.end(0)
			return nil
		}
	}
	p.reader.Lock()
	_ = p.session.Start(p.socket) // whoever is cut by now learns it in the stream
	p.reader.Unlock()
	return p
}

// client comes, goes, joins, leaves and publishes.
func (g *registry) client(name gateway.AccountName, n int, rooms []gateway.RoomID, busy chan<- struct{}) {
	r := rand.New(rand.NewPCG(uint64(n), 1))
	for round := range 4 {
		l := login{name, gateway.SessionID(fmt.Sprintf("%s-%d", name, g.serial.Add(1)))}
		asks := []func(*hub.Connect){in(rooms[0])}
		if n%10 == 9 {
			asks = append(asks, inRaw, in(rooms[r.IntN(len(rooms))]))
		}
		p := g.connect(l, asks...)
		if p == nil {
			continue
		}
		for step := range 15 {
			room := rooms[r.IntN(len(rooms))]
			if step%5 == 0 {
				select {
				case busy <- struct{}{}:
				default:
				}
			}
			switch r.IntN(12) {
			case 0:
				p.send(`{"type":"message","room":"%s","id":"%d","data":%d}`, room, g.serial.Add(1), round)
			case 1, 2, 3:
				p.send(`{"type":"unsubscribe","room":"%s"}`, room)
			default:
				p.send(`{"type":"subscribe","room":"%s"}`, room)
			}
		}
		if round%3 < 2 {
			p.leave()
		}
	}
}

// administrator changes the account for as long as its clients are busy. After
// each change comes a message that it may not be given.
func (g *registry) administrator(name gateway.AccountName, n int, rooms []gateway.RoomID, busy <-chan struct{}) {
	r := rand.New(rand.NewPCG(uint64(n), 2))
	set := func(p gateway.Principal) {
		g.change(func() { g.accounts[name] = p })
		g.w.hub.SetPrincipal(p)
	}
	i := n // so that each kind comes, however few changes there is time for
	for range busy {
		i++
		room := rooms[r.IntN(len(rooms))]
		switch i % 8 {
		case 0: // its sockets are closed
			g.change(func() { delete(g.accounts, name) })
			g.w.hub.CloseAccount(name)
			g.mark(login{name, ""}, room)
		case 3: // one of its sessions ends
			l := login{name, "none"}
			g.change(func() {
				for p, of := range g.peers {
					if of.account == name && !p.socket.isDown() {
						l = of
					}
				}
				g.over[l.session] = true
			})
			g.w.hub.EndSessions([]gateway.SessionID{l.session})
			g.mark(l, room)
		case 5: // it may do nothing in the default room
			set(member(name, string(rooms[1])+":rw"))
			g.mark(login{name, ""}, rooms[0])
		default: // it may not read one of the rooms
			var left []string
			for _, other := range rooms {
				if other != room {
					left = append(left, string(other)+":rw")
				}
			}
			set(member(name, append(left, string(rooms[0])+":w")...))
			g.mark(login{name, ""}, room)
		}
		set(member(name, "*:rw"))
	}
}

// Two hundred clients come, go, join, leave and publish while their accounts
// change. Nobody is given what was published after his grant, his account or his
// session was taken away; and whoever was told that he is in a room has had all
// of it.
func TestRightsRace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		stop := w.stored.commitAlways()
		g := &registry{
			w: w, accounts: make(map[gateway.AccountName]gateway.Principal), over: make(map[gateway.SessionID]bool),
			peers: make(map[*peer]login), marks: make(map[string]login),
		}
		rooms := []gateway.RoomID{"mem", "mem.drop", "lobby", "fs"}
		var all sync.WaitGroup
		for account := range 20 {
			name, busy := gateway.AccountName(fmt.Sprintf("a%d", account)), make(chan struct{}, 1)
			g.change(func() { g.accounts[name] = member(name, "*:rw") })
			var clients sync.WaitGroup
			for n := range 10 {
				clients.Go(func() { g.client(name, 10*account+n, rooms, busy) })
			}
			all.Go(func() { g.administrator(name, account, rooms, busy) })
			all.Go(func() { clients.Wait(); close(busy) })
		}
		all.Wait()
		synctest.Wait()
		stop()
		synctest.Wait()
		for p, l := range g.peers {
			g.check(t, p, l)
		}
		for _, code := range []uint16{4501, 4502, 4503} {
			if w.figures.closes(code) == 0 {
				t.Errorf("nothing was closed with %d", code)
			}
		}
		n, _ := w.hub.Live()
		t.Logf("%d connections, %d left; %d changes; closed: %v; %d delivered", len(g.peers), n, g.revision.Load(), w.figures.closed, w.figures.delivered.n.Load())
	})
}

func (g *registry) check(t *testing.T, p *peer, l login) {
	t.Helper()
	frames, rest := p.stream()
	for _, f := range frames {
		text := f.payload
		if p.format == wire.FormatJSON {
			text = strings.Trim(string(f.Data), `"`)
		}
		if of, ok := g.marks[text]; ok && of.account == l.account && (of.session == "" || of.session == l.session) {
			t.Fatalf("%s %s was given %q", l.account, l.session, f.payload)
		}
	}
	if p.format == wire.FormatRaw {
		return
	}
	places := ledger(t, frames)
	for _, at := range places {
		at.in = at.in && !p.socket.isDown()
	}
	checkAgainstHistory(t, g.w, places)
	if len(rest) > 0 {
		t.Fatalf("%d bytes of a frame are left", len(rest))
	}
}
