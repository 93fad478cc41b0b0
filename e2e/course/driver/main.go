// Command driver is the Go client in the fault course: it does what it is told on
// standard input, and tells on standard output what has happened. README.md of the
// course says how.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	client "edgegw/firmware-clients/go"
)

// lineBytes bounds a command.
const lineBytes = 1 << 20

func main() { os.Exit(run()) }

func run() int {
	o, err := options()
	if err != nil {
		fmt.Fprintln(os.Stderr, "driver:", err)
		return 2
	}
	out := &printer{enc: json.NewEncoder(os.Stdout)}
	o.Handle = out.event
	o.Login.Save = func(refresh string) { out.print(fields{"event": "login", "refresh_token": refresh}) }
	c, err := client.New(o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "driver:", err)
		return 2
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	bad := make(chan error, 1)
	go func() {
		err := obeyAll(ctx, c, out)
		bad <- err
		stop()
	}()
	err = c.Run(ctx)
	if ctx.Err() == nil {
		var closed *client.CloseError
		code := 0
		if errors.As(err, &closed) {
			code = closed.Code
		}
		out.print(fields{"event": "stopped", "code": code, "reason": err.Error()})
		return 3
	}
	if err := <-bad; err != nil {
		fmt.Fprintln(os.Stderr, "driver:", err)
		return 2
	}
	return 0
}

func options() (o client.Options, err error) {
	o = client.Options{
		URL: os.Getenv("COURSE_URL"), Room: os.Getenv("COURSE_ROOM"),
		Login: client.Login{
			DeviceKey: os.Getenv("COURSE_DEVICE_KEY"), Username: os.Getenv("COURSE_USER"),
			Password: os.Getenv("COURSE_PASSWORD"), RefreshToken: os.Getenv("COURSE_REFRESH"),
		},
	}
	if at := os.Getenv("COURSE_CLOCK"); at != "" {
		n, err := strconv.ParseInt(at, 10, 64)
		if err != nil {
			return o, err
		}
		o.Clock = shifted{time.Until(time.Unix(n, 0))}
	}
	if ms := os.Getenv("COURSE_TIMEOUT_MS"); ms != "" {
		n, err := strconv.Atoi(ms)
		if err != nil {
			return o, err
		}
		o.Timeout = time.Duration(n) * time.Millisecond
	}
	if ca := os.Getenv("COURSE_CA"); ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return o, err
		}
		o.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
		if !o.TLS.RootCAs.AppendCertsFromPEM(pem) {
			return o, fmt.Errorf("%s holds no certificate", ca)
		}
	}
	return o, nil
}

// command is one line of standard input.
type command struct {
	Do, ID, Room, State string
	Data                json.RawMessage
}

// obeyAll returns nil when it was told to stop.
func obeyAll(ctx context.Context, c *client.Client, out *printer) error {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, lineBytes)
	for lines.Scan() {
		var cmd command
		if err := json.Unmarshal(lines.Bytes(), &cmd); err != nil {
			return fmt.Errorf("%s: %w", lines.Bytes(), err)
		}
		if cmd.Do == "stop" {
			return nil
		}
		if err := obey(ctx, c, out, &cmd); err != nil {
			return fmt.Errorf("%s: %w", lines.Bytes(), err)
		}
	}
	return lines.Err()
}

func obey(ctx context.Context, c *client.Client, out *printer, cmd *command) error {
	switch cmd.Do {
	case "publish":
		p, err := c.Send(ctx, "", cmd.ID, cmd.Data)
		if err != nil {
			return err
		}
		go out.receipt(ctx, cmd.ID, p)
	case "subscribe":
		return c.Subscribe(cmd.Room, nil, false)
	case "typing":
		c.Typing(os.Getenv("COURSE_ROOM"), cmd.State == "start")
	case "time":
		f := fields{"event": "time", "unix_ms": nil}
		if now, known := c.ServerTime(); known {
			f["unix_ms"] = now.UnixMilli()
		}
		out.print(f)
	default:
		return errors.New("unknown command")
	}
	return nil
}

type fields map[string]any

// printer prints events, a line each.
type printer struct {
	mu  sync.Mutex
	enc *json.Encoder
}

func (p *printer) print(f fields) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.enc.Encode(f)
}

// receipt tells how a publication ended, unless the driver was stopped before.
func (p *printer) receipt(ctx context.Context, id string, sent *client.Publication) {
	r, err := sent.Wait()
	switch {
	case err == nil:
		p.print(fields{"event": "ack", "id": id, "seq": r.Seq})
	case ctx.Err() == nil:
		p.print(fields{"event": "failed", "id": id, "code": err.Error()})
	}
}

func (p *printer) event(e client.Event) {
	switch e := e.(type) {
	case client.Connected:
		p.print(fields{"event": "connected", "room": e.Room})
	case client.Subscribed:
		p.print(fields{"event": "subscribed", "room": e.Room, "epoch": e.Epoch, "seq": e.Seq, "recovered": e.Recovered, "replay": e.Replay})
	case client.Message:
		f := fields{"event": "message", "room": e.Room, "seq": e.Seq, "user": e.User, "data": e.Data}
		if e.ID != "" {
			f["id"] = e.ID
		}
		if e.Encoding != "" {
			f["encoding"] = e.Encoding
		}
		p.print(f)
	case client.Lost:
		name := "lost"
		if e.Reason != client.LostNotRecovered && e.Reason != client.LostPurged {
			name = "gap"
		}
		p.print(fields{"event": name, "room": e.Room, "from": e.From, "to": e.To, "reason": e.Reason})
	case client.Typing:
		p.print(fields{"event": "typing", "room": e.Room, "user": e.User, "state": map[bool]string{true: "start", false: "stop"}[e.Active]})
	case client.Presence:
		p.print(fields{"event": "presence", "room": e.Room, "user": e.User, "what": map[bool]string{true: "join", false: "leave"}[e.Joined], "count": e.Count})
	case client.Disconnected:
		wait := e.Wait.Milliseconds()
		if e.Wait == 0 {
			wait = -1 // it does not come back
		}
		p.print(fields{"event": "closed", "code": codeOf(e.Err), "reason": e.Err.Error(), "wait_ms": wait})
	}
}

// codeOf is the close code, the status of a refusal, or 0.
func codeOf(err error) int {
	var closed *client.CloseError
	var refused *client.Error
	switch {
	case errors.As(err, &closed):
		return closed.Code
	case errors.As(err, &refused):
		return refused.Status
	}
	return 0
}

// shifted is a clock that COURSE_CLOCK sets wrong: Unix seconds at the start. Go
// asks the kernel for the time, so nothing outside of it can.
type shifted struct{ by time.Duration }

// Now goes on evenly from the wrong time.
func (s shifted) Now() time.Time { return time.Now().Add(s.by) }

// AfterFunc is that of the system's clock.
func (shifted) AfterFunc(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop }
