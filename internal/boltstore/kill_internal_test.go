package boltstore

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/storetest"
)

// killEnv names the file that the child process of a test works on.
const killEnv = "EDGEGW_TEST_KILL_STORE"

// TestKillNine kills a writing process several times and compares what it had
// acknowledged, line by line on its output, with what the file holds then.
func TestKillNine(t *testing.T) {
	if path := os.Getenv(killEnv); path != "" {
		publishForever(t, path)
		return
	}
	path := filepath.Join(t.TempDir(), "history.db")
	ledger := make(map[string]string) // room/seq → payload
	epochs := make(map[gateway.Epoch]bool)
	for round := range 6 {
		acked := runAndKill(t, "TestKillNine", path, time.Duration(60+40*round)*time.Millisecond)
		for _, line := range acked {
			where, payload, _ := strings.Cut(line, " ")
			if old, twice := ledger[where]; twice {
				t.Fatalf("%s was given twice: %q and %q", where, old, payload)
			}
			ledger[where] = payload
		}
		h := openTest(t, storetest.NewSite(), path, nil)
		if epochs[h.epoch] {
			t.Errorf("epoch %q was given twice", h.epoch)
		}
		epochs[h.epoch] = true
		checkLedger(t, h, ledger)
		checkDisk(t, h)
		if err := h.db.Close(); err != nil { // not clean either
			t.Fatal(err)
		}
	}
	if len(ledger) < 100 {
		t.Errorf("only %d messages were acknowledged", len(ledger))
	}
}

func checkLedger(t *testing.T, h *History, ledger map[string]string) {
	found := 0
	for i := range 4 {
		room := gateway.RoomID(fmt.Sprint("room-", i))
		for n, m := range storetest.All(t, h, room) {
			if m.Seq != gateway.Seq(n+1) {
				t.Fatalf("%s has seq %d in place %d", room, m.Seq, n)
			}
			want, acked := ledger[fmt.Sprint(room, "/", m.Seq)]
			if acked && want != string(m.Payload.Bytes) {
				t.Fatalf("%s/%d holds %q; %q was acknowledged", room, m.Seq, m.Payload.Bytes, want)
			}
			if acked {
				found++
			}
		}
	}
	if found != len(ledger) {
		t.Errorf("%d of %d acknowledged messages are there", found, len(ledger))
	}
}

func startSelf(test, path string, command ...string) (*exec.Cmd, io.Reader, error) {
	cmd := exec.Command(command[0], append(command[1:], "-test.run=^"+test+"$")...)
	cmd.Env = append(os.Environ(), killEnv+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	return cmd, out, cmd.Start()
}

// runAndKill runs the test in a process of its own, and returns the whole lines
// that the child wrote before it was killed.
func runAndKill(t *testing.T, test, path string, after time.Duration) []string {
	cmd, out, err := startSelf(test, path, os.Args[0])
	if errors.Is(err, syscall.ENOEXEC) {
		// A binary under an emulator that the kernel does not know.
		under := cmp.Or(os.Getenv("EDGEGW_UNDER"), "qemu-arm-static -cpu arm1176")
		cmd, out, err = startSelf(test, path, append(strings.Fields(under), os.Args[0])...)
	}
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	reader := bufio.NewReader(out)
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			break // a line without its end was not acknowledged
		}
		if len(lines) == 0 {
			time.AfterFunc(after, func() { _ = cmd.Process.Signal(syscall.SIGKILL) })
		}
		lines = append(lines, strings.TrimSpace(line))
	}
	_ = cmd.Wait() // it was killed
	return lines
}

// publishForever appends to four rooms and writes a line for each message that
// is on disk. Fills are frequent, so that kills hit them too.
func publishForever(t *testing.T, path string) {
	site := storetest.NewSite()
	slots := make(chan struct{}, 64)
	h, err := tryOpen(t, site, path, func(o *HistoryOptions) {
		o.fillRecords = 50
		o.Committed = func(recs []*gateway.Record) {
			var lines strings.Builder
			for _, rec := range recs {
				fmt.Fprintf(&lines, "%s/%d %s\n", rec.Room, rec.Message.Seq, rec.Message.Payload.Bytes)
				<-slots
			}
			os.Stdout.WriteString(lines.String())
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	go h.Run(context.Background())
	for n := 0; n < 1_000_000; n++ {
		slots <- struct{}{}
		storetest.Publish(t, h, site, gateway.RoomID(fmt.Sprint("room-", n%4)), fmt.Sprint(os.Getpid(), "-", n))
	}
}
