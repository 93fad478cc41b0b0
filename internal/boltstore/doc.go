// Package boltstore keeps what has to survive a power cut in two bbolt files:
// identity.db, small and precious, where every change is on disk before it is
// answered, and history.db, where messages of many rooms share one commit. Two
// files, so that a chat log can never lock an owner out, and one file's writer
// never waits for the other's.
//
// It is no message router and knows no sockets, grants or passwords. It numbers
// nothing itself: whoever appends brings the seq, and the store checks it.
//
// Any error from a commit is final: what such a commit left on the disk is not
// known, so nothing of it is ever acknowledged and the process has to end. See
// docs/decisions/0002-history-layout.md for the layout of history.db.
package boltstore
