// Package hub imports what it must not.
package hub

import (
	_ "encoding/gob"
	_ "flag"
	_ "html/template"
	_ "log"
	_ "math/rand"
	_ "net/http"
	_ "net/http/httptest"
	_ "net/http/pprof"
	_ "testing"
	_ "text/template"

	_ "github.com/prometheus/client_golang/prometheus"
)
