// Package hub does something by being imported.
package hub

func init() {}

type t struct{}

func (t) init() {}
