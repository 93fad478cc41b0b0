package gateway

import "strings"

// Rights is a set of what may be done in a room.
type Rights uint8

// The rights: reading covers subscribing, history and presence; writing covers
// publishing.
const (
	RightRead Rights = 1 << iota
	RightWrite
)

// ParseRights reads "r", "w" or "rw" and returns CodeInvalidRequest for
// anything else.
func ParseRights(s string) (Rights, error) {
	switch s {
	case "r":
		return RightRead, nil
	case "w":
		return RightWrite, nil
	case "rw":
		return RightRead | RightWrite, nil
	}
	return 0, Errorf(CodeInvalidRequest, "rights %q are unknown; use r, w or rw", clip(s))
}

// String is the inverse of ParseRights.
func (r Rights) String() string {
	return [...]string{"", "r", "w", "rw"}[r&(RightRead|RightWrite)]
}

// Grant gives rights on every room that its pattern matches. In a pattern `*`
// stands for any run of characters, also none; everything else is literal.
type Grant struct {
	Pattern string
	Rights  Rights
}

// ParseGrant reads the form "PATTERN:RIGHTS", for example "plant.*:rw". The
// rights follow the last colon, since room ids may hold colons themselves.
func ParseGrant(s string) (Grant, error) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return Grant{}, Errorf(CodeInvalidRequest, "a grant is written PATTERN:RIGHTS, for example *:rw; got %q", clip(s))
	}
	rights, err := ParseRights(s[i+1:])
	if err != nil {
		return Grant{}, err
	}
	if err := checkPattern(s[:i]); err != nil {
		return Grant{}, err
	}
	return Grant{Pattern: s[:i], Rights: rights}, nil
}

// String is the inverse of ParseGrant.
func (g Grant) String() string { return g.Pattern + ":" + g.Rights.String() }

// CheckRoomPattern returns CodeInvalidRequest unless s could match a room id.
func CheckRoomPattern(s string) error { return checkPattern(s) }

func checkPattern(s string) error {
	// A pattern is a room id in which stars may stand: with each star taken
	// as a letter it has to be one.
	if !validRoomID(strings.ReplaceAll(s, "*", "x")) {
		return Errorf(CodeInvalidRequest, "room pattern %q is neither a room id nor one with * in it", clip(s))
	}
	return nil
}

// Match reports whether the pattern matches the room.
func (g Grant) Match(room RoomID) bool { return MatchPattern(g.Pattern, room) }

// MatchPattern reports whether a room pattern matches the room. It runs in
// O(len(pattern)·len(room)) at worst and never backtracks past the last star.
func MatchPattern(pattern string, room RoomID) bool {
	p, r, star, mark := 0, 0, -1, 0
	for r < len(room) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, r
			p++
		case p < len(pattern) && pattern[p] == room[r]:
			p++
			r++
		case star >= 0:
			mark++
			p, r = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// Grants is the list of an account's grants; its rights add up.
type Grants []Grant

// Allow reports whether the grants together give all the rights on the room.
func (gs Grants) Allow(rights Rights, room RoomID) bool {
	var have Rights
	for _, g := range gs {
		if g.Rights&^have != 0 && g.Match(room) {
			have |= g.Rights
		}
	}
	return have&rights == rights
}

// AllowAny reports whether the grants give at least one of the rights.
func (gs Grants) AllowAny(rights Rights, room RoomID) bool {
	for _, g := range gs {
		if g.Rights&rights != 0 && g.Match(room) {
			return true
		}
	}
	return false
}
