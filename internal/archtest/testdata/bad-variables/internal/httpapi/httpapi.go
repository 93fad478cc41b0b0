// Package httpapi keeps state where everyone shares it.
package httpapi

import (
	"errors"
	"net/http"
	"regexp"
	"sync"
	"time"

	"edgegw/internal/gateway"
)

var (
	counter  int
	answer   = 42
	mu       sync.Mutex
	pool     = sync.Pool{}
	started  = time.Now
	made     = make(map[string]int)
	errGone  = errors.New("gone")
	shape    = regexp.MustCompile(`^x$`)
	prefix   = []byte("x")
	names    = map[int]string{1: "one"}
	list     = []string{"a"}
	_        = answer
	pointer  = &http.Client{}
	settings = struct{ on bool }{}
)

func f(rooms map[int]string) {
	counter++
	names[2] = "two"
	delete(names, 1)
	list = append(list, "b")
	list[0] = "c"
	settings.on = true
	errGone = nil
	gateway.Codes = nil
	http.DefaultTransport = nil
	clear(list)
	_ = &prefix
	_ = shape
	_ = pointer
	for answer = range 3 {
	}

	// None of these is the package's.
	names := rooms
	names[3] = "three"
	delete(rooms, 1)
	if list := []int{1}; len(list) > 0 {
		list[0] = 2
	}
	type local struct{ counter int }
	var l local
	l.counter++
}
