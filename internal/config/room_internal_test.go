package config

import "testing"

func TestDefaultRoomSettingsAreThoseOfTheTable(t *testing.T) {
	var rule RoomRule
	for _, r := range roomTable {
		text := r.Default(Production)
		if text == "" { // the pattern has none
			continue
		}
		if err := r.set(&rule, raw{text: text}); err != nil {
			t.Fatal(err)
		}
	}
	if rule.Settings != DefaultRoomSettings() {
		t.Errorf("the table has %+v, DefaultRoomSettings %+v", rule.Settings, DefaultRoomSettings())
	}
}
