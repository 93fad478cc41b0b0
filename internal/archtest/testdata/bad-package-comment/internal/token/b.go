// Package token says so again.
package token
