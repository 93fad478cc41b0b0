package gateway

// Account is what the gateway keeps of a person or a machine.
type Account struct {
	Name     AccountName
	Kind     Kind
	Role     Role
	Grants   Grants
	Disabled bool
	// PasswordHash is a PHC string; it is never shown and never logged.
	PasswordHash string
	Created      Timestamp
}

// Principal is what the account may do right now.
func (a Account) Principal() Principal {
	return Principal{Name: a.Name, Kind: a.Kind, Role: a.Role, Grants: a.Grants}
}

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
