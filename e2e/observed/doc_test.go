// Package observed_test looks at the real binary with the tools that operators have:
// a real VictoriaMetrics scrapes it with the shipped configuration, the expressions
// of the dashboard and of the alert rules are asked there, and vmagent, vmalert,
// promtool and fail2ban judge what deploy/ holds for them.
//
// They come as Debian packages; `make test-observed` installs them.
package observed_test
