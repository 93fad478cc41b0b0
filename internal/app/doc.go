// Package app puts the gateway together: it opens what a Config names, wires
// the parts, runs them as tasks, and stops them in order. It is the only
// importer of boltstore, and the place where interfaces of one floor meet types
// of another.
//
// It holds no logic of its own: what a part does stands in that part.
package app
