package observed_test

import (
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// alert is a rule of the shipped file.
type alert struct {
	Alert, Expr, For string
	Labels           map[string]string
	Annotations      map[string]string
}

func loadAlerts(t *testing.T) (all []alert) {
	t.Helper()
	var file struct {
		Groups []struct {
			Name  string
			Rules []alert
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, deployed("victoriametrics", "alerts.yml"))), &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) < 20 {
		t.Fatalf("only %d rules", len(all))
	}
	return all
}

func TestAlertsSayWhatToDo(t *testing.T) {
	for _, a := range loadAlerts(t) {
		if s := a.Labels["severity"]; s != "critical" && s != "warning" {
			t.Errorf("%s: severity %q", a.Alert, s)
		}
		if a.For == "" {
			t.Errorf("%s: no `for`", a.Alert)
		}
		if !strings.Contains(a.Annotations["summary"], "{{ $labels.instance }}") || len(a.Annotations["action"]) < 40 {
			t.Errorf("%s: the summary has to name the gateway, and the action has to say what to do", a.Alert)
		}
	}
}

// TestAlertRules asks the tools that load the rules, and lets promtool play the
// shipped cases.
func TestAlertRules(t *testing.T) {
	t.Parallel()
	rules := deployed("victoriametrics", "alerts.yml")
	run(t, "", "promtool", "check", "rules", rules)
	run(t, "", "vmalert", "-dryRun", "-rule="+rules)
	out := run(t, "", "promtool", "test", "rules", deployed("victoriametrics", "alerts_test.yml"))
	if !strings.Contains(out, "SUCCESS") {
		t.Error(out)
	}
}

// TestAlertsHaveCases: each alert is shown firing and silent, the silent one with
// the metrics of its expression, so that it is not silent for want of them.
func TestAlertsHaveCases(t *testing.T) {
	var file struct {
		Tests []struct {
			Name   string
			Series []struct{ Series string } `yaml:"input_series"`
			Asked  []struct {
				Expr    string
				Samples []struct{ Labels string } `yaml:"exp_samples"`
			} `yaml:"promql_expr_test"`
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, deployed("victoriametrics", "alerts_test.yml"))), &file); err != nil {
		t.Fatal(err)
	}
	for _, a := range loadAlerts(t) {
		fires, silent := 0, 0
		for _, test := range file.Tests {
			given := ""
			for _, s := range test.Series {
				given += s.Series + "\n"
			}
			for _, q := range test.Asked {
				if q.Expr != `ALERTS{alertname="`+a.Alert+`", alertstate="firing"}` {
					continue
				}
				for _, name := range metricsOf(a.Expr) {
					if !strings.Contains(given, name+"{") && strings.Count(a.Expr, " or ") == 0 {
						t.Errorf("%s: %q gives no %s", a.Alert, test.Name, name)
					}
				}
				if len(q.Samples) > 0 {
					fires++
				} else {
					silent++
				}
			}
		}
		if fires == 0 || silent == 0 {
			t.Errorf("%s: %d cases in which it fires, %d in which it is silent; alerts_test.yml needs one of each", a.Alert, fires, silent)
		}
	}
}

var selector = regexp.MustCompile(`([a-zA-Z_:][a-zA-Z0-9_:]*)\{([^}]*)\}`)

// metricsOf names the metrics that an expression selects.
func metricsOf(expr string) (names []string) {
	for _, m := range selector.FindAllStringSubmatch(expr, -1) {
		names = append(names, m[1])
	}
	return names
}

// TestNamesExist: whatever rules and dashboard ask for is something that the
// gateway says, and they ask for gateways only.
func TestNamesExist(t *testing.T) {
	t.Parallel()
	g := open(t)
	said := map[string]bool{"up": true} // by the scraper
	for line := range strings.Lines(g.metrics()) {
		name, _, _ := strings.Cut(strings.TrimPrefix(line, "#"), " ")
		name, _, _ = strings.Cut(name, "{")
		said[name] = true
	}
	asked := loadDashboard(t).queries()
	for _, a := range loadAlerts(t) {
		asked = append(asked, query{a.Alert, a.Expr})
	}
	for _, q := range asked {
		names := metricsOf(q.expr)
		if len(names) == 0 {
			t.Errorf("%s selects nothing: %s", q.panel, q.expr)
		}
		for _, name := range names {
			if !said[name] {
				t.Errorf("%s asks for %s, which is not in /metrics", q.panel, name)
			}
		}
		for _, m := range selector.FindAllStringSubmatch(q.expr, -1) {
			if !strings.Contains(m[2], `job="edgegw"`) {
				t.Errorf("%s asks for %s of any job", q.panel, m[1])
			}
		}
	}
}
