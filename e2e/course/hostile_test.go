package course_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"edgegw/internal/gatewaytest"
)

// What the client does with what no gateway should send.
const (
	ends    = "ends the connection" // RFC 6455 section 7.1.7
	should  = "ends the connection, unless its platform lets it pass"
	ignores = "goes on"
	either  = "does as it likes, and lives"
)

// nested is JSON, n deep.
func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

func message(seq int, data string) string {
	return fmt.Sprintf(`{"type":"message","room":"lobby","seq":%d,"ts":5,"user":"bob","data":%s}`, seq, data)
}

// hostilities are bytes that come behind the welcome.
func hostilities() map[string]struct {
	bytes []byte
	does  string
} {
	frame := gatewaytest.ServerFrame
	join := func(frames ...[]byte) (all []byte) {
		for _, f := range frames {
			all = append(all, f...)
		}
		return all
	}
	return map[string]struct {
		bytes []byte
		does  string
	}{
		"bad masked":                      {[]byte{0x81, 0x82, 1, 2, 3, 4, '{' ^ 1, '}' ^ 2}, ends},
		"bad reserved bit":                {frame(0xc1, "{}"), ends},
		"bad second reserved bit":         {frame(0xa1, "{}"), ends},
		"bad unknown data opcode":         {frame(0x83, "{}"), ends},
		"bad unknown control opcode":      {frame(0x8b, ""), ends},
		"bad fragmented ping":             {frame(0x09, ""), ends},
		"bad long ping":                   {frame(0x89, strings.Repeat("x", 126)), ends},
		"bad continuation of nothing":     {frame(0x80, "{}"), ends},
		"bad message inside of a message": {join(frame(0x01, "{"), frame(0x81, "{}")), ends},
		"bad UTF-8":                       {frame(0x81, "{\"type\":\"\xff\"}"), should},
		"bad UTF-8 in fragments":          {join(frame(0x01, "{\"type\":\"\xe2"), frame(0x80, "\x28\"}")), should},
		"bad close of one byte":           {frame(0x88, "x"), ends},
		"bad close reason":                {frame(0x88, "\x03\xe9\xff"), ends},
		"bad no end in sight":             {[]byte{0x81, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, ends},
		"bad no JSON":                     {frame(0x81, `{"type":`), either},
		"bad no object":                   {frame(0x81, `7`), either},
		"bad empty":                       {frame(0x81, ``), either},
		"bad types of members":            {frame(0x81, `{"type":"message","room":7,"seq":"x","ts":[],"user":{},"data":1}`), either},
		"bad seq below 0":                 {frame(0x81, `{"type":"message","room":"lobby","seq":-1,"ts":5,"user":"bob","data":1}`), either},
		"bad 1,000 deep, no type":         {frame(0x81, nested(1000)), either},
		"bad 30,000 deep":                 {frame(0x81, `{"type":"x","y":`+nested(30_000)+`}`), either},
		"bad a second welcome":            {frame(0x81, gatewaytest.Hello), either},
		"ok an unknown type":              {frame(0x81, `{"type":"later","room":"lobby","what":[1]}`), ignores},
		"ok a type of the language":       {frame(0x81, `{"type":"__proto__","room":"lobby"}`), ignores},
		"ok unknown members":              {frame(0x81, `{"type":"pong","later":{"a":[true,false,null,1.5e-3]}}`), ignores},
		"ok an answer nobody asked for":   {frame(0x81, `{"type":"ack","id":"nobody","room":"lobby","seq":1,"ts":1,"durability":"queued"}`), ignores},
		"ok an error of nothing":          {frame(0x81, `{"type":"error","code":"internal","message":"x"}`), ignores},
		"ok a pong":                       {frame(0x8a, "x"), ignores},
		"ok an empty ping":                {frame(0x89, ""), ignores},
		"ok one byte a fragment":          {join(frame(0x01, `{"type":"l`), frame(0x00, ``), frame(0x89, `hi`), frame(0x80, `ater"}`)), ignores},
	}
}

// TestHostile sends what no gateway should send. The client neither breaks nor
// hangs: it goes on or comes back, and hears and publishes as before.
func TestHostile(t *testing.T) {
	t.Parallel()
	for name, h := range hostilities() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := gatewaytest.NewFake(t)
			f.Then(func(p *gatewaytest.Peer) {
				p.Welcome()
				p.Raw(h.bytes)
				p.Text(message(1, `"first"`))
				serve(p, 1)
			})
			f.Then(func(p *gatewaytest.Peer) {
				p.Text(gatewaytest.Hello)
				p.Text(`{"type":"subscribed","room":"lobby","epoch":"e1","seq":1,"recovered":true,"replay":1,"from":1}`)
				p.Text(message(1, `"second"`))
				serve(p, 1)
			})
			d := driveFake(t, f)
			where, _ := d.await("message", 1).Data.(string)
			d.publish("m", 1)
			d.await("ack", 1)
			d.stop()
			does := h.does
			if does == should && !client.platform {
				does = ends
			}
			if does != either && does != should && (where == "second") != (does == ends) {
				t.Errorf("it heard the %s message, want a client that %s", where, does)
			}
			if where == "second" {
				wantWaits(t, d)
			}
		})
	}
}

