package config

import "slices"

// Differences names the options whose values differ in the two configurations, in
// the order of the option table, and "rooms" behind them when the [[rooms]]
// tables do. Where a value comes from makes no difference.
func (c *Config) Differences(other *Config) []string {
	var names []string
	for i, s := range c.settings {
		// What may be shown of an address with a secret is only a part of it.
		if s.Value != other.settings[i].Value || s.Hidden && c.texts[s.Name] != other.texts[s.Name] {
			names = append(names, s.Name)
		}
	}
	same := func(a, b Setting) bool { return a.Value == b.Value }
	if !slices.EqualFunc(c.roomSettings, other.roomSettings, func(a, b []Setting) bool { return slices.EqualFunc(a, b, same) }) {
		names = append(names, "rooms")
	}
	return names
}
