package accounts

import "edgegw/internal/gateway"

// Store keeps accounts and what belongs to them. Errors that are no
// *gateway.Error count as internal.
type Store interface {
	// View runs f on a consistent snapshot.
	View(f func(Tx) error) error
	// Update runs f alone. When it returns nil, everything that f did is
	// durable; when f or the commit fails, nothing of it is there. Updates
	// that are called at the same time may share one commit.
	Update(f func(Tx) error) error
}

// Tx is a transaction of a Store. What it returns stays valid after it. Yields
// must not write.
type Tx interface {
	AccountTx
	SessionTx
	ResetTx
	AuditTx
	KeyTx
}

// AccountTx is about accounts.
type AccountTx interface {
	// Account reports whether the account exists.
	Account(gateway.AccountName) (gateway.Account, bool, error)
	// PutAccount adds or replaces an account, with its device keys.
	PutAccount(gateway.Account) error
	// DeleteAccount removes an account, its sessions and its reset codes; it
	// is no error if there is none. The name stays taken (Deleted) for as
	// long as the audit reaches back to now.
	DeleteAccount(gateway.AccountName) error
	// Accounts yields the accounts by name until yield returns false.
	Accounts(yield func(gateway.Account) bool) error
	// DeviceOf returns the account that has the device key, also an expired
	// one, or "".
	DeviceOf(gateway.KeyHash) (gateway.AccountName, error)
	// Deleted reports whether the name was an account's that the audit still
	// tells of.
	Deleted(gateway.AccountName) (bool, error)
}

// SessionTx is about login sessions.
type SessionTx interface {
	// Session reports whether the session is there; it may have expired.
	Session(gateway.AccountName, gateway.SessionID) (gateway.Session, bool, error)
	// PutSession adds or replaces a session.
	PutSession(gateway.Session) error
	// DeleteSession removes a session; it is no error if there is none.
	DeleteSession(gateway.AccountName, gateway.SessionID) error
	// Sessions yields those of an account, or all for "", until yield
	// returns false.
	Sessions(of gateway.AccountName, yield func(gateway.Session) bool) error
}

// ResetTx is about password reset codes.
type ResetTx interface {
	// Reset reports whether there is such a code; it may have expired.
	Reset(gateway.ResetHash) (gateway.Reset, bool, error)
	// PutReset adds or replaces a code.
	PutReset(gateway.Reset) error
	// DeleteReset removes a code; it is no error if there is none.
	DeleteReset(gateway.ResetHash) error
	// Resets yields the codes until yield returns false.
	Resets(yield func(gateway.Reset) bool) error
}

// AuditTx is about the audit.
type AuditTx interface {
	// AddEvent appends an event and gives it the next seq. The oldest go when
	// there are too many.
	AddEvent(gateway.AuditEvent) error
	// Events returns up to limit events in the order of their seq: the oldest
	// above after, or the newest of all when after is nil.
	Events(after *uint64, limit int) ([]gateway.AuditEvent, error)
	// PurgeEvents removes the events from before the given time.
	PurgeEvents(before gateway.Timestamp) error
}

// KeyTx is about keys.
type KeyTx interface {
	// RefreshKey is what refresh tokens are signed with, 32 random bytes that
	// were made with the store.
	RefreshKey() ([]byte, error)
	// SigningKeys is what PutSigningKeys was given last.
	SigningKeys() ([]gateway.SigningKey, error)
	// PutSigningKeys replaces the whole list.
	PutSigningKeys([]gateway.SigningKey) error
}
