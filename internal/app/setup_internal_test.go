package app

import (
	"context"
	"testing"
	"time"
)

// Codes are offered one after the other, as each runs out, for a day.
func TestOfferCodes(t *testing.T) {
	tick := make(chan time.Time)
	ticks, offered, left := 0, 0, time.Duration(0)
	gaveUp := make(chan bool)
	go func() {
		gaveUp <- offerCodes(context.Background(), tick,
			func() bool { return false },
			func() time.Duration { left -= time.Minute; return left },
			func() { offered++; left = 15 * time.Minute })
	}()
	for {
		select {
		case tick <- time.Time{}:
			ticks++
			continue
		case up := <-gaveUp:
			if !up || offered != 96 || ticks != 96*15 {
				t.Errorf("gave up: %v, after %d codes and %d minutes; want 96 codes in a day", up, offered, ticks)
			}
		}
		return
	}
}

func TestOfferCodesEnds(t *testing.T) {
	never := make(chan time.Time)
	ended, end := context.WithCancel(context.Background())
	end()
	offered := 0
	offer := func() { offered++ }
	none := func() time.Duration { return 0 }
	if offerCodes(ended, never, func() bool { return false }, none, offer) || offered != 1 {
		t.Errorf("a gateway that stops: %d codes", offered)
	}
	if offerCodes(context.Background(), never, func() bool { return true }, none, offer) || offered != 1 {
		t.Errorf("a gateway with an administrator: %d codes", offered)
	}
}
