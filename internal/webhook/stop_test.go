package webhook_test

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/webhook"
)

// TestFullQueue fills the queue of a sender that does not run.
func TestFullQueue(t *testing.T) {
	r := newReceiver(t, nil)
	w := newWorld(t, r.URL)
	begun := time.Now()
	for range webhook.QueueLength {
		w.ask("bob", halfHour)
	}
	if w.log.String() != "" {
		t.Errorf("dropped below the limit:\n%s", w.log)
	}
	w.ask("eve", halfHour)
	if took := time.Since(begun); took > time.Second {
		t.Errorf("the one who asks waited %v", took)
	}
	w.wantLine("webhook_dropped", map[string]any{"user": "eve", "reason": "queue_full", "level": "WARN"})
}

// TestStop ends the sender in each thing that it can be at.
func TestStop(t *testing.T) {
	stop := make(chan struct{})
	slow := newReceiver(t, func(int, http.ResponseWriter, *http.Request) { <-stop })
	broken := newReceiver(t, status(500))
	t.Cleanup(func() { close(stop) })
	tests := []struct {
		name, url string
		users     []gateway.AccountName
		busy      func(w *world)
	}{
		{"ok idle", slow.URL, nil, func(*world) {}},
		{"ok while it waits for an answer", slow.URL, []gateway.AccountName{"bob", "eve"}, func(w *world) {
			for deadline := time.Now().Add(5 * time.Second); len(slow.got()) == 0 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			}
		}},
		{"ok in a pause", broken.URL, []gateway.AccountName{"bob", "eve"}, func(w *world) { w.lines("webhook_retried", 1) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.url)
			w.Hurry(time.Minute)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- w.Run(ctx) }()
			for _, user := range tt.users {
				w.ask(user, halfHour)
			}
			tt.busy(w)
			begun := time.Now()
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
			if took := time.Since(begun); took > time.Second {
				t.Errorf("stopped after %v", took)
			}
			var dropped []gateway.AccountName
			for _, line := range w.log.of(t, "webhook_dropped") {
				dropped = append(dropped, gateway.AccountName(line["user"].(string)))
			}
			if !slices.Equal(dropped, tt.users) {
				t.Errorf("dropped %v, want %v:\n%s", dropped, tt.users, w.log)
			}
			if n := len(w.log.of(t, "webhook_failed")); n != 0 {
				t.Errorf("the receiver is blamed:\n%s", w.log)
			}
		})
	}
}

// TestSilentReceiver waits for the timeout of one try.
func TestSilentReceiver(t *testing.T) {
	t.Parallel()
	stop := make(chan struct{})
	r := newReceiver(t, func(int, http.ResponseWriter, *http.Request) { <-stop })
	t.Cleanup(func() { close(stop) })
	w := newWorld(t, r.URL)
	w.Hurry()
	w.run()
	begun := time.Now()
	w.ask("bob", halfHour)
	w.wantLine("webhook_failed", map[string]any{"reason": "timeout"})
	if took := time.Since(begun); took < webhook.TryTimeout-time.Second || took > webhook.TryTimeout+3*time.Second {
		t.Errorf("gave up after %v, want %v", took, webhook.TryTimeout)
	}
}

// TestPatience: a receiver that asks for more and more time does not hold up the
// codes that wait behind.
func TestPatience(t *testing.T) {
	r := newReceiver(t, status(500, 200))
	w := newWorld(t, r.URL)
	w.Hurry(time.Minute)
	w.Lose(100 * time.Millisecond)
	w.run()
	w.ask("bob", halfHour)
	w.ask("eve", halfHour)
	w.wantLine("webhook_failed", map[string]any{"user": "bob", "reason": "unavailable", "status": 500.0, "tries": 1.0})
	w.wantLine("webhook_delivered", map[string]any{"user": "eve"})
}
