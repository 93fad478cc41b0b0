package hub_test

import (
	"testing"
	"testing/synctest"

	"edgegw/internal/gateway"
	"edgegw/internal/hub"
)

// A device's last end is known, a person's is nobody's business.
func TestLastEnd(t *testing.T) {
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
			got, found := w.hub.LastEnd(name)
			if found != known || got.Code != code || got.Name != reason {
				t.Errorf("%s: %+v %v", what, got, found)
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
	})
}
