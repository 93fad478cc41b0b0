// Command edgegw is a shell.
package main

import (
	_ "expvar"
	_ "flag"
	_ "log"
	_ "net/http"
)
