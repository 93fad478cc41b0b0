package app

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"edgegw/internal/hub"
)

const (
	// pressureEvery is how often the pressure is looked at.
	pressureEvery = time.Second
	// calmLooks is how many looks in a row have to find less pressure until
	// the level falls, by one; each further one lets it fall again.
	calmLooks = 3
	// calmShare is how far below the threshold of a level its input has to
	// fall, in parts of the whole.
	calmShare = 0.1
)

// rungs are the thresholds of the levels 1, 2 and 3 in parts of the whole; no
// threshold is more than the whole.
type rungs [hub.PressureConnections]float64

// never is a threshold that nothing reaches.
const never = 1e9

var memoryRungs = rungs{0.75, 0.85, 0.92}

// pressureRungs says when which input puts the gateway under which pressure.
// Messages that the disk does not take hold their publishers up, and that is
// enough: nobody else is sent away for it. A full disk takes no reads and no
// sockets away.
var pressureRungs = []struct {
	name  string
	rungs rungs
	share func(*load) float64
}{
	{"memory", memoryRungs, func(l *load) float64 { return l.memory }},
	{"send queues", rungs{0.2, 0.3, 0.4}, func(l *load) float64 { return l.waiting }},
	{"store queue", rungs{0.5, 0.8, never}, func(l *load) float64 { return l.backlog }},
	{"disk", rungs{1, never, never}, func(l *load) float64 { return l.disk }},
}

// load is how much is in use, in parts of what there is.
type load struct {
	memory  float64 // live heap and stacks, of the memory limit
	waiting float64 // what waits for sockets, of the same
	backlog float64 // what waits for the disk, of what may
	disk    float64 // the free space that there should be, of what there is
}

// ladder turns looks at the load into a level. It rises at once, and falls
// slowly: what was shed comes back only when that does not bring the pressure
// back with it.
type ladder struct {
	level hub.Pressure
	calm  int // looks in a row that asked for less
}

// step takes one look.
func (l *ladder) step(now *load) hub.Pressure {
	wanted := hub.PressureNone
	for _, in := range pressureRungs {
		wanted = max(wanted, in.rungs.level(in.share(now), l.level))
	}
	switch {
	case wanted >= l.level:
		l.level, l.calm = wanted, 0
	case l.calm+1 < calmLooks:
		l.calm++
	default:
		l.level--
	}
	return l.level
}

// level is that of an input when the present one is held: levels that are
// reached already are left later than they are entered.
func (r *rungs) level(share float64, held hub.Pressure) hub.Pressure {
	for level := hub.PressureConnections; level > hub.PressureNone; level-- {
		threshold := r[level-1]
		if level <= held {
			threshold -= calmShare
		}
		if share >= threshold {
			return level
		}
	}
	return hub.PressureNone
}

// causes names the inputs that are over their first threshold, or about to be.
func (l *load) causes() string {
	var names []string
	for _, in := range pressureRungs {
		if in.share(l) >= in.rungs[0]-calmShare {
			names = append(names, in.name)
		}
	}
	return strings.Join(names, ", ")
}

// pressure is the gateway's ladder and what it stands on.
type pressure struct {
	ladder    ladder
	memory    memory
	collector collector
	// shown is what health tells.
	shown atomic.Pointer[string]
}

// text is what the pressure is and what is done about it, or "ok".
func (p *pressure) text() string {
	if s := p.shown.Load(); s != nil {
		return *s
	}
	return "ok"
}

// shed says what the gateway does without at each level.
var shed = [...]string{
	hub.PressureNone:        "",
	hub.PressureEphemeral:   "typing and presence are not sent",
	hub.PressureReplays:     "typing and presence are not sent, replays are short",
	hub.PressureConnections: "typing and presence are not sent, replays are short, new connections are sent away",
}

// runPressure looks at the load and has the hub shed what is too much.
func (a *App) runPressure(ctx context.Context, ready func()) error {
	ready()
	ticker := time.NewTicker(pressureEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			a.lookAtLoad()
		}
	}
}

func (a *App) lookAtLoad() {
	a.history.SpaceLook()
	p := &a.pressure
	before := p.ladder.level
	now := a.load()
	level := p.ladder.step(&now)
	p.collector.look(memoryRungs.level(now.memory, level) == hub.PressureNone)
	text := "ok"
	if level > hub.PressureNone {
		text = fmt.Sprintf("level %d (%s): %s", level, cmp.Or(now.causes(), "falling"), shed[level])
	}
	p.shown.Store(&text)
	if level == before {
		return
	}
	a.hub.SetPressure(level)
	log := a.logger.Info
	if level > before {
		log = a.logger.Warn
	}
	log("pressure has changed", "event", "pressure", "level_before", int(before), "level_now", int(level), "reason", now.causes(),
		"memory_percent", percent(now.memory), "send_queues_percent", percent(now.waiting), "store_queue_percent", percent(now.backlog))
}

func percent(share float64) int { return int(share * 100) }

// load looks at everything that can run out.
func (a *App) load() load {
	used, limit := a.pressure.memory.look()
	backlog, most := a.history.Backlog()
	l := load{
		memory: share(used, limit), waiting: share(a.hub.WaitingBytes(), limit),
		backlog: share(int64(backlog), int64(most)),
	}
	if free := a.diskFree(); free >= 0 {
		l.disk = share(lowDiskBytes, free)
	}
	return l
}

func share(used, whole int64) float64 { return float64(used) / float64(max(1, whole)) }
