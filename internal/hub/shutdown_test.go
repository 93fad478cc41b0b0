package hub_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

// shutdown runs Shutdown and returns a channel that is closed when it returns.
func (w *world) shutdown(ctx context.Context) chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.hub.Shutdown(ctx)
	}()
	synctest.Wait()
	return done
}

func returned(done chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

func retryAfter(t *testing.T, reason string) int {
	t.Helper()
	rest, ok := strings.CutPrefix(reason, "restart retry_after_ms=")
	n, err := strconv.Atoi(rest)
	if !ok || err != nil || n < 1 {
		t.Errorf("reason %q has no time to retry", reason)
	}
	return n
}

func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		fast, slow, raw := w.connect(), w.connect(), w.connect(inRaw)
		slow.frames()
		slow.socket.limit(10)
		for range 5 {
			w.publish("mem", `"waits"`)
		}
		synctest.Wait()
		done := w.shutdown(context.Background())
		if returned(done) {
			t.Fatal("it returned while somebody's messages wait")
		}
		for _, p := range []*peer{fast, raw} {
			code, reason := p.closed()
			if code != wire.CloseRestart {
				t.Errorf("closed with %d", code)
			}
			retryAfter(t, reason)
		}
		if _, err := w.admit(); gateway.CodeOf(err) != gateway.CodeUnavailable || gateway.AsError(err).RetryAfter <= 0 {
			t.Errorf("a late client: %v", err)
		}
		_, err := w.hub.Publish(t.Context(), gateway.Principal{Name: "http", Role: gateway.RoleAdmin}, "mem", "", gateway.Payload{Bytes: []byte(`"too late"`)})
		if gateway.CodeOf(err) != gateway.CodeUnavailable || gateway.AsError(err).RetryAfter <= 0 {
			t.Errorf("a late message: %v", err)
		}
		if slow.socket.isDown() {
			t.Fatal("the slow one was cut before it had its messages")
		}
		slow.socket.limit(unlimited)
		code, reason := slow.closed()
		retryAfter(t, reason)
		frames, _ := slow.stream()
		if at := ledger(t, frames)["mem"]; code != wire.CloseRestart || len(at.got) != 5 {
			t.Errorf("closed with %d after\n%s", code, texts(frames))
		}
		<-done
		<-w.shutdown(context.Background()) // again is nothing new
		if n := w.figures.closes(1012); n != 3 {
			t.Errorf("%d were counted as closed with 1012, want 3", n)
		}
	})
}

func TestShutdownOfNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		<-w.shutdown(context.Background())
	})
}

// Who takes nothing is cut when the time is up, and hears no half frame.
func TestShutdownOfTheStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		stuck := w.connect()
		stuck.frames()
		stuck.socket.limit(10)
		w.publish("mem", "1")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		<-w.shutdown(ctx)
		if d := time.Since(began); d != 3*time.Second {
			t.Errorf("it took %v", d)
		}
		synctest.Wait()
		if !stuck.socket.isDown() || !stuck.ended {
			t.Error("the stuck one lives on")
		}
		if _, rest := stuck.stream(); len(rest) != 10 {
			t.Errorf("after the beginning of a frame came % x", rest)
		}
	})
}

// The handshake may be under way when the gateway stops.
func TestShutdownBetweenAdmitAndStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p, err := w.admit()
		if err != nil {
			t.Fatal(err)
		}
		done := w.shutdown(context.Background())
		if returned(done) {
			t.Fatal("it returned while a handshake is under way")
		}
		if err := p.session.Start(p.socket); gateway.CodeOf(err) != gateway.CodeUnavailable {
			t.Errorf("start: %v", err)
		}
		code, reason := p.closed()
		retryAfter(t, reason)
		if frames, _ := p.stream(); code != wire.CloseRestart || len(frames) != 1 {
			t.Errorf("closed with %d after %d frames", code, len(frames))
		}
		<-done
	})
}

