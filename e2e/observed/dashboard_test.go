package observed_test

import (
	"encoding/json"
	"fmt"
	"testing"
)

// dashboard is what these tests need of one. Whether Grafana would take it is what
// tools/dashboard finds out, in `make lint`.
type dashboard struct {
	UID    string
	Panels []struct {
		ID          int
		Title, Type string
		Description string
		GridPos     struct{ X, Y, W, H int }
		Targets     []struct{ Expr, RefID string }
	}
}

type query struct{ panel, expr string }

func loadDashboard(t *testing.T) dashboard {
	t.Helper()
	var d dashboard
	if err := json.Unmarshal([]byte(read(t, deployed("grafana", "edgegw.json"))), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d dashboard) queries() (all []query) {
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			all = append(all, query{p.Title, target.Expr})
		}
	}
	return all
}

func TestDashboard(t *testing.T) {
	d := loadDashboard(t)
	if d.UID != "edgegw" || len(d.queries()) < 30 {
		t.Fatalf("uid %q with %d queries", d.UID, len(d.queries()))
	}
	ids, cells := map[int]bool{}, map[string]string{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.ID == 0 {
			t.Errorf("%s: its id %d is taken", p.Title, p.ID)
		}
		ids[p.ID] = true
		if p.Type == "row" {
			continue
		}
		if p.Description == "" || len(p.Targets) == 0 {
			t.Errorf("%s: no description, or no query", p.Title)
		}
		if p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("%s: it does not fit on the page", p.Title)
		}
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				cell := fmt.Sprint(p.GridPos.X+x, " ", p.GridPos.Y+y)
				if other := cells[cell]; other != "" {
					t.Fatalf("%s lies on %s", p.Title, other)
				}
				cells[cell] = p.Title
			}
		}
	}
}
