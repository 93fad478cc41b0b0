package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// readyLimit bounds a start, and a stop.
const readyLimit = 15 * time.Second

// runStart starts the server --connections times and measures the time until
// GET /readyz answers 200, and what it holds once it has settled.
func runStart(b *bench) error {
	if len(b.opt.args) == 0 || b.opt.connections < 1 {
		return errors.New("start needs the server's command behind --")
	}
	if b.opt.tls { // the server speaks TLS too; it is ready when it says so without
		b.out.Row = b.command + "-tls"
	}
	var ready, rss, anon, pss []float64
	for range b.opt.connections {
		took, mem, err := b.startOnce()
		if err != nil {
			return err
		}
		ready = append(ready, float64(took)/1e6)
		rss = append(rss, float64(mem.rss)/(1<<20))
		anon = append(anon, float64(mem.anon)/(1<<20))
		pss = append(pss, float64(mem.pss)/(1<<20))
	}
	b.out.Figures["ready_ms"] = median(ready)
	b.out.Figures["rss_mib"] = median(rss)
	b.out.Figures["anon_mib"] = median(anon)
	b.out.Figures["pss_mib"] = median(pss)
	return b.out.print()
}

func (b *bench) startOnce() (time.Duration, memory, error) {
	cmd := exec.Command(b.opt.args[0], b.opt.args[1:]...)
	cmd.Stderr = os.Stderr
	from := b.now()
	if err := cmd.Start(); err != nil {
		return 0, memory{}, err
	}
	took, err := b.awaitReady(from)
	var mem memory
	if err == nil {
		time.Sleep(b.opt.settle)
		mem, err = memoryOf(cmd.Process.Pid)
	}
	return took, mem, errors.Join(err, stop(cmd))
}

// awaitReady polls, each time on a new connection, as a service manager would.
func (b *bench) awaitReady(from int64) (time.Duration, error) {
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	last := errors.New("not asked")
	for b.now() < from+int64(readyLimit) {
		// Connecting first is much cheaper than a failing request.
		nc, err := net.DialTimeout("tcp", b.opt.addr, time.Second)
		if err == nil {
			_ = nc.Close()
			var resp *http.Response
			if resp, err = client.Get("http://" + b.opt.addr + "/readyz"); err == nil {
				_ = resp.Body.Close()
				if resp.StatusCode == http.StatusOK {
					return time.Duration(b.now() - from), nil
				}
				err = errors.New(resp.Status)
			}
		}
		last = err
		time.Sleep(200 * time.Microsecond)
	}
	return 0, fmt.Errorf("not ready after %s: %w", readyLimit, last)
}

// stop asks the process to end and insists when it does not.
func stop(cmd *exec.Cmd) error {
	_ = cmd.Process.Signal(syscall.SIGTERM)
	timer := time.AfterFunc(readyLimit, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	err := cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && !exit.Exited() && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGTERM {
		return nil // a server without a handler for it
	}
	return err
}

// runAwait waits for a server that somebody else has started.
func runAwait(b *bench) error {
	_, err := b.awaitReady(b.now())
	return err
}

// runFreePort prints an address that nobody listens on right now.
func runFreePort(*bench) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr())
	return ln.Close()
}
