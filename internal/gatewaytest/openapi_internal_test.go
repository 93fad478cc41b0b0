package gatewaytest

import (
	"net/http"
	"sync"
	"testing"
)

func TestConforms(t *testing.T) {
	const (
		problem = `{"type":"about:blank","title":"t","status":404,"detail":"d","code":"not_found","request_id":"0123456789abcdef"}`
		made    = `{"name":"p","kind":"device","grants":[],"disabled":false,"created":1,"keys":1,"device_key":"0123456789012345678901234567890123456789-_A"}`
		device  = `{"name":"p","kind":"device","grants":[],"disabled":false,"created":1,"keys":1}`
	)
	jsonType, problemType := []string{"Content-Type", "application/json"}, []string{"Content-Type", "application/problem+json"}
	tests := []struct {
		name, method, path string
		status             int
		headers            []string
		body               string
		ok                 bool
	}{
		{"ok answer", "GET", "/devices/p", 200, jsonType, device, true},
		{"ok query", "GET", "/audit?limit=1", 200, jsonType, `{"events":[]}`, true},
		{"ok HEAD", "HEAD", "/devices/p", 200, jsonType, ``, true},
		{"ok no body", "DELETE", "/devices/p", 204, nil, ``, true},
		{"ok Location", "POST", "/devices", 201, append(jsonType, "Location", "/devices/p"), made, true},
		{"ok problem", "GET", "/devices/p", 404, problemType, problem, true},
		{"ok null as data", "GET", "/rooms/a/messages", 200, jsonType, `{"room":"a","epoch":"e","messages":[{"seq":1,"ts":1,"user":"a","data":null}]}`, true},
		{"ok numbers beyond float64", "GET", "/rooms/a/messages", 200, jsonType, `{"room":"a","epoch":"e","messages":[{"seq":1,"ts":1,"user":"a","data":[1e400,{"a":-1e400}]}]}`, true},
		{"ok text", "GET", "/metrics", 200, []string{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}, "x 1\n", true},
		{"ok unknown path", "GET", "/nothing", 404, problemType, problem, true},
		{"ok two slashes", "GET", "//rooms", 404, problemType, problem, true},
		{"ok unknown method", "PUT", "/devices", 405, append(problemType, "Allow", "GET"), problem, true},
		{"ok preflight", "OPTIONS", "/devices", 204, nil, ``, true},
		{"ok Retry-After", "GET", "/readyz", 503, append(problemType, "Retry-After", "1"), problem, true},

		{"bad member", "GET", "/devices/p", 200, jsonType, device[:len(device)-1] + `,"device_key":"k"}`, false},
		{"bad member deep inside", "GET", "/devices", 200, jsonType, `{"devices":[` + device[:len(device)-1] + `,"x":1}]}`, false},
		{"bad missing member", "GET", "/devices/p", 200, jsonType, `{}`, false},
		{"bad type", "GET", "/audit", 200, jsonType, `{"events":{}}`, false},
		{"bad constant", "GET", "/livez", 200, jsonType, `{"status":"good"}`, false},
		{"bad code", "GET", "/devices/p", 404, problemType, `{"type":"about:blank","title":"t","status":404,"detail":"d","code":"gone","request_id":"0123456789abcdef"}`, false},
		{"bad status", "GET", "/devices/p", 201, jsonType, device, false},
		{"bad status of an unknown path", "GET", "/nothing", 200, jsonType, `{}`, false},
		{"bad status of an unknown method", "PUT", "/devices", 200, jsonType, `{}`, false},
		{"bad media type", "GET", "/devices/p", 200, problemType, device, false},
		{"bad no media type", "GET", "/devices/p", 200, nil, device, false},
		{"bad no JSON", "GET", "/devices/p", 200, jsonType, `{`, false},
		{"bad JSON twice", "GET", "/livez", 200, jsonType, `{"status":"ok"}{}`, false},
		{"bad fraction", "GET", "/audit", 200, jsonType, `{"events":[{"seq":1.5,"ts":1,"event":"setup","actor":"","subject":"","ip":"","result":"ok","reason":""}]}`, false},
		{"bad body where there is none", "DELETE", "/devices/p", 204, jsonType, `{}`, false},
		{"bad no Location", "POST", "/devices", 201, jsonType, made, false},
		{"bad no Allow", "PUT", "/devices", 405, problemType, problem, false},
		{"bad no challenge", "GET", "/devices", 401, problemType, problem, false},
		{"bad challenge", "GET", "/devices", 401, append(problemType, "WWW-Authenticate", "Basic"), problem, false},
		{"bad Retry-After", "GET", "/readyz", 503, append(problemType, "Retry-After", "soon"), problem, false},
		{"bad Retry-After 0", "GET", "/readyz", 503, append(problemType, "Retry-After", "0"), problem, false},
	}
	doc, err := apiDocument()
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for _, test := range tests {
		wg.Go(func() { // as parallel tests do
			a := Answer{Status: test.status, Header: http.Header{"X-Request-Id": {"0123456789abcdef"}}, Body: []byte(test.body)}
			for i := 0; i < len(test.headers); i += 2 {
				a.Header.Add(test.headers[i], test.headers[i+1])
			}
			if err := conforms(doc, test.method, test.path, a); (err == nil) != test.ok {
				t.Errorf("%s: %v", test.name, err)
			}
			a.Header.Del("X-Request-Id")
			if err := conforms(doc, test.method, test.path, a); err == nil && test.method != "OPTIONS" {
				t.Errorf("%s: passes without X-Request-ID", test.name)
			}
		})
	}
	wg.Wait()
}
