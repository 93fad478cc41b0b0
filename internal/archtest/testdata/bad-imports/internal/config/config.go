// Package config may have flags.
package config

import (
	_ "flag"
	_ "net/http"
)
