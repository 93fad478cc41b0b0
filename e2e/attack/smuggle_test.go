package attack_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// quiet is how long a connection has to be silent to count as kept open.
const quiet = 700 * time.Millisecond

// fate is what has to become of a trick.
type fate string

const (
	// refused: one answer that says so, and the connection ends.
	refused fate = "refused"
	// lonely: one answer, and the connection ends: nobody can say where the
	// next request would begin.
	lonely fate = "answered, then closed"
	// harmless: one answer for the trick and one for the last request.
	harmless fate = "answered like any other"
	// either: any of these. Readers of HTTP differ here, and all of it is safe.
	either fate = "refused, or answered once"
)

// trick is what is written on a connection of its own, with the request `last`
// behind it. HOST stands for the gateway's address, and INNER for a request that
// must not be answered.
type trick struct {
	name    string
	request string
	fate    fate
	status  int // of the answer to it, unless it is refused; 0 is any below 500
}

const (
	inner  = "GET /smuggled-NUMBER HTTP/1.1\r\nHost: HOST\r\n\r\n"
	post   = "POST /auth/password-reset HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\n"
	post10 = "POST /auth/password-reset HTTP/1.0\r\nHost: HOST\r\nConnection: keep-alive\r\nContent-Type: application/json\r\n"
	get    = "GET /auth/me HTTP/1.1\r\nHost: HOST\r\n"
	body   = `{"username":"nobody"}`
	chunks = "15\r\n" + body + "\r\n0\r\n\r\n"
	te     = "Transfer-Encoding: chunked\r\n"
	cl     = "Content-Length: 21\r\n"
	last   = "GET /livez HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n"
)

// framing are tricks about where a body ends.
func framing() []trick {
	list := []trick{
		// RFC 9112 section 6.3: the coding counts, and the connection ends.
		{"both lengths, the request inside the longer one", post + "Content-Length: 200\r\n" + te + "\r\n" + chunks + "INNER", lonely, 0},
		{"both lengths, an empty body", post + "Content-Length: 200\r\n" + te + "\r\n0\r\n\r\nINNER", lonely, 0},
		{"both lengths, the coding first", post + te + "Content-Length: 4\r\n\r\n" + chunks + "INNER", lonely, 0},
		// RFC 9112 section 6.1: a coding in HTTP/1.0 is faulty framing.
		{"a coding in HTTP/1.0", post10 + te + "\r\n0\r\n\r\nINNER", lonely, 0},
		{"a coding in HTTP/1.0, chunks", post10 + te + "\r\n" + chunks, lonely, 0},
		{"a coding in HTTP/1.0 and a length", post10 + te + cl + "\r\n" + body + "INNER", lonely, 0},
		{"two lengths", post + cl + "Content-Length: 22\r\n\r\n" + body + "INNER", refused, 0},
		{"two lengths alike", post + cl + cl + "\r\n" + body, either, 202},
		{"a length and none", post + cl + "Content-Length: 0\r\n\r\n" + body, refused, 0},
		{"a list of lengths", post + "Content-Length: 21, 21\r\n\r\n" + body, refused, 0},
		{"the coding folded", post + "Transfer-Encoding:\r\n chunked\r\n\r\n" + chunks, either, 202},
		{"the coding in a folded line", post + "X: y\r\n Transfer-Encoding: chunked\r\n" + cl + "\r\n" + body, either, 202},
		{"the coding as the first line, folded", "POST /auth/password-reset HTTP/1.1\r\n " + te + "Host: HOST\r\n\r\n" + chunks, refused, 0},
		{"the coding in capitals", post + "TRANSFER-ENCODING: CHUNKED\r\n\r\n" + chunks, either, 202},
		{"the coding with an underscore", post + "Transfer_Encoding: chunked\r\n" + cl + "\r\n" + body, harmless, 202},
		{"the coding behind a bare CR", post + "X: y\r" + te + cl + "\r\n" + body, refused, 0},
		{"two lines of codings", post + te + te + "\r\n" + chunks, refused, 0},
		{"a coding named in the wrong header", post + "TE: chunked\r\n" + cl + "\r\n" + body, harmless, 202},
		{"a body of GET", get + "Content-Length: LENGTH\r\n\r\nINNER", harmless, 401},
		{"a body that nobody reads", strings.Replace(post, "password-reset", "password", 1) + "Content-Length: LENGTH\r\n\r\nINNER", harmless, 401},
		{"a large body of requests", post + "Content-Length: 400000\r\n\r\n" + strings.Repeat("INNER", 8_000), refused, 0},
		{"a body that is waited for", post + "Expect: 100-continue\r\n" + cl + "\r\n" + body, harmless, 202},
		{"an unknown expectation", post + "Expect: 200-ok\r\n" + cl + "\r\n" + body, refused, 0},
	}
	for _, value := range []string{"+21", "-21", "0x15", "2 1", "21.0", "1e1", "", "twenty", "99999999999999999999", "18446744073709551637", "21;", "\u0662\u0661"} {
		list = append(list, trick{"the length " + value, post + "Content-Length: " + value + "\r\n\r\n" + body, refused, 0})
	}
	for _, value := range []string{"xchunked", "identity", "gzip, chunked", "chunked, identity", "chunked, chunked", `"chunked"`, "chunked;q=1", "", "\x0bchunked", "chunked\x00", "chu nked", "\u0441hunked", "chunke\u212a"} {
		list = append(list, trick{fmt.Sprintf("the coding %q", value), post + "Transfer-Encoding: " + value + "\r\n\r\n" + chunks, refused, 0})
	}
	for what, line := range map[string]string{"space before the colon": "Transfer-Encoding : chunked", "a tab": "Transfer-Encoding\t: chunked", "no colon": "Transfer-Encoding chunked", "NUL": "Transfer-Encoding\x00: chunked"} {
		list = append(list, trick{"the coding with " + what, post + line + "\r\n" + cl + "\r\n" + body, refused, 0})
	}
	for _, size := range []string{"0x15", "+15", "-1", "10000000000000015", "15;a\n", "15 ;\x00", "", "g", "15\r", "0000000000000000000000000000000000000015"} {
		list = append(list, trick{fmt.Sprintf("the chunk size %q", size), post + te + "\r\n" + size + "\r\n" + body + "\r\n0\r\n\r\n", refused, 0})
	}
	return append(list,
		trick{"a chunk with an extension", post + te + "\r\n15;a=b\r\n" + body + "\r\n0\r\n\r\n", either, 202},
		trick{"chunks with bare line feeds", post + te + "\r\n15\n" + body + "\n0\n\n", refused, 0},
		trick{"a chunk that is longer than it says", post + te + "\r\n15\r\n" + body + "xx\r\n0\r\n\r\n", refused, 0},
		trick{"a request as an extension", post + te + "\r\n15;\nINNER\r\n" + body + "\r\n0\r\n\r\n", refused, 0},
		trick{"a trailer", post + te + "\r\n15\r\n" + body + "\r\n0\r\nX: y\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", either, 202},
		trick{"a trailer that is none", post + te + "\r\n15\r\n" + body + "\r\n0\r\nX y\r\n\r\n", refused, 0},
	)
}

