// Package hub is tested from inside.
package hub
