// Package realtime_test tries what the gateway promises about messages that move:
// the real binary, in a process of its own, over real sockets, killed where that
// tells something. Every test prints what it found, with figures, and fails when
// they are wrong.
//
// It is for promises that hold across connections, accounts and restarts: what a
// client is told when it comes back, that nothing is stored twice or lost, who is
// there, and that nobody slows anybody down. What a part does by itself is for
// that part's own tests.
//
// TestCrashes is random. It prints its seed; SEED repeats its choices (not the
// moments at which things happen), and ROUNDS makes it longer.
package realtime_test