// heads are tricks with the request line and the header lines.
func heads() []trick {
	list := []trick{
		{"bare line feeds", "GET /auth/me HTTP/1.1\nHost: HOST\n\n", either, 401},
		{"a folded line", get + "X: a\r\n b\r\n\r\n", either, 401},
		{"64 KiB in a line", get + "X: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", refused, 0},
		{"10,000 lines", get + strings.Repeat("X: y\r\n", 10_000) + "\r\n", refused, 0},
		{"64 KiB of target", "GET /" + strings.Repeat("x", 64<<10) + " HTTP/1.1\r\nHost: HOST\r\n\r\n", refused, 0},
		{"no host", "GET /auth/me HTTP/1.1\r\n\r\n", refused, 0},
		{"two hosts", get + "Host: evil.example\r\n\r\n", refused, 0},
		{"two hosts alike", get + "Host: HOST\r\n\r\n", refused, 0},
		{"an empty host", "GET /auth/me HTTP/1.1\r\nHost: \r\n\r\n", either, 401},
		{"a whole URL as target", "GET http://evil.example/auth/me HTTP/1.1\r\nHost: HOST\r\n\r\n", either, 401},
		{"a host as target", "CONNECT evil.example:443 HTTP/1.1\r\nHost: HOST\r\n\r\n", either, 404},
		{"a target without slash", "GET auth/me HTTP/1.1\r\nHost: HOST\r\n\r\n", refused, 0},
		{"two slashes", "GET //evil.example/auth/me HTTP/1.1\r\nHost: HOST\r\n\r\n", harmless, 404},
		{"dots", "GET /x/../auth/me HTTP/1.1\r\nHost: HOST\r\n\r\n", harmless, 404},
		{"escaped dots", "GET /x/%2e%2e/auth/me HTTP/1.1\r\nHost: HOST\r\n\r\n", harmless, 404},
		{"escaped letters", "GET /%61uth/me HTTP/1.1\r\nHost: HOST\r\n\r\n", harmless, 401},
		{"capitals", "GET /AUTH/ME HTTP/1.1\r\nHost: HOST\r\n\r\n", harmless, 404},
		{"a slash more", "GET /auth/me/ HTTP/1.1\r\nHost: HOST\r\n\r\n", harmless, 404},
		{"a parameter", "GET /auth/me;x=y HTTP/1.1\r\nHost: HOST\r\n\r\n", harmless, 404},
		{"an escaped NUL", "GET /auth/me%00 HTTP/1.1\r\nHost: HOST\r\n\r\n", harmless, 404},
		{"a space that is none", "GET /auth/me\u00a0 HTTP/1.1\r\nHost: HOST\r\n\r\n", either, 404},
		{"TRACE", "TRACE /auth/me HTTP/1.1\r\nHost: HOST\r\nX-Secret: canary-key-1\r\n\r\n", harmless, 405},
		{"HTTP/1.0", "GET /auth/me HTTP/1.0\r\n\r\n", lonely, 401},
		{"HTTP/1.0 without host, kept", "GET /auth/me HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", either, 401},
		{"HTTP/0.9", "GET /auth/me\r\n", refused, 0},
		{"HTTP/2 with what it knows", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", lonely, 0},
		{"an upgrade to HTTP/2", get + "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n", harmless, 401},
		{"an upgrade that is refused", get[:5] + "ws HTTP/1.1\r\nHost: HOST\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", harmless, 401},
		{"an empty line before", "\r\n\r\n" + get + "\r\n", either, 401},
		{"a NUL before", "\x00" + get + "\r\n", refused, 0},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00", 500) + "\r\n\r\n", refused, 0},
	}
	for _, line := range []string{"X: a\x00b", "X\x00: a", "X y: a", "X : a", "X", ": a", "X: a\rb", "X: \x01", "X\x7f: a", "\u00e9: a", "X: a\r\r", "Host : HOST"} {
		list = append(list, trick{fmt.Sprintf("the line %q", line), get + line + "\r\n\r\n", refused, 0})
	}
	for _, host := range []string{"a b", "evil@127.0.0.1", "evil/x", "a\x00", "a,b", "http://HOST", "[::1", "\u0430.example", "a\\b", "a#b", "a?b"} {
		list = append(list, trick{fmt.Sprintf("the host %q", host), "GET /auth/me HTTP/1.1\r\nHost: " + host + "\r\n\r\n", either, 401})
	}
	for _, version := range []string{"HTTP/2.0", "HTTP/3.0", "HTTP/1.10", "HTTP/11", "HTTP/1", "http/1.1", "HTTPS/1.1", "HTTP/1.1x", "HTTP /1.1", ""} {
		list = append(list, trick{"the version " + version, "GET /auth/me " + version + "\r\nHost: HOST\r\n\r\n", refused, 0})
	}
	for _, line := range []string{"GET /auth/me x", "GET\t/auth/me\t", "GET  /auth/me", "G=T/ /auth/me", " GET /auth/me", "GET /auth/me\x00", "GET /auth/%zz", "GET", ""} {
		list = append(list, trick{fmt.Sprintf("the request %q", line), line + " HTTP/1.1\r\nHost: HOST\r\n\r\n", refused, 0})
	}
	return list
}

// outcome is what came back.
type outcome struct {
	statuses []int
	closed   bool
	err      error // what came was no HTTP
}

// write sends bytes and reads until the gateway closes, or falls silent.
func (g *gateway) write(request string) (o outcome) {
	l, err := g.dial()
	if err != nil {
		return outcome{err: err}
	}
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = io.WriteString(l, request) })
	defer wg.Wait()
	defer func() { _ = l.Close() }() // whoever still writes is let go
	for range 50 {
		_ = l.SetReadDeadline(time.Now().Add(quiet))
		if _, err := l.r.Peek(1); err != nil {
			var timeout net.Error
			o.closed = !errors.As(err, &timeout) || !timeout.Timeout()
			return o
		}
		a, err := l.next()
		if err != nil {
			o.err = err
			return o
		}
		if a.Status != http.StatusContinue {
			o.statuses = append(o.statuses, a.Status)
		}
	}
	return o
}

