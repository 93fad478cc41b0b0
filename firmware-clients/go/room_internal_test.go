package client

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// TestRoom plays what comes about one room, and reads what the application is
// told: S subscribed (+ recovered), M a message, L a loss with its numbers.
func TestRoom(t *testing.T) {
	at := func(epoch string, seq uint64) *Position { return &Position{Epoch: epoch, Seq: seq} }
	const sub, msg, gap = `{"type":"subscribed","epoch":"e1","seq":`, `{"type":"message","data":0,"seq":`, `{"type":"gap","reason":"drop_oldest","from":`
	for _, c := range []struct {
		name   string
		from   *Position
		latest bool
		frames []string
		told   string
		at     Position
	}{
		{"ok from now on", nil, false, []string{sub + `5}`, msg + `6}`, msg + `7}`}, "S M6 M7", *at("e1", 7)},
		{"ok recovered", at("e1", 3), false, []string{sub + `5,"recovered":true,"replay":2,"from":1}`, msg + `4}`, msg + `5}`}, "S+ M4 M5", *at("e1", 5)},
		{"ok recovered, broken off early", at("e1", 3), false, []string{sub + `5,"recovered":true,"replay":2,"from":1}`, msg + `4}`}, "S+ M4", *at("e1", 4)},
		{"ok recovered in a later epoch", at("e0", 5), false, []string{sub + `5,"recovered":true,"replay":0,"from":1}`, msg + `6}`}, "S+ M6", *at("e1", 6)},
		{"ok kept without epoch", at("", 2), false, []string{sub + `5,"replay":3,"from":1}`, msg + `3}`}, "S M3", *at("e1", 3)},
		{"ok kept without epoch, some purged", at("", 2), false, []string{sub + `9,"replay":3,"from":7}`, msg + `7}`}, "S L3-6:purged M7", *at("e1", 7)},
		{"ok kept without epoch, not all brought", at("", 2), false, []string{sub + `9,"replay":1,"from":1}`, gap + `3,"to":8}`, msg + `9}`}, "S L3-8:drop_oldest M9", *at("e1", 9)},
		{"ok kept without epoch, some purged and not all brought", at("", 2), false, []string{sub + `9,"replay":1,"from":5}`, gap + `5,"to":8}`, msg + `9}`}, "S L3-4:purged L5-8:drop_oldest M9", *at("e1", 9)},
		{"ok without epoch, past the end", at("", 90), false, []string{sub + `9,"replay":0,"from":7}`}, "S L7-9:not_recovered! ", *at("e1", 9)},
		{"ok not recovered", at("e1", 3), false, []string{sub + `9,"recovered":false,"from":7}`, msg + `10}`}, "S L4-9:not_recovered M10", *at("e1", 10)},
		{"ok not recovered in another epoch", at("e0", 30), false, []string{sub + `9,"recovered":false,"from":7}`, msg + `10}`}, "S L7-9:not_recovered! M10", *at("e1", 10)},
		{"ok not recovered, past the end of its epoch", at("e1", 30), false, []string{sub + `9,"recovered":false,"from":7}`}, "S L7-9:not_recovered!", *at("e1", 9)},
		{"ok latest", nil, true, []string{sub + `5}`, msg + `5}`, msg + `6}`}, "S M5 M6", *at("e1", 6)},
		{"ok latest, broken off early", nil, true, []string{sub + `5}`}, "S", *at("e1", 4)},
		{"ok latest of an empty room", nil, true, []string{sub + `0}`, msg + `1}`}, "S M1", *at("e1", 1)},
		{"ok latest that is not kept", nil, true, []string{sub + `5}`, msg + `6}`}, "S M6", *at("e1", 6)},
		{"ok latest instead of what was lost", at("e0", 3), true, []string{sub + `9,"recovered":false,"from":7}`, msg + `9}`, msg + `10}`}, "S L7-8:not_recovered! M9 M10", *at("e1", 10)},
		{"ok latest beside a replay", at("e1", 3), true, []string{sub + `5,"recovered":true,"replay":2,"from":1}`, msg + `4}`, msg + `5}`}, "S+ M4 M5", *at("e1", 5)},
		{"ok gap", nil, false, []string{sub + `5}`, gap + `6,"to":8}`, msg + `9}`}, "S L6-8:drop_oldest M9", *at("e1", 9)},
		{"ok gap that grows", nil, false, []string{sub + `5}`, gap + `6,"to":8}`, gap + `6,"to":9}`, msg + `10}`}, "S L6-8:drop_oldest L9-9:drop_oldest M10", *at("e1", 10)},
		{"ok message twice", nil, false, []string{sub + `5}`, msg + `6}`, msg + `6}`, msg + `4}`}, "S M6", *at("e1", 6)},
		{"ok answer twice", at("e1", 3), false, []string{sub + `5,"recovered":true,"replay":2,"from":1}`, msg + `4}`, sub + `4,"recovered":true,"replay":0,"from":1}`, msg + `5}`}, "S+ M4 M5", *at("e1", 5)},
		{"ok answer to another question", at("e1", 3), false, []string{sub + `5}`, msg + `6}`, sub + `5,"recovered":true,"replay":2,"from":1}`, msg + `4}`}, "S+ M4", *at("e1", 4)},
		{"bad hole", nil, false, []string{sub + `5}`, msg + `6}`, msg + `9}`}, "S M6 L7-8:missing M9", *at("e1", 9)},
		{"bad hole before a gap", nil, false, []string{sub + `5}`, gap + `8,"to":9}`}, "S L6-9:drop_oldest", *at("e1", 9)},
		{"bad hole behind the newest", nil, true, []string{sub + `5}`, msg + `7}`}, "S L5-6:missing M7", *at("e1", 7)},
		{"bad before the answer", nil, false, []string{msg + `5}`, gap + `6,"to":7}`}, "", Position{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := room{name: "r", from: c.from, latest: c.latest}
			var told []string
			for _, s := range c.frames {
				var f incoming
				if err := json.Unmarshal([]byte(s), &f); err != nil {
					t.Fatal(err)
				}
				var events []Event
				switch f.Type {
				case "subscribed":
					r, events = r.subscribed(&f)
				case "message":
					r, events = r.message(&f)
				case "gap":
					r, events = r.gap(&f)
				}
				for _, e := range events {
					told = append(told, tell(e))
				}
			}
			if got := strings.Join(told, " "); got != strings.TrimSpace(c.told) || r.at != c.at {
				t.Errorf("told %s at %v, want %s at %v", got, r.at, c.told, c.at)
			}
		})
	}
}

func tell(e Event) string {
	switch e := e.(type) {
	case Subscribed:
		if e.Recovered {
			return "S+"
		}
		return "S"
	case Message:
		return fmt.Sprintf("M%d", e.Seq)
	case Lost:
		s := fmt.Sprintf("L%d-%d:%s", e.From, e.To, e.Reason)
		if e.Reset {
			s += "!"
		}
		return s
	}
	return fmt.Sprintf("%T", e)
}
