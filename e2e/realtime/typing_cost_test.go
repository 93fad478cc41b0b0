package realtime_test

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// hallCrowd are many members of one room who listen.
type hallCrowd struct {
	s                *site
	links            []*link
	messages, others atomic.Int64
}

// gatherIn connects a client for each token to the room, and reads from all of
// them until the test ends.
func gatherIn(s *site, tokens []string, room string) *hallCrowd {
	s.t.Helper()
	c := &hallCrowd{s: s, links: make([]*link, len(tokens))}
	var all sync.WaitGroup
	next := atomic.Int64{}
	for range 8 {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(tokens); i = int(next.Add(1)) - 1 {
				l, err := s.connect(tokens[i], "room="+room)
				if err == nil {
					_, err = l.until("subscribed")
				}
				if err != nil {
					s.t.Errorf("member %d: %v", i, err)
					continue
				}
				l.Patience = 5 * time.Minute
				c.links[i] = l
			}
		})
	}
	if all.Wait(); s.t.Failed() {
		s.t.FailNow()
	}
	for _, l := range c.links {
		go c.listen(l)
	}
	s.t.Cleanup(func() {
		for _, l := range c.links {
			l.cut()
		}
	})
	return c
}

func (c *hallCrowd) listen(l *link) {
	for {
		f, err := l.Read()
		switch {
		case err != nil:
			return
		case isMessage(f.Payload):
			c.messages.Add(1)
		case bytes.HasPrefix(f.Payload, []byte(`{"type":"typing"`)):
			c.others.Add(1)
		}
	}
}

// habit is how people type: they say start between the messages of others, and
// behind their own message they say stop.
type habit struct{ what, start, stop string }

const (
	typingStart = `{"type":"typing","state":"start"}`
	typingStop  = `{"type":"typing","state":"stop"}`
)

// speakFor has 50 members publish, by turns and evenly at a rate, and type in
// their way. It returns what the gateway's processor time was, and how many
// messages and other frames were delivered.
func (c *hallCrowd) speakFor(d time.Duration, rate int, h habit) (cpu time.Duration, messages, others int64) {
	messages, others = c.messages.Load(), c.others.Load()
	start := c.s.CPU()
	tick := time.NewTicker(time.Second / time.Duration(2*rate))
	defer tick.Stop()
	const typists = 50
	sent := 0
	for ; sent < int(d.Seconds()*float64(rate)); sent++ {
		<-tick.C
		who := c.links[sent%typists]
		who.Send(fmt.Sprintf(`{"type":"message","data":{"n":%d,"text":"as long as what people write to each other"}}`, sent))
		if h.stop != "" {
			who.Send(h.stop)
		}
		<-tick.C
		if h.start != "" { // one whose message comes in a second
			c.links[(sent+rate)%typists].Send(h.start)
		}
	}
	// All of them have to be there before the time is taken.
	for deadline := time.Now().Add(5 * time.Second); c.messages.Load() < messages+int64(sent*len(c.links)) && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	cpu = c.s.CPU() - start
	for _, l := range c.links[:typists] {
		l.Send(typingStop)
	}
	return cpu, c.messages.Load() - messages, c.others.Load() - others
}

// A room with 1,000 members in which 50 type costs less than twice what the same
// messages cost without.
func TestTypingCost(t *testing.T) {
	s := open(t, tokenRooms, "log_level=info")
	c := gatherIn(s, s.crowd(scaled(1000, 200), "*:rw"), "hall")
	time.Sleep(2 * time.Second) // until the room has heard who joined
	none := habit{"nobody types", "", ""}
	all := habit{"50 type, and go on when they have sent", typingStart, typingStart}
	turns := habit{"50 type, and stop when they have sent", typingStart, typingStop}
	c.compare(t, 20, []habit{none, all, turns})
	// With fewer messages the same typing weighs more. At 10 a second there
	// are 2 changes of who types for each message, and about as many as the
	// room is told of at most.
	c.compare(t, 10, []habit{none, turns})
}

// compare measures the habits by turns, since the machine may change its mood, and
// goes on for a while before it blames the gateway.
func (c *hallCrowd) compare(t *testing.T, rate int, habits []habit) {
	d := time.Duration(scaled(2, 1)) * time.Second
	cpu, others, messages := make([]time.Duration, len(habits)), make([]int64, len(habits)), make([]int64, len(habits))
	ratio := func(i int) float64 { return float64(cpu[i]) / float64(cpu[0]) }
	rounds := 0
	for good := false; rounds < 2 || !good && rounds < 5; rounds++ {
		good = true
		for i, h := range habits {
			took, m, o := c.speakFor(d, rate, h)
			cpu[i], messages[i], others[i] = cpu[i]+took, messages[i]+m, others[i]+o
			good = good && ratio(i) < 2
			time.Sleep(1200 * time.Millisecond) // the last stops are told
		}
	}
	for i, h := range habits {
		if want := int64(rounds * int(d.Seconds()) * rate * len(c.links)); messages[i] != want {
			t.Errorf("%s: %d messages were delivered, want %d", h.what, messages[i], want)
		}
		t.Logf("typing: %d members, %d messages a second, %s: %v of processor time for %d messages and %d other frames delivered, %.2f times that without typing",
			len(c.links), rate, h.what, cpu[i].Round(time.Millisecond), messages[i], others[i], ratio(i))
		if ratio(i) >= 2 {
			t.Errorf("%s: it costs %.2f times what the same messages cost without, want less than 2", h.what, ratio(i))
		}
		if h.start != "" && others[i] == 0 {
			t.Errorf("%s: nobody was told", h.what)
		}
	}
}
