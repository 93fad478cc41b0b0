package scale_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"edgegw/e2e/process"
	"edgegw/internal/gatewaytest"
)

// mostPause is the longest that live traffic may stand still while old messages go.
const mostPause = 50 * time.Millisecond

// Ten times what the store may hold is written to it: it never takes more, refuses
// nothing, lets the oldest go first, and the room that everybody looks at goes on.
func TestTenTimesTheCap(t *testing.T) {
	const limit, payload = 16 << 20, 1000
	const messages = 10 * limit / payload
	g := process.New(t, "message_rate=0", "commit_window=0s", fmt.Sprint("max_store_bytes=", limit), "log_level=info")
	g.Run()
	var longest atomic.Int64
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- live(g, stop, &longest) }()
	most := writeAll(t, g, messages, payload)
	close(stop)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	pause := time.Duration(longest.Load())
	t.Logf("cap: %d messages of %d bytes under a cap of %d MiB: the file had %.1f MiB at most, the longest a live message took was %v",
		messages, payload, limit>>20, float64(most)/(1<<20), pause.Round(time.Millisecond))
	if most > limit {
		t.Errorf("the file grew to %d bytes", most)
	}
	if pause > mostPause {
		t.Errorf("a live message took %v, want at most %v", pause, mostPause)
	}
	token := g.Token("admin", time.Hour)
	for _, room := range []string{"cap-0", "cap-1"} {
		a, err := gatewaytest.Ask(newClient(), "GET", g.URL+"/rooms/"+room+"/messages?limit=1&after=0", token, nil)
		var page struct{ Messages []struct{ Seq int } }
		if err == nil {
			err = json.Unmarshal(a.Body, &page)
		}
		if err != nil || len(page.Messages) != 1 || page.Messages[0].Seq < messages/2*8/10 {
			t.Errorf("%s begins with %+v, %v", room, page.Messages, err)
		}
	}
}

// writeAll publishes in two rooms, and returns the largest size of the file.
func writeAll(t *testing.T, g *process.Gateway, messages, payload int) (most int64) {
	t.Helper()
	socket, err := dial(g, "idle")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.Conn.Close() }()
	pad := strings.Repeat("x", payload)
	for n := range messages {
		id := ""
		if n%100 == 0 {
			id = fmt.Sprintf(`,"id":"%d"`, n)
		}
		socket.Send(fmt.Sprintf(`{"type":"message","room":"cap-%d"%s,"data":"%s"}`, n%2, id, pad))
		if id == "" {
			continue
		}
		f, err := socket.Read()
		for err == nil && !strings.Contains(string(f.Payload), `"ack"`) {
			if strings.Contains(string(f.Payload), `"error"`) {
				t.Fatalf("refused: %s", f.Payload)
			}
			f, err = socket.Read()
		}
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(filepath.Join(g.Dir, "history.db")); err == nil {
			most = max(most, info.Size())
		}
	}
	return most
}

// live publishes every few milliseconds and measures when it comes back.
func live(g *process.Gateway, stop <-chan struct{}, longest *atomic.Int64) error {
	socket, err := dial(g, "live")
	if err != nil {
		return err
	}
	defer func() { _ = socket.Conn.Close() }()
	for n := 0; ; n++ {
		select {
		case <-stop:
			return nil
		case <-time.After(2 * time.Millisecond):
		}
		began := time.Now()
		socket.Send(fmt.Sprint(n))
		for {
			f, err := socket.Read()
			if err != nil {
				return err
			}
			if strings.Contains(string(f.Payload), fmt.Sprintf(`"data":"%d"`, n)) || strings.Contains(string(f.Payload), fmt.Sprintf(`"data":%d}`, n)) {
				break
			}
		}
		if took := int64(time.Since(began)); n > 10 && took > longest.Load() {
			longest.Store(took)
		}
	}
}
