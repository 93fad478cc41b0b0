package accounts

import (
	"sync"
	"sync/atomic"

	"edgegw/internal/gateway"
	"edgegw/internal/password"
)

// Stats are figures about the accounts as a whole.
type Stats struct {
	// Legacy is how many passwords are still wrapped legacy hashes.
	Legacy int
	// Devices is how many devices there are, and DevicesNever how many of
	// them have never logged in.
	Devices, DevicesNever int
}

// statsCache keeps the figures until something may have changed them.
type statsCache struct {
	// dirty moves when a figure may have changed without the revision.
	dirty atomic.Uint64

	mu sync.Mutex
	// stats are those of the moment that revision and seen name; guarded by
	// mu, like valid.
	stats          Stats
	revision, seen uint64
	valid          bool
}

// statsDirty notes that a figure may have changed without a change of revision.
func (s *Service) statsDirty() { s.stats.dirty.Add(1) }

// Stats counts the accounts, unless nothing has changed since it last did. When
// the store cannot be read it returns what it could count.
func (s *Service) Stats() Stats {
	c := &s.stats
	c.mu.Lock()
	defer c.mu.Unlock()
	// Both are read before the accounts: what changes meanwhile is counted
	// again the next time.
	revision, dirty := s.Revision(), c.dirty.Load()
	if c.valid && c.revision == revision && c.seen == dirty {
		return c.stats
	}
	var stats Stats
	err := s.opts.Store.View(func(tx Tx) error {
		return tx.Accounts(func(a gateway.Account) bool {
			stats.count(&a)
			return true
		})
	})
	c.stats, c.revision, c.seen, c.valid = stats, revision, dirty, err == nil
	return stats
}

func (s *Stats) count(a *gateway.Account) {
	switch {
	case a.Kind == gateway.KindDevice:
		s.Devices++
		if a.Seen == 0 {
			s.DevicesNever++
		}
	case password.IsLegacy(a.PasswordHash):
		s.Legacy++
	}
}