// refusals are the ways to say no to a request that cannot be read. A transfer
// coding and a version that are unknown have statuses of their own (RFC 9112
// section 6.1, RFC 9110 section 15.6.6).
var refusals = []int{400, 413, 417, 431, 501, 505}

// problem says what is wrong with an outcome, or "".
func (tr trick) problem(o outcome) string {
	one := len(o.statuses) == 1 && o.closed
	fits := func(status int) bool { return status == tr.status || tr.status == 0 && status < 500 }
	isLonely := one && fits(o.statuses[0])
	isRefused := one && slices.Contains(refusals, o.statuses[0])
	isHarmless := len(o.statuses) == 2 && fits(o.statuses[0]) && o.statuses[1] == http.StatusOK && o.closed
	ok := map[fate]bool{
		refused: isRefused, harmless: isHarmless, lonely: isRefused || isLonely,
		either: isRefused || isLonely || isHarmless,
	}[tr.fate]
	if ok && o.err == nil {
		return ""
	}
	return fmt.Sprintf("answers %v, closed %v, %v; want it %s", o.statuses, o.closed, o.err, tr.fate)
}

func TestSmuggling(t *testing.T) {
	t.Parallel()
	g := start(t, unlimited()...)
	tricks := append(framing(), heads()...)
	outcomes := make([]outcome, len(tricks))
	var wg sync.WaitGroup
	slots := make(chan struct{}, 8)
	for i, tr := range tricks {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			hidden := strings.NewReplacer("NUMBER", strconv.Itoa(i), "HOST", g.Addr).Replace(inner)
			outcomes[i] = g.write(strings.NewReplacer("INNER", hidden, "HOST", g.Addr, "LENGTH", strconv.Itoa(len(hidden))).Replace(tr.request + last))
		})
	}
	wg.Wait()
	bad, log := 0, g.Logged()
	for i, tr := range tricks {
		problem := tr.problem(outcomes[i])
		if strings.Contains(log, fmt.Sprintf(`/smuggled-%d"`, i)) {
			problem += "; the request that was hidden in it got an answer"
		}
		if problem != "" {
			bad++
			t.Errorf("%s: %s", tr.name, problem)
		}
	}
	t.Logf("smuggling: %d of %d tricks worked", bad, len(tricks))
	want(t, "a request after all that", g.do("GET", "/auth/me", g.token("admin"), nil), http.StatusOK)
}

