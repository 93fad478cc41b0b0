package gateway

import (
	"errors"
	"fmt"
	"time"
)

// Error speaks to three readers: Code to the program, Message to the person who
// sent the request, Op and Err to the operator who reads the log. Only Code and
// Message ever leave the gateway.
type Error struct {
	Code    Code
	Message string
	// Op names what was being done, for example "boltstore.Open".
	Op  string
	Err error
	// RetryAfter is when it is worth trying again; 0 when that is unknown.
	RetryAfter time.Duration
}

// Errorf makes an Error whose message is safe to show to the sender.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Wrap makes an internal error from a cause that the sender must not see.
func Wrap(op string, err error) *Error {
	return &Error{Code: CodeInternal, Message: "internal error", Op: op, Err: err}
}

// Error gives the operator's view.
func (e *Error) Error() string {
	s := e.Message
	if e.Err != nil {
		s = e.Err.Error()
	}
	if e.Op != "" {
		return e.Op + ": " + s
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf returns the code of the first Error in err's chain, CodeInternal for
// any other error, and "" for nil.
func CodeOf(err error) Code {
	var e *Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Code
	}
	return CodeInternal
}

// AsError returns the first Error in err's chain, or err wrapped as internal.
// It returns nil for nil.
func AsError(err error) *Error {
	var e *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return e
	}
	return Wrap("", err)
}

// clip keeps what a stranger sent from flooding a log line or an answer.
func clip(s string) string {
	const most = 64
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
