// Package password hashes and checks passwords: Argon2id (RFC 9106) in the PHC
// string format, how many hashes may run at once, what a new password has to look
// like, which hashes of other systems can be taken over, and which parameters suit
// a machine.
//
// It is the only importer of argon2 and of Unicode normalisation. It knows no
// accounts, no storage and no rates; who may try how often is decided above.
package password
