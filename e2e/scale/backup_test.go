package scale_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"edgegw/e2e/process"
)

// What a backup that streams may cost those who publish meanwhile: their p99 is at
// most so many times what it is without, unless it is below graceP99 anyway.
const (
	mostSlower = 3
	graceP99   = 20 * time.Millisecond
)

// While 200 MB go out as a backup, a publish with its commit and acknowledgement
// takes hardly longer.
func TestPublishDuringBackup(t *testing.T) {
	const each, padding, quietFor = 1000, 1000, 10 * time.Second
	g := process.New(t, "message_rate=0", "commit_window=0s", "max_store_bytes=4294967296", "max_rooms_per_connection=128", "log_level=info")
	g.Run()
	fill(t, g, each, padding)
	time.Sleep(2 * time.Second) // the last fills
	quiet, err := paced(g, time.After(quietFor))
	if err != nil {
		t.Fatal(err)
	}
	sent, done := int64(0), make(chan time.Time)
	began := time.Now()
	failed := make(chan error, 1)
	go func() {
		defer close(done)
		var err error
		sent, err = download(g)
		failed <- err
	}()
	during, err := paced(g, done)
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("backup: %.0f MB were streamed in %v; publish with ack: quiet p50 %v, p99 %v of %d; meanwhile p50 %v, p99 %v of %d",
		float64(sent)/1e6, took.Round(100*time.Millisecond), at(quiet, 50), at(quiet, 99), len(quiet), at(during, 50), at(during, 99), len(during))
	if limit := max(mostSlower*at(quiet, 99), graceP99); at(during, 99) > limit || len(during) < 200 {
		t.Errorf("want at most %v, of 200 or more", limit)
	}
	if info, err := os.Stat(filepath.Join(g.Dir, "history.db")); err != nil || info.Size() < each*rooms*padding {
		t.Errorf("the store was smaller than it should be: %v", err)
	}
}

// download takes a whole backup, and tells how large it was.
func download(g *process.Gateway) (int64, error) {
	r, err := http.NewRequest("GET", g.URL+"/backup", http.NoBody)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", "Bearer "+g.Token("admin", time.Hour))
	res, err := (&http.Client{Timeout: 5 * time.Minute}).Do(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("GET /backup: %s", res.Status)
	}
	return io.Copy(io.Discard, res.Body)
}

// paced publishes 100 times a second until stop, and measures how long each takes to be
// acknowledged. What it returns is sorted.
func paced(g *process.Gateway, stop <-chan time.Time) (took []time.Duration, err error) {
	socket, err := dial(g, "paced")
	if err != nil {
		return nil, err
	}
	defer func() { _ = socket.Conn.Close() }()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-stop:
			slices.Sort(took)
			return took, nil
		case <-tick.C:
		}
		began := time.Now()
		id := fmt.Sprint(began.UnixNano())
		socket.Send(fmt.Sprintf(`{"type":"message","room":"paced","id":"%s","data":%d}`, id, n))
		for acked := false; !acked; {
			f, err := socket.Read()
			if err != nil {
				return nil, err
			}
			acked = strings.Contains(string(f.Payload), `"ack"`)
		}
		took = append(took, time.Since(began))
	}
}
