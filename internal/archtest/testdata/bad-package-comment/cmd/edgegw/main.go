// Package main is what every command is.
package main
