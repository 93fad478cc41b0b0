package gateway

import "time"

// Limits that are part of the contract and no option.
const (
	// ProtocolVersion is announced in the welcome frame.
	ProtocolVersion = 1
	// MaxBodyBytes is the largest HTTP request body.
	MaxBodyBytes = 64 << 10
	// MaxMessageIDBytes is the longest client-given message id.
	MaxMessageIDBytes = 64
	// MaxTokenBytes is the longest token that is looked at.
	MaxTokenBytes = 4 << 10
	// MinHistoryLimit, DefaultHistoryLimit and MaxHistoryLimit bound the
	// messages of one history page.
	MinHistoryLimit     = 1
	DefaultHistoryLimit = 50
	MaxHistoryLimit     = 1000
	// MaxPasswordRunes is the longest password, in code points.
	MaxPasswordRunes = 256
	// IdleGrace is added to the ping interval before a silent peer is
	// closed.
	IdleGrace = 10 * time.Second
)
