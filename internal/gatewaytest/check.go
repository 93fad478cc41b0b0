package gatewaytest

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"edgegw/internal/gateway"
)

// secrets are what no line of a log may hold. Tests have the first word in all
// the secrets that they make up.
var secrets = []string{"canary", "eyJ", "$argon2"}

// closeReason is what may stand in a close frame: a fixed name, and when to come
// back.
var closeReason = regexp.MustCompile(`^([a-z0-9_]+( retry_after_ms=[0-9]+)?)?$`)

// checkLog fails the test unless the log is JSON, line by line, has what the
// contract asks for, and holds no secret.
func checkLog(t testing.TB, log string) {
	t.Helper()
	for _, secret := range secrets {
		if i := strings.Index(log, secret); i >= 0 {
			t.Errorf("the log holds a secret: …%s…", log[max(0, i-80):min(len(log), i+80)])
		}
	}
	for line := range strings.Lines(log) {
		var m struct {
			Time              time.Time
			Level, Msg, Event string
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Errorf("log line %q is not JSON: %v", line, err)
			continue
		}
		if m.Time.IsZero() || m.Level == "" || m.Msg == "" || m.Event == "" {
			t.Errorf("log line %q lacks one of time, level, msg, event", line)
		}
	}
}

// keepLog puts the log where the suite's own search for secrets looks.
func keepLog(t testing.TB, log string) {
	dir := os.Getenv("EDGEGW_TEST_LOGS")
	if dir == "" {
		return
	}
	name := strings.Map(func(r rune) rune {
		if r == '/' || r == ' ' {
			return '_'
		}
		return r
	}, t.Name())
	f, err := os.CreateTemp(dir, name+"-*.log")
	if err != nil {
		t.Errorf("keeping the log: %v", err)
		return
	}
	_, err = f.WriteString(log)
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err != nil {
		t.Error(err)
	}
}

// checkAnswer fails the test unless the answer has what every answer has, and
// what every answer of its status has.
func checkAnswer(t testing.TB, request string, a Answer) {
	t.Helper()
	id := a.Header.Get("X-Request-ID")
	if id == "" {
		t.Errorf("%s: %d without X-Request-ID", request, a.Status)
	}
	checkDocumented(t, request, a)
	if a.Status < 400 || a.Header.Get("Content-Type") == "application/json" && strings.HasSuffix(request, "/health") {
		return
	}
	if ct := a.Header.Get("Content-Type"); ct != "application/problem+json" {
		t.Errorf("%s: %d with Content-Type %q", request, a.Status, ct)
	}
	p := a.JSON()
	for _, member := range []string{"type", "title", "detail", "code", "request_id"} {
		if s, _ := p[member].(string); s == "" {
			t.Errorf("%s: the problem %s lacks %s", request, a.Body, member)
		}
	}
	if p["status"] != float64(a.Status) || p["request_id"] != id {
		t.Errorf("%s: the problem %s contradicts status %d or request id %s", request, a.Body, a.Status, id)
	}
	if !slices.Contains(gateway.Codes, gateway.Code(a.Code())) {
		t.Errorf("%s: the code %q is not in the list", request, a.Code())
	}
	checkHeaders(t, request, a)
}

func checkHeaders(t testing.TB, request string, a Answer) {
	t.Helper()
	switch a.Status {
	case http.StatusUnauthorized:
		if !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Bearer ") {
			t.Errorf("%s: 401 with WWW-Authenticate %q", request, a.Header.Get("WWW-Authenticate"))
		}
	case http.StatusMethodNotAllowed:
		if a.Header.Get("Allow") == "" {
			t.Errorf("%s: 405 without Allow", request)
		}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		if n, err := strconv.Atoi(a.Header.Get("Retry-After")); err != nil || n < 1 {
			t.Errorf("%s: %d with Retry-After %q", request, a.Status, a.Header.Get("Retry-After"))
		}
	}
}
