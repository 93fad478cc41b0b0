package wsedge

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"edgegw/internal/gateway"
	"edgegw/internal/wire"
)

// protocolHeader is Sec-WebSocket-Protocol as net/http spells its key: in any
// other spelling each look at it costs an allocation.
const protocolHeader = "Sec-Websocket-Protocol"

// tokenOf finds the one token of a handshake: behind `bearer` in
// Sec-WebSocket-Protocol, for browsers, or in Authorization, for everyone who
// can set headers. It returns CodeInvalidToken when there is none and
// CodeInvalidRequest when there is more than one (RFC 6750 section 2).
func tokenOf(h http.Header) (token string, bearer bool, err error) {
	protocols := listOf(h, protocolHeader)
	switch {
	case len(protocols) == 0:
	case protocols[0] != wire.Subprotocol:
		return "", false, gateway.Errorf(gateway.CodeInvalidRequest,
			"Sec-WebSocket-Protocol has to be: bearer, <token>")
	case len(protocols) > 2:
		return "", false, gateway.Errorf(gateway.CodeInvalidRequest,
			"Sec-WebSocket-Protocol has to be bearer and one token, nothing else")
	case len(protocols) == 2:
		token = protocols[1]
	}
	bearer = len(protocols) > 0

	switch auth := h.Values("Authorization"); {
	case len(auth) > 1 || len(auth) == 1 && token != "":
		return "", false, gateway.Errorf(gateway.CodeInvalidRequest, "give one token, in one place")
	case len(auth) == 1:
		scheme, rest, _ := strings.Cut(auth[0], " ")
		if strings.EqualFold(scheme, "Bearer") {
			token = strings.TrimSpace(rest)
		}
	}
	if token == "" {
		return "", false, gateway.Errorf(gateway.CodeInvalidToken,
			`a token is needed: new WebSocket(url, ["bearer", token]) or the header Authorization: Bearer <token>`)
	}
	return token, bearer, nil
}

// listOf reads a comma-separated header from all of its lines; gws itself reads
// only the first.
func listOf(h http.Header, name string) []string {
	var out []string
	for _, line := range h.Values(name) {
		for part := range strings.SplitSeq(line, ",") {
			if part = strings.TrimSpace(part); part != "" {
				out = append(out, part)
			}
		}
	}
	return out
}

// checkHandshake is RFC 6455 section 4.2.1 to the letter: gws would also accept
// `Connection: notUpgradeX` and any key that is not empty.
func checkHandshake(r *http.Request) error {
	bad := func(what string) error {
		return gateway.Errorf(gateway.CodeInvalidRequest, "this is no WebSocket handshake: %s", what)
	}
	switch {
	case r.Method != http.MethodGet:
		return bad("the method has to be GET")
	case !r.ProtoAtLeast(1, 1):
		return bad("HTTP/1.1 is needed")
	case !hasToken(r.Header, "Connection", "upgrade"):
		return bad("the header Connection has to name Upgrade")
	case !hasToken(r.Header, "Upgrade", "websocket"):
		return bad("the header Upgrade has to be websocket")
	case len(r.Header.Values("Sec-Websocket-Version")) != 1 || r.Header.Get("Sec-Websocket-Version") != "13":
		return bad("Sec-WebSocket-Version has to be 13")
	}
	keys := r.Header.Values("Sec-Websocket-Key")
	if len(keys) != 1 {
		return bad("one Sec-WebSocket-Key is needed")
	}
	if key, err := base64.StdEncoding.Strict().DecodeString(keys[0]); err != nil || len(key) != 16 {
		return bad("Sec-WebSocket-Key has to be the base64 of 16 bytes")
	}
	return nil
}

func hasToken(h http.Header, name, token string) bool {
	for _, part := range listOf(h, name) {
		if strings.EqualFold(part, token) {
			return true
		}
	}
	return false
}

// ask is what the query of a handshake asks for.
type ask struct {
	room   gateway.RoomID
	format wire.Format
	resume wire.Resume
}

// parseQuery reads the query; the token's room is the default for the room.
func parseQuery(raw string, tokenRoom gateway.RoomID) (a ask, err error) {
	q, err := url.ParseQuery(raw)
	if err != nil {
		return a, gateway.Errorf(gateway.CodeInvalidRequest, "the query cannot be read; write name=value&name=value, percent-encoded")
	}
	for name, values := range q {
		if len(values) > 1 {
			return a, gateway.Errorf(gateway.CodeInvalidRequest, "the query gives %q more than once", clipName(name))
		}
	}
	if a.format, err = wire.ParseFormat(q.Get("format")); err != nil {
		return a, err
	}
	if a.format == wire.FormatRaw {
		for _, name := range []string{"after", "epoch", "latest"} {
			if q.Has(name) {
				return a, gateway.Errorf(gateway.CodeInvalidRequest,
					"format=raw cannot resume: leave out %s, or use format=json", name)
			}
		}
	} else if a.resume, err = wire.ParseResume(q); err != nil {
		return a, err
	}
	a.room = tokenRoom
	if a.room == "" {
		a.room = gateway.DefaultRoom
	}
	if q.Has("room") {
		// Cloned: a piece of the query would keep the whole request line
		// in memory for as long as the connection lives.
		a.room, err = gateway.ParseRoomID(strings.Clone(q.Get("room")))
	}
	return a, err
}

func clipName(s string) string { return s[:min(len(s), 32)] }
