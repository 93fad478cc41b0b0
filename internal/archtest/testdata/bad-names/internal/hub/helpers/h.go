// Package helpers is for everything.
package helpers
