package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// budget is one row of the table in docs/PERFORMANCE.md.
type budget struct {
	row, measure, figure string
	unit                 string
	limit                float64 // 0 is none: the figure is only reported
	atLeast              bool    // the limit is a floor, not a ceiling
	ratio                bool    // the limit is for edgegw ÷ bare, not for edgegw alone
	saturated            bool    // the server is meant to be the bottleneck
}

var budgets = []budget{
	{row: "fanout-cpu/100", measure: "server CPU per delivery, 20,000/s, 100 subscribers", figure: "server_us_per_delivery", unit: "µs", limit: 0.95, ratio: true},
	{row: "fanout-cpu/1000", measure: "the same, 1,000 subscribers", figure: "server_us_per_delivery", unit: "µs", limit: 0.95, ratio: true},
	{row: "fanout-max/100", measure: "deliveries/s saturated, 100 subscribers, 16 in flight", figure: "deliveries_per_s", limit: 9, atLeast: true, ratio: true, saturated: true},
	{row: "fanout-max/1000", measure: "the same, 1,000 subscribers", figure: "deliveries_per_s", limit: 9, atLeast: true, ratio: true, saturated: true},
	{row: "fanout-cpu-tls/100", measure: "over TLS: server CPU per delivery, 20,000/s, 100 subscribers", figure: "server_us_per_delivery", unit: "µs", ratio: true},
	{row: "fanout-max-tls/100", measure: "over TLS: deliveries/s saturated, 100 subscribers, 16 in flight", figure: "deliveries_per_s", limit: 4, atLeast: true, ratio: true, saturated: true},
	{row: "fanout-max-tls/1000", measure: "the same, 1,000 subscribers", figure: "deliveries_per_s", limit: 4, atLeast: true, ratio: true, saturated: true},
	{row: "idle-memory-tls/1000", measure: "over TLS: memory per idle authenticated connection, 1,000", figure: "rss_kib_per_connection", unit: "KiB"},
	{row: "latency/100x10", measure: "publish→receive p50, 100 rooms × 10, 30,000/s", figure: "p50_us", unit: "µs", limit: 1.1, ratio: true},
	{row: "latency/100x10", measure: "the same, p99", figure: "p99_us", unit: "µs", limit: 1.1, ratio: true},
	{row: "idle-memory/5000", measure: "memory per idle authenticated connection, 5,000", figure: "rss_kib_per_connection", unit: "KiB", limit: 6.5},
	{row: "acked/1x64", measure: "acked and synced publishes/s, one publisher, window 64", figure: "acks_per_s", limit: 1, atLeast: true, ratio: true},
	{row: "acked/64x1", measure: "the same, 64 publishers in 64 rooms, window 1", figure: "acks_per_s", limit: 0.7, atLeast: true, ratio: true},
	{row: "connects/8", measure: "connect + verify token + join + close, CPU", figure: "server_us_per_connect", unit: "µs", limit: 2, ratio: true},
	{row: "start", measure: "start to ready, small store", figure: "ready_ms", unit: "ms", limit: 25},
	{row: "start-tls", measure: "start to ready with TLS", figure: "ready_ms", unit: "ms", limit: 50},
	{row: "start", measure: "memory at rest", figure: "rss_mib", unit: "MiB", limit: 14},
	{row: "binary", measure: "armv6 binary, stripped", figure: "mb", unit: "MB", limit: 10},
	{row: "resume/10000", measure: "resume with 10,000 missed messages, one client", figure: "ms_per_resume", unit: "ms"},
	{row: "storm/1000", measure: "1,000 clients cut at once: all back, nothing missing", figure: "back_s", unit: "s", limit: 30},
	{row: "storm/1000", measure: "the same, server CPU per return", figure: "server_us_per_return", unit: "µs"},
	{row: "slow/500", measure: "20 of 500 stop reading: p99 of the others, beside before", figure: "p99_times", unit: "times", limit: 2},
	{row: "slow/500", measure: "the same, memory for each", figure: "kib_per_stuck", unit: "KiB", limit: 1024},
	{row: "login-flood/200", measure: "200 logins at a time: p50 of a fan-out, beside before", figure: "p50_times", unit: "times", limit: 2},
	{row: "login-flood/200", measure: "the same, p99", figure: "p99_times", unit: "times", limit: 2},
	{row: "wear/10x10", measure: "bytes written per acked message, 10 a second over 10 rooms", figure: "kib_per_ack", unit: "KiB", limit: 5},
}

// runReport reads JSON lines and prints the table.
func runReport(b *bench) error {
	var all []result
	for _, name := range b.opt.args {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		results, err := readResults(f)
		_ = f.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, results...)
	}
	return writeReport(os.Stdout, all)
}

