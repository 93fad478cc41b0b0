package wire

import (
	"strings"

	"edgegw/internal/gateway"
)

// maxAfter is 2^53, the largest whole number up to which every JSON reader
// counts without holes.
const maxAfter = 1 << 53

// maxEpochBytes is more than any epoch has: what is longer was never given out.
const maxEpochBytes = 64

// Resume is what a client says it has of a room when it joins (PROTOCOL section
// 4). The zero Resume asks for nothing but what is published from now on.
type Resume struct {
	// After is the last seq that the client has, 0 to 2^53. It means
	// something only with HasAfter: who has nothing yet says 0.
	After    gateway.Seq
	HasAfter bool
	// Epoch is the one that After was given in, or "" when the client does
	// not say. It stands only beside After.
	Epoch gateway.Epoch
	// Latest asks for the newest stored message at once.
	Latest bool
}

// ParseResume reads the members after, epoch and latest of the query of /ws by
// the rules of the command subscribe. Other members are not looked at. It
// returns CodeInvalidRequest for values that are malformed, and for epoch
// without after. The Resume holds nothing of the query's memory.
func ParseResume(query map[string][]string) (Resume, error) {
	var r Resume
	after, epoch, latest := query["after"], query["epoch"], query["latest"]
	if len(after) > 0 {
		var ok bool
		if r.After, ok = parseAfter(after[0]); !ok {
			return Resume{}, errAfter()
		}
		r.HasAfter = true
	}
	if len(epoch) > 0 {
		if len(epoch[0]) == 0 || len(epoch[0]) > maxEpochBytes {
			return Resume{}, errEpoch()
		}
		r.Epoch = gateway.Epoch(strings.Clone(epoch[0]))
	}
	if len(latest) > 0 {
		var ok bool
		if r.Latest, ok = parseLatest(latest[0]); !ok {
			return Resume{}, errLatest()
		}
	}
	return r.checked()
}

// resume reads the same members of the command subscribe.
func (m *members) resume() (Resume, error) {
	var r Resume
	if token := m.values[memberAfter]; token != nil {
		var ok bool
		if r.After, ok = parseAfter(token); !ok {
			return Resume{}, errAfter()
		}
		r.HasAfter = true
	}
	if token := m.values[memberEpoch]; token != nil {
		epoch, err := shortString("epoch", token, maxEpochBytes)
		if err != nil {
			return Resume{}, err
		}
		r.Epoch = gateway.Epoch(epoch)
	}
	if token := m.values[memberLatest]; token != nil {
		var ok bool
		if r.Latest, ok = parseLatest(token); !ok {
			return Resume{}, errLatest()
		}
	}
	return r.checked()
}

func (r Resume) checked() (Resume, error) {
	if r.Epoch != "" && !r.HasAfter {
		return Resume{}, gateway.Errorf(gateway.CodeInvalidRequest, "epoch says nothing without after; give the last seq that you have of it")
	}
	return r, nil
}

// parseAfter reads digits only: a fraction or an exponent is the sign of a
// number that has been through a float.
func parseAfter[T string | []byte](s T) (gateway.Seq, bool) {
	var n uint64
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		if n = n*10 + uint64(c-'0'); n > maxAfter {
			return 0, false
		}
	}
	return gateway.Seq(n), len(s) > 0
}

func parseLatest[T string | []byte](s T) (latest, ok bool) {
	switch string(s) {
	case "true", "1":
		return true, true
	case "false", "0":
		return false, true
	}
	return false, false
}

func errAfter() error {
	return gateway.Errorf(gateway.CodeInvalidRequest, "after has to be a whole number from 0 to %d", uint64(maxAfter))
}

func errEpoch() error {
	return gateway.Errorf(gateway.CodeInvalidRequest, "epoch has 1 to %d bytes", maxEpochBytes)
}

func errLatest() error {
	return gateway.Errorf(gateway.CodeInvalidRequest, "latest has to be true or false")
}
