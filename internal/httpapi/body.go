package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"
	"unicode/utf8"

	"edgegw/internal/gateway"
)

// readBody decodes a JSON object into the struct that dst points to, strictly:
// no unknown, duplicate or null member, no member in another case, no wrong
// type, no trailing data. It returns CodeUnsupportedMediaType, CodeTooLarge
// over gateway.MaxBodyBytes, and CodeInvalidRequest.
func readBody(w http.ResponseWriter, r *http.Request, dst any) error {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" || !isUTF8(params) {
		return gateway.Errorf(gateway.CodeUnsupportedMediaType, "send Content-Type: application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, gateway.MaxBodyBytes))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return gateway.Errorf(gateway.CodeTooLarge, "a body has at most %d bytes", gateway.MaxBodyBytes)
		}
		return gateway.Errorf(gateway.CodeInvalidRequest, "the body ended early")
	}
	return decodeStrict(body, dst)
}

func isUTF8(params map[string]string) bool {
	charset, given := params["charset"]
	return !given || strings.EqualFold(charset, "utf-8")
}

func decodeStrict(body []byte, dst any) error {
	if !utf8.Valid(body) {
		return gateway.Errorf(gateway.CodeInvalidRequest, "the body is not UTF-8")
	}
	if err := checkMembers(body, membersOf(dst)); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(dst); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return gateway.Errorf(gateway.CodeInvalidRequest, "member %q has the wrong type: %s", wrong.Field, wrong.Value)
		}
		return notJSON()
	}
	return nil
}

func notJSON() error {
	return gateway.Errorf(gateway.CodeInvalidRequest, "the body has to be one JSON object")
}

// membersOf lists the members that a body for dst may have.
func membersOf(dst any) map[string]bool {
	t := reflect.TypeOf(dst).Elem()
	names := make(map[string]bool, t.NumField())
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names[name] = true
	}
	return names
}

// checkMembers finds what encoding/json lets pass: members given twice at any
// depth, members in another case, null, and data behind the object.
func checkMembers(body []byte, known map[string]bool) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return notJSON()
	}
	for seen := map[string]bool{}; dec.More(); {
		key, err := dec.Token()
		if err != nil {
			return notJSON()
		}
		name := key.(string)
		switch {
		case !known[name]:
			return gateway.Errorf(gateway.CodeInvalidRequest, "member %q is unknown here", name[:min(len(name), 64)])
		case seen[name]:
			return twice(name)
		}
		seen[name] = true
		if err := checkValue(dec, name); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return notJSON()
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return gateway.Errorf(gateway.CodeInvalidRequest, "there is data behind the JSON object")
	}
	return nil
}

func twice(name string) error {
	return gateway.Errorf(gateway.CodeInvalidRequest, "member %q is given twice", name[:min(len(name), 64)])
}

// checkValue walks over the value of a member. The member `data` may be any
// JSON, and is not looked into.
func checkValue(dec *json.Decoder, member string) error {
	if member == "data" {
		var skipped json.RawMessage
		if dec.Decode(&skipped) != nil {
			return notJSON()
		}
		return nil
	}
	var open []map[string]bool // the names seen in each open object; nil for arrays
	for {
		t, err := dec.Token()
		if err != nil {
			return notJSON()
		}
		if t == nil {
			return gateway.Errorf(gateway.CodeInvalidRequest, "member %q may not be null", member)
		}
		switch t {
		case json.Delim('{'):
			open = append(open, map[string]bool{})
		case json.Delim('['):
			open = append(open, nil)
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
		}
		if len(open) == 0 {
			return nil
		}
		if seen := open[len(open)-1]; seen != nil && dec.More() {
			key, err := dec.Token()
			if err != nil {
				return notJSON()
			}
			if name := key.(string); seen[name] {
				return twice(name)
			} else {
				seen[name] = true
			}
		}
	}
}
