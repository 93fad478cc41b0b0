// Package torture_test cuts the real binary off, over and over, in all the ways
// that a board on site is cut off, and then compares what is there with a ledger
// that lies elsewhere. What it wants of the gateway after each fault:
//
//  1. every acknowledged message is in the history exactly once, with the same
//     bytes, under the seq of its ack;
//  2. a message that was not acknowledged is there once, or not at all;
//  3. no acknowledged change of an account is undone: passwords, used resets,
//     rotated keys and refresh tokens, logouts, ended sessions, disabled and
//     deleted accounts, roles;
//  4. every one of those has its record in the audit;
//  5. the files pass "edgegw check", and no counter has gone back;
//  6. nothing is there that nobody has sent.
//
// A fault at a chosen call is one only when the process was seen to die there, or
// the error to be given: a run of N goes on until N have struck, and fails when fewer
// than half of its tries do. What is acknowledged is counted when it was looked for,
// and runs that fail are counted like the others.
//
// The control arm runs without syncing, and has to lose something: a harness that
// finds nothing there would find nothing anywhere. EDGEGW_TORTURE_N says how many
// faults of each kind are made, EDGEGW_TORTURE_SEED repeats their choice (not the
// timing), and the totals are added to the file that EDGEGW_TORTURE_TOTALS names.
package torture_test
