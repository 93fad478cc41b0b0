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
// type, no trailing data, and every member that is tagged `required:"true"`. It
// returns CodeUnsupportedMediaType, CodeTooLarge over gateway.MaxBodyBytes, and
// CodeInvalidRequest.
func readBody(w http.ResponseWriter, r *http.Request, dst any) error {
	if err := checkMediaType(r); err != nil {
		return err
	}
	body, err := readAll(w, r)
	if err != nil {
		return err
	}
	return decodeStrict(body, dst)
}

// readBodyIfAny is readBody for routes that need none: an empty body needs no
// Content-Type either, and leaves dst alone.
func readBodyIfAny(w http.ResponseWriter, r *http.Request, dst any) error {
	if r.ContentLength > 0 { // a body of a wrong type is refused before it is read
		return readBody(w, r, dst)
	}
	body, err := readAll(w, r)
	if err != nil || len(body) == 0 {
		return err
	}
	if err := checkMediaType(r); err != nil {
		return err
	}
	return decodeStrict(body, dst)
}

// readNothing is for routes whose body has no members.
func readNothing(w http.ResponseWriter, r *http.Request) error {
	return readBodyIfAny(w, r, &struct{}{})
}

func checkMediaType(r *http.Request) error {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" || !isUTF8(params) {
		return gateway.Errorf(gateway.CodeUnsupportedMediaType, "send Content-Type: application/json")
	}
	return nil
}

func readAll(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, gateway.MaxBodyBytes))
	if err == nil {
		return body, nil
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, gateway.Errorf(gateway.CodeTooLarge, "a body has at most %d bytes", gateway.MaxBodyBytes)
	}
	return nil, gateway.Errorf(gateway.CodeInvalidRequest, "the body ended early")
}

func isUTF8(params map[string]string) bool {
	charset, given := params["charset"]
	return !given || strings.EqualFold(charset, "utf-8")
}

func decodeStrict(body []byte, dst any) error {
	if !utf8.Valid(body) {
		return gateway.Errorf(gateway.CodeInvalidRequest, "the body is not UTF-8")
	}
	if err := checkMembers(body, membersOf(reflect.TypeOf(dst))); err != nil {
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

// member is a member that a body may have.
type member struct {
	name           string
	required, seen bool
	// inner are the members of the objects in its value; nil lets pass any.
	inner members
}

type members []member

func (ms members) find(name string) *member {
	for i := range ms {
		if ms[i].name == name {
			return &ms[i]
		}
	}
	return nil
}

// membersOf lists the members of a body for t, which is a struct or leads to one.
func membersOf(t reflect.Type) members {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	list := make(members, 0, t.NumField())
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		list = append(list, member{name: name, required: f.Tag.Get("required") == "true", inner: membersOf(f.Type)})
	}
	return list
}

// checkMembers finds what encoding/json lets pass: members given twice at any
// depth, members in another case, null, data behind the object, and members that
// are missing.
func checkMembers(body []byte, known members) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return notJSON()
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return notJSON()
		}
		name := key.(string)
		m := known.find(name)
		switch {
		case m == nil:
			return unknown(name)
		case m.seen:
			return twice(name)
		}
		m.seen = true
		if err := checkValue(dec, m); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return notJSON()
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return gateway.Errorf(gateway.CodeInvalidRequest, "there is data behind the JSON object")
	}
	for _, m := range known {
		if m.required && !m.seen {
			return gateway.Errorf(gateway.CodeInvalidRequest, "the member %s is missing", m.name)
		}
	}
	return nil
}

func unknown(name string) error {
	return gateway.Errorf(gateway.CodeInvalidRequest, "member %q is unknown here", name[:min(len(name), 64)])
}

func twice(name string) error {
	return gateway.Errorf(gateway.CodeInvalidRequest, "member %q is given twice", name[:min(len(name), 64)])
}

// checkValue walks over the value of a member. The member `data` may be any
// JSON, and is not looked into.
func checkValue(dec *json.Decoder, m *member) error {
	if m.name == "data" {
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
			return gateway.Errorf(gateway.CodeInvalidRequest, "member %q may not be null", m.name)
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
			if err := checkInner(dec, m, seen); err != nil {
				return err
			}
		}
	}
}

// checkInner reads the next name in an object inside the value of a member.
func checkInner(dec *json.Decoder, m *member, seen map[string]bool) error {
	key, err := dec.Token()
	if err != nil {
		return notJSON()
	}
	name := key.(string)
	switch {
	case m.inner != nil && m.inner.find(name) == nil:
		return unknown(name)
	case seen[name]:
		return twice(name)
	}
	seen[name] = true
	return nil
}
