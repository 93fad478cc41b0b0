package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	client "edgegw/firmware-clients/go"
	"edgegw/internal/gatewaytest"
)

// send puts a message on its way, or fails the test.
func (r *run) send(id string, v any) *client.Publication {
	r.t.Helper()
	p, err := r.Send(r.t.Context(), "lobby", id, v)
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

// TestSentAgain breaks the connection before the acks: what has none comes again
// on the next one, with the same ids and in the same order.
func TestSentAgain(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.Then(func(p *gatewaytest.Peer) {
		p.Welcome()
		p.Ack(1)
		for range 2 {
			p.Command()
		}
		p.Close(1012, "restart retry_after_ms=20")
	})
	again := make(chan string, 10)
	f.Then(func(p *gatewaytest.Peer) {
		p.Welcome()
		for i := range 3 {
			m := p.Command()
			again <- fmt.Sprint(m["id"], m["data"])
			p.Text(fmt.Sprintf(`{"type":"ack","id":%q,"room":"lobby","seq":%d,"ts":1,"durability":"queued"}`, m["id"], i+2))
		}
		p.Drain()
	})
	r := f.start(client.Options{})
	await[client.Connected](r, 1, nil)
	var all []*client.Publication
	for i := range 4 {
		all = append(all, r.send("", i))
	}
	for i, p := range all {
		if receipt, err := settled(p); err != nil || receipt.Seq != uint64(i+1) || receipt.ID != p.ID() {
			t.Errorf("message %d: %+v, %v", i, receipt, err)
		}
	}
	for i := 1; i < 4; i++ {
		if got := <-again; got != fmt.Sprint(all[i].ID(), i) {
			t.Errorf("message %d came again as %s, its id was %s", i, got, all[i].ID())
		}
	}
}

// TestTooLarge does not send what the gateway said that it does not take, and
// gives up the longest message when the gateway closes with 1009.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.Then(func(p *gatewaytest.Peer) {
		p.Welcome()
		for range 3 {
			if m := p.Command(); fmt.Sprint(m["data"]) == "x" {
				t.Error("it was sent though the gateway takes nothing as long")
			}
		}
		p.Close(1009, "message_too_large")
	})
	f.Then(func(p *gatewaytest.Peer) {
		p.Welcome()
		p.Ack(1)
		p.Ack(2)
		p.Drain()
	})
	r := f.start(client.Options{})
	tooLong := r.send("", strings.Repeat("x", 1000)) // max_message_bytes is 1000
	short, long, middle := r.send("", 1), r.send("", strings.Repeat("y", 900)), r.send("", "yyy")
	if _, err := settled(tooLong); !errors.Is(err, client.ErrTooLarge) {
		t.Errorf("too long for the gateway: %v", err)
	}
	if _, err := settled(long); !errors.Is(err, client.ErrTooLarge) {
		t.Errorf("the longest: %v", err)
	}
	for _, p := range []*client.Publication{short, middle} {
		if _, err := settled(p); err != nil {
			t.Errorf("a short one: %v", err)
		}
	}
}

// TestRefused answers messages with errors.
func TestRefused(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	sent := make(chan time.Time, 3)
	f.Then(func(p *gatewaytest.Peer) {
		p.Welcome()
		m := p.Command()
		p.Text(fmt.Sprintf(`{"type":"error","code":"forbidden","message":"no","room":"lobby","id":%q}`, m["id"]))
		m = p.Command()
		sent <- time.Now()
		p.Text(fmt.Sprintf(`{"type":"error","code":"unavailable","message":"later","id":%q,"retry_after_ms":300}`, m["id"]))
		p.Ack(1)
		sent <- time.Now()
		p.Text(`{"type":"error","code":"internal","message":"hm","id":"of nobody"}`)
		p.Drain()
	})
	r := f.start(client.Options{})
	_, err := settled(r.send("mine", 1))
	var refused *client.Error
	if !errors.As(err, &refused) || refused.Code != "forbidden" || refused.ID != "mine" || refused.Room != "lobby" {
		t.Errorf("the error reads %+v, %v", refused, err)
	}
	if receipt, err := settled(r.send("", 2)); err != nil || receipt.Seq != 1 {
		t.Errorf("told to come later: %+v, %v", receipt, err)
	}
	if first, second := <-sent, <-sent; second.Sub(first) < 290*time.Millisecond {
		t.Errorf("it came again after %v", second.Sub(first))
	}
	if problem := await[client.Problem](r, 1, nil); problem.Err.ID != "of nobody" {
		t.Errorf("the problem reads %+v", problem.Err)
	}
	if n := len(of[client.Problem](r)); n != 1 {
		t.Errorf("%d problems", n)
	}
}

