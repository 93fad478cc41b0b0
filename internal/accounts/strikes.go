package accounts

import (
	"sync"
	"time"

	"edgegw/internal/gateway"
)

// strikes counts consecutive failures by name and locks names that have too
// many. It is bounded, and it does not know which names exist.
type strikes struct {
	threshold int
	duration  time.Duration

	mu     sync.Mutex
	byName lru[strike]
}

type strike struct {
	failures int
	until    time.Time // locked until then, if not zero
}

func newStrikes(l Limits) *strikes {
	return &strikes{threshold: l.LockThreshold, duration: l.LockDuration, byName: newLRU[strike](maxTracked)}
}

// locked says how long the name stays locked, or 0.
func (st *strikes) locked(name string, now time.Time) time.Duration {
	st.mu.Lock()
	defer st.mu.Unlock()
	s := st.byName.peek(name)
	if s == nil || s.until.IsZero() {
		return 0
	}
	if left := s.until.Sub(now); left > 0 {
		return left
	}
	st.byName.forget(name)
	return 0
}

// fail counts a failure and reports whether it is the one that locks the name.
func (st *strikes) fail(name string, now time.Time) bool {
	if st.threshold == 0 {
		return false
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	s, _ := st.byName.get(name)
	s.failures++
	if s.failures < st.threshold || !s.until.IsZero() {
		return false
	}
	s.until = now.Add(st.duration)
	return true
}

func (st *strikes) forget(name string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.byName.forget(name)
}

// lockedFor says how long an account stays locked, or 0.
func (s *Service) lockedFor(name gateway.AccountName) time.Duration {
	return s.strikes.locked(string(name), s.opts.Now())
}

// unlock forgets an account's failures.
func (s *Service) unlock(name gateway.AccountName) { s.strikes.forget(string(name)) }

func lockedError(left time.Duration) error {
	err := gateway.Errorf(gateway.CodeAccountLocked,
		"too many wrong passwords for this name; wait for the time in Retry-After, or ask an administrator to unlock it")
	err.RetryAfter = left
	return err
}
