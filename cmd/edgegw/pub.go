package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	client "edgegw/firmware-clients/go"
	"edgegw/internal/command"
	"edgegw/internal/gateway"
)

// Forms of a message at the command line.
const (
	formText = "text"
	formJSON = "json"
)

// maxMessage is the longest message that any gateway takes (max_message_bytes).
const maxMessage = 16 << 20

// underWay is how many messages are sent ahead of their acks.
const underWay = 64

type pub struct {
	talk
	room, form, id string
	lines, asJSON  bool
	timeout        time.Duration
}

func pubCommand() *command.Command {
	var p pub
	cmd := &command.Command{
		Use:   "pub ROOM [MESSAGE]",
		Short: "Publish a message, an argument or standard input, and wait until the gateway has it as safe as the room promises",
		Args:  p.args,
		Run:   func(cmd *command.Command, args []string) error { return p.run(cmd, args[1:]) },
	}
	f := cmd.Flags()
	f.StringVar(&p.form, "format", formText, "what a message is: text, or json")
	f.StringVar(&p.id, "id", "", "the message's id, 1 to 64 bytes: the same one again is not stored twice")
	f.BoolVar(&p.lines, "lines", false, "publish each line of standard input as a message of its own; empty lines are none")
	f.DurationVar(&p.timeout, "timeout", 15*time.Second, "how long a message may wait for its ack")
	jsonFlag(cmd, &p.asJSON)
	p.talk.flags(cmd)
	return cmd
}

func (p *pub) args(cmd *command.Command, args []string) error {
	if err := command.Between(1, 2)(cmd, args); err != nil {
		return err
	}
	room, err := gateway.ParseRoomID(args[0])
	p.room = string(room)
	switch {
	case err != nil:
		return err
	case p.form != formText && p.form != formJSON:
		return errors.New("--format is text or json")
	case p.lines && (len(args) > 1 || p.id != ""):
		return errors.New("--lines reads standard input: it takes no MESSAGE and no --id")
	case len(p.id) > 64:
		return errors.New("--id has 64 bytes at most")
	}
	return errors.Join(needsTime(p.timeout), p.check())
}

func (p *pub) run(cmd *command.Command, args []string) error {
	if len(args) == 0 && !p.lines {
		b, err := readInput(cmd, stdinName, maxMessage)
		if err != nil {
			return err
		}
		args = []string{strings.TrimSuffix(string(b), "\n")}
	}
	var data any
	var err error
	if !p.lines {
		if data, err = p.payload(args[0]); err != nil {
			return err
		}
	}
	o, target, err := p.options(cmd)
	if err != nil {
		return err
	}
	o.Room = p.room
	err = connected(cmd.Context(), o, p.timeout, func(ctx context.Context, c *client.Client) error {
		if p.lines {
			return p.each(ctx, cmd, c)
		}
		sent, err := p.send(ctx, c, p.id, data)
		if err != nil {
			return err
		}
		return p.await(cmd, sent)
	})
	return explain(target, "publish in "+p.room, err)
}

// payload is text or JSON as it is published.
func (p *pub) payload(s string) (any, error) {
	switch {
	case p.form == formJSON && !json.Valid([]byte(s)):
		return nil, errors.New("the message is not JSON; quote it for the shell, for example '{\"temp\":21.5}', or leave --format out")
	case p.form == formJSON:
		return json.RawMessage(strings.TrimSpace(s)), nil
	case !utf8.ValidString(s):
		return nil, errors.New("the message is not UTF-8; encode it first, for example with base64")
	}
	return s, nil
}

// sending is a message on its way.
type sending struct {
	*client.Publication
	cancel context.CancelFunc
}

func (p *pub) send(ctx context.Context, c *client.Client, id string, data any) (sending, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, p.timeout, errNoAck)
	sent, err := c.Send(ctx, p.room, id, data)
	if err != nil {
		err = fmt.Errorf("%w: %w", err, context.Cause(ctx))
		cancel()
	}
	return sending{sent, cancel}, err
}

