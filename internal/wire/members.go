package wire

// member is one that some command knows.
type member uint8

const (
	memberType member = iota
	memberRoom
	memberID
	memberData
	memberAfter
	memberEpoch
	memberLatest
	memberState
	memberToken
	memberCount
)

// String is the member's name in JSON.
func (m member) String() string {
	return [...]string{"type", "room", "id", "data", "after", "epoch", "latest", "state", "token"}[m]
}

// everyCommand are the members that may not be given twice whatever the
// command is; the others only where they mean something.
var everyCommand = []member{memberType, memberRoom, memberID, memberData}

// members are the raw values of a command's members.
type members struct {
	values [memberCount][]byte // nil where one is missing
	twice  [memberCount]bool
}

// duplicate returns the first of the members that is given twice.
func (m *members) duplicate(of ...member) (member, bool) {
	for _, name := range of {
		if m.twice[name] {
			return name, true
		}
	}
	return 0, false
}

// read reports whether frame is one JSON object, and notes its known members.
func (m *members) read(frame []byte) bool {
	i := skipSpace(frame, 0)
	if i >= len(frame) || frame[i] != '{' {
		return false
	}
	i = skipSpace(frame, i+1)
	if i < len(frame) && frame[i] == '}' {
		return skipSpace(frame, i+1) == len(frame)
	}
	for ok := true; ; {
		start := i
		if i, ok = skipString(frame, i); !ok {
			return false
		}
		key := frame[start:i]
		i = skipSpace(frame, i)
		if i >= len(frame) || frame[i] != ':' {
			return false
		}
		start = skipSpace(frame, i+1)
		if i, ok = skipValue(frame, start); !ok {
			return false
		}
		m.note(key, frame[start:i])
		i = skipSpace(frame, i)
		switch {
		case i >= len(frame):
			return false
		case frame[i] == '}':
			return skipSpace(frame, i+1) == len(frame)
		case frame[i] != ',':
			return false
		}
		i = skipSpace(frame, i+1)
	}
}

func (m *members) note(key, value []byte) {
	name, known := knownMember(key)
	switch {
	case !known:
	case m.values[name] != nil:
		m.twice[name] = true
	default:
		m.values[name] = value
	}
}

func knownMember(key []byte) (member, bool) {
	switch string(stringToken(key)) {
	case "type":
		return memberType, true
	case "room":
		return memberRoom, true
	case "id":
		return memberID, true
	case "data":
		return memberData, true
	case "after":
		return memberAfter, true
	case "epoch":
		return memberEpoch, true
	case "latest":
		return memberLatest, true
	case "state":
		return memberState, true
	case "token":
		return memberToken, true
	}
	return 0, false
}
