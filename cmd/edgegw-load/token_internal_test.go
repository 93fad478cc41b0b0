package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// The library that the gateway verifies with has to accept what is signed here.
func TestSignTokenIsAcceptedElsewhere(t *testing.T) {
	secret := "0123456789abcdef0123456789abcdef"
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_700_000_000, 0)
	signed, err := bearer(options{target: targetEdgegw, secretFile: file, user: "admin"}, now)
	if err != nil {
		t.Fatal(err)
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
		jwt.WithStrictDecoding(), jwt.WithTimeFunc(func() time.Time { return now }))
	token, err := parser.Parse(signed, func(*jwt.Token) (any, error) { return []byte(secret), nil })
	if err != nil {
		t.Fatal(err)
	}
	if sub, _ := token.Claims.GetSubject(); sub != "admin" {
		t.Errorf("sub is %q", sub)
	}
	if _, err := parser.Parse(signed, func(*jwt.Token) (any, error) { return []byte(secret + "\n"), nil }); err == nil {
		t.Error("the newline at the end of the file is part of the key")
	}
}

func TestBearer(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	if got, err := bearer(options{target: targetBare}, now); err != nil || got != "" {
		t.Errorf("the baseline got token %q, %v", got, err)
	}
	if got, err := bearer(options{target: targetEdgegw, token: "given"}, now); err != nil || got != "given" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := bearer(options{target: targetEdgegw}, now); err == nil {
		t.Error("edgegw without any way to a token is no error")
	}
}
