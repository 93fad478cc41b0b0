package app

import (
	"context"
	"time"
)

const (
	// setupEvery is how often is looked whether the setup code has run out.
	setupEvery = time.Second
	// setupCodes is how many codes are made unasked, which is for a day: the log
	// of a gateway that nobody sets up gets no more lines, and one that was
	// forgotten in a drawer is not open for ever.
	setupCodes = 96
)

// runSetup has a setup code at hand for as long as there is no administrator, and
// shows each of them. It is the last task, so that the addresses work that it
// shows.
func (a *App) runSetup(ctx context.Context, ready func()) error {
	ready()
	tick := time.NewTicker(setupEvery)
	defer tick.Stop()
	if offerCodes(ctx, tick.C, a.accounts.HasAdmin, a.accounts.SetupCodeLeft, func() { a.offerSetupCode(ctx) }) {
		a.logger.Warn("no more setup codes are made by themselves; run `edgegw setup` or `edgegw setup --new-code` on the gateway, or start it again",
			"event", "setup_required")
	}
	<-ctx.Done()
	return nil
}

// offerCodes offers a code whenever none is left, until that is done. It reports
// whether it has given up.
func offerCodes(ctx context.Context, tick <-chan time.Time, done func() bool, left func() time.Duration, offer func()) bool {
	for made := 0; !done(); {
		if left() <= 0 {
			if made == setupCodes {
				return true
			}
			made++
			offer()
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick:
		}
	}
	return false
}

// offerSetupCode makes a code and shows it to whoever can see the console or the
// journal. This is the one secret that is ever logged; docs/decisions says why.
func (a *App) offerSetupCode(ctx context.Context) {
	code, err := a.adminOf().NewSetupCode(ctx)
	if err != nil {
		return // there is an administrator by now
	}
	if a.console != nil {
		a.console(code)
		return
	}
	a.logger.Warn("this gateway has no owner yet: open one of the addresses and give the code", "event", "setup_code",
		"setup_code", code.Code, "expires_in", code.ExpiresIn, "urls", setupPages(code.URLs))
}

func setupPages(urls []string) []string {
	list := make([]string, len(urls))
	for i, u := range urls {
		list[i] = u + "/setup"
	}
	return list
}
