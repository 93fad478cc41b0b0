package client

import (
	"encoding/binary"
	"io"
	"time"
)

// How long a client waits before it tries again (PROTOCOL section 7).
const (
	backoffFirst = 500 * time.Millisecond
	backoffMost  = 20 * time.Second
	// backoffLeast keeps a wait from being none: a site whose gateway
	// restarts would come back as one.
	backoffLeast = time.Millisecond
	// stableAfter is how long a connection has to be open for the next wait
	// to be a first one again.
	stableAfter = 30 * time.Second
)

// backoff counts the tries since the last good connection.
type backoff struct {
	tries  int
	random io.Reader
}

// next returns how long to wait before the next try: full jitter, evenly spread
// above 0 and up to a ceiling that doubles with each try.
func (b *backoff) next() time.Duration {
	ceiling := min(backoffMost, backoffFirst<<min(b.tries, 10))
	b.tries++
	return backoffLeast + spread(b.random, ceiling-backoffLeast)
}

// told is next when the gateway has said how long to wait. The try counts.
func (b *backoff) told(d time.Duration) time.Duration {
	b.tries++
	return max(d, backoffLeast)
}

func (b *backoff) reset() { b.tries = 0 }

// spread returns a random duration from 0 up to and including d.
func spread(random io.Reader, d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	var b [8]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return d // no randomness: rather late than all at once
	}
	return time.Duration(binary.BigEndian.Uint64(b[:]) % uint64(d+1))
}
