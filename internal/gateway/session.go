package gateway

// SessionID names a login session: 128 random bits in base64url, 22 characters.
// It is the `sid` of the session's access tokens.
type SessionID string

// Session is a login that goes on for as long as its refresh tokens are renewed.
// It holds no secret: refresh tokens are told from forgeries by their MAC.
type Session struct {
	Account AccountName
	ID      SessionID
	// Room is the default room that was asked for at the login, or "".
	Room RoomID
	// IP is where the session was last used from.
	IP string
	// Counter is that of the newest refresh token; the first has 1.
	Counter uint64
	// Created, Used and Expires are logical time; Used is the login or the
	// newest refresh.
	Created, Used, Expires Timestamp
	// Boot and BootMS say when Used was in time that no clock can falsify:
	// the run of the machine (0: unknown) and the milliseconds since its
	// start. A session of this run outlives a clock that jumps ahead.
	Boot   uint64
	BootMS int64
}

// ResetHash is the SHA-256 of a password reset code as text.
type ResetHash [32]byte

// Reset is a code that lets its holder set the password of an account, once.
type Reset struct {
	Hash    ResetHash
	Account AccountName
	Expires Timestamp
}

// SigningKey is what the gateway remembers of a key that signs or verified
// tokens; the key itself stands in its file.
type SigningKey struct {
	// ID is the kid, or "" for the key of a secret file.
	ID string
	// Retired is when another key took over, or 0 for the active one.
	Retired Timestamp
}
