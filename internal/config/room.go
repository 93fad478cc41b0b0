package config

import (
	"fmt"
	"strings"

	"edgegw/internal/gateway"
)

// SetRoom changes one setting of a room. Name, form and range are those of the
// same key in a [[rooms]] table, with whole numbers in decimal. It returns
// CodeInvalidRequest, and leaves s alone, for a name that is unknown and for a
// value that the key does not allow; the message says what it does allow.
func SetRoom(s *gateway.RoomSettings, name, value string) error {
	i := find(roomTable, name)
	if i < 0 || name == "match" { // a pattern is no setting of a room
		return gateway.Errorf(gateway.CodeInvalidRequest, "a room has no such setting; it has %s",
			strings.Join(names(roomTable)[1:], ", "))
	}
	rule := RoomRule{Settings: *s}
	if err := roomTable[i].set(&rule, raw{text: value}); err != nil {
		return &gateway.Error{
			Code: gateway.CodeInvalidRequest, Message: fmt.Sprintf("%s: %v", name, err), Op: "config.SetRoom", Err: err,
		}
	}
	*s = rule.Settings
	return nil
}
