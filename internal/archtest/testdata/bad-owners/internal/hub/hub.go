// Package hub speaks WebSocket by itself.
package hub

import (
	_ "github.com/google/go-cmp/cmp"
	_ "github.com/lxzan/gws"
	_ "github.com/nobody/knows"
	_ "golang.org/x/crypto/argon2"
)
