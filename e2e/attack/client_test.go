package attack_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"edgegw/internal/gatewaytest"
)

// answer is an answer of the gateway.
type answer = gatewaytest.Answer

// newClient makes a client that calls from a local address, "" for any.
func newClient(local string) *http.Client {
	d := &net.Dialer{Timeout: patience}
	if local != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(local)}
	}
	return &http.Client{
		Timeout:       3 * patience,
		Transport:     &http.Transport{DialContext: d.DialContext, MaxIdleConnsPerHost: 256},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// from is the same gateway, called from another address of this machine.
func (g *gateway) from(local string) *gateway {
	there := *g
	there.client = newClient(local)
	g.t.Cleanup(there.client.CloseIdleConnections)
	return &there
}

// do sends a request. A body that is no string is sent as JSON; headers are in
// pairs.
func (g *gateway) do(method, path, token string, body any, headers ...string) answer {
	g.t.Helper()
	a, err := g.try(method, path, token, body, headers...)
	if err != nil {
		g.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

// try is do for goroutines of a test, which may not end it.
func (g *gateway) try(method, path, token string, body any, headers ...string) (answer, error) {
	var content io.Reader
	if text, ok := body.(string); ok {
		content = strings.NewReader(text)
	} else if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return answer{}, err
		}
		content = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, g.URL+path, content)
	if err != nil {
		return answer{}, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header[headers[i]] = append(req.Header[headers[i]], headers[i+1])
	}
	res, err := g.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	return g.read(res)
}

func (g *gateway) read(res *http.Response) (answer, error) {
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	a := answer{Status: res.StatusCode, Header: res.Header, Body: body}
	g.hidden.hideAnswer(a.JSON())
	return a, err
}

// want fails the test unless the answer has the status.
func want(t testing.TB, what string, a answer, status int) answer {
	t.Helper()
	if a.Status != status {
		t.Errorf("%s: %d %s, want %d", what, a.Status, a.Code(), status)
	}
	return a
}

func credentials(name, password string) map[string]string {
	return map[string]string{"username": name, "password": password}
}

// pair is what a login answers.
type pair struct{ access, refresh string }

func (g *gateway) pairOf(what string, a answer) pair {
	g.t.Helper()
	if want(g.t, what, a, http.StatusOK); a.Status != http.StatusOK {
		g.t.FailNow()
	}
	access, _ := a.JSON()["access_token"].(string)
	refresh, _ := a.JSON()["refresh_token"].(string)
	return pair{access, refresh}
}

// login logs a person in who has the password.
func (g *gateway) login(name string) pair {
	g.t.Helper()
	return g.pairOf("login of "+name, g.do("POST", "/auth/login", "", credentials(name, password)))
}

// addUser makes a person with the password, who may everything in every room.
func (g *gateway) addUser(names ...string) {
	g.t.Helper()
	for _, name := range names {
		want(g.t, "adding "+name, g.do("POST", "/users", g.token("admin"), credentials(name, password)), http.StatusCreated)
	}
}

// addDevice makes a device and returns its key.
func (g *gateway) addDevice(name string) string {
	g.t.Helper()
	a := want(g.t, "adding "+name, g.do("POST", "/devices", g.token("admin"), map[string]string{"name": name, "room": "hall"}), http.StatusCreated)
	key, _ := a.JSON()["device_key"].(string)
	return key
}

func (g *gateway) disable(name string, disabled bool) {
	g.t.Helper()
	want(g.t, "switching "+name, g.do("PATCH", "/users/"+name, g.token("admin"), map[string]bool{"disabled": disabled}), http.StatusOK)
}

// line is a connection on which bytes are sent as they are.
type line struct {
	net.Conn
	r *bufio.Reader
	g *gateway
}

func (g *gateway) dial() (*line, error) {
	conn, err := net.DialTimeout("tcp", g.Addr, patience)
	if err != nil {
		return nil, err
	}
	return &line{Conn: conn, r: bufio.NewReader(conn), g: g}, nil
}

// mustDial is dial for the test's own goroutine; the connection ends with the
// test.
func (g *gateway) mustDial() *line {
	g.t.Helper()
	l, err := g.dial()
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = l.Close() })
	return l
}

// next reads one answer. Behind a 101 there is no body, but another protocol.
func (l *line) next() (answer, error) {
	_ = l.SetReadDeadline(time.Now().Add(patience))
	res, err := http.ReadResponse(l.r, nil)
	if err != nil {
		return answer{}, err
	}
	if res.StatusCode == http.StatusSwitchingProtocols {
		return answer{Status: res.StatusCode, Header: res.Header}, nil
	}
	return l.g.read(res)
}

// ask sends a request and reads its answer.
func (l *line) ask(request string) (answer, error) {
	if _, err := io.WriteString(l, request); err != nil {
		return answer{}, err
	}
	return l.next()
}

// post is the text of a POST with a JSON body.
func (g *gateway) post(path, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, g.Addr, len(body), body)
}

// upgrade is the text of a WebSocket handshake with some header lines more, each
// with its end.
func (g *gateway) upgrade(lines string) string {
	return "GET /ws HTTP/1.1\r\nHost: " + g.Addr + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + lines + "\r\n"
}

// shake tries a WebSocket handshake and returns the answer, 101 when it was let
// in.
func (g *gateway) shake(lines string) answer {
	g.t.Helper()
	l, err := g.dial()
	if err != nil {
		g.t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	a, err := l.ask(g.upgrade(lines))
	if err != nil {
		g.t.Fatal(err)
	}
	return a
}
