package accounts_test

import _ "edgegw/internal/boltstore"
