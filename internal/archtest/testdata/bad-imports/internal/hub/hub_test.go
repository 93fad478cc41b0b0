package hub_test

import (
	_ "flag"
	_ "log"
	_ "math/rand"
	_ "net/http"
	_ "testing"
	_ "text/template"
)
