package wsedge_test

import (
	"strings"
	"testing"
	"time"

	"edgegw/internal/gateway"
)

// change is something that happens to the account of a handshake.
type change struct {
	name    string
	how     func(*directory)
	tell    func(*site)
	refused string // how the handshake is answered, or ""
	frames  string // the beginnings of the frames after it, when it is not refused
	live    string // how a handshake that was let in by then goes on
}

const greeting = `{"type":"welcome"|{"type":"subscribed"`

var errGone = gateway.Errorf(gateway.CodeInvalidToken, "gone")

func rights(grants ...string) change {
	return change{
		how:  func(d *directory) { d.identity.Principal = principal(grants...) },
		tell: func(s *site) { s.hub.SetPrincipal(principal(grants...)) },
	}
}

func changes() []change {
	named := func(c change, name, refused, frames, live string) change {
		c.name, c.refused, c.frames, c.live = name, refused, frames, live
		return c
	}
	refuse := func(d *directory) { d.refusal = errGone }
	return []change{
		{"bad account disabled", refuse, func(s *site) { s.hub.CloseAccount("ann") },
			"invalid_token false", "", "closed 4502 account_disabled"},
		{"bad session ended", refuse, func(s *site) { s.hub.EndSessions([]gateway.SessionID{"s1"}) },
			"invalid_token false", "", "closed 4501 session_revoked"},
		named(rights("other:rw"), "bad default room lost", "forbidden false", "", "closed 4503 forbidden"),
		named(rights("lobby:w"), "ok reading lost", "", `{"type":"welcome"`, `{"type":"welcome"`),
		named(rights("lobby:r"), "ok writing lost", "", greeting, greeting),
		{"ok somebody else's account", func(*directory) {}, func(s *site) { s.hub.CloseAccount("bob") }, "", greeting, greeting},
	}
}

// expect compares the beginnings of frames. After the greeting a message is
// published, which comes only to who was subscribed.
func (s *site) expect(c *client, frames string) {
	s.t.Helper()
	for want := range strings.SplitSeq(frames, "|") {
		if got := c.next(); !strings.HasPrefix(got, want) {
			s.t.Errorf("frame %q, want %q…", got, want)
		}
	}
	if strings.HasPrefix(frames, "closed") {
		return
	}
	s.publish(`"after"`)
	s.hub.EndSessions([]gateway.SessionID{"s1"})
	heard, got := false, c.next()
	for ; strings.HasPrefix(got, `{"type":"message"`); got = c.next() {
		heard = true
	}
	if got != "closed 4501 session_revoked" || heard && frames != greeting {
		s.t.Errorf("the message came: %v; then %q", heard, got)
	}
}

// The account may change while a handshake is under way: after it was looked
// up, when the hub does not know the session yet, or right after its admission.
func TestChangeUnderAHandshake(t *testing.T) {
	for _, after := range []string{"the account was looked up", "the admission"} {
		for _, c := range changes() {
			t.Run(c.name+" after "+after, func(t *testing.T) {
				s := newSite(t)
				happen := func(at int) func(int) {
					return func(times int) {
						if times == at {
							s.directory.change(c.how, func() { c.tell(s) })
						}
					}
				}
				if after == "the admission" {
					s.directory.asked = happen(2)
				} else {
					s.directory.looked = happen(1)
				}
				client := s.dial()
				if client.refused != c.refused {
					t.Fatalf("refused with %q, want %q", client.refused, c.refused)
				}
				if c.refused == "" {
					s.expect(client, c.frames)
				} else if n, _ := s.hub.Live(); n != 0 {
					t.Errorf("%d sessions are left", n)
				}
			})
		}
	}
}

// A change may come when everything was checked, and the socket is not the
// session's yet.
func TestChangeBeforeTheStart(t *testing.T) {
	for _, c := range changes() {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t)
			s.hijacked = func() { s.directory.change(c.how, func() { c.tell(s) }) }
			client := s.dial()
			if client.refused != "" {
				t.Fatalf("refused with %q", client.refused)
			}
			s.expect(client, c.live)
		})
	}
}

// Rights that were given and taken back meanwhile count as they are in the end,
// whatever was looked up in between.
func TestChangesOvertakeEachOther(t *testing.T) {
	s := newSite(t)
	set := func(grants ...string) {
		c := rights(grants...)
		s.directory.change(c.how, func() { c.tell(s) })
	}
	s.directory.looked = func(times int) {
		switch times {
		case 1:
			set("lobby:r")
		case 2: // has seen r
			set("lobby:w")
		}
	}
	s.expect(s.dial(), `{"type":"welcome"`)
}

// A handshake does not follow changes for ever.
func TestEndlessChanges(t *testing.T) {
	s := newSite(t)
	s.directory.looked = func(int) { s.directory.change(func(*directory) {}, func() {}) }
	if c := s.dial(); c.refused != "unavailable true" {
		t.Errorf("refused with %q", c.refused)
	}
	if n, _ := s.hub.Live(); n != 0 || s.directory.looks > 10 {
		t.Errorf("%d sessions are left, the account was looked up %d times", n, s.directory.looks)
	}
}

// A peer that reads nothing cannot hold a revoked socket open. A second is
// promised; the other one is for a machine that has much else to do.
func TestRevokedAndStuck(t *testing.T) {
	for _, c := range changes()[:3] {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t)
			client := s.dial()
			client.next()
			client.next() // and reads no more
			long := `"` + strings.Repeat("x", 60_000) + `"`
			for range 100 { // far more than the kernel and the queue take
				s.publish(long)
			}
			began := time.Now()
			s.directory.change(c.how, func() { c.tell(s) })
			for n, _ := s.hub.Live(); n > 0; n, _ = s.hub.Live() {
				if time.Since(began) > 2*time.Second {
					t.Fatal("it is still there")
				}
				time.Sleep(5 * time.Millisecond)
			}
			t.Logf("gone after %v", time.Since(began))
		})
	}
}
