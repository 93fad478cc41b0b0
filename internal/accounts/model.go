package accounts

import (
	"time"

	"edgegw/internal/gateway"
)

// Pair is what a successful login or refresh gives.
type Pair struct {
	// Access is the access token, and AccessTTL its life from now.
	Access    string
	AccessTTL time.Duration
	// Refresh is the refresh token, and RefreshTTL its life from now.
	Refresh    string
	RefreshTTL time.Duration
	Principal  gateway.Principal
}

// Identity is who stands behind a token.
type Identity struct {
	// Principal comes from the stored account, never from a claim.
	Principal gateway.Principal
	// Room is the default room that the token names, or "". Whether the
	// principal may enter is not decided here.
	Room gateway.RoomID
	// Session and TokenID are the token's sid and jti, or "".
	Session   gateway.SessionID
	TokenID   string
	ExpiresAt time.Time
}

// User is a person's account as administrators see it.
type User struct {
	gateway.Account // without its PasswordHash
	// Legacy tells that the password is still a wrapped legacy hash.
	Legacy bool
	// LockedFor is how long the account stays locked, or 0.
	LockedFor time.Duration
}

// Patch changes an account; nil members stay as they are.
type Patch struct {
	Role     *gateway.Role   // people only
	Password *string         // people only
	Room     *gateway.RoomID // devices only; "" takes it away
	Disabled *bool
	Grants   *gateway.Grants
}

// NewDevice describes a device's account to be added.
type NewDevice struct {
	Name   gateway.AccountName
	Room   gateway.RoomID // or ""
	Grants gateway.Grants
}

// ImportUser is one person to be imported.
type ImportUser struct {
	// Line is where it stood, for the report.
	Line int
	Name string
	Role string // "" is member
	// Hash is one of the forms that password.Adopt knows.
	Hash string
	// Err is why the line could not be read at all, or nil.
	Err error
}

// ImportDevice is one factory-keyed device to be imported.
type ImportDevice struct {
	Line   int
	Name   string
	Room   string   // or ""
	Grants []string // PATTERN:RIGHTS each
	// KeyHash is the SHA-256 of the key as text, in 64 hex digits.
	KeyHash string
	Err     error
}

// ImportReport says what an import did. When it did nothing because of Bad,
// Added is 0.
type ImportReport struct {
	Added int
	Bad   []BadLine
}

// BadLine is a line that cannot be imported, and what to do about it.
type BadLine struct {
	Line    int
	Name    string
	Problem string
}

// Inspection is what a token says and whether it would be accepted.
type Inspection struct {
	// Header and Claims are its JSON as it stands; "" when it has none.
	Header, Claims string
	// Problem is why it is refused, "" when it is good.
	Problem string
	// ExpiresIn is negative for a token that has expired.
	ExpiresIn time.Duration
}
