// Package scale_test fills the real binary's history with a million messages, and
// measures what that costs: the start, a page from anywhere, a search by time, and
// memory. EDGEGW_SCALE_MESSAGES sets another number.
package scale_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"edgegw/e2e/process"
	"edgegw/internal/gatewaytest"
)

func TestMain(m *testing.M) { os.Exit(process.Main(m, filepath.Join("..", ".."))) }

const (
	rooms      = 200
	publishers = 8
	batch      = 250 // messages on their way for each publisher
)

// The budgets, on an amd64 machine of two cores.
const (
	mostStart = time.Second
	mostPage  = 2 * time.Millisecond // p99
	mostTime  = 5 * time.Millisecond // p99
	mostAnon  = 10 << 10             // KiB more than an empty gateway
)

func TestScale(t *testing.T) {
	messages := 1_000_000
	if n, err := strconv.Atoi(os.Getenv("EDGEGW_SCALE_MESSAGES")); err == nil {
		messages = n
	}
	each := messages / rooms
	options := []string{"message_rate=0", "commit_window=0s", "max_store_bytes=4294967296", "max_rooms_per_connection=128", "log_level=info"}
	empty := process.New(t, options...)
	empty.Run()
	pages(t, empty, 0)
	emptyAnon := empty.Of("status", "RssAnon")
	if err := empty.End(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}

	g := process.New(t, options...)
	g.Run()
	began := time.Now()
	fill(t, g, each, 90)
	t.Logf("scale: %d messages in %d rooms were stored in %v", each*rooms, rooms, time.Since(began).Round(time.Second))
	if err := g.End(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	g.Run()
	start := time.Since(began)
	page, search := pages(t, g, each)
	anon := g.Of("status", "RssAnon")
	t.Logf("scale: start %v; page of 50: p50 %v, p99 %v; search by time: p50 %v, p99 %v; memory %d KiB, empty %d KiB",
		start.Round(time.Millisecond), at(page, 50), at(page, 99), at(search, 50), at(search, 99), anon, emptyAnon)
	if start > mostStart || at(page, 99) > mostPage || at(search, 99) > mostTime || anon-emptyAnon > mostAnon {
		t.Errorf("want at most %v, %v, %v, %d KiB more", mostStart, mostPage, mostTime, mostAnon)
	}
	if err := g.End(syscall.SIGKILL); err == nil {
		t.Error("the gateway survived a kill")
	}
	began = time.Now()
	g.Run()
	t.Logf("scale: start after a kill %v", time.Since(began).Round(time.Millisecond))
}

func newClient() *http.Client { return &http.Client{Timeout: process.Patience} }

func at(sorted []time.Duration, percent int) time.Duration {
	return sorted[len(sorted)*percent/100].Round(time.Microsecond)
}

func room(n int) string { return fmt.Sprint("room-", n) }

// fill publishes so many messages to each room, padded with so many bytes.
func fill(t *testing.T, g *process.Gateway, each, padding int) {
	t.Helper()
	var all sync.WaitGroup
	for p := range publishers {
		all.Go(func() {
			if err := publish(g, p, each, strings.Repeat("x", padding)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

func dial(g *process.Gateway, room string) (*gatewaytest.Socket, error) {
	conn, err := net.Dial("tcp", g.Addr)
	if err != nil {
		return nil, err
	}
	socket, answer, err := gatewaytest.Upgrade(conn, "?room="+room, nil, "Sec-WebSocket-Protocol: bearer, "+g.Token("admin", time.Hour))
	if err != nil || socket == nil {
		return nil, fmt.Errorf("handshake: %d %w", answer.Status, err)
	}
	socket.Patience = process.Patience
	return socket, nil
}

func publish(g *process.Gateway, p, each int, pad string) error {
	socket, err := dial(g, "idle")
	if err != nil {
		return err
	}
	defer func() { _ = socket.Conn.Close() }()
	sent := 0
	for n := range each {
		for r := p; r < rooms; r += publishers {
			sent++
			id := ""
			if sent%batch == 0 {
				id = fmt.Sprintf(`,"id":"%d"`, sent)
			}
			socket.Send(fmt.Sprintf(`{"type":"message","room":%q%s,"data":{"n":%d,"pad":"%s"}}`, room(r), id, n, pad))
			if id == "" {
				continue
			}
			for acked := false; !acked; {
				f, err := socket.Read()
				if err != nil {
					return err
				}
				acked = strings.Contains(string(f.Payload), `"ack"`)
			}
		}
	}
	return nil
}

// pages asks for pages from anywhere, and by any time. It checks what comes.
func pages(t *testing.T, g *process.Gateway, each int) (page, search []time.Duration) {
	t.Helper()
	const asks = 2000
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // the time of the one who asks is not the gateway.s
	client, token, r := newClient(), g.Token("admin", time.Hour), rand.New(rand.NewPCG(1, 2))
	defer client.CloseIdleConnections()
	ask := func(query string) (first uint64, ts int64, took time.Duration) {
		began := time.Now()
		a, err := gatewaytest.Ask(client, "GET", g.URL+"/rooms/"+room(r.IntN(rooms))+"/messages?"+query, token, nil)
		took = time.Since(began)
		var got struct {
			Messages []struct {
				Seq uint64
				TS  int64
			}
		}
		if err == nil {
			err = json.Unmarshal(a.Body, &got)
		}
		if err != nil || a.Status != http.StatusOK || len(got.Messages) != min(50, each) {
			t.Fatalf("%s: %d, %d messages, %v", query, a.Status, len(got.Messages), err)
		}
		if len(got.Messages) == 0 {
			return 0, 0, took
		}
		return got.Messages[0].Seq, got.Messages[0].TS, took
	}
	_, oldest, _ := ask("limit=50&after=0")
	_, newest, _ := ask("limit=50")
	for range asks {
		after := r.IntN(max(1, each-50))
		first, _, took := ask(fmt.Sprintf("limit=50&after=%d", after))
		if each > 0 && first != uint64(after)+1 {
			t.Fatalf("after %d comes %d", after, first)
		}
		page = append(page, took)
		from := oldest + r.Int64N(max(1, (newest-oldest)*9/10))
		_, ts, took := ask(fmt.Sprintf("limit=50&from=%d", from))
		if each > 0 && ts < from {
			t.Fatalf("from %d comes %d", from, ts)
		}
		search = append(search, took)
	}
	slices.Sort(page)
	slices.Sort(search)
	return page, search
}
