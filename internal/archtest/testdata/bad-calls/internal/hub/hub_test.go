package hub_test

import (
	"os"
	"time"
)

func f() {
	_ = time.Now()
	os.Exit(1)
}
