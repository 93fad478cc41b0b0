// Command edgegw-load is the load generator behind docs/PERFORMANCE.md. It
// drives a gateway with thousands of WebSocket connections from one core,
// checks that every message arrives once, in order and in its own room, and
// reads what the server spent on it from /proc.
//
// It also holds the yardstick: "edgegw-load bare" is a server that has rooms
// and nothing else, made of gws as its documentation recommends, and with
// --store a bbolt log with group commit. That is the one reason why this
// command imports gws and bbolt, which elsewhere belong to wsedge and boltstore
// alone: a baseline that shared the gateway's code would measure nothing. The
// client side has its own few lines of WebSocket, since a library would spend
// more on a frame than the server does.
//
// It is a developer tool for Linux: it is not shipped, it trusts its server, and
// it is not an example of a good client.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"time"
)

// command is one sub-command. Its defaults are the figures that the budgets
// are stated for.
type command struct {
	name, help string
	defaults   options
	run        func(*bench) error
}

// commands is the table that dispatch and usage share.
func commands() []command {
	return []command{
		{"fanout-cpu", "server CPU per delivery at a fixed rate, one room", options{subscribers: 100, rate: 20000}, runFanoutCPU},
		{"fanout-max", "deliveries per second with a fixed number of messages in flight", options{subscribers: 100, window: 16}, runFanoutMax},
		{"latency", "publish to receive, open loop, many rooms", options{rooms: 100, subscribers: 10, rate: 30000}, runLatency},
		{"idle-memory", "server memory per idle connection", options{connections: 5000, settle: 5 * time.Second}, runIdleMemory},
		{"acked", "acknowledged publishes per second", options{publishers: 1, window: 64}, runAcked},
		{"connects", "server CPU for connect, token, join and close", options{connections: 3000, publishers: 8}, runConnects},
		{"start", "start to ready and memory at rest; the server's command follows --", options{connections: 10, settle: 2 * time.Second}, runStart},
		{"wear", "bytes written to disk per acknowledged message", options{publishers: 10, rate: 10, duration: time.Minute}, runWear},
		{"resume", "time to bring a client --connections missed messages", options{connections: 10000, window: 64}, runResume},
		{"storm", "time until --connections clients that were cut at once are back", options{connections: 1000, rate: 200}, runStorm},
		{"slow", "what --connections stuck readers cost the others of one room", options{subscribers: 500, connections: 20, rate: 50000}, runSlow},
		{"login-flood", "fan-out beside --connections logins at a time", options{subscribers: 20, connections: 200, rate: 2000}, runLoginFlood},
		{"sink", "deliveries per second that this client can take from \"blast\"", options{subscribers: 100}, runSink},
		{"fill", "publish --connections acknowledged messages, then stop", options{publishers: 10, window: 16, connections: 1000}, runFill},
		{"bare", "serve the baseline: gws with rooms; --store adds a bbolt log and acks", options{}, runBare},
		{"blast", "serve one endless room as fast as one core can write", options{batch: 16}, runBlast},
		{"report", "turn JSON lines from the files given into the table of the budgets", options{}, runReport},
		{"await", "wait until --addr answers GET /readyz with 200", options{}, runAwait},
		{"free-port", "print a free loopback address", options{}, runFreePort},
	}
}

func main() {
	if err := dispatch(os.Args[1:]); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "edgegw-load:", err)
		}
		os.Exit(1)
	}
}

func dispatch(args []string) error {
	if len(args) == 0 {
		usage()
		return flag.ErrHelp
	}
	for _, c := range commands() {
		if c.name != args[0] {
			continue
		}
		opt, err := parseOptions(c, args[1:])
		if err != nil {
			return err
		}
		return c.run(newBench(c.name, opt))
	}
	usage()
	return fmt.Errorf("unknown command %q", args[0])
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: edgegw-load COMMAND [flags]; COMMAND --help lists the flags")
	for _, c := range commands() {
		fmt.Fprintf(os.Stderr, "  %-12s %s\n", c.name, c.help)
	}
}
