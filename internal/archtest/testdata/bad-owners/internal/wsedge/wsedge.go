// Package wsedge owns gws.
package wsedge

import (
	_ "github.com/golang-jwt/jwt/v5/request"
	_ "github.com/lxzan/gws"
)
