// Package gateway is the vocabulary of edgegw: accounts, grants, rooms,
// messages, settings, error codes and limits. Reading it answers the question
// "what is edgegw?".
//
// It imports the standard library only and does no I/O. Everything that acts on
// these words (sockets, storage, HTTP) lives on a higher floor; see
// docs/ARCHITECTURE.md.
package gateway
