package config_test

import (
	"strings"
	"testing"
	"time"

	"edgegw/internal/config"
	"edgegw/internal/gateway"
)

func TestSetRoom(t *testing.T) {
	day := 24 * time.Hour
	with := func(change func(*gateway.RoomSettings)) gateway.RoomSettings {
		s := config.DefaultRoomSettings()
		change(&s)
		return s
	}
	for _, c := range []struct {
		name, key, value string
		want             gateway.RoomSettings
	}{
		{"ok durability", "durability", "fsynced", with(func(s *gateway.RoomSettings) { s.Durability = gateway.DurabilityFsynced })},
		{"ok overflow", "overflow", "keep_latest", with(func(s *gateway.RoomSettings) { s.Overflow = gateway.OverflowKeepLatest })},
		{"ok fewest messages", "max_messages", "1", with(func(s *gateway.RoomSettings) { s.MaxMessages = 1 })},
		{"ok most messages", "max_messages", "100000000", with(func(s *gateway.RoomSettings) { s.MaxMessages = 1e8 })},
		{"ok most bytes", "max_bytes", "1099511627776", with(func(s *gateway.RoomSettings) { s.MaxBytes = 1 << 40 })},
		{"ok age in days", "max_age", "30d", with(func(s *gateway.RoomSettings) { s.MaxAge = 30 * day })},
		{"ok age as it is shown", "max_age", (36500 * day).String(), with(func(s *gateway.RoomSettings) { s.MaxAge = 36500 * day })},
		{"ok no age", "max_age", time.Duration(0).String(), config.DefaultRoomSettings()},
	} {
		s := config.DefaultRoomSettings()
		if err := config.SetRoom(&s, c.key, c.value); err != nil || s != c.want {
			t.Errorf("%s: %+v, %v", c.name, s, err)
		}
	}
	for _, c := range []struct{ name, key, value, message string }{
		{"bad durability", "durability", "Queued", `durability: "Queued" is unknown; use one of memory, queued, fsynced`},
		{"bad overflow", "overflow", "", `overflow: "" is unknown; use one of disconnect`},
		{"bad no messages", "max_messages", "0", `max_messages: "0" is out of range; use 1 to 100000000 messages`},
		{"bad more messages", "max_messages", "100000001", "out of range"},
		{"bad bytes below zero", "max_bytes", "-1", "out of range"},
		{"bad more bytes", "max_bytes", "1099511627777", "out of range"},
		{"bad short age", "max_age", "999ms", "max_age: \"999ms\" is out of range; use 1s to 36500d, or 0 for no limit"},
		{"bad age below zero", "max_age", "-1h", "out of range"},
		{"bad longer age", "max_age", "876001h", "out of range"},
		{"bad age without a unit", "max_age", "90", "not a duration"},
		{"bad pattern", "match", "plant.*", "a room has no such setting; it has durability, overflow, max_messages, max_bytes, max_age"},
		{"bad name", "epoch", "x", "a room has no such setting"},
	} {
		s := config.DefaultRoomSettings()
		err := config.SetRoom(&s, c.key, c.value)
		if gateway.CodeOf(err) != gateway.CodeInvalidRequest || !strings.Contains(gateway.AsError(err).Message, c.message) {
			t.Errorf("%s: %v", c.name, err)
		}
		if s != config.DefaultRoomSettings() {
			t.Errorf("%s: changed to %+v", c.name, s)
		}
	}
}
