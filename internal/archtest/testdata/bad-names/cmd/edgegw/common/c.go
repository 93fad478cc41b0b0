// Package shop lies in a folder with no meaning.
package shop
