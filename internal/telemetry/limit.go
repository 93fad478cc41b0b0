package telemetry

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// limiter is a handler that cuts floods of given events. Nothing is lost to the
// operator: the metrics count every event, and a line says how many were cut.
type limiter struct {
	next  slog.Handler
	event string // of the attributes added by WithAttrs
	flood *flood // shared by all handlers made from one
}

type flood struct {
	out       slog.Handler // without the attributes of any line
	perSecond int
	windows   map[string]*window // read-only map; the windows guard themselves
	// owed is how many windows have something to summarise. Lines of other
	// events look at nothing else.
	owed atomic.Int32
}

// window counts the lines of one event in the present second.
type window struct {
	mu    sync.Mutex
	start time.Time
	seen  int
	left  int // not written
	level slog.Level
}

func newLimiter(next slog.Handler, events []string, perSecond int) *limiter {
	f := &flood{out: next, perSecond: perSecond, windows: make(map[string]*window, len(events))}
	for _, e := range events {
		f.windows[e] = &window{}
	}
	return &limiter{next: next, flood: f}
}

func (h *limiter) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

func (h *limiter) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &limiter{next: h.next.WithAttrs(attrs), event: eventOf(h.event, slices.Values(attrs)), flood: h.flood}
}

func (h *limiter) WithGroup(name string) slog.Handler {
	return &limiter{next: h.next.WithGroup(name), event: h.event, flood: h.flood}
}

func (h *limiter) Handle(ctx context.Context, r slog.Record) error {
	if h.flood.owed.Load() > 0 {
		h.summarise(r.Time)
	}
	w, ok := h.flood.windows[eventOf(h.event, r.Attrs)]
	if ok && !h.admit(w, r) {
		return nil
	}
	return h.next.Handle(ctx, r)
}

// eventOf finds the event among attributes; given is the one known so far.
func eventOf(given string, attrs func(func(slog.Attr) bool)) string {
	for a := range attrs {
		if a.Key == KeyEvent {
			given = a.Value.String()
		}
	}
	return given
}

// admit reports whether the line may be written.
func (h *limiter) admit(w *window, r slog.Record) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over(r.Time) && w.left == 0 {
		w.start, w.seen = r.Time, 0
	}
	w.seen++
	if w.seen <= h.flood.perSecond {
		return true
	}
	if w.left == 0 {
		h.flood.owed.Add(1)
		w.level = r.Level
	}
	w.left++
	w.level = max(w.level, r.Level)
	return false
}

// over reports whether now is outside the window; a clock set back ends it too.
func (w *window) over(now time.Time) bool {
	return now.Sub(w.start) >= time.Second || now.Before(w.start)
}

// summarise writes a line for each window that is over and left something out.
func (h *limiter) summarise(now time.Time) {
	for event, w := range h.flood.windows {
		w.mu.Lock()
		left, level := w.left, w.level
		if left == 0 || !w.over(now) {
			w.mu.Unlock()
			continue
		}
		w.start, w.seen, w.left = now, 0, 0
		h.flood.owed.Add(-1)
		w.mu.Unlock()

		r := slog.NewRecord(now, level, "similar lines were left out", 0)
		r.AddAttrs(slog.String(KeyEvent, event), slog.Int("left_out", left))
		// A handler that cannot write has nobody to tell.
		_ = h.flood.out.Handle(context.Background(), r)
	}
}
