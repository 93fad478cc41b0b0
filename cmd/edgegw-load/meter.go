package main

// reading is what the clocks and counters say at one moment.
type reading struct {
	at, server, client int64 // nanoseconds: wall, CPU of the server, own CPU
	received           uint64
}

func (b *bench) read() (reading, error) {
	r := reading{client: ownCPU(), at: b.now()}
	if b.loop != nil {
		r.received = b.loop.received
	}
	if b.opt.pid == 0 {
		return r, nil
	}
	var err error
	r.server, err = cpuOf(b.opt.pid)
	return r, err
}

// measured is the difference of two readings.
type measured struct {
	seconds              float64
	serverCPU, clientCPU float64 // seconds
	deliveries           float64
}

// measure runs f between two readings and enters how busy both sides were.
func (b *bench) measure(f func() error) (measured, error) {
	from, err := b.read()
	if err != nil {
		return measured{}, err
	}
	if err := f(); err != nil {
		return measured{}, err
	}
	to, err := b.read()
	if err != nil {
		return measured{}, err
	}
	m := measured{
		seconds:    float64(to.at-from.at) / 1e9,
		serverCPU:  float64(to.server-from.server) / 1e9,
		clientCPU:  float64(to.client-from.client) / 1e9,
		deliveries: float64(to.received - from.received),
	}
	b.out.Figures["seconds"] = m.seconds
	b.out.Figures["client_busy"] = m.clientCPU / m.seconds
	if b.opt.pid != 0 {
		b.out.Figures["server_busy"] = m.serverCPU / m.seconds
	}
	return m, nil
}
