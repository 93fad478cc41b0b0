package client_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	client "edgegw/firmware-clients/go"
	"edgegw/internal/gatewaytest"
)

// TestLost comes back to a room that has kept only some of what was missed.
func TestLost(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	g.AddUser("ann", "")
	admin := g.Token("admin")
	if a := g.Do("PUT", "/rooms/few", admin, map[string]any{"max_messages": 3}); a.Status != 200 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	p := gatewaytest.NewProxy(t, g.URL)
	r := start(t, client.Options{URL: p.URL, Login: password("ann"), Room: "few", Random: quick{}})
	await[client.Subscribed](r, 1, nil)
	r.publish("few", 1)
	await[client.Message](r, 1, nil)
	p.Refuse(true)
	p.Reset()
	await[client.Disconnected](r, 1, nil)
	for i := 2; i <= 9; i++ {
		g.Do("POST", "/rooms/few/messages", admin, map[string]any{"data": i})
	}
	p.Refuse(false)
	lost := await[client.Lost](r, 1, nil)
	if lost.Reason != client.LostNotRecovered || lost.From != 2 || lost.To != 9 || lost.Oldest != 7 || lost.Reset {
		t.Errorf("the loss reads %+v", lost)
	}
	g.Do("POST", "/rooms/few/messages", admin, map[string]any{"data": 10})
	if m := await(r, 1, func(m client.Message) bool { return m.Seq == 10 }); string(m.Data) != "10" {
		t.Errorf("the message reads %+v", m)
	}
	if n := len(of[client.Lost](r)); n != 1 {
		t.Errorf("%d losses", n)
	}
}

// TestReset comes back to a room whose numbers do not go on: one in memory, after
// a restart. Another one has its newest message asked for.
func TestReset(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	g := gatewaytest.StartIn(t, dir)
	g.AddUser("ann", "")
	g.Do("PUT", "/rooms/ram", g.Token("admin"), map[string]any{"durability": "memory"})
	p := gatewaytest.NewProxy(t, g.URL)
	r := start(t, client.Options{URL: p.URL, Login: password("ann"), Room: "ram", Random: quick{}})
	await[client.Subscribed](r, 1, nil)
	for i := range 5 {
		if receipt := r.publish("", i); receipt.Durability != "memory" {
			t.Errorf("the receipt reads %+v", receipt)
		}
	}
	g.Do("POST", "/rooms/state/messages", g.Token("admin"), map[string]any{"data": "on"})
	if err := r.Subscribe("state", nil, true); err != nil {
		t.Fatal(err)
	}
	if m := await(r, 1, func(m client.Message) bool { return m.Room == "state" }); string(m.Data) != `"on"` {
		t.Errorf("the newest message reads %+v", m)
	}
	_ = g.Stop()
	p.To(gatewaytest.StartIn(t, dir).URL)
	if lost := await[client.Lost](r, 1, nil); lost.Room != "ram" || !lost.Reset || lost.From <= lost.To {
		t.Errorf("the loss reads %+v", lost)
	}
	if receipt := r.publish("", "anew"); receipt.Seq != 1 {
		t.Errorf("the receipt reads %+v", receipt)
	}
	m := await(r, 1, func(m client.Message) bool { return string(m.Data) == `"anew"` })
	if at, _ := r.Position("ram"); at.Seq != 1 || at.Epoch != m.Epoch {
		t.Errorf("the position is %v", at)
	}
	if s := await(r, 2, func(s client.Subscribed) bool { return s.Room == "state" }); !s.Recovered {
		t.Errorf("the other room: %+v", s)
	}
	if n := len(of[client.Lost](r)); n != 1 {
		t.Errorf("%d losses", n)
	}
}

