// Package telemetry holds what operators look at: typed metrics on a private
// set, written as Prometheus text with HELP and TYPE, and the structured log
// with secrets taken out and floods cut.
//
// It serves nothing: /metrics is a route of httpapi. It decides nothing either;
// the label values that may occur are closed tables that the caller gives at
// construction, so that no user, room, address or token can become a label.
package telemetry
