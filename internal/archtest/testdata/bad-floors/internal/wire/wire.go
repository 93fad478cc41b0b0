// Package wire imports upwards, sideways and out of the house.
package wire

import (
	_ "edgegw/cmd/edgegw"
	_ "edgegw/internal/gateway"
	_ "edgegw/internal/hub"
	_ "edgegw/internal/storetest"
	_ "edgegw/internal/token"
)
