package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/signal"
	"slices"
	"syscall"
	"time"

	client "edgegw/firmware-clients/go"
	"edgegw/internal/clock"
	"edgegw/internal/command"
	"edgegw/internal/gateway"
	"edgegw/internal/reach"
)

type sub struct {
	talk
	rooms          []string
	after          int64
	since, timeout time.Duration
	latest, asJSON bool
	count          int
}

func subCommand() *command.Command {
	var s sub
	cmd := &command.Command{
		Use:   "sub ROOM...",
		Short: "Print the messages of rooms as they come, one a line; control characters are escaped, --json has them as they are",
		Args:  s.args,
		Run:   func(cmd *command.Command, _ []string) error { return s.run(cmd) },
	}
	f := cmd.Flags()
	f.IntVarP(&s.count, "count", "n", 0, "end after so many messages; exit code 1 when fewer came within --timeout")
	f.DurationVar(&s.timeout, "timeout", 0, "end after this time (default: never)")
	f.Int64Var(&s.after, "after", -1, "begin with what is kept above this number; 0 is everything that is kept")
	f.DurationVar(&s.since, "since", 0, "begin with what was published in the last, for example, 10m, by the clock of this machine")
	f.BoolVar(&s.latest, "latest", false, "begin with the newest message that is kept")
	jsonFlag(cmd, &s.asJSON)
	s.talk.flags(cmd)
	return cmd
}

func (s *sub) args(cmd *command.Command, args []string) error {
	if err := command.Between(1, -1)(cmd, args); err != nil {
		return err
	}
	for _, arg := range args {
		room, err := gateway.ParseRoomID(arg)
		if err != nil {
			return err
		}
		if !slices.Contains(s.rooms, string(room)) {
			s.rooms = append(s.rooms, string(room))
		}
	}
	begins := 0
	for _, given := range []string{"after", "since", "latest"} {
		if cmd.Flags().Changed(given) {
			begins++
		}
	}
	switch {
	case begins > 1:
		return errors.New("give one of --after, --since and --latest")
	case cmd.Flags().Changed("after") && (s.after < 0 || len(s.rooms) > 1):
		return errors.New("--after is a message's number in one room, 0 or more")
	case s.since < 0 || s.timeout < 0 || s.count < 0:
		return errors.New("--since, --timeout and --count are not below 0")
	}
	return s.check()
}

func (s *sub) run(cmd *command.Command) error {
	// A reader that is gone is an error of a write then, and no end by a signal.
	signal.Ignore(syscall.SIGPIPE)
	o, target, err := s.options(cmd)
	if err != nil {
		return err
	}
	ctx, end := context.WithCancelCause(cmd.Context())
	defer end(nil)
	if s.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, s.timeout, errTime)
		defer cancel()
	}
	l := &listener{sub: s, cmd: cmd, end: end, target: target, open: len(s.rooms)}
	l.first = firstTry(l.finish)
	o.Room, o.Latest, o.Handle = s.rooms[0], s.latest, l.handle
	from, err := s.begin(ctx, o, target)
	if err != nil {
		return explain(target, "read "+s.rooms[0], err)
	}
	o.From = from[s.rooms[0]]
	c, err := client.New(o)
	if err != nil {
		return err
	}
	for _, room := range s.rooms[1:] {
		if err := c.Subscribe(room, from[room], s.latest); err != nil {
			return err
		}
	}
	err = c.Run(ctx)
	if why := context.Cause(ctx); why != nil {
		err = why
	}
	return l.outcome(err)
}

// begin says where to begin in each room; nil is now.
func (s *sub) begin(ctx context.Context, o client.Options, t reach.Target) (map[string]*client.Position, error) {
	from := make(map[string]*client.Position)
	if s.after >= 0 {
		from[s.rooms[0]] = &client.Position{Seq: uint64(s.after)}
	}
	if s.since == 0 {
		return from, nil
	}
	o.Handle, o.From = nil, nil
	c, err := client.New(o)
	if err != nil {
		return nil, err
	}
	token, err := c.Token(ctx)
	if err != nil {
		return nil, err
	}
	at := clock.System(time.Time{}).Wall().Add(-s.since).UnixMilli()
	for _, room := range s.rooms {
		seq, err := t.FirstSince(ctx, token, room, at)
		if err != nil {
			return nil, err
		}
		if seq > 0 {
			from[room] = &client.Position{Seq: seq - 1}
		}
	}
	return from, nil
}

