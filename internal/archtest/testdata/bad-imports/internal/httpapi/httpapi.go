// Package httpapi may speak HTTP and no more.
package httpapi

import (
	_ "log/slog"
	_ "math/rand/v2"
	_ "net/http"
	_ "net/http/pprof"
)
