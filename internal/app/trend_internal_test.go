package app

import (
	"slices"
	"testing"
	"time"
)

func TestTrend(t *testing.T) {
	var tr trend
	if got := tr.show(); len(got.Connections) != 0 || got.Step != 5000 {
		t.Errorf("before the first step: %v", got)
	}
	if tr.newest() != (point{}) {
		t.Error("there is a newest point before the first")
	}
	at := time.UnixMilli(1_000_000)
	tr.add(at, 5*time.Second, counts{2, 10, 100, 5})
	tr.add(at.Add(trendStep), 10*time.Second, counts{3, 30, 100, 5})
	got := tr.show()
	if !slices.Equal(got.Connections, []float64{2, 3}) || !slices.Equal(got.Received, []float64{2, 2}) ||
		!slices.Equal(got.Delivered, []float64{20, 0}) || !slices.Equal(got.Dropped, []float64{1, 0}) || got.End != 1_005_000 {
		t.Errorf("after two steps: %+v", got)
	}
	// The ring goes round: fifteen minutes, the oldest first.
	for i := range uint64(trendPoints) {
		tr.add(at, trendStep, counts{connections: 100 + i})
	}
	got = tr.show()
	if len(got.Connections) != trendPoints || got.Connections[0] != 100 || got.Connections[trendPoints-1] != 100+trendPoints-1 {
		t.Errorf("full it shows %d points from %v to %v", len(got.Connections), got.Connections[0], got.Connections[len(got.Connections)-1])
	}
	if tr.newest().connections != 100+trendPoints-1 {
		t.Errorf("the newest is %v", tr.newest())
	}
}
