package main

import "testing"

func TestPercentile(t *testing.T) {
	hundred := make([]int64, 100)
	for i := range hundred {
		hundred[i] = int64(i + 1)
	}
	for name, tc := range map[string]struct {
		in   []int64
		q    float64
		want int64
	}{
		"ok none":                 {nil, 0.5, 0},
		"ok one":                  {[]int64{7}, 0.99, 7},
		"ok p50":                  {hundred, 0.5, 50},
		"ok p99":                  {hundred, 0.99, 99},
		"ok p999 is the greatest": {hundred, 0.999, 100},
		"ok all":                  {hundred, 1, 100},
		"ok least":                {hundred, 0.001, 1},
		"ok p50 of four":          {[]int64{1, 2, 3, 4}, 0.5, 2},
	} {
		t.Run(name, func(t *testing.T) {
			if got := percentile(tc.in, tc.q); got != tc.want {
				t.Errorf("got %d, want %d", got, tc.want)
			}
		})
	}
}

func TestMedian(t *testing.T) {
	for name, tc := range map[string]struct {
		in   []float64
		want float64
	}{
		"ok none": {nil, 0},
		"ok one":  {[]float64{3}, 3},
		"ok odd":  {[]float64{9, 1, 5}, 5},
		"ok even": {[]float64{4, 1, 3, 2}, 2.5},
	} {
		t.Run(name, func(t *testing.T) {
			if got := median(tc.in); got != tc.want {
				t.Errorf("got %g, want %g", got, tc.want)
			}
		})
	}
}
