package boltstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"edgegw/internal/gateway"
)

// sessionKey is where a session stands. No account's name holds a zero byte; a
// name that does would be taken for another account's session.
func sessionKey(of gateway.AccountName, id gateway.SessionID) (key []byte, ok bool) {
	key = make([]byte, 0, len(of)+1+len(id))
	key = append(append(append(key, of...), 0), id...)
	return key, of != "" && id != "" && strings.IndexByte(string(of), 0) < 0
}

// sessionsOf bounds the sessions of an account.
func sessionsOf(name gateway.AccountName) (from, to []byte) {
	return append([]byte(name), 0), append([]byte(name), 1)
}

// Session reports whether the session is there; it may have expired. It returns
// CodeUnavailable for one that is damaged.
func (t *IdentityTx) Session(of gateway.AccountName, id gateway.SessionID) (gateway.Session, bool, error) {
	key, ok := sessionKey(of, id)
	if !ok {
		return gateway.Session{}, false, nil
	}
	value := t.get(binSessions, key)
	if value == nil {
		return gateway.Session{}, false, nil
	}
	s, ok := t.decodeSession(key, value)
	if !ok {
		return gateway.Session{}, false, refuse(
			fmt.Errorf("session %q of %q in %s fails its sum", id, of, t.path), "this session's record is damaged; log in again")
	}
	return s, true, nil
}

// PutSession adds or replaces a session. It returns CodeInternal for one without
// an account or an id.
func (t *IdentityTx) PutSession(s gateway.Session) error {
	key, ok := sessionKey(s.Account, s.ID)
	if !ok {
		return gateway.Wrap("boltstore.PutSession", errors.New("a session without an account or an id"))
	}
	v := make([]byte, 0, 96)
	v = appendString(append(v, noteVersion), s.Room)
	v = appendString(v, s.IP)
	v = binary.AppendUvarint(v, s.Counter)
	v = binary.AppendVarint(v, int64(s.Created))
	v = binary.AppendVarint(v, int64(s.Used))
	v = binary.AppendVarint(v, int64(s.Expires))
	v = binary.AppendUvarint(v, s.Boot)
	v = binary.AppendVarint(v, s.BootMS)
	return t.put(binSessions, key, seal(binSessions, key, v))
}

// DeleteSession removes a session; it is no error if there is none.
func (t *IdentityTx) DeleteSession(of gateway.AccountName, id gateway.SessionID) error {
	key, ok := sessionKey(of, id)
	if !ok {
		return t.mayWrite()
	}
	return t.drop(binSessions, key)
}

// Sessions gives the sessions of an account, or all for "", to yield until it
// returns false, sorted by account and id. Damaged ones are left out.
func (t *IdentityTx) Sessions(of gateway.AccountName, yield func(gateway.Session) bool) error {
	var from, to []byte
	if of != "" {
		from, to = sessionsOf(of)
	}
	for key, value := range t.scan(binSessions, from, to) {
		if s, ok := t.decodeSession(key, value); ok && !yield(s) {
			break
		}
	}
	return nil
}

func (t *IdentityTx) decodeSession(key, value []byte) (gateway.Session, bool) {
	of, id, ok := bytes.Cut(key, []byte{0})
	d := t.unseal(binSessions, key, value)
	return gateway.Session{
		Account: gateway.AccountName(of),
		ID:      gateway.SessionID(id),
		Room:    gateway.RoomID(d.bytes()),
		IP:      string(d.bytes()),
		Counter: d.uvarint(),
		Created: gateway.Timestamp(d.varint()),
		Used:    gateway.Timestamp(d.varint()),
		Expires: gateway.Timestamp(d.varint()),
		Boot:    d.uvarint(),
		BootMS:  d.varint(),
	}, ok && !d.bad
}
