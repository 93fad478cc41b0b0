package webhook_test

import (
	"crypto/tls"
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// newTLSReceiver is a receiver with the given certificate, or with one of
// httptest's, which nobody vouches for.
func newTLSReceiver(t *testing.T, certificates ...tls.Certificate) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewUnstartedServer(r.note(nil))
	r.TLS = &tls.Config{Certificates: certificates, MinVersion: tls.VersionTLS12}
	r.Config.ErrorLog = log.New(io.Discard, "", 0)
	r.StartTLS()
	t.Cleanup(r.Close)
	return r
}

func TestCertificateIsChecked(t *testing.T) {
	t.Parallel()
	foreign, good := newTLSReceiver(t), newTLSReceiver(t, vouched)
	tests := []struct {
		name, url string
		when      time.Time
		event     string
	}{
		{"ok vouched for, in its time", good.URL, in2100, "webhook_delivered"},
		{"bad out of its time", good.URL, in2100.AddDate(-2, 0, 0), "webhook_failed"},
		{"bad for another host", strings.Replace(good.URL, "127.0.0.1", "localhost", 1), in2100, "webhook_failed"},
		{"bad nobody vouches for it", foreign.URL, in2100.AddDate(-30, 0, 0), "webhook_failed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := len(foreign.got()) + len(good.got())
			w := newWorld(t, tt.url+path)
			w.step.Store(int64(time.Until(tt.when)))
			w.run()
			w.ask("bob", halfHour)
			want, came := map[string]any{"status": 200.0}, 1
			if tt.event == "webhook_failed" {
				want, came = map[string]any{"reason": "certificate", "tries": 5.0}, 0
			}
			w.wantLine(tt.event, want)
			if n := len(foreign.got()) + len(good.got()) - before; n != came {
				t.Errorf("the code arrived %d times, want %d", n, came)
			}
		})
	}
}
