package accounts

import (
	"context"
	"slices"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/token"
)

// An account keeps so many sessions at most; the one that was used longest ago
// ends for a new one. Devices are one thing each, and a person may have scripts
// that log in over and over.
const (
	maxSessions       = 1000
	maxDeviceSessions = 100
)

// alive reports whether the session may still be refreshed.
func (s *Service) alive(c gateway.Session) bool { return s.gone(c) < c.Expires-c.Used }

// gone is how long ago the session was used. If that was in this run of the
// machine it is measured by the time since its start, so that a clock that jumps
// ahead, as one does when the network time arrives, ends no session.
func (s *Service) gone(c gateway.Session) gateway.Timestamp {
	if boot, since := s.opts.Boot(); boot != 0 && c.Boot == boot && since.Milliseconds() >= c.BootMS {
		return gateway.Timestamp(since.Milliseconds() - c.BootMS)
	}
	return s.now() - c.Used
}

// stamp notes that the session is used now, from here.
func (s *Service) stamp(c *gateway.Session, kind gateway.Kind, ip string) {
	boot, since := s.opts.Boot()
	c.Used, c.IP = s.now(), ip
	c.Expires = c.Used + gateway.Timestamp(s.refreshTTL(kind).Milliseconds())
	c.Boot, c.BootMS = boot, since.Milliseconds()
}

func (s *Service) refreshTTL(kind gateway.Kind) time.Duration {
	if kind == gateway.KindDevice {
		return s.opts.DeviceRefreshTTL
	}
	return s.opts.RefreshTTL
}

func (s *Service) accessTTL(kind gateway.Kind) time.Duration {
	if kind == gateway.KindDevice {
		return s.opts.DeviceAccessTTL
	}
	return s.opts.AccessTTL
}

// openSession begins a session of the account inside the login's transaction.
func (s *Service) openSession(tx Tx, log *journal, a gateway.Account, room gateway.RoomID) (Pair, error) {
	if err := s.makeRoom(tx, log, a); err != nil {
		return Pair{}, err
	}
	c := gateway.Session{Account: a.Name, ID: token.NewSessionID(), Room: room, Counter: 1, Created: log.now}
	s.stamp(&c, a.Kind, log.origin.IP)
	if err := tx.PutSession(c); err != nil {
		return Pair{}, err
	}
	return s.pair(a, c)
}

// makeRoom lets go of sessions that have expired, and of the one used longest
// ago when there are too many.
func (s *Service) makeRoom(tx Tx, log *journal, a gateway.Account) error {
	most := maxSessions
	if a.Kind == gateway.KindDevice {
		most = maxDeviceSessions
	}
	var expired, living []gateway.Session
	err := tx.Sessions(a.Name, func(c gateway.Session) bool {
		if s.alive(c) {
			living = append(living, c)
		} else {
			expired = append(expired, c)
		}
		return true
	})
	if err != nil {
		return err
	}
	for _, c := range expired {
		if err := tx.DeleteSession(c.Account, c.ID); err != nil {
			return err
		}
	}
	if len(living) < most {
		return nil
	}
	oldest := slices.MinFunc(living, func(a, b gateway.Session) int { return int(a.Used - b.Used) })
	if err := tx.DeleteSession(a.Name, oldest.ID); err != nil {
		return err
	}
	log.add(gateway.EventSessionEnded, string(a.Name), "too_many")
	log.after(func() { s.opts.Live.EndSessions([]gateway.SessionID{oldest.ID}) })
	return nil
}

// pair issues the session's tokens: the refresh token is that of its counter.
func (s *Service) pair(a gateway.Account, c gateway.Session) (Pair, error) {
	life := s.accessTTL(a.Kind)
	access, err := s.opts.Tokens.Issue(token.Claims{Subject: a.Name, Room: c.Room, Session: string(c.ID)}, life)
	if err != nil {
		return Pair{}, err
	}
	return Pair{
		Access: access, AccessTTL: life,
		Refresh:    s.sealer.Seal(token.Refresh{Account: c.Account, Session: c.ID, Counter: c.Counter}),
		RefreshTTL: s.left(c), Principal: a.Principal(),
	}, nil
}

// left is how long a living session may still be refreshed. A second that has
// begun is not counted, so that a fresh session has its whole life.
func (s *Service) left(c gateway.Session) time.Duration {
	return time.Duration(c.Expires-c.Used-s.gone(c)/1000*1000) * time.Millisecond
}

// Sessions lists the living sessions of the identity's account, the one used
// last first.
func (s *Service) Sessions(_ context.Context, id Identity) ([]gateway.Session, error) {
	var list []gateway.Session
	err := s.opts.Store.View(func(tx Tx) error {
		return tx.Sessions(id.Principal.Name, func(c gateway.Session) bool {
			if s.alive(c) {
				list = append(list, c)
			}
			return true
		})
	})
	slices.SortStableFunc(list, func(a, b gateway.Session) int { return int(b.Used - a.Used) })
	return list, wrap("accounts.Sessions", err)
}

// EndSession ends one session of the identity's own account, and its sockets. It
// returns CodeNotFound.
func (s *Service) EndSession(ctx context.Context, id Identity, session gateway.SessionID) error {
	return s.end(ctx, id.Principal.Name, session, gateway.EventSessionEnded)
}

// Logout ends the session that the identity's token belongs to, and its sockets.
// A token without a session ends nothing.
func (s *Service) Logout(ctx context.Context, id Identity) error {
	if id.Session == "" {
		return nil
	}
	err := s.end(ctx, id.Principal.Name, id.Session, gateway.EventLogout)
	if gateway.CodeOf(err) == gateway.CodeNotFound {
		return nil // somebody else was faster
	}
	return err
}

// LogoutRefresh ends the session that a refresh token belongs to. For any token
// that is not good it does nothing: what was asked for is so already.
func (s *Service) LogoutRefresh(ctx context.Context, raw string) error {
	if err := s.allowToken(ctx); err != nil {
		return err
	}
	r, err := s.sealer.Open(raw)
	if err != nil {
		return nil
	}
	ctx = gateway.WithActor(ctx, string(r.Account))
	return s.Logout(ctx, Identity{Principal: gateway.Principal{Name: r.Account}, Session: r.Session})
}

func (s *Service) end(ctx context.Context, name gateway.AccountName, session gateway.SessionID, event gateway.Event) error {
	return s.update(ctx, func(tx Tx, log *journal) error {
		_, exists, err := tx.Session(name, session)
		if err == nil && !exists {
			err = gateway.Errorf(gateway.CodeNotFound, "there is no such session")
		}
		if err == nil {
			err = tx.DeleteSession(name, session)
		}
		if err != nil {
			return err
		}
		log.add(event, string(name), "")
		log.after(func() { s.opts.Live.EndSessions([]gateway.SessionID{session}) })
		return nil
	})
}

// endSessions ends every session of the account but one, and their sockets.
func (s *Service) endSessions(tx Tx, log *journal, name gateway.AccountName, except gateway.SessionID, reason string) error {
	var ids []gateway.SessionID
	err := tx.Sessions(name, func(c gateway.Session) bool {
		if c.ID != except {
			ids = append(ids, c.ID)
		}
		return true
	})
	for _, id := range ids {
		if err == nil {
			err = tx.DeleteSession(name, id)
		}
	}
	if err != nil || len(ids) == 0 {
		return err
	}
	log.add(gateway.EventSessionEnded, string(name), reason)
	log.after(func() { s.opts.Live.EndSessions(ids) })
	return nil
}
