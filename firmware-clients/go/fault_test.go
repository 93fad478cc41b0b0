package client_test

import (
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	client "edgegw/firmware-clients/go"
	"edgegw/internal/gatewaytest"
)

// ledger is what was published and acknowledged, kept beside gateway and client.
type ledger struct {
	mu   sync.Mutex
	acks map[uint64]string // data by seq
}

// write publishes n messages as fast as the outbox lets it, and waits for their
// receipts.
func (l *ledger) write(t *testing.T, r *run, room string, n int) {
	t.Helper()
	var acks sync.WaitGroup
	defer acks.Wait()
	for i := range n {
		p, err := r.Send(t.Context(), room, "", i)
		if err != nil {
			t.Errorf("message %d: %v", i, err)
			return
		}
		acks.Go(func() {
			receipt, err := settled(p)
			if err != nil {
				t.Errorf("message %d: %v", i, err)
				return
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			if was, twice := l.acks[receipt.Seq]; twice {
				t.Errorf("seq %d was acknowledged for %s and for %d", receipt.Seq, was, i)
			}
			l.acks[receipt.Seq] = strconv.Itoa(i)
		})
	}
}

// compare fails the test unless the messages are those of the ledger, in order
// and each once.
func (l *ledger) compare(t *testing.T, who string, messages []client.Message) {
	t.Helper()
	for i, m := range messages {
		if m.Seq != uint64(i+1) {
			t.Fatalf("%s: message %d of %d has seq %d", who, i+1, len(messages), m.Seq)
		}
		if want := l.acks[m.Seq]; string(m.Data) != want {
			t.Errorf("%s: seq %d holds %s, acknowledged was %q", who, m.Seq, m.Data, want)
		}
	}
	if len(messages) != len(l.acks) {
		t.Errorf("%s: %d messages came, %d were acknowledged", who, len(messages), len(l.acks))
	}
}

// TestResetsWhileWriting breaks the connections of a reader and of a writer again
// and again while the writer goes as fast as it can.
func TestResetsWhileWriting(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	g.AddUser("ann", "")
	g.AddUser("bob", "")
	forReader, forWriter := gatewaytest.NewProxy(t, g.URL), gatewaytest.NewProxy(t, g.URL)
	reader := start(t, client.Options{URL: forReader.URL, Login: password("ann"), Room: "storm", Random: quick{}})
	await[client.Subscribed](reader, 1, nil)
	writer := start(t, client.Options{URL: forWriter.URL, Login: password("bob"), Room: "elsewhere", Random: quick{}})
	await[client.Connected](writer, 1, nil)

	const messages = 6000
	book := &ledger{acks: map[uint64]string{}}
	written := make(chan struct{})
	go func() {
		defer close(written)
		book.write(t, writer, "storm", messages)
	}()
	breaks := 0
	for under := true; under; breaks++ {
		select {
		case <-written:
			under = false
		case <-time.After(40 * time.Millisecond):
			forReader.Reset()
			if breaks%3 == 2 {
				forWriter.Reset()
			}
		}
	}
	await(reader, 1, func(m client.Message) bool { return m.Seq == messages })
	book.compare(t, "the reader", of[client.Message](reader))
	if lost := of[client.Lost](reader); len(lost) > 0 {
		t.Errorf("the reader was told of losses: %+v", lost)
	}
	t.Logf("%d breaks, %d connections of the reader, %d of the writer", breaks, len(of[client.Connected](reader)), len(of[client.Connected](writer)))
	if n := len(of[client.Connected](reader)); n < 3 {
		t.Errorf("the reader connected %d times; nothing was tried", n)
	}
	for name, p := range map[string]*gatewaytest.Proxy{"reader": forReader, "writer": forWriter} {
		if n := p.Requests("POST /auth/login"); n != 1 {
			t.Errorf("the %s logged in %d times", name, n)
		}
	}
}

// TestRestart stops the gateway in the middle and starts it again on its store.
func TestRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	g := gatewaytest.StartIn(t, dir)
	g.AddUser("ann", "")
	p := gatewaytest.NewProxy(t, g.URL)
	r := start(t, client.Options{URL: p.URL, Login: password("ann"), Room: "lobby"})
	if err := r.Subscribe("second", nil, false); err != nil {
		t.Fatal(err)
	}
	await(r, 1, func(s client.Subscribed) bool { return s.Room == "second" })
	book := &ledger{acks: map[uint64]string{}}
	written := make(chan struct{})
	go func() {
		defer close(written)
		book.write(t, r, "second", 3000)
	}()
	await(r, 1, func(m client.Message) bool { return m.Seq == 100 })
	if err := g.Stop(); err != nil {
		t.Error(err)
	}
	closed := await(r, 1, func(d client.Disconnected) bool { return true })
	var reason *client.CloseError
	if !errors.As(closed.Err, &reason) || reason.Code != 1012 || closed.Wait != reason.RetryAfter || closed.Wait == 0 {
		t.Errorf("the end was told as %v, and a wait of %v", closed.Err, closed.Wait)
	}
	p.To(gatewaytest.StartIn(t, dir).URL)
	<-written
	await(r, 1, func(m client.Message) bool { return m.Seq == 3000 })
	book.compare(t, "the client", of[client.Message](r))
	if s := await(r, 2, func(s client.Subscribed) bool { return s.Room == "second" }); !s.Recovered {
		t.Errorf("after the restart: %+v", s)
	}
	if n := p.Requests("POST /auth/login"); n != 1 {
		t.Errorf("the client logged in %d times", n)
	}
}

