package telemetry

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/VictoriaMetrics/metrics"
)

// prefix stands before every name except those of the Go runtime and the
// process, which have names that dashboards know.
const prefix = "edgegw_"

// family is one metric name with all its series. Each has a set of its own,
// because the library writes no HELP texts: so they can stand where they belong.
type family struct {
	name, kind, help string
	set              *metrics.Set
}

// registry is the private set: families in the order in which they are written.
type registry struct{ families []*family }

func (r *registry) add(name, kind, help string) *family {
	f := &family{name: prefix + name, kind: kind, help: help, set: metrics.NewSet()}
	r.families = append(r.families, f)
	return f
}

func (r *registry) write(w *bytes.Buffer) {
	for _, f := range r.families {
		writeHead(w, f.name, f.kind, f.help)
		f.set.WritePrometheus(w)
	}
}

func writeHead(w io.Writer, name, kind, help string) {
	fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

// series names one series; labels are name and value in turn.
func (f *family) series(labels ...string) string {
	if len(labels) == 0 {
		return f.name
	}
	var b strings.Builder
	b.WriteString(f.name)
	for i := 0; i < len(labels); i += 2 {
		b.WriteByte("{,"[min(i, 1)])
		fmt.Fprintf(&b, `%s="%s"`, labels[i], labelEscaper.Replace(labels[i+1]))
	}
	b.WriteByte('}')
	return b.String()
}

// labelEscaper escapes as the Prometheus text format 0.0.4 wants it.
var labelEscaper = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

func (r *registry) counter(name, help string) *Counter {
	f := r.add(name, "counter", help)
	return &Counter{f.set.NewCounter(f.series())}
}

func (r *registry) gauge(name, help string) *Gauge {
	return newGauge(r.add(name, "gauge", help))
}

func newGauge(f *family, labels ...string) *Gauge {
	g := &Gauge{}
	f.set.NewGauge(f.series(labels...), func() float64 { return float64(g.Value()) })
	return g
}

func (r *registry) histogram(name, help string, bounds ...float64) *Histogram {
	f := r.add(name, "histogram", help)
	return newHistogram(f, bounds)
}

func newHistogram(f *family, bounds []float64, labels ...string) *Histogram {
	return &Histogram{f.set.NewPrometheusHistogramExt(f.series(labels...), bounds)}
}

// newCounters makes the counters of a closed table in a family. labels are those
// that all of them share.
func newCounters[K comparable](f *family, label string, values []K, labels ...string) CounterVec[K] {
	named := func(value string) *Counter {
		return &Counter{f.set.NewCounter(f.series(append(labels, label, value)...))}
	}
	v := CounterVec[K]{known: make(map[K]*Counter, len(values)), other: named(Other)}
	for _, value := range values {
		if fmt.Sprint(value) == Other {
			continue
		}
		v.known[value] = named(fmt.Sprint(value))
	}
	return v
}

func counters[K comparable](r *registry, name, help, label string, values []K) *CounterVec[K] {
	v := newCounters(r.add(name, "counter", help), label, values)
	return &v
}

func (r *registry) gauges(name, help, label string, values []string) *GaugeVec {
	f := r.add(name, "gauge", help)
	v := &GaugeVec{known: make(map[string]*Gauge, len(values)), other: &Gauge{}}
	for _, value := range values {
		v.known[value] = newGauge(f, label, value)
	}
	return v
}
