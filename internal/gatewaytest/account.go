package gatewaytest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"edgegw/internal/adminsock"
)

// Admin is a client of the gateway's admin socket.
func (g *Gateway) Admin() *adminsock.Client {
	g.t.Helper()
	c, err := adminsock.Dial(g.t.Context(), g.Dir)
	if err != nil {
		g.t.Fatal(err)
	}
	return c
}

// AddUser adds an account with Password. Without grants it gets the default
// ones; without a role it is a member.
func (g *Gateway) AddUser(name, role string, grants ...string) {
	g.t.Helper()
	u := adminsock.NewUser{Name: name, Password: Password, Role: role, Grants: grants}
	if err := g.Admin().AddUser(g.t.Context(), u); err != nil {
		g.t.Fatal(err)
	}
}

// Disable disables an account, or enables it again.
func (g *Gateway) Disable(name string, disabled bool) {
	g.t.Helper()
	if err := g.Admin().UpdateUser(g.t.Context(), adminsock.UserPatch{Name: name, Disabled: &disabled}); err != nil {
		g.t.Fatal(err)
	}
}

// User adds an account and returns a token of it, without the cost of a login.
func (g *Gateway) User(name string, grants ...string) string {
	g.t.Helper()
	g.AddUser(name, "", grants...)
	return g.Token(name)
}

// Secret is what the gateway signs tokens with.
func (g *Gateway) Secret() []byte {
	g.t.Helper()
	b, err := os.ReadFile(filepath.Join(g.Dir, "jwt-secret"))
	if err != nil {
		g.t.Fatal(err)
	}
	return b
}

// Token is a token as another service would make it: the subject and the end,
// an hour ahead, nothing else.
func (g *Gateway) Token(sub string) string {
	g.t.Helper()
	exp := strconv.FormatInt(time.Now().Add(time.Hour).Unix(), 10)
	return g.Sign(`{"sub":"` + sub + `","exp":` + exp + `}`)
}

// Sign makes a token with the given claims.
func (g *Gateway) Sign(claims string) string {
	g.t.Helper()
	return SignWith(g.Secret(), `{"alg":"HS256","typ":"JWT"}`, claims)
}

// SignWith makes a token of any header and claims, whatever they are, with an
// HMAC of SHA-256.
func SignWith(secret []byte, header, claims string) string {
	b64 := base64.RawURLEncoding.EncodeToString
	signed := b64([]byte(header)) + "." + b64([]byte(claims))
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(signed))
	return signed + "." + b64(mac.Sum(nil))
}
