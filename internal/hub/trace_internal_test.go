package hub

import (
	"strconv"
	"testing"

	"edgegw/internal/gateway"
)

// However many devices come and go, what is kept is bounded, and the newest is kept.
func TestTracesAreBounded(t *testing.T) {
	of := func(name string) *gateway.Principal {
		return &gateway.Principal{Name: gateway.AccountName(name), Kind: gateway.KindDevice}
	}
	var e traces
	for i := range mostTraces + 100 {
		e.note(of("dev-"+strconv.Itoa(i)), func(t *Trace) { t.ClosedAt = gateway.Timestamp(i) })
	}
	newest := gateway.AccountName("dev-" + strconv.Itoa(mostTraces+99))
	if len(e.last) != mostTraces || e.last[newest].ClosedAt != mostTraces+99 {
		t.Errorf("%d are kept, the newest is %v", len(e.last), e.last[newest])
	}
	e.note(of(string(newest)), func(t *Trace) { t.Closed = 4004 })
	if len(e.last) != mostTraces || e.last[newest].Closed != 4004 {
		t.Errorf("noted twice it is %v of %d", e.last[newest], len(e.last))
	}
}
