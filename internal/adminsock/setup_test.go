package adminsock_test

import (
	"regexp"
	"slices"
	"testing"

	"edgegw/internal/adminsock"
	"edgegw/internal/gateway"
)

func TestDirectSetup(t *testing.T) {
	d, ctx := newDirect(t), t.Context()
	wantCode := func(err error, want gateway.Code) {
		t.Helper()
		if got := gateway.CodeOf(err); got != want {
			t.Errorf("code %q, want %q (%v)", got, want, err)
		}
	}
	if s, err := d.ShowSetup(ctx); err != nil || s.Done || s.URLs == nil || len(s.URLs) != 0 {
		t.Errorf("before: %+v, %v", s, err)
	}
	// Where no gateway runs there is nobody to give a code to.
	_, err := d.NewSetupCode(ctx)
	wantCode(err, gateway.CodeConflict)
	d.Running, d.URLs = true, func() []string { return []string{"http://192.0.2.1:8080"} }
	c, err := d.NewSetupCode(ctx)
	if err != nil || !regexp.MustCompile(`^[A-Z0-9]{8}$`).MatchString(c.Code) || c.ExpiresIn != 900 || !slices.Equal(c.URLs, d.URLs()) {
		t.Errorf("the code %+v, %v", c, err)
	}
	wantCode(d.SetUp(ctx, adminsock.Owner{Username: "no name!", Password: goodPassword}), gateway.CodeInvalidRequest)
	wantCode(d.SetUp(ctx, adminsock.Owner{Username: "ann", Password: "weak"}), gateway.CodeWeakPassword)
	must(t, d.SetUp(ctx, adminsock.Owner{Username: "Ann", Password: goodPassword}))
	wantCode(d.SetUp(ctx, adminsock.Owner{Username: "eve", Password: goodPassword}), gateway.CodeConflict)
	_, err = d.NewSetupCode(ctx)
	wantCode(err, gateway.CodeConflict)
	if s, err := d.ShowSetup(ctx); err != nil || !s.Done || !slices.Equal(s.URLs, d.URLs()) {
		t.Errorf("after: %+v, %v", s, err)
	}
	events, err := d.Service.Audit(ctx, nil, 10)
	must(t, err)
	if !slices.ContainsFunc(events, func(e gateway.AuditEvent) bool {
		return e.Event == gateway.EventSetup && e.Actor == gateway.ActorCLI && e.Subject == "ann" && e.Reason == "command_line"
	}) {
		t.Errorf("the audit has %+v", events)
	}
}
