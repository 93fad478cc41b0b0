package attack_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"edgegw/e2e/process"
)

// crowdVariable makes the test binary a crowd.
const crowdVariable = "EDGEGW_ATTACK_CROWD"

// crowd is many clients at once, in a process of its own that gets the time which
// others leave: clients have processors of their own, and here they shall take
// neither the gateway's nor that of whoever measures.
type crowd struct {
	Addr, Path string
	// Bodies are posted once each, over a number of connections; or with Over
	// the first of them again and again until the crowd's standard input ends.
	Bodies      []string
	Connections int
	Over        bool
}

// deed is what a crowd has done.
type deed struct {
	Took     time.Duration
	Answers  []map[string]any // bodies of 200, by the place of their request
	OK, Busy int
	Problems []string

	mu sync.Mutex
}

// crowdMain is the other process.
func crowdMain() int {
	in := json.NewDecoder(os.Stdin)
	var c crowd
	if err := in.Decode(&c); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	d := &deed{Answers: make([]map[string]any, len(c.Bodies))}
	stop := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(stop)
	}()
	next := make(chan int, len(c.Bodies))
	for i := range c.Bodies {
		next <- i
	}
	close(next)
	g := &gateway{Gateway: &process.Gateway{Addr: c.Addr}, hidden: newVault()}
	began := time.Now()
	var wg sync.WaitGroup
	for i := range c.Connections {
		wg.Go(func() {
			l, err := g.dial()
			if err != nil {
				d.note(0, answer{}, err)
				return
			}
			defer func() { _ = l.Close() }()
			if c.Over {
				d.press(l, uint64(i), g.post(c.Path, c.Bodies[0]), stop)
				return
			}
			for i := range next {
				a, err := l.ask(g.post(c.Path, c.Bodies[i]))
				d.note(i, a, err)
			}
		})
	}
	wg.Wait()
	d.Took = time.Since(began)
	if err := json.NewEncoder(os.Stdout).Encode(d); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// press asks the same over and over. When it is sent away it waits a little, less
// than it was asked to.
func (d *deed) press(l *line, seed uint64, request string, stop <-chan struct{}) {
	r := seeded(seed)
	for deadline := time.Now().Add(2 * patience); time.Now().Before(deadline); {
		a, err := l.ask(request)
		if d.note(0, a, err); err != nil {
			return
		}
		select {
		case <-stop:
			return
		case <-time.After(250*time.Millisecond + time.Duration(r.Int64N(int64(500*time.Millisecond)))):
		}
	}
}

// note counts an answer: it is 200, or 503 busy with a time to come back.
func (d *deed) note(i int, a answer, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	wait, _ := strconv.Atoi(a.Header.Get("Retry-After"))
	switch {
	case err == nil && a.Status == http.StatusOK:
		d.OK++
		d.Answers[i] = a.JSON()
	case err == nil && a.Status == http.StatusServiceUnavailable && a.Code() == "busy" && wait >= 1:
		d.Busy++
	default:
		d.Problems = append(d.Problems, fmt.Sprintf("%d %s, Retry-After %q, %v", a.Status, a.Code(), a.Header.Get("Retry-After"), err))
	}
}

// gather starts a crowd. What is returned ends it, and waits for what it did.
func (g *gateway) gather(c crowd) (end func() *deed) {
	g.t.Helper()
	c.Addr = g.Addr
	cmd := exec.CommandContext(g.t.Context(), "nice", "-n", "15", os.Args[0])
	cmd.Env = append(process.Environment(), crowdVariable+"=yes")
	cmd.Stderr = os.Stderr
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		g.t.Fatal(err1, err2)
	}
	if err := cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	if err := json.NewEncoder(in).Encode(c); err != nil {
		g.t.Fatal(err)
	}
	return func() *deed {
		if c.Over {
			_ = in.Close()
		}
		d := &deed{}
		if err := json.NewDecoder(out).Decode(d); err != nil {
			g.t.Errorf("a crowd: %v", err)
		}
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			g.t.Errorf("a crowd: %v", err)
		}
		for _, p := range d.Problems[:min(len(d.Problems), 5)] {
			g.t.Errorf("%s, one of %d such answers: %s", c.Path, len(d.Problems), p)
		}
		for _, a := range d.Answers {
			g.hidden.hideAnswer(a)
		}
		return d
	}
}

// atOnce posts every body once, over 64 connections.
func (g *gateway) atOnce(t *testing.T, path string, bodies []string) *deed {
	t.Helper()
	d := g.gather(crowd{Path: path, Bodies: bodies, Connections: 64})()
	if d.OK != len(bodies) {
		t.Errorf("%s: %d of %d were answered well", path, d.OK, len(bodies))
	}
	return d
}
