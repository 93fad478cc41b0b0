// Package hub is a client of its own.
package hub

import _ "edgegw/firmware-clients/go"
