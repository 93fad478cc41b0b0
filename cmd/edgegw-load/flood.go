package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// floodPause is how long a login that was sent away waits: the flood shall load
// the server, and not this side.
const floodPause = 200 * time.Millisecond

// runLoginFlood measures fan-out beside --connections logins at a time, each
// with a name of its own and a wrong password.
func runLoginFlood(b *bench) error {
	publishers, err := b.openRooms(1, b.opt.subscribers)
	if err != nil {
		return err
	}
	defer b.loop.close()
	b.row(strconv.Itoa(b.opt.connections))
	p := pace{publishers: publishers, perSecond: float64(b.opt.rate) / float64(b.opt.subscribers)}
	if err := p.run(b, b.opt.warmup); err != nil {
		return err
	}
	if _, err := b.timed(&p, "quiet_"); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	logins, wait := b.flood(ctx)
	_, err = b.timed(&p, "")
	cancel()
	wait()
	if err != nil {
		return err
	}
	b.out.Figures["p50_times"] = b.out.Figures["p50_us"] / b.out.Figures["quiet_p50_us"]
	b.out.Figures["p99_times"] = b.out.Figures["p99_us"] / b.out.Figures["quiet_p99_us"]
	b.out.Figures["hashed_per_s"] = float64(logins.Load()) / b.opt.duration.Seconds()
	if logins.Load() == 0 {
		return fmt.Errorf("no login was looked at; the server's limits are too narrow for a flood")
	}
	return b.finish()
}

// flood logs in until ctx is done. It counts the logins that were refused for
// their password: those have cost a hash.
func (b *bench) flood(ctx context.Context) (hashed *atomic.Int64, wait func()) {
	hashed = new(atomic.Int64)
	n := b.opt.connections
	client := http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: n}, Timeout: dialTimeout}
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			for try := 0; ctx.Err() == nil; try++ {
				body := fmt.Appendf(nil, `{"username":"nobody-%d-%d","password":"wrong horse battery staple"}`, i, try)
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+b.opt.addr+"/auth/login", bytes.NewReader(body))
				if err != nil {
					return
				}
				req.Header.Set("Content-Type", "application/json")
				if res, err := client.Do(req); err == nil {
					_, _ = io.Copy(io.Discard, res.Body)
					_ = res.Body.Close()
					if res.StatusCode == http.StatusUnauthorized {
						hashed.Add(1)
						continue
					}
				}
				pause(ctx, floodPause)
			}
		})
	}
	return hashed, wg.Wait
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
