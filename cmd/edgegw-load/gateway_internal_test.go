package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"edgegw/internal/gatewaytest"
)

// What only a gateway can do is tried on one.
func TestScenariosOnAGateway(t *testing.T) {
	for name, tc := range map[string]struct {
		run    func(*bench) error
		set    func(*options)
		figure string
		most   float64
	}{
		"ok resume": {run: runResume, set: func(o *options) { o.connections, o.window = 500, 64 },
			figure: "ms_per_resume", most: 10_000},
		"ok storm": {run: runStorm, set: func(o *options) { o.connections, o.rate = 50, 200 },
			figure: "back_s", most: stormLimit.Seconds()},
		"ok slow readers": {run: runSlow, set: func(o *options) { o.subscribers, o.connections, o.rate = 10, 2, 500 },
			figure: "p99_us", most: 5e6},
		"ok logins": {run: runLoginFlood, set: func(o *options) { o.subscribers, o.connections, o.rate = 5, 4, 200 },
			figure: "p99_us", most: 5e6},
	} {
		t.Run(name, func(t *testing.T) {
			g := gatewaytest.Start(t, "message_rate=0", "commit_window=0s", "login_rate_per_ip=100000", "login_rate_per_account=1000",
				"max_connections_per_ip=0", "max_connections_per_account=0")
			o := options{
				target: targetEdgegw, addr: strings.TrimPrefix(g.URL, "http://"), token: g.Token("admin"), user: "admin",
				pid: os.Getpid(), duration: time.Second, warmup: 100 * time.Millisecond,
			}
			tc.set(&o)
			b := newBench("test", o)
			if err := tc.run(b); err != nil {
				t.Fatal(err)
			}
			if v := b.out.Figures[tc.figure]; v <= 0 || v > tc.most {
				t.Errorf("%s is %g, want at most %g", tc.figure, v, tc.most)
			}
		})
	}
}