func readResults(r io.Reader) ([]result, error) {
	var all []result
	s := bufio.NewScanner(r)
	for s.Scan() {
		if len(s.Bytes()) == 0 {
			continue
		}
		var one result
		if err := json.Unmarshal(s.Bytes(), &one); err != nil {
			return nil, fmt.Errorf("line %q: %w", s.Text(), err)
		}
		all = append(all, one)
	}
	return all, s.Err()
}

// writeReport prints one line for each budget: medians with their range, the
// median of the rounds' own ratios, and what to think of it.
func writeReport(w io.Writer, all []result) error {
	var out strings.Builder
	out.WriteString("| measure (one core) | bare gws | edgegw | ratio | budget | verdict |\n|---|---|---|---|---|---|\n")
	for _, want := range budgets {
		bare := figures(all, want, targetBare)
		edgegw := figures(all, want, targetEdgegw)
		ratio := median(ratios(all, want))
		fmt.Fprintf(&out, "| %s | %s | %s | %s | %s | %s |\n", want.measure,
			spread(bare, want.unit), spread(edgegw, want.unit), times(ratio), want.bound(), want.verdict(all, median(edgegw), ratio))
	}
	for _, r := range all {
		if r.Faults.any() {
			fmt.Fprintf(&out, "\n%s on %s, round %d: faults %+v %s\n", r.Row, r.Target, r.Round, r.Faults, r.Refusal)
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// of selects the runs of a row on a target.
func of(all []result, row, target string) []result {
	return slices.DeleteFunc(slices.Clone(all), func(r result) bool { return r.Row != row || r.Target != target })
}

func figures(all []result, want budget, target string) []float64 {
	var values []float64
	for _, r := range of(all, want.row, target) {
		values = append(values, r.Figures[want.figure])
	}
	return values
}

// ratios divides within each round, so that a slow hour of the machine falls
// on both sides.
func ratios(all []result, want budget) []float64 {
	var values []float64
	for _, e := range of(all, want.row, targetEdgegw) {
		for _, b := range of(all, want.row, targetBare) {
			if b.Round == e.Round && b.Figures[want.figure] != 0 {
				values = append(values, e.Figures[want.figure]/b.Figures[want.figure])
			}
		}
	}
	return values
}

func (want budget) bound() string {
	if want.limit == 0 {
		return "–"
	}
	sign, unit := "≤", " "+want.unit
	if want.atLeast {
		sign = "≥"
	}
	if want.ratio {
		unit = "×"
	}
	return fmt.Sprintf("%s %g%s", sign, want.limit, unit)
}

func (want budget) verdict(all []result, edgegw, ratio float64) string {
	value := edgegw
	if want.ratio {
		value = ratio
	}
	if value == 0 {
		return "not measured"
	}
	verdict := "met"
	if want.limit == 0 {
		verdict = "reported"
	} else if (want.atLeast && value < want.limit) || (!want.atLeast && value > want.limit) {
		verdict = "**missed**"
	}
	return verdict + want.doubt(of(all, want.row, targetBare), of(all, want.row, targetEdgegw))
}

// doubt says what the figure is worth, if that is less than it seems: the
// servers have to be what was measured, not the load generator or other work
// on the machine.
func (want budget) doubt(bare, edgegw []result) string {
	client, server := middle(edgegw, "client_busy"), middle(edgegw, "server_busy")
	low := server
	if len(bare) > 0 {
		low = min(low, middle(bare, "server_busy"))
	}
	late := "client_late_" + want.figure
	switch {
	case want.saturated && low < 0.9:
		// What a delivery costs is still true when a server is kept waiting.
		return fmt.Sprintf("; doubtful: a server had only %.0f %% of its core; by server CPU it is %.1f×",
			low*100, middle(bare, "server_us_per_delivery")/middle(edgegw, "server_us_per_delivery"))
	case want.saturated && client > server:
		return fmt.Sprintf("; a lower bound: load generator %.0f %% busy, server %.0f %%", client*100, server*100)
	case middle(bare, late) > middle(bare, want.figure)/2, middle(edgegw, late) > middle(edgegw, want.figure)/2:
		return "; doubtful: the load generator itself was late by more than half of it"
	}
	return ""
}

func middle(runs []result, figure string) float64 {
	var values []float64
	for _, r := range runs {
		values = append(values, r.Figures[figure])
	}
	return median(values)
}

func spread(values []float64, unit string) string {
	if len(values) == 0 {
		return "–"
	}
	s := short(median(values))
	if low, high := short(slices.Min(values)), short(slices.Max(values)); low != high {
		s += " (" + low + "–" + high + ")"
	}
	return strings.TrimSpace(s + " " + unit)
}

func times(ratio float64) string {
	if ratio == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f×", ratio)
}

// short has three digits, and no exponent.
func short(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
