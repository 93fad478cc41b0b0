package doctor

import (
	"context"
	"path/filepath"
	"time"

	"edgegw/internal/clock"
)

// tolerance is how far clocks may be apart before anybody is told.
const tolerance = 2 * time.Minute

func clockState(_ context.Context, m *Machine) (list []Finding) {
	stamp := m.Now.UTC().Format(time.RFC3339)
	switch {
	case m.Now.Before(clock.Earliest()):
		list = append(list, found(Problem, "set it: `timedatectl set-ntp true` where there is a time server, else `timedatectl set-time`, or `edgegw clock set TIME`", "the system's clock says %s, which cannot be", stamp))
	case !m.Synced && m.Gateway.Clock != "synced":
		list = append(list, found(Warning, "`timedatectl set-ntp true` where there is a time server; without one `edgegw clock set TIME`, after each start", "nobody vouches for the time, %s: nothing goes by its age until somebody does", stamp))
	}
	rtc, _ := filepath.Glob(m.path("sys/class/rtc/rtc*")) // the pattern is good
	if len(rtc) == 0 {
		list = append(list, found(Note, "a clock module with a battery (DS3231 on I²C) helps where there is no time server", "this board has no battery-backed clock: it starts at its last time"))
	}
	switch g := m.Gateway; {
	case g.FloorErr != nil:
		list = append(list, unknown("the gateway's saved time: %v", g.FloorErr)...)
	case g.Floor.Sub(m.Now) > tolerance && !m.Now.Before(clock.Earliest()):
		list = append(list, found(Problem, "if the system's clock is right: `edgegw clock reset`, then restart the gateway", "the gateway's time is ahead of the system's by %s: it was started in a wrong future once, and never runs back", g.Floor.Sub(m.Now).Round(time.Second)))
	}
	if list == nil {
		return good("the time is %s, and synchronised", stamp)
	}
	return list
}
