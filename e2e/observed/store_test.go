package observed_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"testing"
)

// store is a VictoriaMetrics.
type store struct {
	*tool
}

// openStore starts one on the address, with the data in dir; scrape is the path of
// a scrape configuration or "".
func openStore(t *testing.T, address, dir, scrape string) store {
	t.Helper()
	return store{start(t, address, nil, "victoria-metrics",
		"-httpListenAddr="+address, "-storageDataPath="+dir, "-promscrape.config="+scrape, "-memory.allowedBytes=64MB",
		// What was scraped can be asked for at once.
		"-search.latencyOffset=0s", "-search.disableCache")}
}

// sample is one series of an answer, with its newest value.
type sample struct {
	labels map[string]string
	value  float64
}

// query asks for an expression as Grafana does, now.
func (s store) query(expr string) ([]sample, error) {
	body, err := get(s.url + "/api/v1/query?step=1s&query=" + url.QueryEscape(expr))
	if err != nil {
		return nil, err
	}
	var answer struct {
		Status string
		Data   struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.Status != "success" {
		return nil, fmt.Errorf("%w: %s", err, body)
	}
	var samples []sample
	for _, r := range answer.Data.Result {
		value, err := strconv.ParseFloat(fmt.Sprint(r.Value[1]), 64)
		if err != nil {
			return nil, err
		}
		samples = append(samples, sample{r.Metric, value})
	}
	return samples, nil
}

// one waits until the expression gives one series whose value is within bounds.
func (s store) one(expr string, least, most float64) {
	s.t.Helper()
	await(s.t, fmt.Sprintf("%s to be from %v to %v", expr, least, most), func() (bool, string) {
		got, err := s.query(expr)
		return err == nil && len(got) == 1 && got[0].value >= least && got[0].value <= most, fmt.Sprint(got, err)
	})
}
