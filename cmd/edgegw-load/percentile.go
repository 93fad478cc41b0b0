package main

import (
	"math"
	"slices"
)

// percentile is the nearest-rank percentile of sorted samples: the least
// sample that q of all (0 < q ≤ 1) do not exceed. It is 0 without samples.
func percentile[T int64 | float64](sorted []T, q float64) T {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(q * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// median is the middle of the samples, or the mean of the two in the middle.
func median(samples []float64) float64 {
	n := len(samples)
	if n == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(samples))
	return (s[(n-1)/2] + s[n/2]) / 2
}
