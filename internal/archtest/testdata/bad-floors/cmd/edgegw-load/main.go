// Command edgegw-load reaches into the gateway.
package main

import _ "edgegw/internal/app"
