// Package accounts is what people do to get in: log in, prove who they are with
// a token, and be added, disabled or removed by an administrator. It ties
// passwords, tokens and stored accounts together.
//
// It stores nothing itself, knows no sockets and no HTTP, and does not ask who
// calls its administrative methods: their callers check that.
package accounts
