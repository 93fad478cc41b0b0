package client_test

import (
	_ "edgegw/firmware-clients/go"
	_ "edgegw/internal/gatewaytest"
)
