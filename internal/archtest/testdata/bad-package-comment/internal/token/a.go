// Package token has two comments.
package token
