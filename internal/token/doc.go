// Package token issues and verifies the gateway's access tokens: JSON Web Tokens
// (RFC 7519) signed with HS256. HTTP and WebSocket share it, so that a token means
// the same at every door; docs/PROTOCOL.md states the rules. It also makes and
// opens refresh tokens, which are opaque, and keeps the file of the signing keys.
//
// It is the only importer of golang-jwt, from which it takes the signature and
// the encoding of new tokens. Reading is done here: the signature is checked
// before any claim is looked at, a header may say nothing but alg, typ and kid,
// and no member may be given twice. None of that can be asked of the library's
// parser. The tests hold everything accepted here against that parser in its
// strictest setting.
//
// It knows no accounts and no sessions: whether sub names an enabled account, sid
// a living session, and whether a refresh token was spent, is for its caller to
// look up, and rights never come from a claim.
package token
