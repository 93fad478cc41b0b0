package main

import (
	"errors"
	"flag"
	"fmt"
	"time"
)

// The servers that a scenario can talk to.
const (
	targetBare   = "bare"
	targetEdgegw = "edgegw"
)

// options are the flags of every command; each command reads those it needs.
type options struct {
	target, addr string
	pid, round   int

	token, secretFile, user, passwordFile string

	duration, warmup, settle       time.Duration
	subscribers, rooms, publishers int
	rate, window, connections      int

	// tls has clients speak TLS; tlsListen is where the baseline does.
	tls       bool
	tlsListen string

	listen, store string
	commitWindow  time.Duration
	batch         int

	args []string
}

// parseOptions reads a command's flags over its defaults.
func parseOptions(c command, args []string) (options, error) {
	o := c.defaults
	fs := flag.NewFlagSet("edgegw-load "+c.name, flag.ContinueOnError)
	fs.StringVar(&o.target, "target", targetBare, "what listens there: bare or edgegw")
	fs.StringVar(&o.addr, "addr", "127.0.0.1:8080", "the server's address")
	fs.IntVar(&o.pid, "pid", 0, "the server's process, for its CPU, memory and writes; 0 leaves these out")
	fs.IntVar(&o.round, "round", 0, "number of the round; report divides within a round")
	fs.StringVar(&o.token, "token", "", "bearer token for edgegw")
	fs.StringVar(&o.secretFile, "jwt-secret-file", "", "sign the token with this secret instead")
	fs.StringVar(&o.user, "user", "admin", "account that the token is for")
	fs.StringVar(&o.passwordFile, "password-file", "", "log in with this password instead")
	fs.DurationVar(&o.duration, "duration", or(o.duration, 5*time.Second), "length of the measured part")
	fs.DurationVar(&o.warmup, "warmup", time.Second, "length of the part before it")
	fs.DurationVar(&o.settle, "settle", o.settle, "quiet time before memory is read")
	fs.IntVar(&o.subscribers, "subscribers", o.subscribers, "subscribers of each room")
	fs.IntVar(&o.rooms, "rooms", max(o.rooms, 1), "rooms")
	fs.IntVar(&o.publishers, "publishers", o.publishers, "publishers, each in a room of its own; for connects: cycles at a time")
	fs.IntVar(&o.rate, "rate", o.rate, "deliveries a second in all; for wear: publishes a second")
	fs.IntVar(&o.window, "window", o.window, "messages that each publisher keeps in flight")
	fs.IntVar(&o.connections, "connections", o.connections, "connections, cycles, starts or messages, by command")
	fs.StringVar(&o.listen, "listen", "127.0.0.1:0", "address to serve on")
	fs.BoolVar(&o.tls, "tls", false, "speak TLS with the server at --addr, whose certificate is not checked")
	fs.StringVar(&o.tlsListen, "tls-listen", "", "address to serve on with TLS, beside --listen; empty for none")
	fs.StringVar(&o.store, "store", "", "bbolt file of the baseline's log; empty serves without one")
	fs.DurationVar(&o.commitWindow, "commit-window", 0, "least time between two commits of the baseline's log")
	fs.IntVar(&o.batch, "batch", o.batch, "frames in one write of blast")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	o.args = fs.Args()
	return o, o.check()
}

func (o options) check() error {
	if o.target != targetBare && o.target != targetEdgegw {
		return fmt.Errorf("--target is bare or edgegw, not %q", o.target)
	}
	if o.duration <= 0 || o.warmup < 0 || o.rooms < 1 {
		return errors.New("--duration and --rooms must be positive, --warmup not negative")
	}
	return nil
}

func or[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}
