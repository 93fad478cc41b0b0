package course_test

import (
	"fmt"
	"os"
	"path/filepath"
)

// libfaketime sets the wall clock of a program wrong, and leaves its monotonic one.
const libfaketime = "/usr/lib/*/faketime/libfaketime.so.1"

// in1970 is the variables of a driver whose board has woken up without a battery.
func in1970() []string {
	if client.ownClock {
		return []string{"COURSE_CLOCK=600"}
	}
	found, err := filepath.Glob(libfaketime)
	if err != nil || len(found) == 0 {
		fmt.Fprintln(os.Stderr, "course: libfaketime is missing; it comes with the Debian package faketime")
		os.Exit(1)
	}
	return []string{"LD_PRELOAD=" + found[0], "FAKETIME=@1970-01-01 00:10:00", "FAKETIME_DONT_FAKE_MONOTONIC=1", "DONT_FAKE_MONOTONIC=1"}
}
