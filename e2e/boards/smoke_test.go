// Package boards_test has a short conversation with the real binary of a board, by
// itself or under an emulator: start, login, join, publish, history, stop, and all of
// it still there after the next start.
//
// EDGEGW_BIN names the binary (see e2e/process) and EDGEGW_UNDER the command that runs
// it, for example "qemu-arm-static -cpu arm1176". scripts/test-boards.sh sets both.
package boards_test

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edgegw/e2e/process"
	"edgegw/internal/gatewaytest"
)

func TestMain(m *testing.M) { os.Exit(process.Main(m, filepath.Join("..", ".."))) }

func TestConversation(t *testing.T) {
	g := process.New(t, "argon2_memory_kib=7168", "argon2_time=1", "commit_window=0")
	g.Under = strings.Fields(os.Getenv("EDGEGW_UNDER"))
	began := time.Now()
	g.Run()
	ready := time.Since(began)
	client := &http.Client{Timeout: process.Patience}
	defer client.CloseIdleConnections()

	login := map[string]string{"username": "admin", "password": process.Password}
	var session struct {
		AccessToken string `json:"access_token"`
	}
	ask(t, client, "POST", g.URL+"/auth/login", "", login, &session)

	s := join(t, g.Addr, session.AccessToken)
	const text = "Grüße, hall! \U0001F600"
	s.Send(`{"type":"message","id":"one","data":"` + text + `"}`)
	var ack, message map[string]any
	for ack == nil || message == nil {
		switch f := next(t, s); f["type"] {
		case "ack":
			ack = f
		case "message":
			message = f
		}
	}
	if message["data"] != text || message["seq"] != 1.0 || message["user"] != "admin" || ack["seq"] != 1.0 || ack["durability"] != "fsynced" && ack["durability"] != "queued" {
		t.Errorf("message %v, ack %v", message, ack)
	}
	history(t, client, g, session.AccessToken, text)
	examine(t, g)
	g.Stop()

	g.Run()
	history(t, client, g, session.AccessToken, text)
	g.Stop()
	t.Logf("ready after %v; all of it took %v", ready.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
}

// examine has `edgegw doctor` look at the gateway: what it finds is this machine's
// affair, that it can look is the binary's.
func examine(t *testing.T, g *process.Gateway) {
	t.Helper()
	command := append(g.Under[:len(g.Under):len(g.Under)], process.Bin(), "doctor", "--all", "--json", "--data-dir", g.Dir, "--listen", g.Addr)
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Env = process.Environment()
	out, err := cmd.Output()
	var report struct {
		Findings []struct{ Check, State string }
	}
	if left := new(exec.ExitError); err != nil && (!errors.As(err, &left) || left.ExitCode() != 1) {
		t.Fatalf("doctor: %v", err)
	}
	if err := json.Unmarshal(out, &report); err != nil || len(report.Findings) < 10 {
		t.Errorf("doctor printed, with %v: %s", err, out)
	}
}

// ask wants 200, and decodes the answer.
func ask(t *testing.T, client *http.Client, method, url, token string, body, into any) {
	t.Helper()
	a, err := gatewaytest.Ask(client, method, url, token, body)
	if err != nil || a.Status != http.StatusOK {
		t.Fatalf("%s %s: %d %s %v", method, url, a.Status, a.Code(), err)
	}
	if err := json.Unmarshal(a.Body, into); err != nil {
		t.Fatal(err)
	}
}

// join opens a socket in the room hall.
func join(t *testing.T, address, token string) *gatewaytest.Socket {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	s, a, err := gatewaytest.Upgrade(conn, "?room=hall", nil, "Sec-WebSocket-Protocol: bearer, "+token)
	if err != nil || s == nil {
		t.Fatalf("handshake: %d %s %v", a.Status, a.Body, err)
	}
	for _, want := range []string{"welcome", "subscribed"} {
		if f := next(t, s); f["type"] != want || f["room"] != "hall" {
			t.Fatalf("got %v, want %s", f, want)
		}
	}
	return s
}

// next is the next JSON frame but those about presence.
func next(t *testing.T, s *gatewaytest.Socket) map[string]any {
	t.Helper()
	for {
		f, err := s.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		var frame map[string]any
		if json.Unmarshal(f.Payload, &frame) == nil && frame["type"] != "presence" {
			return frame
		}
	}
}

// history wants the one message.
func history(t *testing.T, client *http.Client, g *process.Gateway, token, text string) {
	t.Helper()
	var page struct {
		Messages []struct {
			Seq  int
			Data string
		}
	}
	ask(t, client, "GET", g.URL+"/rooms/hall/messages", token, nil, &page)
	if len(page.Messages) != 1 || page.Messages[0].Seq != 1 || page.Messages[0].Data != text {
		t.Errorf("history: %+v", page)
	}
}
