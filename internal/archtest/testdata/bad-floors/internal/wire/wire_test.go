package wire_test

import (
	_ "edgegw/cmd/edgegw"
	_ "edgegw/internal/hub"
	_ "edgegw/internal/storetest"
)
