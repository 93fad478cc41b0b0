package app

import (
	"context"
	"time"
)

const (
	// setupEvery is how often is looked whether the setup code has run out.
	setupEvery = time.Second
	// setupCodes is how many codes are made unasked, which is for a day: the log
	// of a gateway that nobody sets up gets no more lines, and nobody finds it
	// open after a year in a drawer's network.
	setupCodes = 96
)

// runSetup has a setup code at hand for as long as there is no administrator, and
// shows each of them. It is the last task, so that the addresses work that it
// shows.
func (a *App) runSetup(ctx context.Context, ready func()) error {
	ready()
	tick := time.NewTicker(setupEvery)
	defer tick.Stop()
	for made := 0; !a.accounts.HasAdmin(); {
		if a.accounts.SetupCodeLeft() <= 0 {
			if made == setupCodes {
				a.logger.Warn("no more setup codes are made by themselves; run `edgegw setup` or `edgegw setup --new-code`, or start the gateway again",
					"event", "setup_required")
				break
			}
			made++
			a.offerSetupCode(ctx)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
	<-ctx.Done()
	return nil
}

// offerSetupCode makes a code and shows it to whoever can see the console or the
// journal. This is the one secret that is ever logged: docs/decisions say why.
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
