package main

import (
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	lines := `
{"row":"fanout-cpu/100","target":"bare","round":1,"figures":{"server_us_per_delivery":10}}
{"row":"fanout-cpu/100","target":"edgegw","round":1,"figures":{"server_us_per_delivery":12}}
{"row":"fanout-cpu/100","target":"bare","round":2,"figures":{"server_us_per_delivery":20}}
{"row":"fanout-cpu/100","target":"edgegw","round":2,"figures":{"server_us_per_delivery":10}}
{"row":"fanout-cpu/1000","target":"bare","round":1,"figures":{"server_us_per_delivery":10}}
{"row":"fanout-cpu/1000","target":"edgegw","round":1,"figures":{"server_us_per_delivery":9.6}}
{"row":"fanout-max/100","target":"bare","round":1,"figures":{"deliveries_per_s":100000,"client_busy":0.5,"server_busy":1}}
{"row":"fanout-max/100","target":"edgegw","round":1,"figures":{"deliveries_per_s":950000,"client_busy":0.99,"server_busy":0.95}}
{"row":"fanout-max/1000","target":"bare","round":1,"figures":{"deliveries_per_s":100000,"server_busy":0.6,"server_us_per_delivery":6}}
{"row":"fanout-max/1000","target":"edgegw","round":1,"figures":{"deliveries_per_s":800000,"client_busy":0.3,"server_busy":0.95,"server_us_per_delivery":0.5}}
{"row":"latency/100x10","target":"bare","round":1,"figures":{"p50_us":100,"p99_us":1000}}
{"row":"latency/100x10","target":"edgegw","round":1,"figures":{"p50_us":90,"p99_us":900,"client_late_p50_us":30,"client_late_p99_us":600}}
{"row":"resume/10000","target":"edgegw","round":1,"figures":{"ms_per_resume":8.5}}
{"row":"wear/10x10","target":"edgegw","round":1,"figures":{"kib_per_ack":4.2},"faults":{"missing":3}}
`
	all, err := readResults(strings.NewReader(lines))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := writeReport(&out, all); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"ok median of the rounds' ratios": "| 15.0 (10.0–20.0) µs | 11.0 (10.0–12.0) µs | 0.85× | ≤ 0.95× | met |",
		"bad over a ceiling":              "| 0.96× | ≤ 0.95× | **missed** |",
		"ok lower bound":                  "| 9.50× | ≥ 9× | met; a lower bound: load generator 99 % busy, server 95 % |",
		"bad under a floor, and doubtful": "| 8.00× | ≥ 9× | **missed**; doubtful: a server had only 60 % of its core; by server CPU it is 12.0× |",
		"ok absolute, without baseline":   "| – | 4.20 KiB | – | ≤ 5 KiB | met |",
		"ok the client was in time":       "| 0.90× | ≤ 1.1× | met |",
		"ok the client was late":          "| met; doubtful: the load generator itself was late by more than half of it |",
		"ok only reported":                "| – | 8.50 ms | – | – | reported |",
		"ok not run":                      "| armv6 binary, stripped | – | – | – | ≤ 10 MB | not measured |",
		"bad faults are told":             "wear/10x10 on edgegw, round 1: faults {Missing:3",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s: no %q in\n%s", name, want, out.String())
		}
	}
	if _, err := readResults(strings.NewReader("{")); err == nil {
		t.Error("a broken line is no error")
	}
}
