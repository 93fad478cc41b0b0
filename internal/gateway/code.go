package gateway

// Code is the machine-readable reason of an Error. The list is closed and
// append-only: clients are written against it.
type Code string

// The codes.
const (
	CodeInvalidRequest       Code = "invalid_request"
	CodeInvalidCredentials   Code = "invalid_credentials"
	CodeInvalidToken         Code = "invalid_token"
	CodeTokenExpired         Code = "token_expired"
	CodeTokenReused          Code = "token_reused"
	CodeForbidden            Code = "forbidden"
	CodeNotFound             Code = "not_found"
	CodeMethodNotAllowed     Code = "method_not_allowed"
	CodeUnsupportedMediaType Code = "unsupported_media_type"
	CodeConflict             Code = "conflict"
	CodeWeakPassword         Code = "weak_password"
	CodeTooLarge             Code = "too_large"
	CodeRateLimited          Code = "rate_limited"
	CodeAccountLocked        Code = "account_locked"
	CodeBusy                 Code = "busy"
	CodeStorageFull          Code = "storage_full"
	CodeSetupRequired        Code = "setup_required"
	CodeUnavailable          Code = "unavailable"
	CodeInternal             Code = "internal"
)

// Codes lists every code once, in the order above. The tables that translate
// codes are tested against it.
var Codes = []Code{
	CodeInvalidRequest, CodeInvalidCredentials, CodeInvalidToken, CodeTokenExpired, CodeTokenReused,
	CodeForbidden, CodeNotFound, CodeMethodNotAllowed, CodeUnsupportedMediaType, CodeConflict,
	CodeWeakPassword, CodeTooLarge, CodeRateLimited, CodeAccountLocked, CodeBusy, CodeStorageFull,
	CodeSetupRequired, CodeUnavailable, CodeInternal,
}
