package gateway

import (
	"context"
	"net/netip"
)

// Who acts when it is no account. No account can have these names.
const (
	// ActorCLI is someone at the gateway's own command line.
	ActorCLI = "@cli"
	// ActorGateway is the gateway itself.
	ActorGateway = "@gateway"
)

// Origin says where a request came from, for logs, limits and the audit.
type Origin struct {
	// IP is the client's address, taken from a trusted proxy's header when
	// there is one.
	IP        string
	RequestID string
	// Actor is the account that asks, once it is known, or one of the
	// Actor constants; "" is a stranger.
	Actor string
}

type originKey struct{}

// WithOrigin notes where the request of ctx came from.
func WithOrigin(ctx context.Context, o Origin) context.Context {
	return context.WithValue(ctx, originKey{}, o)
}

// OriginOf returns what WithOrigin noted, or an empty Origin.
func OriginOf(ctx context.Context) Origin {
	o, _ := ctx.Value(originKey{}).(Origin)
	return o
}

// WithActor notes who acts in ctx and leaves the rest of its Origin.
func WithActor(ctx context.Context, actor string) context.Context {
	o := OriginOf(ctx)
	o.Actor = actor
	return WithOrigin(ctx, o)
}

// AddressKey is what attempts and connections of an address are counted under: the
// address, or the /64 of an IPv6 one, which is what one subscriber line, and one
// machine on a LAN, picks its addresses from.
func AddressKey(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil || addr.Is4() || addr.Is4In6() {
		return ip
	}
	p, err := addr.WithZone("").Prefix(64)
	if err != nil {
		return ip
	}
	return p.String()
}
