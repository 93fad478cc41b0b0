package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"
)

// bearer finds the token for edgegw: the one given, one signed here, or one
// from a login. All connections of a run share it, so that thousands of them
// cost the server no password hash.
func bearer(o options, now time.Time) (string, error) {
	switch {
	case o.target == targetBare || o.token != "":
		return o.token, nil
	case o.secretFile != "":
		secret, err := os.ReadFile(o.secretFile)
		if err != nil {
			return "", err
		}
		return signToken(trimNewline(secret), o.user, now)
	case o.passwordFile != "":
		return login(o)
	}
	return "", errors.New("edgegw wants --token, --jwt-secret-file or --password-file")
}

// signToken makes an HS256 token of one hour with only the claims that every
// service with the shared secret would set.
func signToken(secret []byte, user string, now time.Time) (string, error) {
	claims, err := json.Marshal(map[string]any{"sub": user, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()})
	if err != nil {
		return "", err
	}
	enc := base64.RawURLEncoding
	signed := enc.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + enc.EncodeToString(claims)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(signed))
	return signed + "." + enc.EncodeToString(mac.Sum(nil)), nil
}

func login(o options) (string, error) {
	password, err := os.ReadFile(o.passwordFile)
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(map[string]string{"username": o.user, "password": string(trimNewline(password))})
	if err != nil {
		return "", err
	}
	client := http.Client{Timeout: 10 * time.Second}
	resp, err := client.Post("http://"+o.addr+"/auth/login", "application/json", strings.NewReader(string(body)))
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("login answered %s", resp.Status)
	}
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return "", fmt.Errorf("login answer: %w", err)
	}
	return answer.AccessToken, nil
}

// trimNewline takes one trailing newline off a secret's file, as the gateway
// does.
func trimNewline(b []byte) []byte {
	return bytes.TrimSuffix(b, []byte("\n"))
}
