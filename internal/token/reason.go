package token

import (
	"errors"

	"edgegw/internal/gateway"
)

// Reason says in one stable word why a token was refused. It is a log attribute
// and a metric label, never sent to the one who was refused.
type Reason string

// The reasons.
const (
	ReasonTooLong     Reason = "too_long"      // longer than any token may be; not looked at
	ReasonMalformed   Reason = "malformed"     // not strict base64url, or not as many parts as there have to be
	ReasonHeader      Reason = "header"        // header members other than alg, typ and kid, or of a wrong type
	ReasonAlgorithm   Reason = "algorithm"     // alg is not the one of the key
	ReasonUnknownKey  Reason = "unknown_key"   // no key has this kid
	ReasonSignature   Reason = "signature"     // not signed with our key
	ReasonClaims      Reason = "claims"        // a claim is missing, doubled or out of shape
	ReasonIssuer      Reason = "issuer"        // not the configured iss
	ReasonAudience    Reason = "audience"      // not the configured aud
	ReasonNotYetValid Reason = "not_yet_valid" // iat or nbf more than AheadLeeway ahead
	ReasonExpired     Reason = "expired"       // exp has come

	// These are given by the caller that looks account and session up.
	ReasonAccountGone     Reason = "account_gone"
	ReasonAccountDisabled Reason = "account_disabled"
	ReasonSessionEnded    Reason = "session_ended" // the session that the token names is over
)

// Reasons lists every reason once, in the order above.
var Reasons = []Reason{
	ReasonTooLong, ReasonMalformed, ReasonHeader, ReasonAlgorithm, ReasonUnknownKey, ReasonSignature,
	ReasonClaims, ReasonIssuer, ReasonAudience, ReasonNotYetValid, ReasonExpired,
	ReasonAccountGone, ReasonAccountDisabled, ReasonSessionEnded,
}

// RejectedError is the cause inside the *gateway.Error of a refused token. It
// holds nothing of the token but its subject.
type RejectedError struct {
	Reason Reason
	// Subject is the account that the token names, once its signature and
	// its claims have been found good; else "".
	Subject gateway.AccountName
}

// Error gives the operator's view.
func (e *RejectedError) Error() string { return "token refused: " + string(e.Reason) }

// ReasonOf returns why a token was refused, or "" if err is no refusal.
func ReasonOf(err error) Reason {
	var r *RejectedError
	if errors.As(err, &r) {
		return r.Reason
	}
	return ""
}

// Reject makes the error of a refused token: CodeTokenExpired for ReasonExpired,
// CodeInvalidToken for the others. The message goes to the sender and says what
// is wrong, without a byte of the token.
func Reject(reason Reason, subject gateway.AccountName, message string) error {
	code := gateway.CodeInvalidToken
	if reason == ReasonExpired {
		code = gateway.CodeTokenExpired
	}
	return &gateway.Error{Code: code, Message: message, Err: &RejectedError{Reason: reason, Subject: subject}}
}
