// Package accounts knows its store.
package accounts

import _ "edgegw/internal/boltstore"
