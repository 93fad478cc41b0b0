// Package archtest holds the rules of the house and checks them on the source:
// which package may import which, who owns which third-party module, what a
// package may keep in variables, what every name has to explain.
//
// The tables in house.go are the rules' data and are meant to be edited: a new
// package gets its floor there, a new module its owner, an exception its reason.
// The checks read source with go/parser and never run it, so they also work on a
// tree that does not build.
//
// It is test support and no part of the gateway. It judges form only; whether
// the code does what it should is the business of the other tests.
package archtest
