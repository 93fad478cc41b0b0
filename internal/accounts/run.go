package accounts

import (
	"context"
	"time"

	"edgegw/internal/gateway"
)

// purgeEvery is how often what has expired is removed.
const purgeEvery = time.Hour

// Run serves reset requests, writes what the audit holds back, and removes what
// has expired, until ctx is done. It returns an error when the store fails.
func (s *Service) Run(ctx context.Context) error {
	flush := time.NewTicker(flushEvery)
	defer flush.Stop()
	purge := time.NewTicker(purgeEvery)
	defer purge.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return s.flush(ctx)
		case r := <-s.requests:
			err = s.serveReset(r)
		case <-flush.C:
			err = s.flush(ctx)
		case <-purge.C:
			err = s.purge()
		}
		if err != nil {
			return err
		}
	}
}

// purge removes sessions and reset codes that have expired, and old events when
// the clock may be believed. It writes nothing when there is nothing.
func (s *Service) purge() error {
	now := s.now()
	err := s.opts.Store.Update(func(tx Tx) error {
		var sessions []gateway.Session
		err := tx.Sessions("", func(c gateway.Session) bool {
			if !s.alive(c) {
				sessions = append(sessions, c)
			}
			return true
		})
		for _, c := range sessions {
			if err == nil {
				err = tx.DeleteSession(c.Account, c.ID)
			}
		}
		var codes []gateway.ResetHash
		if err == nil {
			err = tx.Resets(func(r gateway.Reset) bool {
				if r.Expires <= now {
					codes = append(codes, r.Hash)
				}
				return true
			})
		}
		for _, hash := range codes {
			if err == nil {
				err = tx.DeleteReset(hash)
			}
		}
		if age, trusted := s.opts.AgeTime(); err == nil && trusted {
			err = tx.PurgeEvents(gateway.Timestamp(age.Add(-auditAge).UnixMilli()))
		}
		return err
	})
	return wrap("accounts.purge", err)
}