// Ends of a sub that are as they should be.
var (
	errTime    = errors.New("--timeout is over")
	errEnough  = errors.New("--count is reached")
	errGone    = errors.New("nobody reads standard output any more")
	errNoRooms = errors.New("no room is left")
)

// listener prints what comes. It is used by one goroutine at a time.
type listener struct {
	sub    *sub
	cmd    *command.Command
	end    func(error)
	target reach.Target
	first  func(client.Event)

	open int // rooms
	got  int // messages
	over bool
}

func (l *listener) outcome(err error) error {
	switch {
	case errors.Is(err, errTime) && l.got < l.sub.count:
		return fmt.Errorf("%d of %d messages came within %s", l.got, l.sub.count, l.sub.timeout)
	case errors.Is(err, errTime), errors.Is(err, errEnough), errors.Is(err, errGone), errors.Is(err, context.Canceled):
		return nil
	}
	return explain(l.target, "read "+l.sub.rooms[0], err)
}

func (l *listener) finish(why error) {
	l.over = true
	l.end(why)
}

func (l *listener) handle(e client.Event) {
	if l.over {
		return
	}
	if l.first(e); l.over {
		return
	}
	switch e := e.(type) {
	case client.Message:
		l.message(&e)
	case client.Lost:
		l.lost(e)
	case client.Unsubscribed:
		l.left(e)
	case client.Disconnected:
		if e.Wait > 0 {
			hint(l.cmd, "edgegw: no connection (%s); the next try is in %s", visible(e.Err.Error()), e.Wait.Round(time.Millisecond))
		}
	case client.Problem:
		hint(l.cmd, "edgegw: %s", visible(e.Err.Error()))
	}
}

// messageJSON is the frame of PROTOCOL section 5.
type messageJSON struct {
	Type     string          `json:"type"`
	Room     string          `json:"room"`
	Seq      uint64          `json:"seq"`
	TS       int64           `json:"ts"`
	User     string          `json:"user"`
	ID       string          `json:"id,omitempty"`
	Encoding string          `json:"encoding,omitempty"`
	Data     json.RawMessage `json:"data"`
}

func (l *listener) message(m *client.Message) {
	line := []byte(l.text(m))
	if l.sub.asJSON {
		line = frame(messageJSON{"message", m.Room, m.Seq, m.TS.UnixMilli(), m.User, m.ID, m.Encoding, m.Data})
	}
	if !l.print(line) {
		return
	}
	if l.got++; l.sub.count > 0 && l.got >= l.sub.count {
		l.finish(errEnough)
	}
}

func (l *listener) print(line []byte) bool {
	_, err := l.cmd.Out().Write(append(line, '\n'))
	if errors.Is(err, syscall.EPIPE) {
		err = errGone
	}
	if err != nil {
		l.finish(err)
	}
	return err == nil
}

// text is a message on one line: a string without its quotes, bytes as base64,
// anything else as JSON.
func (l *listener) text(m *client.Message) string {
	var s string
	if json.Unmarshal(m.Data, &s) != nil {
		var short bytes.Buffer
		if json.Compact(&short, m.Data) == nil {
			s = short.String()
		}
	}
	if len(l.sub.rooms) > 1 {
		return m.Room + " " + visible(s)
	}
	return visible(s)
}

func frame(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// gapJSON is the gap frame of PROTOCOL section 5, also for what the client has
// found missing by itself.
type gapJSON struct {
	Type   string `json:"type"`
	Room   string `json:"room"`
	From   uint64 `json:"from"`
	To     uint64 `json:"to"`
	Reason string `json:"reason"`
}

func (l *listener) lost(e client.Lost) {
	what := fmt.Sprintf("numbers %d to %d", e.From, e.To)
	if e.From > e.To {
		what = "some messages, perhaps"
	}
	hint(l.cmd, "edgegw: gap in %s: %s (%s); what is kept of it is in GET /rooms/%s/messages", e.Room, what, visible(e.Reason), e.Room)
	if l.sub.asJSON {
		l.print(frame(gapJSON{"gap", e.Room, e.From, e.To, e.Reason}))
	}
}

func (l *listener) left(e client.Unsubscribed) {
	hint(l.cmd, "edgegw: no more of %s: %s", e.Room, visible(e.Reason))
	if l.open--; e.Reason == string(gateway.CodeForbidden) {
		l.finish(&client.Error{Code: e.Reason, Room: e.Room})
	} else if l.open <= 0 {
		l.finish(errNoRooms)
	}
}
