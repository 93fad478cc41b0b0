package token

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"edgegw/internal/gateway"
)

// maxIDBytes is the longest sid and jti.
const maxIDBytes = 128

// idBytes is how many random bytes a jti has that is made here.
const idBytes = 16

// maxSeconds is the last second of the year 9999. Times beyond it are
// milliseconds taken for seconds, or a way to ask for for ever.
const maxSeconds = 253402300799

// Claims is what a token says. Times are whole seconds.
type Claims struct {
	// Subject is the account's name, folded to lower case.
	Subject gateway.AccountName
	// Room is joined by default; "" when the token names none.
	Room gateway.RoomID
	// Session is the sid of the login session; "" when there is none.
	Session string
	// ID is the jti; "" in tokens of services that set none.
	ID string
	// IssuedAt is the zero time when the token does not say.
	IssuedAt  time.Time
	ExpiresAt time.Time
}

// statement is everything in a token that is looked at.
type statement struct {
	Claims
	notBefore time.Time
	issuer    string
	audience  []string
}

// parseClaims reads a payload whose signature was good. It checks shapes only;
// whether the claims hold now and here is for Authority. Claims that edgegw does
// not know are ignored, as RFC 7519 section 4 asks.
func parseClaims(payload []byte) (statement, error) {
	var s statement
	if err := members(payload, s.set); err != nil {
		return s, err
	}
	switch {
	case s.Subject == "":
		return s, errors.New("the sub claim is missing")
	case s.ExpiresAt.IsZero():
		return s, errors.New("the exp claim is missing")
	}
	return s, nil
}

func (s *statement) set(name, value []byte) (err error) {
	switch string(name) {
	case "sub":
		sub, _ := text(value)
		if s.Subject, err = gateway.ParseAccountName(sub); err != nil {
			return errors.New("the sub claim is not an account name")
		}
	case "room":
		room, _ := text(value)
		if s.Room, err = gateway.ParseRoomID(room); err != nil {
			return errors.New("the room claim is not a room id")
		}
	case "exp":
		s.ExpiresAt, err = seconds("exp", value)
	case "iat":
		s.IssuedAt, err = seconds("iat", value)
	case "nbf":
		s.notBefore, err = seconds("nbf", value)
	case "sid":
		s.Session, err = shortText("sid", value)
	case "jti":
		s.ID, err = shortText("jti", value)
	case "iss":
		var ok bool
		if s.issuer, ok = text(value); !ok {
			return errors.New("the iss claim is not a string")
		}
	case "aud":
		s.audience, err = texts("aud", value)
	}
	return err
}

// seconds reads a NumericDate (RFC 7519 section 2): seconds since 1970, with a
// fraction if the service that made the token has one to give. The fraction is
// dropped, so that no token lives longer for it. Exponents are refused: nobody
// writes a time like that.
func seconds(name string, value []byte) (time.Time, error) {
	whole, fraction, dotted := strings.Cut(string(value), ".")
	n, err := strconv.ParseUint(whole, 10, 63)
	if err != nil || n > maxSeconds || dotted && !digits(fraction) {
		return time.Time{}, errors.New("the " + name + " claim is not a number of seconds since 1970")
	}
	return time.Unix(int64(n), 0), nil
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func shortText(name string, value []byte) (string, error) {
	s, ok := text(value)
	if !ok || s == "" || len(s) > maxIDBytes {
		return "", errors.New("the " + name + " claim is not a string of 1 to " + strconv.Itoa(maxIDBytes) + " bytes")
	}
	return s, nil
}

// texts reads a claim that is a string or a list of strings.
func texts(name string, value []byte) ([]string, error) {
	if s, ok := text(value); ok {
		return []string{s}, nil
	}
	var list []string
	if value[0] != '[' || json.Unmarshal(value, &list) != nil {
		return nil, errors.New("the " + name + " claim is neither a string nor a list of strings")
	}
	return list, nil
}
