package main

import (
	"errors"
	"io"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
)

// runConnects measures a connection's beginning and end: connect, token, join,
// close handshake.
func runConnects(b *bench) error {
	workers := max(b.opt.publishers, 1)
	runtime.GOMAXPROCS(workers + 1)
	if err := b.open(); err != nil {
		return err
	}
	defer b.loop.close()
	b.row(strconv.Itoa(workers))
	if err := b.cycles(1, min(b.opt.connections, 200)); err != nil {
		return err
	}
	m, err := b.measure(func() error { return b.cycles(workers, b.opt.connections) })
	if err != nil {
		return err
	}
	n := float64(b.opt.connections)
	b.out.Figures["connects_per_s"] = n / m.seconds
	b.out.Figures["server_us_per_connect"] = m.serverCPU / n * 1e6
	return b.finish()
}

// cycles runs n cycles on some workers and returns their errors.
func (b *bench) cycles(workers, n int) error {
	var left atomic.Int64
	left.Store(int64(n))
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			d := *b.dialer
			for left.Add(-1) >= 0 && errs[i] == nil {
				errs[i] = d.cycle(roomName(i))
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// cycle opens a connection and closes it the polite way: close frame, the
// server's answer, end of stream.
func (d *dialer) cycle(room string) error {
	c, err := d.dial(room)
	if err != nil {
		return err
	}
	defer func() { _ = syscall.Close(c.fd) }()
	if err := c.send(appendClientFrame(nil, opClose, []byte{0x03, 0xE8})); err != nil {
		return err
	}
	for {
		// The answer, and whatever was on its way, is read and dropped.
		_, err := c.receive(d.scratch[:])
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