// serve acknowledges what is published and answers pings until the client has gone.
func serve(p *gatewaytest.Peer, seq int) {
	for {
		first, payload := p.Next()
		switch {
		case first == 0:
			return
		case first == 0x88:
			p.Send(0x88, string(payload))
			return
		case first == 0x81 && strings.Contains(string(payload), `"message"`):
			seq++
			p.Text(fmt.Sprintf(`{"type":"ack","id":"m","room":"lobby","seq":%d,"ts":1,"durability":"queued"}`, seq))
		}
	}
}

// TestDeepMessage delivers data that is as deep as the protocol allows.
func TestDeepMessage(t *testing.T) {
	t.Parallel()
	f := gatewaytest.NewFake(t)
	f.Then(func(p *gatewaytest.Peer) {
		p.Welcome()
		p.Text(message(1, nested(1000)))
		p.Text(message(2, `"behind"`))
		serve(p, 2)
	})
	d := driveFake(t, f)
	d.awaitThat("message", 1, func(e *event) bool { return e.Seq == 2 })
	switch gaps := d.of("gap"); {
	case client.shallow && (len(gaps) != 1 || gaps[0].Reason != "too_large"):
		t.Errorf("of what is too deep was told %+v", gaps)
	case !client.shallow && depth(d.await("message", 1).Data) != 1000:
		t.Errorf("the data came %d deep", depth(d.await("message", 1).Data))
	}
	d.stop()
}

// depth is how deep lists are nested.
func depth(v any) int {
	list, ok := v.([]any)
	switch {
	case !ok:
		return 0
	case len(list) == 0:
		return 1
	}
	return 1 + depth(list[0])
}

// TestTooLarge sends 64 KiB to a buffer of 1 KiB: it is told, and what follows comes.
// A client without such a buffer delivers them.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	f := gatewaytest.NewFake(t)
	f.Then(func(p *gatewaytest.Peer) {
		p.Welcome()
		p.Text(message(1, `"`+strings.Repeat("x", 64<<10)+`"`))
		p.Text(message(2, `"behind"`))
		serve(p, 2)
	})
	d := driveFake(t, f, "COURSE_MAX_MESSAGE=1024")
	d.awaitThat("message", 1, func(e *event) bool { return e.Seq == 2 })
	gaps := d.of("gap")
	switch {
	case !client.fixedBuffer && (len(gaps) > 0 || len(d.of("message")) != 2):
		t.Errorf("of two messages came %d, and gaps %+v", len(d.of("message")), gaps)
	case client.fixedBuffer && (len(gaps) != 1 || gaps[0].Reason != "too_large" || len(d.of("message")) != 1):
		t.Errorf("of what is too large was told %+v", gaps)
	}
	if ends := d.of("closed"); len(ends) > 0 {
		t.Errorf("the connection ended: %+v", ends)
	}
	d.stop()
}

// TestSilent has a gateway that takes connections and never answers, at each step
// of the way: the client gives up, and tries again.
func TestSilent(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(f *gatewaytest.Fake, over chan struct{}){
		"ok the login": func(f *gatewaytest.Fake, over chan struct{}) {
			f.On("/auth/device", func(http.ResponseWriter, *http.Request) { <-over })
		},
		"ok the handshake": func(f *gatewaytest.Fake, over chan struct{}) {
			f.Answer(func(http.ResponseWriter, *http.Request) func(*gatewaytest.Peer) { <-over; return nil })
		},
		"ok the welcome": func(f *gatewaytest.Fake, over chan struct{}) { f.Then(func(*gatewaytest.Peer) { <-over }) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, over := gatewaytest.NewFake(t), make(chan struct{})
			t.Cleanup(func() { close(over) })
			set(f, over)
			d := driveFake(t, f, "COURSE_TIMEOUT_MS=1000")
			d.await("closed", 2)
			wantWaits(t, d)
			d.stop()
		})
	}
}

// TestNeverRenewed has a gateway that renews no token and ends each connection when
// its token has ended. The client neither gives up nor hammers, and comes back when
// that is over.
func TestNeverRenewed(t *testing.T) {
	t.Parallel()
	f := gatewaytest.NewFake(t)
	f.On("/auth/device", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, gatewaytest.Pair(1, 1)) })
	broken := make(chan struct{})
	f.On("/auth/refresh", func(w http.ResponseWriter, _ *http.Request) {
		select {
		case <-broken:
			_, _ = fmt.Fprint(w, gatewaytest.Pair(2, 900))
		default:
			gatewaytest.Problem(w, http.StatusInternalServerError, "internal")
		}
	})
	f.Then(func(p *gatewaytest.Peer) {
		p.Welcome()
		p.Text(`{"type":"token_expiring","expires_in":1}`)
		time.Sleep(1500 * time.Millisecond)
		p.Close(4001, "token_expired")
	})
	f.Then(func(p *gatewaytest.Peer) { p.Welcome(); serve(p, 0) })
	d := driveFake(t, f)
	d.await("closed", 1)
	time.Sleep(6 * time.Second)
	if n := len(f.Asked()); n > 25 {
		t.Errorf("%d requests in some 8 s", n)
	}
	close(broken)
	d.await("connected", 2)
	d.publish("m", 1)
	d.await("ack", 1)
	d.stop()
}
