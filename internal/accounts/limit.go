package accounts

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"edgegw/internal/gateway"
)

// Limits are how often strangers may try. Zero is no limit.
type Limits struct {
	// LoginPerIP and LoginPerAccount are attempts a minute on the password
	// routes, as many at once, for each client address (IPv6: each /64) and
	// each name.
	LoginPerIP, LoginPerAccount int
	// LockThreshold is how many consecutive failures lock a name, for
	// LockDuration.
	LockThreshold int
	LockDuration  time.Duration
}

const (
	// maxTracked bounds the addresses and the names that are kept track of;
	// those that were seen longest ago are forgotten first.
	maxTracked = 4096
	// Device keys and refresh tokens cannot be guessed, and after a power cut
	// a whole site returns through one proxy's address: these only bound the
	// work that one address can cause.
	tokenBurst = 2000
	tokenEvery = 10 * time.Millisecond
)

// bucket is a token bucket in the form of the generic cell rate algorithm (ITU-T
// I.371, annex A): one time says how full it is. It is not safe for concurrent
// use.
type bucket struct {
	every time.Duration
	burst int
	// full is when the bucket will be full again.
	full time.Time
}

func newBucket(burst int, every time.Duration) *bucket { return &bucket{every: every, burst: burst} }

// take takes one token and returns 0, or says when there will be one.
func (b *bucket) take(now time.Time) time.Duration {
	full := b.full
	if full.Before(now) {
		full = now
	}
	full = full.Add(b.every)
	if wait := full.Sub(now) - time.Duration(b.burst)*b.every; wait > 0 {
		return wait
	}
	b.full = full
	return 0
}

// buckets are buckets by name. Without a burst there is no limit.
type buckets struct {
	every time.Duration
	burst int

	mu     sync.Mutex
	byName lru[bucket]
}

func newBuckets(burst int, every time.Duration) *buckets {
	return &buckets{burst: burst, every: every, byName: newLRU[bucket](maxTracked)}
}

func perMinute(n int) *buckets { return newBuckets(n, time.Minute/time.Duration(max(n, 1))) }

// take returns CodeRateLimited with the time to wait when the bucket is empty.
func (b *buckets) take(name string, now time.Time) error {
	if b.burst == 0 {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	one, fresh := b.byName.get(name)
	if fresh {
		*one = bucket{every: b.every, burst: b.burst}
	}
	wait := one.take(now)
	if wait == 0 {
		return nil
	}
	err := gateway.Errorf(gateway.CodeRateLimited, "too many attempts; wait for the time in Retry-After")
	err.RetryAfter = wait
	return err
}

// rates are the buckets of the routes that take credentials.
type rates struct{ perIP, perName, tokensPerIP *buckets }

func newRates(l Limits) rates {
	return rates{
		perIP: perMinute(l.LoginPerIP), perName: perMinute(l.LoginPerAccount),
		tokensPerIP: newBuckets(tokenBurst, tokenEvery),
	}
}

// allowPassword is asked before a password or a name is looked at; name is a
// nameKey, or "" on a route without one.
func (s *Service) allowPassword(ctx context.Context, name string) error {
	now := s.opts.Now()
	if err := s.rates.perIP.take(gateway.AddressKey(gateway.OriginOf(ctx).IP), now); err != nil || name == "" {
		return err
	}
	return s.rates.perName.take(name, now)
}

// allowToken is asked before a device key or a refresh token is looked at.
func (s *Service) allowToken(ctx context.Context) error {
	return s.rates.tokensPerIP.take(gateway.AddressKey(gateway.OriginOf(ctx).IP), s.opts.Now())
}

// nameKey is what attempts on a name are counted under, whether there is such an
// account, or even could be.
func nameKey(username string) string {
	if name, err := gateway.ParseAccountName(username); err == nil {
		return string(name)
	}
	sum := sha256.Sum256([]byte(username))
	return "?" + string(sum[:16])
}
