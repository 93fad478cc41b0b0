package adminsock

// States of an account, as they are listed.
const (
	StateEnabled  = "enabled"
	StateDisabled = "disabled"
	StateLocked   = "locked" // after too many failed logins, for a while
)

// Forms of a stored password, as they are listed.
const (
	PasswordArgon2id = "argon2id"
	PasswordLegacy   = "legacy" // still a wrapped hash of another system
)

// NewUser describes a person's account to be made. Without grants it gets the
// default ones; each is written PATTERN:RIGHTS.
type NewUser struct {
	Name     string   `json:"name"`
	Password string   `json:"password"`
	Role     string   `json:"role"`
	Grants   []string `json:"grants,omitempty"`
}

// User is a person's account as it is listed. Times are Unix milliseconds, 0 for
// never; LockedFor is in seconds.
type User struct {
	Name           string   `json:"name"`
	Kind           string   `json:"kind"`
	Role           string   `json:"role"`
	State          string   `json:"state"`
	LockedFor      int64    `json:"locked_for,omitempty"`
	Disabled       bool     `json:"disabled"`
	Password       string   `json:"password"`
	Grants         []string `json:"grants"`
	Created        int64    `json:"created"`
	ResetRequested int64    `json:"reset_requested,omitempty"`
}

// UserList is everyone, by name, and how many of them have a legacy password.
type UserList struct {
	Users  []User `json:"users"`
	Legacy int    `json:"legacy"`
}

// UserPatch changes a person's account; nil members stay as they are.
type UserPatch struct {
	Name     string    `json:"name"`
	Role     *string   `json:"role,omitempty"`
	Password *string   `json:"password,omitempty"`
	Disabled *bool     `json:"disabled,omitempty"`
	Grants   *[]string `json:"grants,omitempty"`
}

// ResetCode sets a new password once, within ExpiresIn seconds.
type ResetCode struct {
	Username  string `json:"username"`
	Code      string `json:"reset_token"`
	ExpiresIn int64  `json:"expires_in"`
}

// NewDevice describes a device's account to be made. Without grants it may read
// and write in its room.
type NewDevice struct {
	Name   string   `json:"name"`
	Room   string   `json:"room,omitempty"`
	Grants []string `json:"grants,omitempty"`
}

// Device is a device's account as it is listed. Times are Unix milliseconds, 0
// for never.
type Device struct {
	Name     string   `json:"name"`
	Kind     string   `json:"kind"`
	Room     string   `json:"room,omitempty"`
	State    string   `json:"state"`
	Disabled bool     `json:"disabled"`
	Grants   []string `json:"grants"`
	// OldKeyExpires is there while a rotation overlaps.
	OldKeyExpires int64 `json:"old_key_expires,omitempty"`
	Created       int64 `json:"created"`
	LastLogin     int64 `json:"last_login,omitempty"`
}

// DeviceList is every device, by name.
type DeviceList struct {
	Devices []Device `json:"devices"`
}

// DevicePatch changes a device's account; nil members stay as they are.
type DevicePatch struct {
	Name     string    `json:"name"`
	Room     *string   `json:"room,omitempty"` // "" takes it away
	Disabled *bool     `json:"disabled,omitempty"`
	Grants   *[]string `json:"grants,omitempty"`
}

// DeviceKey is a device's new key. It is nowhere else: only its hash is kept.
type DeviceKey struct {
	Name string `json:"name"`
	Key  string `json:"device_key"`
}

// Import is a file to be imported, of at most accounts.MaxImportBytes.
// Nothing of it is imported when a line is bad, unless SkipBad leaves those out.
type Import struct {
	Data    []byte `json:"data"`
	SkipBad bool   `json:"skip_bad,omitempty"`
}

// ImportReport says what an import did.
type ImportReport struct {
	Added int       `json:"added"`
	Bad   []BadLine `json:"bad"`
}

// BadLine is a line that cannot be imported, and why.
type BadLine struct {
	Line    int    `json:"line"`
	Name    string `json:"name,omitempty"`
	Problem string `json:"problem"`
}

// TokenRequest asks for an access token without a session. Life is in seconds;
// Room may be "".
type TokenRequest struct {
	Name string `json:"name"`
	Room string `json:"room,omitempty"`
	Life int64  `json:"life"`
}

// Token is an access token for ExpiresIn seconds.
type Token struct {
	Token     string `json:"access_token"`
	Type      string `json:"token_type"`
	ExpiresIn int64  `json:"expires_in"`
}

// Inspection is what a token says and whether it would be accepted.
type Inspection struct {
	// Header and Claims are JSON, or "" when the token has none.
	Header string `json:"header"`
	Claims string `json:"claims"`
	// Problem is why it is refused, "" when it is good.
	Problem string `json:"problem"`
	// ExpiresIn is in seconds, negative for a token that has expired.
	ExpiresIn int64 `json:"expires_in"`
}

// KeyRotation tells of the new signing key. OldTokensFor is how many seconds
// tokens of the keys before it go on working at most.
type KeyRotation struct {
	KID          string `json:"kid"`
	OldTokensFor int64  `json:"old_tokens_expire_in"`
}
