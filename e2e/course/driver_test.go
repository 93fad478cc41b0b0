package course_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long a test waits for what has to come: longer than the longest
// wait that a client may choose by itself, and a silence on top of it.
const patience = 45 * time.Second

// event is what a driver says.
type event struct {
	Event, Room, Epoch, ID, User, Reason, How, What, State string
	RefreshToken                                           string `json:"refresh_token"`
	Seq, From, To, Replay, Count                           uint64
	Recovered                                              *bool
	Code                                                   any
	WaitMS                                                 int64  `json:"wait_ms"`
	UnixMS                                                 *int64 `json:"unix_ms"`
	Data                                                   any
	at                                                     time.Time
}

// status is the code of a closed or stopped.
func (e *event) status() int {
	n, _ := e.Code.(float64)
	return int(n)
}

// driver is a client that runs.
type driver struct {
	t      *testing.T
	cmd    *exec.Cmd
	in     io.WriteCloser
	stderr bytes.Buffer
	gone   chan struct{}

	mu      sync.Mutex
	events  []event
	changed chan struct{} // closed at the next event
	unread  []string      // lines that are no events
}

// drive starts the driver with variables "NAME=value". It is killed when the test
// ends, if it has not stopped.
func drive(t *testing.T, variables ...string) *driver {
	t.Helper()
	d := &driver{t: t, gone: make(chan struct{}), changed: make(chan struct{})}
	words := strings.Fields(os.Getenv(driverVariable))
	d.cmd = exec.Command(words[0], words[1:]...)
	d.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, variables...)
	d.cmd.Stderr = &d.stderr
	out, err := d.cmd.StdoutPipe()
	if err == nil {
		d.in, err = d.cmd.StdinPipe()
	}
	if err == nil {
		err = d.cmd.Start()
	}
	if err != nil {
		t.Fatalf("starting the driver: %v", err)
	}
	go d.read(out)
	t.Cleanup(func() {
		_ = d.cmd.Process.Kill()
		<-d.gone
		if t.Failed() {
			t.Logf("the driver's events:\n%s\nits standard error:\n%s", d.tail(60), &d.stderr)
		}
	})
	return d
}

func (d *driver) read(out io.Reader) {
	defer close(d.gone)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<22)
	for lines.Scan() {
		e := event{at: time.Now()}
		err := json.Unmarshal(lines.Bytes(), &e)
		d.mu.Lock()
		if err != nil || e.Event == "" {
			d.unread = append(d.unread, lines.Text())
		} else {
			d.events = append(d.events, e)
		}
		close(d.changed)
		d.changed = make(chan struct{})
		d.mu.Unlock()
	}
	_, _ = io.Copy(io.Discard, out)
	_ = d.cmd.Wait()
}

// tail is the last n events as text.
func (d *driver) tail(n int) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var b strings.Builder
	for _, e := range d.events[max(0, len(d.events)-n):] {
		fmt.Fprintf(&b, "%s %s room=%s id=%s seq=%d from=%d to=%d code=%v reason=%s how=%s wait=%d\n", e.at.Format("05.000"), e.Event, e.Room, e.ID, e.Seq, e.From, e.To, e.Code, e.Reason, e.How, e.WaitMS)
	}
	for _, line := range d.unread {
		fmt.Fprintf(&b, "no event: %s\n", line)
	}
	return b.String()
}

// say sends a command.
func (d *driver) say(command map[string]any) {
	b, err := json.Marshal(command)
	if err != nil {
		panic(err) // strings and numbers can be encoded
	}
	_, _ = d.in.Write(append(b, '\n'))
}

// publish publishes data in the default room.
func (d *driver) publish(id string, data any) {
	d.say(map[string]any{"do": "publish", "id": id, "data": data})
}

// of returns the events of a name so far.
func (d *driver) of(name string) (list []event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.events {
		if e.Event == name {
			list = append(list, e)
		}
	}
	return list
}

// await waits until n events of the name have come, and returns the n-th.
func (d *driver) await(name string, n int) event {
	d.t.Helper()
	return d.awaitThat(name, n, func(*event) bool { return true })
}

// awaitThat is await for events that are so.
func (d *driver) awaitThat(name string, n int, so func(*event) bool) event {
	d.t.Helper()
	deadline := time.After(patience)
	for {
		d.mu.Lock()
		changed, left := d.changed, n
		for i := range d.events {
			if e := &d.events[i]; e.Event == name && so(e) {
				if left--; left == 0 {
					d.mu.Unlock()
					return *e
				}
			}
		}
		d.mu.Unlock()
		select {
		case <-changed:
		case <-d.gone:
			d.t.Fatalf("the driver ended before the %d. %s", n, name)
		case <-deadline:
			d.t.Fatalf("the %d. %s did not come in %v", n, name, patience)
		}
	}
}

// ended waits for the end of the driver, and returns its exit code.
func (d *driver) ended() int {
	d.t.Helper()
	select {
	case <-d.gone:
	case <-time.After(patience):
		d.t.Fatal("the driver did not end")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.unread) > 0 {
		d.t.Errorf("the driver said what is no event: %s", strings.Join(d.unread, "\n"))
	}
	return d.cmd.ProcessState.ExitCode()
}

// stop tells the driver to end, which it has to do well and soon.
func (d *driver) stop() {
	d.t.Helper()
	told := time.Now()
	d.say(map[string]any{"do": "stop"})
	if code := d.ended(); code != 0 {
		d.t.Errorf("the driver ended with %d, want 0", code)
	}
	if took := time.Since(told); took > 10*time.Second {
		d.t.Errorf("the driver took %v to stop", took)
	}
}

// kill takes the power from the device.
func (d *driver) kill() {
	_ = d.cmd.Process.Kill()
	<-d.gone
}
