// Command edgegw may end the process, and takes its time from the clock.
package main

import (
	"net/http"
	"os"
	"time"
)

func main() {
	_ = os.Getenv("HOME")
	_ = time.Now()
	http.HandleFunc("/", nil)
	os.Exit(1)
}
