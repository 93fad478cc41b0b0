package webhook_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestExpiredCodeIsNotSent lets codes expire in each thing that can happen to them.
func TestExpiredCodeIsNotSent(t *testing.T) {
	t.Parallel()
	t.Run("ok while it waited", func(t *testing.T) {
		r := newReceiver(t, nil)
		w := newWorld(t, r.URL)
		w.ask("bob", time.Minute)
		w.step.Store(int64(time.Minute))
		w.run()
		w.wantLine("webhook_failed", map[string]any{"reason": "expired", "tries": 0.0})
		if len(r.got()) != 0 {
			t.Error("it was sent")
		}
	})
	t.Run("ok between two tries", func(t *testing.T) {
		r := newReceiver(t, status(500))
		w := newWorld(t, r.URL)
		w.Hurry(300 * time.Millisecond)
		w.run()
		w.ask("bob", halfHour)
		w.lines("webhook_retried", 1)
		w.step.Store(int64(halfHour))
		w.wantLine("webhook_failed", map[string]any{"reason": "expired", "tries": 1.0})
		if len(r.got()) != 1 {
			t.Error("it was sent again")
		}
	})
	t.Run("ok pause would be longer than its life", func(t *testing.T) {
		r := newReceiver(t, status(500))
		w := newWorld(t, r.URL)
		w.Hurry(time.Hour)
		w.run()
		w.ask("bob", halfHour)
		w.wantLine("webhook_failed", map[string]any{"reason": "unavailable", "tries": 1.0})
	})
	t.Run("ok while the receiver thinks", func(t *testing.T) {
		stop := make(chan struct{})
		r := newReceiver(t, func(int, http.ResponseWriter, *http.Request) { <-stop })
		t.Cleanup(func() { close(stop) })
		w := newWorld(t, r.URL)
		w.run()
		begun := time.Now()
		w.ask("bob", 1500*time.Millisecond)
		w.wantLine("webhook_failed", map[string]any{"reason": "timeout", "tries": 1.0})
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("it was held open for %v", took)
		}
	})
	t.Run("ok the rest of its life is told", func(t *testing.T) {
		r := newReceiver(t, nil)
		w := newWorld(t, r.URL)
		w.ask("bob", halfHour+500*time.Millisecond)
		w.step.Store(int64(10 * time.Minute))
		w.run()
		w.lines("webhook_delivered", 1)
		if body := r.got()[0].body; !strings.HasSuffix(body, `"expires_in":1200}`) {
			t.Errorf("got %s", body)
		}
	})
}
