package httpapi

import (
	"net/http"
	"net/url"
	"strconv"

	"edgegw/internal/gateway"
)

// mostNumber is the largest number that every JSON reader takes exactly.
const mostNumber = 1<<53 - 1

// readQuery returns CodeInvalidRequest for what cannot be read; URL.Query would
// leave it out in silence.
func readQuery(r *http.Request) (url.Values, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, gateway.Errorf(gateway.CodeInvalidRequest, "the query cannot be read; write name=value&name=value, percent-encoded")
	}
	return query, nil
}

// number reads the one value of a parameter. It returns CodeInvalidRequest
// outside low to high, and for a parameter that is given twice.
func number(name string, values []string, low, high uint64) (uint64, error) {
	if len(values) != 1 {
		return 0, gateway.Errorf(gateway.CodeInvalidRequest, "the query gives a parameter more than once")
	}
	n, err := strconv.ParseUint(values[0], 10, 64)
	if err != nil || n < low || n > high {
		return 0, gateway.Errorf(gateway.CodeInvalidRequest, "%s has to be a whole number from %d to %d", name, low, high)
	}
	return n, nil
}
