// Package attic has no floor.
package attic

import _ "edgegw/internal/hub"
