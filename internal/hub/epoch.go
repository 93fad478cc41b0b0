package hub

import (
	"crypto/sha256"
	"encoding/base32"

	"edgegw/internal/gateway"
)

// tagLetters is how much of a hash stands behind an epoch: 30 bits tell the
// rooms of a site apart.
const tagLetters = 6

// shownEpoch is what clients know a room's epoch by. In a history many rooms may
// be in the same epoch, while the seqs of one say nothing of those of another:
// the tag makes it this room's own, so that nobody resumes here with what was
// told of elsewhere.
func shownEpoch(id gateway.RoomID, epoch gateway.Epoch) gateway.Epoch {
	sum := sha256.Sum256([]byte(string(epoch) + "\x00" + string(id)))
	tag := base32.StdEncoding.EncodeToString(sum[:])[:tagLetters]
	return epoch + "." + gateway.Epoch(tag)
}

// keptEpoch is the epoch of the history that was shown of the room, and not ok
// for what no client can have been shown of it.
func keptEpoch(id gateway.RoomID, shown gateway.Epoch) (epoch gateway.Epoch, ok bool) {
	end := len(shown) - tagLetters - len(".")
	if end <= 0 {
		return "", false
	}
	epoch = shown[:end]
	return epoch, shownEpoch(id, epoch) == shown
}
