// Package wire is the edgegw WebSocket protocol, version 1: what the bytes of
// each frame mean, in both directions. It is the twin of docs/PROTOCOL.md. It
// does no I/O and holds no state; who may send what is decided in hub.
//
// # The flow
//
//	client                                   gateway
//	GET /ws, Sec-WebSocket-Protocol: bearer, <JWT>
//	                                         101, Sec-WebSocket-Protocol: bearer
//	                                         {"type":"welcome", …}
//	                                         {"type":"subscribed","room":"lobby", …}
//	{"type":"message","id":"a1","data":ANY}
//	                                         {"type":"message","room":"lobby","seq":1, …}
//	                                         {"type":"ack","id":"a1","seq":1, …}
//	Hello room!                              (a text frame that is no command is
//	                                         published as a string)
//	{"type":"subscribe","room":"plant",
//	 "after":41,"epoch":"3.AB"}
//	                                         {"type":"subscribed","room":"plant","seq":43,
//	                                          "recovered":true,"replay":2, …}
//	                                         {"type":"message","room":"plant","seq":42, …}
//	                                         {"type":"message","room":"plant","seq":43, …}
//	{"type":"typing","state":"start"}
//	                                         {"type":"typing","user":"ann", …} to the others
//	                                         {"type":"presence","event":"join", …}
//	                                         {"type":"token_expiring","expires_in":60}
//	{"type":"auth","token":"<JWT>"}
//	                                         {"type":"auth_ok","expires_in":900}
//	{"type":"nonsense"}
//	                                         {"type":"error","code":"invalid_request", …}
//	                                         close 1012 "restart retry_after_ms=850"
//
// In the raw format there are no such frames: every data frame is a message to
// the connection's one room, and every message of that room arrives as it was
// sent.
package wire

import "edgegw/internal/gateway"

// Subprotocol is what a client offers before its token, and what the gateway
// answers (PROTOCOL section 2). The token itself is never echoed.
const Subprotocol = "bearer"

// Format is how messages look on one connection.
type Format string

// The formats of `GET /ws?format=`.
const (
	FormatJSON Format = "json"
	FormatRaw  Format = "raw"
)

// ParseFormat reads the query parameter; empty means json. It returns
// CodeInvalidRequest for anything else.
func ParseFormat(s string) (Format, error) {
	switch f := Format(s); f {
	case "":
		return FormatJSON, nil
	case FormatJSON, FormatRaw:
		return f, nil
	}
	return "", gateway.Errorf(gateway.CodeInvalidRequest, "format is unknown; use json or raw")
}
