package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"text/tabwriter"
)

// result is one run of one scenario: one line of JSON.
type result struct {
	// Row names the scenario and its size, for example "fanout-cpu/100".
	Row     string             `json:"row"`
	Round   int                `json:"round"`
	Target  string             `json:"target"`
	Figures map[string]float64 `json:"figures"`
	Faults  faultCounts        `json:"faults"`
	// Refusal is the first error frame of the server, if any came.
	Refusal string `json:"refusal,omitempty"`
}

// print writes the JSON line to stdout and a table for people to stderr.
func (r result) print() error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if _, err := fmt.Println(string(line)); err != nil {
		return err
	}
	r.table(os.Stderr)
	if r.Faults.any() {
		return fmt.Errorf("%s on %s: the server lost or garbled something: %+v %s", r.Row, r.Target, r.Faults, r.Refusal)
	}
	return nil
}

func (r result) table(w io.Writer) {
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintf(tw, "%s\t%s\t\n", r.Row, r.Target)
	for _, k := range slices.Sorted(maps.Keys(r.Figures)) {
		fmt.Fprintf(tw, "  %s\t%.6g\t\n", k, r.Figures[k])
	}
	fmt.Fprintf(tw, "  faults\t%+v\t\n", r.Faults)
	_ = tw.Flush()
}
