// Package process runs the gateway as it is shipped: the binary that
// scripts/build.sh makes, in a process of its own, that tests may kill. It is test
// support for the suites that look from outside; internal/gatewaytest has a
// gateway inside the test's process.
//
// EDGEGW_BIN names a binary (with its whole path) that is taken instead.
package process
