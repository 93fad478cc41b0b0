package adminsock

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// A request that comes after the end must not touch a store that is closed.
func TestNothingBeginsAfterTheEnd(t *testing.T) {
	begun := 0
	requests, end := context.WithCancel(context.Background())
	h := unlessOver(requests, &sync.RWMutex{}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { begun++ }))
	ask := func() {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/user/list", http.NoBody))
	}
	ask()
	end()
	ask()
	if begun != 1 {
		t.Errorf("%d operations began, want the one before the end", begun)
	}
}
