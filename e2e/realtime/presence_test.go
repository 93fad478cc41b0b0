package realtime_test

import (
	"fmt"
	"testing"
	"time"
)

// heard is a presence or typing frame, and when it came.
type heard struct {
	frame
	at time.Time
}

// listener collects the presence and typing frames of a connection.
type listener struct {
	t      *testing.T
	link   *link
	frames chan heard
}

func (s *site) listen(t *testing.T, token, room string) *listener {
	t.Helper()
	l, _ := s.enter(t, token, "room="+room)
	l.Patience = time.Minute
	n := &listener{t, l, make(chan heard, 1000)}
	go func() {
		defer close(n.frames)
		for {
			f, err := l.next()
			if err != nil {
				return
			}
			if f.Type == "presence" || f.Type == "typing" {
				n.frames <- heard{f, time.Now()}
			}
		}
	}()
	return n
}

// quiet fails the test if anything comes for as long as d.
func (n *listener) quiet(what string, d time.Duration) {
	n.t.Helper()
	select {
	case h, ok := <-n.frames:
		n.t.Errorf("%s: there came %v (%v)", what, h.frame, ok)
	case <-time.After(d):
	}
}

// next fails the test unless the next frame comes in d and is what is wanted: in
// the form "presence join ada 2" or "typing start ada". It returns when it came.
func (n *listener) next(want string, d time.Duration) time.Time {
	n.t.Helper()
	select {
	case h := <-n.frames:
		got := fmt.Sprintf("typing %s %s", h.State, h.User)
		if h.Type == "presence" {
			got = fmt.Sprintf("presence %s %s %d", h.Event, h.User, h.Count)
		}
		if got != want {
			n.t.Errorf("there came %q, want %q", got, want)
		}
		return h.at
	case <-time.After(d):
		n.t.Errorf("%q did not come in %v", want, d)
		return time.Now()
	}
}

// atOnce is milliseconds on a quiet machine.
const atOnce = 3 * time.Second

// Accounts come into a room with the first of their connections, and leave it 15 s
// after the last.
func TestPresence(t *testing.T) {
	t.Parallel()
	s := open(t, tokenRooms)
	ada, bob, cyd := s.person("ada"), s.person("bob"), s.person("cyd")
	watch := s.listen(t, bob, "hall")
	joined := time.Now()
	first := s.listen(t, ada, "hall")
	at := watch.next("presence join ada 2", atOnce)
	t.Logf("presence: a join is told %v after the handshake began", at.Sub(joined).Round(100*time.Microsecond))
	// More of hers, of any format, are nothing new; and nobody is told of
	// oneself.
	second := s.listen(t, ada, "hall")
	raw, err := s.connect(ada, "room=hall&format=raw")
	if err != nil {
		t.Fatal(err)
	}
	third := s.listen(t, cyd, "hall")
	watch.next("presence join cyd 3", atOnce)
	first.next("presence join cyd 3", atOnce)
	second.next("presence join cyd 3", atOnce)
	first.link.cut()
	second.link.cut()
	watch.quiet("two of three connections have left", 700*time.Millisecond)
	// The last one goes, and comes back in time: she was never away.
	raw.cut()
	time.Sleep(4 * time.Second)
	back := s.listen(t, ada, "hall")
	watch.quiet("she was away for 4 s", 13*time.Second)
	back.link.cut()
	left := time.Now()
	at = watch.next("presence leave ada 2", 20*time.Second)
	third.next("presence leave ada 2", atOnce)
	within(t, "the leave after the last connection", at.Sub(left), 14900*time.Millisecond, 16500*time.Millisecond)
	t.Logf("presence: a leave is told after %v", at.Sub(left).Round(10*time.Millisecond))
	s.listen(t, ada, "hall")
	watch.next("presence join ada 3", atOnce)
	watch.quiet("nothing else happens", 200*time.Millisecond)
}

// Typing is told at once, ends by itself after 6 s, is told at most once a second,
// and never to its author.
func TestTyping(t *testing.T) {
	t.Parallel()
	s := open(t, tokenRooms)
	ada, bob, wes := s.person("ada"), s.person("bob"), s.person("wes", "*:w")
	watch := s.listen(t, bob, "hall")
	own := s.listen(t, ada, "hall")
	watch.next("presence join ada 2", atOnce)
	other := s.listen(t, ada, "hall")
	say := func(state string) { own.link.Send(fmt.Sprintf(`{"type":"typing","state":%q}`, state)) }
	began := time.Now()
	say("start")
	at := watch.next("typing start ada", atOnce)
	t.Logf("typing: a start is told after %v", at.Sub(began).Round(100*time.Microsecond))
	time.Sleep(3 * time.Second)
	renewed := time.Now()
	say("start") // renewed: nothing new
	at = watch.next("typing stop ada", 10*time.Second)
	within(t, "typing ends by itself", at.Sub(renewed), 5900*time.Millisecond, 7500*time.Millisecond)
	t.Logf("typing: it ends %v after it was renewed", at.Sub(renewed).Round(10*time.Millisecond))
	// Who changes their mind all the time is told of once a second, and the
	// outcome is right.
	time.Sleep(1100 * time.Millisecond)
	began = time.Now()
	for range 50 {
		say("start")
		say("stop")
		time.Sleep(30 * time.Millisecond)
	}
	say("start")
	changed := time.Since(began) // longer on a busy machine
	told, last := 0, ""
	for last != "start" || told < 2 {
		select {
		case h := <-watch.frames:
			told, last = told+1, h.State
			continue
		case <-time.After(2500 * time.Millisecond):
		}
		break
	}
	if told > 3+int(changed/time.Second) || last != "start" {
		t.Errorf("101 changes in %v were told in %d frames, the last of them %q", changed, told, last)
	}
	t.Logf("typing: 101 changes in %v are told in %d frames", changed.Round(10*time.Millisecond), told)
	say("stop")
	watch.next("typing stop ada", atOnce)
	// It ends with the last connection, and needs a grant to write only.
	time.Sleep(1100 * time.Millisecond)
	writer, err := s.connect(wes, "room=hall")
	if err != nil {
		t.Fatal(err)
	}
	defer writer.cut()
	writer.Send(`{"type":"typing","state":"start"}`)
	watch.next("typing start wes", atOnce)
	say("start")
	watch.next("typing start ada", atOnce)
	own.link.cut()
	watch.quiet("one of two connections has left", 500*time.Millisecond)
	other.next("typing start wes", atOnce) // all that ada was told of
	other.link.cut()
	watch.next("typing stop ada", atOnce)
	if got := s.room(bob, "hall"); got.Seq != 0 {
		t.Errorf("the room stands at %d: typing is stored", got.Seq)
	}
	for h := range own.frames {
		if h.User == "ada" {
			t.Errorf("ada was told of herself: %v", h.frame)
		}
	}
}
