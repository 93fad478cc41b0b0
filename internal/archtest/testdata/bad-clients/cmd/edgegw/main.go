// Command edgegw may be a client.
package main

import _ "edgegw/firmware-clients/go"

func main() {}
