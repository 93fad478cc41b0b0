package hub_test

import (
	"testing"
	"testing/synctest"
	"time"

	"edgegw/internal/gateway"
	"edgegw/internal/hub"
)

// A device's last end is known, a person's is nobody's business.
func TestTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		come := func(as func(*hub.Connect)) *peer {
			p, err := w.admit(as)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		want := func(what string, name gateway.AccountName, known bool, code uint16, reason string) {
			t.Helper()
			got := w.hub.Trace(name)
			if got.ClosedAt != 0 != known || got.Closed != code || got.Reason != reason {
				t.Errorf("%s: %+v", what, got)
			}
		}
		pump, ann := come(device("pump")), come(as("ann"))
		want("before its end", "pump", false, 0, "")
		pump.end(4444)
		ann.end(1000)
		want("with a code of its own", "pump", true, 4444, "")
		want("of a person", "ann", false, 0, "")
		come(device("pump")).end(0)
		want("without a word", "pump", true, 1006, "")
		last := come(device("pump"))
		w.hub.CloseAccount("pump")
		last.end(0)
		want("disabled", "pump", true, 4502, "account_disabled")

		if _, err := w.admit(device("valve"), func(c *hub.Connect) { c.Principal.Grants, c.Room = nil, "hall" }); err == nil {
			t.Fatal("a device without grants came in")
		}
		if got := w.hub.Trace("valve"); got.Refused != gateway.CodeForbidden || got.RefusedAt == 0 || got.Skew != nil {
			t.Errorf("refused: %+v", got)
		}
		w.hub.NoteSkew(gateway.Principal{Name: "valve", Kind: gateway.KindDevice}, -time.Hour)
		w.hub.NoteSkew(gateway.Principal{Name: "ann", Kind: gateway.KindUser}, time.Hour)
		if got := w.hub.Trace("valve"); got.Skew == nil || *got.Skew != -time.Hour || got.Refused != gateway.CodeForbidden {
			t.Errorf("with a clock: %+v", got)
		}
		if got := w.hub.Trace("ann"); got != (hub.Trace{}) {
			t.Errorf("of a person: %+v", got)
		}
	})
}
