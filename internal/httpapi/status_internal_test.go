package httpapi

import (
	"context"
	"testing"
	"time"

	"edgegw/internal/gateway"
)

// desk is a Board that knows little.
type desk struct{ p *people }

func (desk) Status() BoardStatus {
	celsius, age := 48.5, int64(60)
	return BoardStatus{
		Version: "v1", Site: "plant-7", Clock: "synced", Health: HealthOK, Checks: map[string]string{"store": "ok"}, URLs: []string{"http://192.0.2.1"},
		Temperature: &celsius, BackupAge: &age, TLS: &TLSStatus{Expires: 1, Pin: "p"}, Wear: WearStatus{Written: 1, PerDay: 2},
	}
}

func (desk) Trend() Trend {
	return Trend{Step: 5000, Connections: []float64{1}, Received: []float64{0.2}, Delivered: []float64{0}, Dropped: []float64{0}}
}

func (desk) Settings() []Setting { return []Setting{{Name: "listen", Value: `":80"`, Origin: "flag"}} }

func (desk) Time(context.Context) (SiteTime, error) { return SiteTime{Time: 7, State: "floor"}, nil }

func (d desk) SetTime(ctx context.Context, to time.Time) (SiteTime, error) {
	if to.UnixMilli() < 1000 {
		return SiteTime{}, gateway.Errorf(gateway.CodeConflict, "time never runs back")
	}
	return SiteTime{Time: to.UnixMilli(), State: "synced"}, d.p.did(ctx, "time set to %d", to.UnixMilli())
}

// What stands here is for administrators.
func TestBoardRoutes(t *testing.T) {
	for _, tt := range []struct {
		method, path, token, body string
		status                    int
		answer                    string
	}{
		{"GET", "/status", adminToken, "", 200, ""},
		{"GET", "/status", memberToken, "", 403, ""},
		{"GET", "/status/history", memberToken, "", 403, ""},
		{"GET", "/settings", memberToken, "", 403, ""},
		{"GET", "/settings", adminToken, "", 200, `{"settings":[{"name":"listen","value":"\":80\"","origin":"flag"}]}`},
		{"GET", "/clock", adminToken, "", 200, `{"time":7,"state":"floor"}`},
		{"PUT", "/clock", memberToken, `{"time":1795455897000}`, 403, ""},
		{"PUT", "/clock", adminToken, `{"time":1795455897000}`, 200, `{"time":1795455897000,"state":"synced"}`},
		{"PUT", "/clock", adminToken, `{"time":1}`, 409, ""},
		{"PUT", "/clock", adminToken, `{"time":"now"}`, 400, ""},
		{"PUT", "/clock", adminToken, `{}`, 400, ""},
	} {
		p := &people{setUp: true}
		a, _, _ := serve(p)
		w := ask(a, tt.method, tt.path, tt.token, tt.body, "Content-Type", "application/json")
		if w.Code != tt.status || tt.answer != "" && w.Body.String() != tt.answer+"\n" && w.Body.String() != tt.answer {
			t.Errorf("%s %s %s: %d %s", tt.method, tt.path, tt.body, w.Code, w.Body)
		}
		if set := len(p.calls) > 0; set != (tt.method == "PUT" && tt.status == 200) {
			t.Errorf("%s %s %s: it did %v", tt.method, tt.path, tt.body, p.calls)
		}
	}
}