// The clients of a whole site must not come back in the same moment: each has a
// time of its own.
func TestShutdownSpreadsReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for range 200 {
			w.connect()
		}
		<-w.shutdown(context.Background())
		taken := make(map[int]bool)
		low, high := 1<<30, 0
		for _, p := range w.peers {
			_, reason := p.closed()
			n := retryAfter(t, reason)
			if taken[n] {
				t.Fatalf("two are told %d ms", n)
			}
			taken[n] = true
			low, high = min(low, n), max(high, n)
		}
		if low < 200 || high > 2200 || high-low < 700 {
			t.Errorf("200 clients return between %d and %d ms", low, high)
		}
	})
}

// What was published before the stop is committed, announced and acknowledged
// before the sockets close.
func TestShutdownSettles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		queued, fsynced := w.connect(in("lobby")), w.connect(in("fs"))
		queued.send(`{"type":"message","id":"a","data":1}`)
		fsynced.send(`{"type":"message","id":"b","data":2}`)
		synctest.Wait()
		done := w.shutdown(context.Background())
		if w.stored.flushes.Load() != 1 {
			t.Error("the history was not asked to commit at once")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if queued.socket.isDown() || fsynced.socket.isDown() {
			t.Fatal("closed before the commit")
		}
		w.stored.commit()
		<-done
		for _, p := range []*peer{queued, fsynced} {
			if code, _ := p.closed(); code != wire.CloseRestart {
				t.Errorf("closed with %d", code)
			}
			frames, _ := p.stream()
			if got := texts(frames); !strings.Contains(got, `"type":"ack"`) || !strings.Contains(got, `"type":"message"`) {
				t.Errorf("closed without the ack or the message:\n%s", got)
			}
		}
	})
}

// A history that commits nothing does not hold the stop up for long.
func TestShutdownGivesUpOnCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.connect(in("lobby"))
		p.send(`{"type":"message","id":"a","data":1}`)
		synctest.Wait()
		began := time.Now()
		<-w.shutdown(context.Background())
		if d := time.Since(began); d != 2*time.Second {
			t.Errorf("it took %v", d)
		}
		w.stored.commit()
	})
}

// A client that hangs up is no fault of the gateway's.
func TestPublisherHangsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		p := gateway.Principal{Name: "http", Role: gateway.RoleAdmin}
		_, err := w.hub.Publish(ctx, p, "lobby", "b", gateway.Payload{Bytes: []byte(`2`)})
		if gateway.CodeOf(err) != gateway.CodeUnavailable || !errors.Is(err, context.DeadlineExceeded) || gateway.AsError(err).RetryAfter <= 0 {
			t.Errorf("a publisher that waits no longer is told %v", err)
		}
		for what, err := range map[string]error{
			"a change": func() error {
				_, err := w.hub.Configure(ctx, "lobby", func(*gateway.RoomSettings) error { return nil })
				return err
			}(),
			"deleting": w.hub.Delete(ctx, "lobby"),
		} {
			if gateway.CodeOf(err) != gateway.CodeUnavailable {
				t.Errorf("%s: %v", what, err)
			}
		}
		w.stored.commit()
	})
}

// When the store has failed nobody waits for it: not who publishes, and not the end.
func TestStoreGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		client := w.connect(in("lobby"))
		client.send(`{"type":"message","id":"a","data":1}`)
		answered := make(chan error, 1)
		go func() {
			_, err := w.hub.Publish(t.Context(), gateway.Principal{Name: "http", Role: gateway.RoleAdmin}, "lobby", "b", gateway.Payload{Bytes: []byte(`2`)})
			answered <- err
		}()
		synctest.Wait()
		began := time.Now()
		w.hub.StoreGone()
		if err := <-answered; gateway.CodeOf(err) != gateway.CodeUnavailable || gateway.AsError(err).RetryAfter <= 0 {
			t.Errorf("a publisher is told %v", err)
		}
		done := w.shutdown(context.Background())
		if code, _ := client.closed(); code != wire.CloseRestart {
			t.Errorf("closed with %d", code)
		}
		<-done
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("the end took %v", took)
		}
		frames, _ := client.stream()
		if strings.Contains(texts(frames), `"ack"`) {
			t.Errorf("acknowledged:\n%s", texts(frames))
		}
	})
}
