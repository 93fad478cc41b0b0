package gateway

import "strings"

// MaxAccountNameBytes is the longest account name, in bytes.
const MaxAccountNameBytes = 128

// AccountName names a person or a machine. It matches
// [a-z0-9][a-z0-9._@+-]{0,127}; people and machines share one space of names.
type AccountName string

// ParseAccountName folds s to lower case and checks its shape. It returns
// CodeInvalidRequest when s is empty, longer than MaxAccountNameBytes or holds a
// character that names may not have.
func ParseAccountName(s string) (AccountName, error) {
	if s == "" || len(s) > MaxAccountNameBytes {
		return "", Errorf(CodeInvalidRequest, "an account name has 1 to %d characters", MaxAccountNameBytes)
	}
	// Only ASCII is folded: strings.ToLower would turn the Kelvin sign into
	// a "k" and so let two spellings of one name in.
	folded := []byte(s)
	for i, c := range folded {
		if c >= 'A' && c <= 'Z' {
			folded[i] = c + 'a' - 'A'
		}
		c = folded[i]
		alnum := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !alnum && (i == 0 || !strings.ContainsRune("._@+-", rune(c))) {
			return "", Errorf(CodeInvalidRequest,
				"an account name starts with a letter or digit and holds only a-z, 0-9 and . _ @ + -")
		}
	}
	return AccountName(folded), nil
}

// Kind tells people from machines.
type Kind string

// The kinds of account.
const (
	KindUser   Kind = "user"
	KindDevice Kind = "device"
)

// Role decides what an account may administer. Role and grants always come from
// the stored account, never from a token's claim.
type Role string

// The roles. A device is always a member.
const (
	RoleAdmin  Role = "admin"
	RoleMember Role = "member"
)

// ParseRole returns CodeInvalidRequest for anything but "admin" and "member".
func ParseRole(s string) (Role, error) {
	switch r := Role(s); r {
	case RoleAdmin, RoleMember:
		return r, nil
	}
	return "", Errorf(CodeInvalidRequest, "role %q is unknown; use admin or member", clip(s))
}

// Account is what the gateway keeps of a person or a machine.
type Account struct {
	Name     AccountName
	Kind     Kind
	Role     Role
	Grants   Grants
	Disabled bool
	// PasswordHash is a person's, in the form of package password; it is
	// never shown and never logged.
	PasswordHash string
	Created      Timestamp
	// ResetRequested is when a person last asked for a new password and the
	// request waits for an administrator, or 0.
	ResetRequested Timestamp

	// Room is where a device belongs, or "". A device without grants may
	// read and write there.
	Room RoomID
	// Keys are a device's keys, the newest first: two while a rotation
	// overlaps, else one.
	Keys []DeviceKey
	// Seen is when a device last logged in, or 0.
	Seen Timestamp
}

// KeyHash is the SHA-256 of a device key as text. Keys have 256 random bits, so
// that nothing slower is needed.
type KeyHash [32]byte

// DeviceKey is one key of a device.
type DeviceKey struct {
	Hash KeyHash
	// Expires is when an older key stops working, or 0.
	Expires Timestamp
}

// Principal is what the account may do right now.
func (a Account) Principal() Principal {
	grants := a.Grants
	if a.Kind == KindDevice && len(grants) == 0 && a.Room != "" {
		grants = Grants{{Pattern: string(a.Room), Rights: RightRead | RightWrite}}
	}
	return Principal{Name: a.Name, Kind: a.Kind, Role: a.Role, Grants: grants}
}

// Principal is an authenticated account: who acts, and what it may do. It is a
// snapshot taken when the token was checked.
type Principal struct {
	Name   AccountName
	Kind   Kind
	Role   Role
	Grants Grants
}

// May reports whether the principal has all the given rights on the room.
// Admins may everything.
func (p Principal) May(rights Rights, room RoomID) bool {
	return p.Role == RoleAdmin || p.Grants.Allow(rights, room)
}

// MayEnter reports whether the principal may read or write in the room.
func (p Principal) MayEnter(room RoomID) bool {
	return p.Role == RoleAdmin || p.Grants.AllowAny(RightRead|RightWrite, room)
}
