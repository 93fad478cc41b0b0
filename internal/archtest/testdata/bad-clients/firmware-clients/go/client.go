// Package client cannot be copied.
package client

import (
	_ "net/http"

	_ "github.com/lxzan/gws"

	_ "edgegw/internal/gateway"
	_ "edgegw/internal/nowhere"
)
