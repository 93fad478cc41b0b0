package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"testing"

	client "edgegw/firmware-clients/go"
	"edgegw/internal/command"
)

func listening(s *sub) (l *listener, out, said *bytes.Buffer, ended *error) {
	cmd, out, said, ended := &command.Command{}, &bytes.Buffer{}, &bytes.Buffer{}, new(error)
	cmd.SetStreams(command.Streams{Out: out, Err: said})
	l = &listener{sub: s, cmd: cmd, end: func(err error) { *ended = err }, open: len(s.rooms)}
	l.first = firstTry(l.finish)
	return l, out, said, ended
}

// Who reads a pipe's first line only, as head does, ends the command without a
// failure.
func TestSubEndsWithItsReader(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGPIPE)
	defer signal.Reset(syscall.SIGPIPE)
	l, _, _, ended := listening(&sub{rooms: []string{"hall"}})
	l.cmd.SetStreams(command.Streams{Out: w})
	_ = r.Close()
	l.handle(client.Message{Room: "hall", Seq: 1, Data: json.RawMessage(`"hello"`)})
	if !errors.Is(*ended, errGone) || l.outcome(*ended) != nil || l.got != 0 {
		t.Errorf("it ended with %v, which is %v, after %d messages", *ended, l.outcome(*ended), l.got)
	}
}

func TestSubSaysWhatIsMissing(t *testing.T) {
	l, out, said, _ := listening(&sub{rooms: []string{"hall"}, asJSON: true})
	l.handle(client.Lost{Room: "hall", Reason: "drop_oldest", From: 3, To: 7})
	if want := `{"type":"gap","room":"hall","from":3,"to":7,"reason":"drop_oldest"}` + "\n"; out.String() != want {
		t.Errorf("it printed %s", out)
	}
	if want := "edgegw: gap in hall: numbers 3 to 7 (drop_oldest); what is kept of it is in GET /rooms/hall/messages\n"; said.String() != want {
		t.Errorf("it said %s", said)
	}
	// On standard output there are messages only, unless it is JSON.
	l, out, said, _ = listening(&sub{rooms: []string{"hall"}})
	l.handle(client.Lost{Room: "hall", Reason: "not_recovered", From: 8, To: 7})
	if out.Len() > 0 || !bytes.Contains(said.Bytes(), []byte("some messages, perhaps")) {
		t.Errorf("it printed %s and said %s", out, said)
	}
}

// The first room that goes is told, the last one ends the command, and so does any
// that the account may not read.
func TestSubEndsWithItsRooms(t *testing.T) {
	l, _, _, ended := listening(&sub{rooms: []string{"a", "b"}})
	if l.handle(client.Unsubscribed{Room: "a", Reason: "deleted"}); *ended != nil {
		t.Errorf("it ended with the first: %v", *ended)
	}
	if l.handle(client.Unsubscribed{Room: "b", Reason: "deleted"}); !errors.Is(*ended, errNoRooms) || l.outcome(*ended) == nil {
		t.Errorf("it ended with %v", *ended)
	}
	l, _, _, ended = listening(&sub{rooms: []string{"a", "b"}})
	if l.handle(client.Unsubscribed{Room: "a", Reason: "forbidden"}); *ended == nil {
		t.Error("it goes on without a room that it may not read")
	}
}

// What fails at first ends the command, unless the gateway is only busy; what fails
// later does not.
func TestFirstTry(t *testing.T) {
	tests := []struct {
		name  string
		err   error
		later bool
		ends  bool
	}{
		{"bad, refused", syscall.ECONNREFUSED, false, true},
		{"bad, no administrator", &client.Error{Status: 503, Code: "setup_required"}, false, true},
		{"ok, busy", &client.Error{Status: 503, Code: "busy"}, false, false},
		{"ok, too many", &client.Error{Status: 429, Code: "rate_limited"}, false, false},
		{"ok, later", syscall.ECONNREFUSED, true, false},
	}
	for _, test := range tests {
		var ended error
		handle := firstTry(func(err error) { ended = err })
		if test.later {
			handle(client.Connected{})
		}
		handle(client.Disconnected{Err: test.err, Wait: 1})
		if (ended != nil) != test.ends {
			t.Errorf("%s: it ended with %v", test.name, ended)
		}
	}
}

func TestVisible(t *testing.T) {
	for in, want := range map[string]string{
		"plain é 😀": "plain é 😀", "a\nb\tc\r": `a\nb\tc\r`, "\x1b[31mred\u009b": `\u001b[31mred\u009b`,
	} {
		if got := visible(in); got != want {
			t.Errorf("%q became %q", in, got)
		}
	}
}
