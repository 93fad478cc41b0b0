package adminsock

import (
	"context"
	"time"

	"edgegw/internal/accounts"
	"edgegw/internal/gateway"
)

// maxTokenSeconds is the longest life of a token that the service makes.
const maxTokenSeconds = int64(accounts.MaxTokenLife / time.Second)

// IssueToken implements Tokens.
func (d Direct) IssueToken(ctx context.Context, r TokenRequest) (Token, error) {
	name, err := gateway.ParseAccountName(r.Name)
	if err != nil {
		return Token{}, err
	}
	room, err := parseRoom(r.Room)
	if err != nil {
		return Token{}, err
	}
	// What the service refuses has to reach it without overflowing.
	life := time.Duration(min(max(r.Life, 0), maxTokenSeconds+1)) * time.Second
	raw, err := d.Service.IssueToken(origin(ctx), name, room, life)
	return Token{Token: raw, Type: "Bearer", ExpiresIn: r.Life}, err
}

// InspectToken implements Tokens.
func (d Direct) InspectToken(_ context.Context, raw string) (Inspection, error) {
	i := d.Service.InspectToken(raw)
	return Inspection{
		Header: i.Header, Claims: i.Claims, Problem: i.Problem, ExpiresIn: int64(i.ExpiresIn / time.Second),
	}, nil
}

// RotateKey implements Tokens.
func (d Direct) RotateKey(ctx context.Context) (KeyRotation, error) {
	kid, err := d.Service.RotateKey(origin(ctx))
	return KeyRotation{KID: kid, OldTokensFor: seconds(d.LongestTTL)}, err
}
