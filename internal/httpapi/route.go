package httpapi

import (
	"net/http"
	"sort"
	"strings"
)

// Classes are the groups that requests are counted in, each with the status codes
// worth a series of their own there; routes, or every code, would be too many.
var Classes = map[string][]int{
	classAuth:    {200, 202, 204, 400, 401, 403, 429, 500, 503},
	classAdmin:   {200, 201, 204, 400, 401, 403, 404, 409, 500, 503},
	classRooms:   {200, 201, 204, 400, 401, 403, 404, 429, 500, 503},
	classSocket:  {101, 400, 401, 403, 429, 500, 503},
	classHealth:  {200, 500, 503},
	classMetrics: {200, 401, 500},
	classOther:   {200, 304, 404, 405, 500},
}

const (
	classAuth    = "auth"
	classAdmin   = "admin"
	classRooms   = "rooms"
	classSocket  = "ws"
	classHealth  = "health"
	classMetrics = "metrics"
	classOther   = "other"
)

// handler answers a request, or returns the error to answer with.
type handler func(w http.ResponseWriter, r *http.Request) error

// route is a path and what its methods do. A segment such as `{id}` of the path
// matches any one segment, and a last one `{path}` all that follow.
type route struct {
	path    string
	class   string
	methods map[string]handler
	// open routes answer before there is an administrator.
	open bool
}

// match finds the path's route and notes the path's values in the request.
func (a *API) match(r *http.Request) *route {
	for i := range a.routes {
		if values, ok := matchPath(a.routes[i].path, r.URL.Path); ok {
			for name, value := range values {
				r.SetPathValue(name, value)
			}
			return &a.routes[i]
		}
	}
	return nil
}

func matchPath(pattern, path string) (values map[string]string, ok bool) {
	for {
		want, restWant, moreWant := strings.Cut(pattern, "/")
		have, restHave, moreHave := strings.Cut(path, "/")
		switch {
		case want == "{path}":
			return map[string]string{"path": path}, true
		case strings.HasPrefix(want, "{") && have != "":
			if values == nil {
				values = make(map[string]string, 1)
			}
			values[strings.Trim(want, "{}")] = have
		case want != have:
			return nil, false
		}
		if moreWant != moreHave {
			return nil, false
		}
		if !moreWant {
			return values, true
		}
		pattern, path = restWant, restHave
	}
}

// method returns what the request's method does. HEAD does what GET does; the
// server leaves the body out.
func (rt *route) method(name string) handler {
	if h := rt.methods[name]; h != nil || name != http.MethodHead {
		return h
	}
	return rt.methods[http.MethodGet]
}

// allow is the value of the Allow header.
func (rt *route) allow() string {
	names := make([]string, 0, len(rt.methods)+1)
	for name := range rt.methods {
		names = append(names, name)
		if name == http.MethodGet {
			names = append(names, http.MethodHead)
		}
	}
	sort.Strings(names)
	return strings.Join(names, ", ")
}