var errNoAck = errors.New("no ack came within --timeout; the message may be stored or not. Publish it again with the same --id to be sure")

// receiptJSON is what pub prints.
type receiptJSON struct {
	Room       string             `json:"room"`
	ID         string             `json:"id"`
	Seq        uint64             `json:"seq"`
	TS         int64              `json:"ts"`
	Durability gateway.Durability `json:"durability"`
}

func (p *pub) await(cmd *command.Command, s sending) error {
	defer s.cancel()
	r, err := s.Wait()
	switch {
	case errors.Is(err, errNoAck):
		return errNoAck // all of the chain says the same
	case err != nil:
		return err
	case p.asJSON:
		return printJSON(cmd, receiptJSON{r.Room, r.ID, r.Seq, r.TS.UnixMilli(), gateway.Durability(r.Durability)})
	case p.lines:
		return nil
	}
	return say(cmd, "published in %s as number %d (%s)", r.Room, r.Seq, r.Durability)
}

// each publishes every line, many at a time, and ends at the first that fails.
func (p *pub) each(ctx context.Context, cmd *command.Command, c *client.Client) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	sent := make(chan sending, underWay)
	ended := make(chan int, 1)
	go func() {
		acked := 0
		for s := range sent {
			if err := p.await(cmd, s); err != nil {
				fail(err)
				continue
			}
			acked++
		}
		ended <- acked
	}()
	line, err := p.feed(ctx, cmd, c, sent)
	close(sent)
	acked := <-ended
	if err == nil || ctx.Err() != nil {
		if why := context.Cause(ctx); why != nil {
			err = why
		}
	}
	if err != nil {
		return fmt.Errorf("%d of %d lines were acknowledged: %w", acked, line, err)
	}
	if p.asJSON {
		return nil
	}
	return say(cmd, "published %d messages in %s", acked, p.room)
}

// feed sends the lines, and returns how many it has tried.
func (p *pub) feed(ctx context.Context, cmd *command.Command, c *client.Client, sent chan<- sending) (lines int, err error) {
	in := bufio.NewScanner(cmd.In())
	in.Buffer(nil, maxMessage)
	for ctx.Err() == nil && in.Scan() {
		if strings.TrimSpace(in.Text()) == "" {
			continue
		}
		lines++
		data, err := p.payload(in.Text())
		if err != nil {
			return lines, fmt.Errorf("message %d: %w", lines, err)
		}
		s, err := p.send(ctx, c, "", data)
		if err != nil {
			return lines, err
		}
		sent <- s
	}
	return lines, in.Err()
}

// connected runs a client and does something with it. It ends with do, or when
// there is no connection at first and none to be expected within limit.
func connected(ctx context.Context, o client.Options, limit time.Duration, do func(context.Context, *client.Client) error) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	o.Timeout = limit
	o.Handle = firstTry(end)
	c, err := client.New(o)
	if err != nil {
		return err
	}
	ran := make(chan error, 1)
	go func() {
		err := c.Run(ctx)
		end(err)
		ran <- err
	}()
	err = do(ctx, c)
	why := context.Cause(ctx)
	end(nil)
	ended := <-ran
	switch {
	case err == nil:
		return nil
	case why != nil && !errors.Is(why, context.Canceled):
		return why
	case errors.Is(err, client.ErrStopped) && !errors.Is(ended, context.Canceled):
		return ended
	}
	return err
}

// firstTry ends a client whose first connection fails for a reason that stays.
func firstTry(end func(error)) func(client.Event) {
	up := false
	return func(e client.Event) {
		switch e := e.(type) {
		case client.Connected:
			up = true
		case client.Disconnected:
			if !up && e.Wait > 0 && !passing(e.Err) {
				end(e.Err)
			}
		}
	}
}
