package webhook

import (
	"context"
	"log/slog"
	"time"

	"edgegw/internal/telemetry"
)

// deliver tries until the receiver has the code, refuses it, or there is no point
// in it any more.
func (s *Sender) deliver(running context.Context, j job) {
	ctx, cancel := context.WithTimeout(running, s.patience)
	defer cancel()
	for tries := 1; ; tries++ {
		left := j.expires.Sub(s.now())
		if left < time.Second {
			s.failed(j, &failure{reason: "expired"}, tries-1)
			return
		}
		status, f := s.post(ctx, j, left)
		if f == nil {
			s.log(slog.LevelInfo, "a reset code was handed to the webhook", eventDelivered, j, "status", status, "tries", tries)
			return
		}
		again := f.again && tries <= len(s.pauses) && running.Err() == nil && s.pause(ctx, j, f, max(s.pauses[tries-1], f.after))
		switch {
		case running.Err() != nil:
			s.dropped(j)
			return
		case !again:
			s.failed(j, f, tries)
			return
		}
	}
}

// pause waits before the next try, or reports that there will be none.
func (s *Sender) pause(ctx context.Context, j job, f *failure, d time.Duration) bool {
	if d >= j.expires.Sub(s.now()) {
		return false
	}
	s.log(slog.LevelWarn, "a reset code could not be handed to the webhook; it is tried again", eventRetried, j,
		append(f.attrs(), "retry_in", d.Seconds())...)
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// failed says that the code is given up.
func (s *Sender) failed(j job, f *failure, tries int) {
	s.log(slog.LevelWarn, "a reset code was not delivered; check the webhook's receiver, then ask again or have an administrator issue one",
		eventFailed, j, append(f.attrs(), "tries", tries)...)
}

// failure is why a try did not hand the code over.
type failure struct {
	reason string // one stable word
	detail string // what the machine said, or ""
	status int    // of the answer, or 0
	// again says that another try may go better, but not before after has
	// passed.
	again bool
	after time.Duration
}

// attrs are what the log says about it.
func (f *failure) attrs() []any {
	attrs := []any{telemetry.KeyReason, f.reason}
	if f.status != 0 {
		attrs = append(attrs, "status", f.status)
	}
	if f.detail != "" {
		attrs = append(attrs, telemetry.KeyError, f.detail)
	}
	return attrs
}