// TestDuplicate loses the ack of a message that is stored.
func TestDuplicate(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "commit_window=4s")
	g.AddUser("ann", "")
	g.AddUser("bob", "")
	p := gatewaytest.NewProxy(t, g.URL)
	watch := start(t, client.Options{URL: g.URL, Login: password("bob"), Room: "once"})
	await[client.Subscribed](watch, 1, nil)
	r := start(t, client.Options{URL: p.URL, Login: password("ann"), Room: "once", Random: quick{}})
	await[client.Subscribed](r, 1, nil)
	r.publish("once", "warm") // the next commit, and so its acks, are seconds away
	under, err := r.Send(t.Context(), "once", "my-id", "twice?")
	if err != nil {
		t.Fatal(err)
	}
	first := await(watch, 1, func(m client.Message) bool { return m.ID == "my-id" })
	p.Reset()
	receipt, err := settled(under)
	if err != nil || receipt.Seq != first.Seq || receipt.TS.UnixMilli() != first.TS.UnixMilli() {
		t.Errorf("the receipt is %+v, %v; the message was %+v", receipt, err, first)
	}
	if n := len(of[client.Connected](r)); n != 2 {
		t.Errorf("%d connections; the ack was to be lost", n)
	}
	if next := r.publish("once", "next"); next.Seq != first.Seq+1 {
		t.Errorf("the message behind it has seq %d", next.Seq)
	}
}

// TestHalfOpen has the gateway fall silent without a word.
func TestHalfOpen(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "ping_interval=1s")
	g.AddUser("ann", "")
	p := gatewaytest.NewProxy(t, g.URL)
	r := start(t, client.Options{URL: p.URL, Login: password("ann"), Room: "lobby", Random: quick{}})
	await[client.Subscribed](r, 1, nil)
	r.publish("lobby", 1)
	p.HalfOpen()
	began := time.Now()
	receipt := r.publish("lobby", 2)
	if took := time.Since(began); took < 9*time.Second || took > 14*time.Second {
		t.Errorf("the dead connection was noticed after %v; ping_interval and 10 s are 11 s", took)
	}
	if receipt.Seq != 2 {
		t.Errorf("the message has seq %d", receipt.Seq)
	}
	if s := await[client.Subscribed](r, 2, nil); !s.Recovered {
		t.Errorf("after the silence: %+v", s)
	}
}

// TestStall stops the network for a while, shorter than what counts as dead.
func TestStall(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	g.AddUser("ann", "")
	p := gatewaytest.NewProxy(t, g.URL)
	r := start(t, client.Options{URL: p.URL, Login: password("ann"), Room: "lobby"})
	await[client.Subscribed](r, 1, nil)
	p.Stall(true)
	sent, err := r.Send(t.Context(), "lobby", "", 1)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Second)
	p.Stall(false)
	if receipt, err := settled(sent); err != nil || receipt.Seq != 1 {
		t.Errorf("the receipt is %+v, %v", receipt, err)
	}
	if n := len(of[client.Connected](r)); n != 1 {
		t.Errorf("%d connections", n)
	}
	p.Stall(true)
	for i := range 200 { // more than the network takes, over the windows of several rooms
		if _, err := r.Send(t.Context(), "room-"+strconv.Itoa(i%4), "", strings.Repeat("x", 60_000)); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	_ = r.stop()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %v to stop while nothing gets through", took)
	}
}

// TestOverload fills the gateway up, so that it hands out times to come back.
func TestOverload(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "max_connections=1")
	g.AddUser("ann", "")
	other := g.Dial(g.User("bob"), "")
	p := gatewaytest.NewProxy(t, g.URL)
	r := start(t, client.Options{URL: p.URL, Login: password("ann"), Room: "lobby"})
	began := time.Now()
	waits := time.Duration(0)
	for n := 1; n <= 2; n++ {
		d := await[client.Disconnected](r, n, nil)
		var refused *client.Error
		if !errors.As(d.Err, &refused) || refused.Status != 503 || refused.RetryAfter < time.Second {
			t.Fatalf("try %d ended with %v", n, d.Err)
		}
		if d.Wait < refused.RetryAfter || d.Wait > refused.RetryAfter+time.Second {
			t.Errorf("told to wait %v, the client waits %v", refused.RetryAfter, d.Wait)
		}
		if n == 1 {
			waits += d.Wait
		}
	}
	if took := time.Since(began); took < waits || p.Requests("GET /ws") != 2 {
		t.Errorf("%d handshakes in %v, waits were %v", p.Requests("GET /ws"), took, waits)
	}
	_ = other.Conn.Close()
	await[client.Connected](r, 1, nil)
}
