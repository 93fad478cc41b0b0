package wsedge

import "edgegw/internal/wire"

// violation is why a connection must end at once. Its code goes to the client,
// its reason into logs and metric labels.
type violation struct {
	code   wire.CloseCode
	reason string
}

// Error makes a violation the error of a Read.
func (v *violation) Error() string { return "frame guard: " + v.reason }

// breach indexes violations; it costs a connection one byte.
type breach uint8

const (
	noBreach breach = iota
	breachReservedBits
	breachReservedOpcode
	breachUnmasked
	breachFragmentedControl
	breachLongControl
	breachStrayContinuation
	breachInterruptedMessage
	breachLengthNotMinimal
	breachLengthTopBit
	breachClosePayload
	breachCloseCode
	breachMessageTooLarge
	breachEmptyFragments
	breachFrameRate
)

// violations is the closed list of reasons.
var violations = [...]violation{
	breachReservedBits:       {wire.CloseIllegalFrame, "reserved_bits"},
	breachReservedOpcode:     {wire.CloseIllegalFrame, "reserved_opcode"},
	breachUnmasked:           {wire.CloseIllegalFrame, "unmasked_frame"},
	breachFragmentedControl:  {wire.CloseIllegalFrame, "fragmented_control"},
	breachLongControl:        {wire.CloseIllegalFrame, "long_control"},
	breachStrayContinuation:  {wire.CloseIllegalFrame, "stray_continuation"},
	breachInterruptedMessage: {wire.CloseIllegalFrame, "interrupted_message"},
	breachLengthNotMinimal:   {wire.CloseIllegalFrame, "length_not_minimal"},
	breachLengthTopBit:       {wire.CloseIllegalFrame, "length_top_bit"},
	breachClosePayload:       {wire.CloseIllegalFrame, "close_payload"},
	breachCloseCode:          {wire.CloseIllegalFrame, "close_code"},
	breachMessageTooLarge:    {wire.CloseMessageTooLarge, "message_too_large"},
	breachEmptyFragments:     {wire.CloseRateLimited, "empty_fragments"},
	breachFrameRate:          {wire.CloseRateLimited, "frame_rate"},
}
