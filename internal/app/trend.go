package app

import (
	"context"
	"sync"
	"time"

	"edgegw/internal/httpapi"
)

const (
	trendStep   = 5 * time.Second
	trendPoints = 180 // fifteen minutes
)

// counts are totals since the start, but for the connections of the moment.
type counts struct{ connections, received, delivered, dropped uint64 }

// point is what was in one step.
type point struct{ connections, received, delivered, dropped float64 }

// trend keeps what was lately, so that a page that is opened has a chart at once.
type trend struct {
	mu     sync.Mutex
	before counts
	ring   [trendPoints]point
	filled int // of ring
	next   int // where the next point goes
	end    time.Time
}

// add takes the totals at the end of a step that lasted for step.
func (t *trend) add(now time.Time, step time.Duration, c counts) {
	t.mu.Lock()
	defer t.mu.Unlock()
	rate := func(now, before uint64) float64 { return float64(now-before) / step.Seconds() }
	t.ring[t.next] = point{
		float64(c.connections), rate(c.received, t.before.received), rate(c.delivered, t.before.delivered), rate(c.dropped, t.before.dropped),
	}
	t.next = (t.next + 1) % trendPoints
	t.filled = min(t.filled+1, trendPoints)
	t.before, t.end = c, now
}

// newest is the last full step.
func (t *trend) newest() point {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.filled == 0 {
		return point{}
	}
	return t.ring[(t.next+trendPoints-1)%trendPoints]
}

func (t *trend) show() httpapi.Trend {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := httpapi.Trend{
		Step: trendStep.Milliseconds(), End: t.end.UnixMilli(),
		Connections: make([]float64, 0, t.filled), Received: make([]float64, 0, t.filled),
		Delivered: make([]float64, 0, t.filled), Dropped: make([]float64, 0, t.filled),
	}
	for i := range t.filled {
		p := t.ring[(t.next-t.filled+i+trendPoints)%trendPoints]
		out.Connections = append(out.Connections, p.connections)
		out.Received = append(out.Received, p.received)
		out.Delivered = append(out.Delivered, p.delivered)
		out.Dropped = append(out.Dropped, p.dropped)
	}
	return out
}

func (a *App) counts() counts {
	connections, _ := a.hub.Live()
	return counts{
		uint64(max(0, connections)), a.metrics.MessagesReceived.Value(), a.metrics.MessagesDelivered.Value(), a.metrics.MessagesDropped.Total(),
	}
}

func (a *App) runTrend(ctx context.Context, ready func()) error {
	ready()
	ticker := time.NewTicker(trendStep)
	defer ticker.Stop()
	// By the time since boot: a step of the calendar is no hour of silence.
	_, last := a.clock.Boot()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			_, now := a.clock.Boot()
			a.trend.add(a.clock.Now(), max(now-last, time.Second), a.counts())
			last = now
		}
	}
}
