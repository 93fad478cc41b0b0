package gateway

// Record is a message on its way into a room's history. The store keeps the
// pointer until the message is committed and longer, so that nothing in it may
// change after it was handed over, except Ticket by the store itself.
type Record struct {
	Room    RoomID
	Message Message
	// Ticket is the publisher's own note, given back with the commit and
	// then cleared.
	Ticket any
}
