package client

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
	"unicode/utf8"
)

// maxIDBytes is the longest id of a message.
const maxIDBytes = 64

// Publish publishes v in a room, the default room if its name is empty, and
// returns when the gateway has acknowledged it. See Send and Publication.Wait.
func (c *Client) Publish(ctx context.Context, roomName string, v any) (Receipt, error) {
	p, err := c.Send(ctx, roomName, "", v)
	if err != nil {
		return Receipt{}, err
	}
	return p.Wait()
}

// Send puts a message on its way and returns before it is acknowledged, so that
// many can be under way. What one goroutine sends to a room is sent in order.
//
// v is anything that becomes JSON; a json.RawMessage goes out as it is. An empty
// id gets one made up; an application that keeps its own outbox gives each
// message the same id whenever it sends it, 1 to 64 bytes.
//
// The message is sent again, with the same id, after every reconnect, and is
// stored once, until it is acknowledged, refused, or ctx ends. Send waits while
// Options.Outbox messages are under way. It returns the context's error,
// ErrDuplicateID, ErrStopped, or an error for what can never be sent.
func (c *Client) Send(ctx context.Context, roomName, id string, v any) (*Publication, error) {
	data, err := encodeData(v)
	if err != nil {
		return nil, err
	}
	if len(id) > maxIDBytes || !utf8.ValidString(id) {
		return nil, fmt.Errorf("client: an id has 1 to %d bytes of UTF-8", maxIDBytes)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	select {
	case c.outbox.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.stopped:
		return nil, ErrStopped
	}
	p := &Publication{room: roomName, id: id, done: make(chan struct{})}
	if err := c.enqueue(p, data); err != nil {
		<-c.outbox.slots
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.outbox.byID[p.id] == p {
		p.stop = context.AfterFunc(ctx, func() {
			c.settle(p, Receipt{}, fmt.Errorf("%w: %w", ErrUnconfirmed, context.Cause(ctx)))
		})
	}
	return p, nil
}

func (c *Client) enqueue(p *Publication, data json.RawMessage) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.stopped:
		return ErrStopped
	default:
	}
	if p.id == "" {
		p.id = c.idPrefix + strconv.FormatUint(c.nextID, 36)
		c.nextID++
	}
	if p.room == "" {
		p.room = c.home
	}
	p.frame = encodeMessage(p.room, p.id, data)
	if err := c.outbox.add(p); err != nil {
		return err
	}
	c.wakeLocked()
	return nil
}

func (c *Client) settle(p *Publication, receipt Receipt, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outbox.settle(p, receipt, err)
	c.wakeLocked() // the window has moved
}

// encodeData makes JSON of what is published.
func encodeData(v any) (json.RawMessage, error) {
	if raw, ok := v.(json.RawMessage); ok {
		if !json.Valid(raw) {
			return nil, errors.New("client: the data is not JSON")
		}
		return raw, nil
	}
	data, err := marshal(v)
	if err != nil {
		return nil, fmt.Errorf("client: the data: %w", err)
	}
	return data, nil
}

// newIDPrefix makes the random start of a client's message ids.
func newIDPrefix(o *Options) (string, error) {
	var b [9]byte
	if _, err := io.ReadFull(o.Random, b[:]); err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(b[:]) + "-", nil
}

// acked is the gateway's ack.
func (c *Client) acked(f *incoming) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.outbox.byID[f.ID]; p != nil {
		c.outbox.settle(p, Receipt{
			Room: f.Room, ID: f.ID, Seq: f.Seq, TS: time.UnixMilli(f.TS), Durability: f.Durability,
		}, nil)
		c.wakeLocked()
	}
}
