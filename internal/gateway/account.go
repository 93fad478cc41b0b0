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
