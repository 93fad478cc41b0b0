package gateway

// MaxRoomIDBytes is the longest room id, in bytes.
const MaxRoomIDBytes = 128

// DefaultRoom is joined when neither the request nor the token names a room.
const DefaultRoom RoomID = "lobby"

// RoomID names a room. It matches [A-Za-z0-9][A-Za-z0-9._~:-]{0,127}.
type RoomID string

// ParseRoomID checks the shape of s and returns CodeInvalidRequest when it is
// not a room id. It does not fold case: room ids are case-sensitive.
func ParseRoomID(s string) (RoomID, error) {
	if !validRoomID(s) {
		return "", Errorf(CodeInvalidRequest,
			"a room id has 1 to %d characters, starts with a letter or digit and holds only A-Z, a-z, 0-9 and . _ ~ : -",
			MaxRoomIDBytes)
	}
	return RoomID(s), nil
}

func validRoomID[T string | []byte](s T) bool {
	if len(s) == 0 || len(s) > MaxRoomIDBytes {
		return false
	}
	for i := range len(s) {
		c := s[i]
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		punct := c == '.' || c == '_' || c == '~' || c == ':' || c == '-'
		if !alnum && (i == 0 || !punct) {
			return false
		}
	}
	return true
}

// ValidRoomID reports whether b has the shape of a room id, without allocating.
func ValidRoomID(b []byte) bool { return validRoomID(b) }