// TestTooFast loses one of several commands to the rate, without saying which.
func TestTooFast(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.Then(func(p *gatewaytest.Peer) {
		p.Welcome()
		var ids []any
		for range 3 {
			ids = append(ids, p.Command()["id"])
		}
		p.Text(`{"type":"error","code":"rate_limited","message":"fewer","retry_after_ms":200}`)
		told := time.Now()
		for i, id := range ids {
			m := p.Command()
			if since := time.Since(told); since < time.Duration(i+1)*190*time.Millisecond || m["id"] != id {
				t.Errorf("message %d came again after %v, as %v", i, since, m)
			}
			p.Text(fmt.Sprintf(`{"type":"ack","id":%q,"room":"lobby","seq":%d,"ts":1,"durability":"queued"}`, id, i+1))
		}
		p.Drain()
	})
	r := f.start(client.Options{})
	for _, p := range []*client.Publication{r.send("", 1), r.send("", 2), r.send("", 3)} {
		if _, err := settled(p); err != nil {
			t.Error(err)
		}
	}
	if problem := await[client.Problem](r, 1, nil); problem.Err.RetryAfter != 200*time.Millisecond {
		t.Errorf("the problem reads %+v", problem.Err)
	}
}

// TestGivenUp ends the context of a message, and then the client.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.Then(func(p *gatewaytest.Peer) { p.Welcome(); p.Drain() })
	r := f.start(client.Options{Outbox: 2})
	ctx, cancel := context.WithCancelCause(t.Context())
	p, err := r.Send(ctx, "lobby", "x", 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Send(t.Context(), "lobby", "x", 1); !errors.Is(err, client.ErrDuplicateID) {
		t.Errorf("an id twice: %v", err)
	}
	reason := errors.New("the reason")
	cancel(reason)
	if _, err := settled(p); !errors.Is(err, client.ErrUnconfirmed) || !errors.Is(err, reason) {
		t.Errorf("given up: %v", err)
	}
	if _, err := r.Send(ctx, "lobby", "", 1); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
	under := []*client.Publication{r.send("x", 1), r.send("", 1)}
	short, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if _, err := r.Send(short, "lobby", "", 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with a full outbox: %v", err)
	}
	began := time.Now()
	_ = r.stop()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %v to stop beside a gateway that answers nothing", took)
	}
	for _, p := range under {
		if _, err := settled(p); !errors.Is(err, client.ErrUnconfirmed) || !errors.Is(err, client.ErrStopped) {
			t.Errorf("when the client stops: %v", err)
		}
	}
	if _, err := r.Send(t.Context(), "lobby", "", 1); !errors.Is(err, client.ErrStopped) {
		t.Errorf("when it has stopped: %v", err)
	}
	if err := r.Run(t.Context()); err == nil {
		t.Error("it runs twice")
	}
}

func TestUnsendable(t *testing.T) {
	t.Parallel()
	c, err := client.New(client.Options{URL: "http://127.0.0.1:1", Login: client.Login{DeviceKey: "k"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, do := range map[string]func() (*client.Publication, error){
		"bad JSON":         func() (*client.Publication, error) { return c.Send(t.Context(), "r", "", json.RawMessage(`{`)) },
		"bad no JSON":      func() (*client.Publication, error) { return c.Send(t.Context(), "r", "", math.Inf(1)) },
		"bad long id":      func() (*client.Publication, error) { return c.Send(t.Context(), "r", strings.Repeat("i", 65), 1) },
		"bad id, no UTF-8": func() (*client.Publication, error) { return c.Send(t.Context(), "r", "\xff", 1) },
	} {
		if _, err := do(); err == nil {
			t.Errorf("%s: it is sent", name)
		}
	}
}
