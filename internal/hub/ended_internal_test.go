package hub

import (
	"strconv"
	"testing"

	"edgegw/internal/gateway"
)

// However many devices come and go, what is kept is bounded, and the newest is kept.
func TestEndsAreBounded(t *testing.T) {
	var e ends
	for i := range mostEnds + 100 {
		e.note(gateway.AccountName("dev-"+strconv.Itoa(i)), End{Code: 1000, At: gateway.Timestamp(i)})
	}
	newest := gateway.AccountName("dev-" + strconv.Itoa(mostEnds+99))
	if len(e.last) != mostEnds || e.last[newest].At != mostEnds+99 {
		t.Errorf("%d are kept, the newest is %v", len(e.last), e.last[newest])
	}
	e.note(newest, End{Code: 4004})
	if len(e.last) != mostEnds || e.last[newest].Code != 4004 {
		t.Errorf("noted twice it is %v of %d", e.last[newest], len(e.last))
	}
}
