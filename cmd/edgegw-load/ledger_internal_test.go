package main

import (
	"fmt"
	"testing"
)

// frameOf is a message as both servers deliver it.
func frameOf(room string, seq int) string {
	return fmt.Sprintf(`{"type":"message","room":%q,"seq":%d,"ts":1,"user":"admin","data":{"seq":99}}`, room, seq)
}

func TestLedger(t *testing.T) {
	own := func(seqs ...int) (frames []string) {
		for _, n := range seqs {
			frames = append(frames, frameOf("bench-1000", n))
		}
		return frames
	}
	for name, tc := range map[string]struct {
		frames   []string
		received uint64
		got      uint64
		want     faultCounts
	}{
		"ok in order":       {frames: own(8, 9, 10), received: 3, got: 3},
		"ok other frames":   {frames: []string{`{"type":"welcome","protocol":1}`, `{"type":"presence","room":"bench-1000"}`}},
		"ok other order":    {frames: []string{`{"room":"bench-1000","type":"message","seq":8,"data":1}`}, received: 1, got: 1},
		"bad hole":          {frames: own(8, 11), received: 2, got: 2, want: faultCounts{Missing: 2}},
		"bad first missing": {frames: own(9), received: 1, got: 1, want: faultCounts{Missing: 1}},
		"bad twice":         {frames: own(8, 8), received: 2, got: 1, want: faultCounts{Duplicates: 1}},
		"bad out of order":  {frames: own(8, 10, 9), received: 3, got: 2, want: faultCounts{Missing: 1, Duplicates: 1}},
		"bad room":          {frames: []string{frameOf("bench-1001", 8)}, want: faultCounts{WrongRoom: 1}},
		"bad longer room":   {frames: []string{frameOf("bench-10000", 8)}, want: faultCounts{WrongRoom: 1}},
		"bad error frame":   {frames: []string{`{"type":"error","code":"forbidden"}`}, want: faultCounts{Errors: 1}},
		"bad gap frame":     {frames: []string{`{"type":"gap","room":"bench-1000","from":8,"to":9}`}, want: faultCounts{Errors: 1}},
		"ok acks":           {frames: []string{`{"type":"ack","id":"0-x"}`, `{"type":"ack","id":"1-x","seq":5}`}},
		"bad ack twice":     {frames: []string{`{"type":"ack","id":"0-x"}`, `{"type":"ack","id":"0-x"}`}, want: faultCounts{BadAcks: 1}},
		"bad ack of others": {frames: []string{`{"type":"ack","id":"0-y"}`}, want: faultCounts{BadAcks: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			l := &loop{onMessage: func(*conn, []byte, int64) {}, onAck: func(*conn, int64) {}}
			c := &conn{room: newRoom("bench-1000"), next: 8, idEnd: `-x"`}
			for _, f := range tc.frames {
				l.text(c, []byte(f), 0)
			}
			if c.faultCounts != tc.want || l.received != tc.received || c.got != tc.got {
				t.Errorf("faults %+v, received %d, got %d; want %+v, %d, %d", c.faultCounts, l.received, c.got, tc.want, tc.received, tc.got)
			}
		})
	}
}

// What both servers deliver has to be of one size, or the rows are unfair.
func TestPublishSizes(t *testing.T) {
	const sent = 1_700_000_000_000_000_000
	inner := func(target string) []byte {
		e := encoder{target: target, user: "admin"}
		e.publish(&conn{room: newRoom("bench-1000"), idEnd: `-x"`}, sent, true)
		return e.b
	}
	envelope := `{"type":"message","room":"bench-1000","seq":1,"ts":1700000000000,"user":"admin","id":"0-x",` +
		`"data":{"t":1700000000000000000,"v":21.53,"unit":"celsius"}}`
	if got := string(inner(targetBare)); got != envelope {
		t.Errorf("the baseline delivers\n%s\nwant\n%s", got, envelope)
	}
	command := `{"type":"message","id":"0-x","data":{"t":1700000000000000000,"v":21.53,"unit":"celsius"}}`
	if got := string(inner(targetEdgegw)); got != command {
		t.Errorf("edgegw gets\n%s\nwant\n%s", got, command)
	}
}
