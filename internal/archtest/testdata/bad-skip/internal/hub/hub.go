// Package hub may skip what it reads.
package hub

type reader interface{ Skip(int) }

func f(r reader) { r.Skip(1) }
