// Package storetest is the one suite that every message store has to pass:
// whatever a room's class, history pages, heads and limits behave the same.
//
// It is test support and in no binary. What only a store on disk promises is
// tested beside that store.
package storetest