// TestSlowApplication has an application that stops for a while: the gateway
// takes the client for slow, and nothing is lost.
func TestSlowApplication(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "send_queue_bytes=131072")
	g.AddUser("ann", "")
	g.AddUser("bob", "")
	writer := start(t, client.Options{URL: g.URL, Login: password("bob"), Room: "elsewhere"})
	await[client.Connected](writer, 1, nil)

	const messages = 800
	var seqs []uint64
	var codes []int
	var stuck atomic.Bool
	goOn, over := make(chan struct{}), make(chan struct{})
	o := client.Options{URL: g.URL, Login: password("ann"), Room: "flood", Random: quick{}, Queue: 4}
	joined := make(chan struct{})
	o.Handle = func(e client.Event) {
		switch e := e.(type) {
		case client.Subscribed:
			if joined != nil {
				close(joined)
				joined = nil
			}
		case client.Message:
			if e.Seq == 10 {
				stuck.Store(true)
				<-goOn
			}
			seqs = append(seqs, e.Seq)
			if e.Seq == messages {
				close(over)
			}
		case client.Lost:
			t.Errorf("lost: %+v", e)
		case client.Disconnected:
			if closed, ok := e.Err.(*client.CloseError); ok {
				codes = append(codes, closed.Code)
			}
		}
	}
	c, err := client.New(o)
	if err != nil {
		t.Fatal(err)
	}
	wait := joined
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.Run(t.Context())
	}()
	t.Cleanup(func() { <-ended })
	<-wait
	book := &ledger{acks: map[uint64]string{}}
	book.write(t, writer, "flood", 1) // what it writes is short; the rest is not
	for i := 1; i < messages; i++ {
		if _, err := writer.Send(t.Context(), "flood", "", fmt.Sprint(i, strings.Repeat("x", 10_000))); err != nil {
			t.Fatal(err)
		}
	}
	writer.publish("elsewhere", "the end")
	if !stuck.Load() {
		t.Error("the application was never stuck")
	}
	time.Sleep(500 * time.Millisecond)
	close(goOn)
	select {
	case <-over:
	case <-time.After(2 * patience):
		t.Error("the last message never came")
	}
	for i, seq := range seqs {
		if seq != uint64(i+1) {
			t.Fatalf("message %d has seq %d", i+1, seq)
		}
	}
	if len(codes) == 0 || codes[0] != 4002 {
		t.Errorf("the connection ended with %v; the application was to be slow", codes)
	}
}

// TestRate publishes faster than the gateway allows.
func TestRate(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "message_rate=40")
	g.AddUser("ann", "")
	g.AddUser("bob", "")
	watch := start(t, client.Options{URL: g.URL, Login: password("bob"), Room: "fast"})
	await[client.Subscribed](watch, 1, nil)
	r := start(t, client.Options{URL: g.URL, Login: password("ann"), Room: "elsewhere"})
	await[client.Connected](r, 1, nil)
	book := &ledger{acks: map[uint64]string{}}
	book.write(t, r, "fast", 250)
	await(watch, 1, func(m client.Message) bool { return m.Seq == 250 })
	messages := of[client.Message](watch)
	for i, m := range messages {
		if m.Seq != uint64(i+1) || book.acks[m.Seq] != string(m.Data) {
			t.Errorf("message %d: %+v, acknowledged was %s", i+1, m, book.acks[m.Seq])
		}
	}
	if len(messages) != 250 || len(book.acks) != 250 {
		t.Errorf("%d messages, %d acks", len(messages), len(book.acks))
	}
	if n := len(of[client.Connected](r)); n != 1 {
		t.Errorf("%d connections", n)
	}
	t.Logf("rate_limited %d times", len(of[client.Problem](r)))
	if len(of[client.Problem](r)) == 0 {
		t.Error("it was never too fast")
	}
}

// TestTLS speaks through a proxy that has a certificate.
func TestTLS(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	g.AddUser("ann", "")
	to, err := url.Parse(g.URL)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewUnstartedServer(httputil.NewSingleHostReverseProxy(to))
	front.Config.ErrorLog = log.New(io.Discard, "", 0)
	front.StartTLS()
	t.Cleanup(front.Close)
	roots := x509.NewCertPool()
	roots.AddCert(front.Certificate())
	r := start(t, client.Options{
		URL: front.URL, Login: password("ann"), Room: "lobby", TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	})
	await[client.Subscribed](r, 1, nil)
	r.publish("lobby", "secret")
	await[client.Message](r, 1, nil)
	_ = r.stop()

	for _, trust := range []*tls.Config{nil, {RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}} {
		stranger := start(t, client.Options{URL: front.URL, Login: password("ann"), Random: quick{}, TLS: trust})
		if d := await[client.Disconnected](stranger, 2, nil); !strings.Contains(d.Err.Error(), "certificate") {
			t.Errorf("a certificate of nobody: %v", d.Err)
		}
	}
}
