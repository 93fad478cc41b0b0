// Package attack_test attacks the gateway as strangers would: the real binary, in
// a process of its own, over real sockets. Every test prints what it found in one
// line, with figures, and fails when they are wrong.
//
// It is for what can only be seen from outside: what is let in, what the time of
// an answer tells, what a site looks like under a flood, and where a secret comes
// to light. What a part does by itself is for that part's own tests.
//
// The binary is built from this tree, unless EDGEGW_BIN names one (with its whole
// path). The tests run one after the other, since most of them measure time;
// those that do keep trying for a while before they blame the gateway for what
// other work on the machine may have done.
package attack_test