// Requests that follow each other at once are answered in their order, up to the
// first that cannot be read.
func TestPipelining(t *testing.T) {
	t.Parallel()
	g := start(t)
	me, nothing := get+"Authorization: Bearer "+g.token("admin")+"\r\n\r\n", "GET /nothing HTTP/1.1\r\nHost: HOST\r\n\r\n"
	for name, c := range map[string]struct {
		request string
		want    []int
	}{
		"five":                   {me + nothing + me + nothing + last, []int{200, 404, 200, 404, 200}},
		"a bad one in between":   {me + nothing + get + "X : y\r\n\r\n" + me + last, []int{200, 404, 400}},
		"an end in between":      {me + last + me + nothing, []int{200, 200}},
		"a body in between":      {me + post + cl + "\r\n" + body + nothing + last, []int{200, 202, 404, 200}},
		"who asks does not stay": {me + get + "\r\n" + last, []int{200, 401, 200}},
	} {
		o := g.write(strings.ReplaceAll(c.request, "HOST", g.Addr))
		if !slices.Equal(o.statuses, c.want) || !o.closed {
			t.Errorf("%s: answers %v, closed %v, %v; want %v", name, o.statuses, o.closed, o.err, c.want)
		}
	}
}

// Headers with which some servers let a client say who it is, or what it asks
// for, mean nothing here.
func TestHeadersThatMeanNothing(t *testing.T) {
	t.Parallel()
	g := start(t)
	tried, accepted := 0, 0
	for _, h := range []string{
		"X-Forwarded-User: admin", "X-Remote-User: admin", "Remote-User: admin", "X-Authenticated-User: admin", "X-Webauth-User: admin", "X-User: admin", "From: admin", "X-Edgegw-User: admin",
		"X-Original-URL: /livez", "X-Rewrite-URL: /livez", "X-Forwarded-Path: /livez", "X-Forwarded-Prefix: /livez", "X-HTTP-Method-Override: OPTIONS", "X-Method-Override: HEAD", "X-Forwarded-Host: localhost",
		"X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1", "Forwarded: for=127.0.0.1;proto=https", "X-Client-IP: 127.0.0.1", "Client-Cert: :AAAA:", "X-SSL-Client-Verify: SUCCESS", "X-Forwarded-Client-Cert: By=admin",
		"Authorization: Bearer", "Authorization: Bearer ", "Authorization: Bearer null", "Authorization: Bearer undefined", "Authorization: Digest username=admin", "Authorization: Negotiate AAAA", "Authorization:", "X-Api-Key: admin",
	} {
		for _, target := range []string{"GET /auth/me", "GET /users", "DELETE /users/admin", "POST /auth/logout", "GET /audit", "GET /ws"} {
			tried++
			l := g.mustDial()
			a, err := l.ask(target + " HTTP/1.1\r\nHost: " + g.Addr + "\r\n" + h + "\r\n\r\n")
			if err != nil {
				t.Fatal(err)
			}
			if a.Status < 400 {
				accepted++
			}
			if a.Status != http.StatusUnauthorized {
				t.Errorf("%s with %s: %d", target, h, a.Status)
			}
		}
	}
	t.Logf("headers that mean nothing: %d of %d accepted", accepted, tried)
}
